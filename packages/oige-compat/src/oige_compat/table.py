"""Which names of ours stand behind the modules of Isaac Sim."""

from collections.abc import Mapping

__all__ = ["MODULES"]

_TORCH = tuple(f"oige_compat.torch_utils.{name}" for name in ("maths", "rotations", "transformations", "tensor"))
_PRIMS = (
    "oige_compat.views:RigidPrimView XFormPrimView",
    "oige_compat.objects:GeometryPrim RigidPrim XFormPrim",
)
_OBJECTS = (
    "oige_compat.objects:DynamicCapsule DynamicCuboid DynamicCylinder DynamicSphere FixedCuboid FixedSphere "
    "VisualCuboid VisualSphere",
)
_WARP = (
    "omni.isaac.core.utils.warp",
    *(f"omni.isaac.core.utils.warp.{name}" for name in ("rotations", "tensor", "transformations")),
)
_STAGE = (
    "oige_compat.stage:add_reference_to_stage clear_stage get_current_stage get_stage_units get_stage_up_axis "
    "is_stage_loading set_stage_up_axis traverse_stage update_stage",
)
_PRIM_FUNCTIONS = (
    "oige_compat.stage:create_prim define_prim delete_prim find_matching_prim_paths get_all_matching_child_prims "
    "get_first_matching_child_prim get_prim_at_path get_prim_children get_prim_parent get_prim_path "
    "is_prim_non_root_articulation_link is_prim_path_valid move_prim",
)
_ASSETS = ("oige_compat.stage:find_nucleus_server get_assets_root_path",)
_WORLD = ("oige_compat.world:SimulationContext World",)
_ARTICULATIONS = ("oige_compat.articulation_view:ArticulationView", "oige_compat.objects:Articulation")

_CAMERA = ("oige_compat.cameras.sensor:Camera",)
_VIEWPORT = ("oige_compat.viewport",)
_WHEELS = ("oige_compat.wheeled:DifferentialController",)

_DRAWS = "oige_compat.randomization"
_DOMAIN_RANDOMIZATION = {
    f"{package}{module}": names
    for package in ("omni.replicator.isaac", "isaacsim.replicator.domain_randomization")
    for module, names in {
        "": (f"{_DRAWS}.attributes",),
        ".gate": (f"{_DRAWS}.control:on_env_reset on_interval",),
        ".physics_view": (
            f"{_DRAWS}.physics_view",
            f"{_DRAWS}.physics_view:_articulation_views_initial_values _rigid_prim_views_initial_values "
            "_simulation_context_initial_values",
        ),
        ".trigger": (f"{_DRAWS}.control:on_rl_frame",),
        ".utils": (f"{_DRAWS}.control:get_distribution_params set_distribution_params",),
    }.items()
}

MODULES: Mapping[str, tuple[str, ...]] = {
    "carb": ("oige_compat.kit:Float3 log_error log_info log_verbose log_warn settings",),
    "carb.settings": ("oige_compat.kit:get_settings",),
    "gym": ("gymnasium",),
    "gym.spaces": ("gymnasium.spaces",),
    "omni.client": ("oige_compat.kit:Result copy stat",),
    "omni.isaac.cloner": ("oige_compat.cloner",),
    "omni.isaac.core": _WORLD,
    "omni.isaac.core.articulations": _ARTICULATIONS,
    "omni.isaac.core.articulations.articulation_view": _ARTICULATIONS,
    "omni.isaac.core.objects": _OBJECTS,
    "omni.isaac.core.prims": _PRIMS,
    "omni.isaac.core.prims.soft": ("oige_compat.soft_bodies:DeformablePrimView",),
    "omni.isaac.core.prims.soft.deformable_prim_view": ("oige_compat.soft_bodies:DeformablePrimView",),
    "omni.isaac.core.prims.geometry_prim": ("oige_compat.objects:GeometryPrim",),
    "omni.isaac.core.prims.rigid_prim": ("oige_compat.objects:RigidPrim",),
    "omni.isaac.core.prims.rigid_prim_view": _PRIMS,
    "omni.isaac.core.prims.xform_prim": ("oige_compat.objects:XFormPrim",),
    "omni.isaac.core.prims.xform_prim_view": _PRIMS,
    "omni.isaac.core.materials": ("oige_compat.materials",),
    "omni.isaac.core.robots": ("oige_compat.objects:Robot", "oige_compat.articulation_view:RobotView"),
    "omni.isaac.core.robots.robot_view": ("oige_compat.articulation_view:RobotView",),
    "omni.isaac.core.scenes": ("oige_compat.world:Scene",),
    "omni.isaac.core.robots.robot": ("oige_compat.objects:Robot",),
    "omni.isaac.core.scenes.scene": ("oige_compat.world:Scene",),
    "omni.isaac.core.simulation_context": _WORLD,
    "omni.isaac.core.simulation_context.simulation_context": _WORLD,
    "omni.isaac.core.tasks": ("oige_compat.gym_interface:BaseTask",),
    "omni.isaac.core.utils.extensions": ("oige_compat.kit:disable_extension enable_extension",),
    "omni.isaac.core.utils.nucleus": _ASSETS,
    "omni.isaac.core.utils.prims": _PRIM_FUNCTIONS,
    "omni.isaac.core.utils.semantics": ("oige_compat.kit:add_update_semantics",),
    "omni.isaac.core.utils.stage": _STAGE,
    "omni.isaac.core.utils.string": ("oige_compat.stage:find_unique_string_name",),
    "omni.isaac.core.utils.torch": _TORCH,
    # Each of these modules has the names of those before it, too, on which scripts with `import *` rely.
    **{f"omni.isaac.core.utils.torch.{name.rpartition('.')[2]}": _TORCH[: i + 1] for i, name in enumerate(_TORCH)},
    "omni.isaac.core.utils.types": ("oige_compat.types",),
    "omni.isaac.core.utils.viewports": ("oige_compat.kit:set_camera_view",),
    **dict.fromkeys(_WARP, ("oige_compat.warp_utils",)),
    "omni.isaac.core.utils.xforms": ("oige_compat.poses:get_local_pose get_world_pose",),
    "omni.isaac.core.world": _WORLD,
    "omni.isaac.gym.tasks.rl_task": ("oige_compat.gym_interface:RLTaskInterface",),
    "omni.isaac.gym.vec_env": ("oige_compat.gym_interface:TaskStopException VecEnvBase",),
    "omni.isaac.kit": ("oige_compat.kit:SimulationApp",),
    "omni.isaac.nucleus": _ASSETS,
    "omni.isaac.sensor": _CAMERA,
    "omni.isaac.sensor.scripts.camera": _CAMERA,
    "omni.isaac.wheeled_robots.controllers": _WHEELS,
    "omni.isaac.wheeled_robots.controllers.differential_controller": _WHEELS,
    "omni.isaac.wheeled_robots.robots": ("oige_compat.wheeled:WheeledRobot",),
    "omni.kit.viewport.utility": _VIEWPORT,
    "omni.kit.viewport_legacy": ("oige_compat.viewport:get_default_viewport_window",),
    "omni.kit.viewport.utility.camera_state": _VIEWPORT,
    **dict.fromkeys(
        ("omni.importer.urdf._urdf", "omni.isaac.urdf._urdf", "isaacsim.asset.importer.urdf._urdf"),
        ("oige_compat.importers:ImportConfig UrdfJointTargetType acquire_urdf_interface",),
    ),
    "omni.kit.commands": ("oige_compat.importers:execute",),
    "omni.kit.app": ("oige_compat.kit:get_app get_extension_manager",),
    "omni.replicator.core": (
        "oige_compat.randomization.control:set_global_seed",
        "oige_compat.cameras.annotators:AnnotatorRegistry",
        "oige_compat.cameras.writers:WriterRegistry",
    ),
    "omni.replicator.core.create": ("oige_compat.cameras.products:render_product",),
    "omni.replicator.core.distribution": ("oige_compat.randomization.items:log_uniform normal uniform",),
    "omni.replicator.core.orchestrator": (
        "oige_compat.randomization.control:run",
        "oige_compat.cameras.orchestrator:_orchestrator step",
    ),
    "omni.replicator.isaac.scripts.writers": ("oige_compat.cameras.writers:PytorchListener PytorchWriter",),
    "omni.replicator.isaac.scripts.writers.pytorch_listener": ("oige_compat.cameras.writers:PytorchListener",),
    "omni.replicator.isaac.scripts.writers.pytorch_writer": ("oige_compat.cameras.writers:PytorchWriter",),
    **_DOMAIN_RANDOMIZATION,
    "omni.physx.scripts.physicsUtils": (
        "oige_compat.physx_scripts:add_physics_material_to_prim set_or_add_orient_op set_or_add_scale_op "
        "set_or_add_translate_op setup_transform_as_scale_orient_translate",
    ),
    "omni.physx.scripts.utils": ("oige_compat.physx_scripts:addRigidBodyMaterial",),
    "omni.timeline": ("oige_compat.kit:get_timeline_interface",),
    "omni.ui": ("oige_compat.kit:DockPosition Workspace",),
    "omni.usd": ("oige_compat.stage:UsdContext get_context get_stage_next_free_path",),
    "pxr.PhysxSchema": ("oige_compat.physx_schema",),
}
"""Names by module: ``module:Name Name``, or a module whose ``__all__`` is served."""
