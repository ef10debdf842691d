"""Names of ``omni``, ``carb`` and Isaac Sim's applications for :mod:`oige_compat.served`."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

__all__ = ["NAMES", "Row", "State", "below"]

State: TypeAlias = Literal["served", "approximated", "missing"]
Row: TypeAlias = tuple[State, str]


def below(module: str, state: State, texts: Mapping[str, str]) -> dict[str, Row]:
    """Return the rows of names of a module that have one state."""
    return {f"{module}.{name}": (state, text) for name, text in texts.items()}


WINDOW = "a window of the application, which does not exist here; does nothing"
NO_WINDOW = "builds a window of the application"

TORCH_FUNCTIONS = """
normalize scale_transform unscale_transform copysign torch_rand_float torch_random_dir_2 tensor_clamp
scale unscale unscale_np set_seed matmul sin cos transpose_2d inverse gf_quat_to_tensor
euler_angles_to_quats rot_matrices_to_quats rad2deg deg2rad quat_mul quat_conjugate quat_apply
quat_rotate quat_rotate_inverse quat_unit quat_from_angle_axis quat_axis normalize_angle
get_basis_vector quats_to_rot_matrices matrices_to_euler_angles get_euler_xyz quat_from_euler_xyz
quat_diff_rad normalise_quat_in_pose compute_heading_and_up compute_rot xyzw2wxyz wxyz2xyzw as_type
convert create_zeros_tensor create_tensor_from_list clone_tensor resolve_indices move_data tensor_cat
expand_dims pad tensor_stack to_list to_numpy assign tf_matrices_from_poses get_local_from_world
get_world_from_local get_pose get_world_from_local_position tf_inverse tf_apply tf_vector tf_combine
"""

RANDOMIZATION: dict[str, Row] = {
    **below(
        "omni.replicator",
        "served",
        {
            "isaac": "domain randomisation of physics",
            "isaac.SIMULATION_CONTEXT_ATTRIBUTES": "names of attributes",
            "isaac.RIGID_PRIM_ATTRIBUTES": "names of attributes",
            "isaac.ARTICULATION_ATTRIBUTES": "names of attributes",
            "isaac.TENDON_ATTRIBUTES": "names of attributes",
            "isaac.trigger.on_rl_frame": "begins what each step draws",
            "isaac.gate.on_interval": "draws every few steps",
            "isaac.gate.on_env_reset": "draws in worlds that are reset",
            "isaac.physics_view.register_simulation_context": "registers the simulation",
            "isaac.physics_view.register_rigid_prim_view": "registers a view of bodies",
            "isaac.physics_view.register_articulation_view": "registers a view of articulations",
            "isaac.physics_view.randomize_simulation_context": "draws gravity",
            "isaac.physics_view.step_randomization": "draws what is due",
            "isaac.utils.set_distribution_params": "changes parameters of a distribution",
            "isaac.utils.get_distribution_params": "returns parameters of a distribution",
            "core.set_global_seed": "seeds random numbers",
            "core.distribution.uniform": "a distribution between two bounds",
            "core.distribution.normal": "a normal distribution",
            "core.distribution.log_uniform": "a distribution between two bounds, on a logarithmic scale",
        },
    ),
    **below(
        "omni.replicator",
        "approximated",
        {
            "isaac.physics_view.randomize_rigid_prim_view": "draws attributes of bodies; here one friction, no "
            "restitution and no contact offset",
            "isaac.physics_view.randomize_articulation_view": "draws attributes of articulations; here one friction "
            "and no restitution",
            "core.orchestrator.run": "starts the graph; does nothing here, since draws begin with step_randomization",
        },
    ),
}
CAMERAS: dict[str, Row] = {
    **below(
        "omni",
        "served",
        {
            "replicator.core.create.render_product": "lets a camera render",
            "replicator.core.AnnotatorRegistry": "annotators by name",
            "replicator.core.WriterRegistry": "writers by name",
            "replicator.core.orchestrator": "starts the graph of Replicator",
            "replicator.core.orchestrator._orchestrator": "a private field that scripts set; images do not wait for it",
            "replicator.isaac.scripts.writers.pytorch_writer.PytorchWriter": "gives images to a listener",
            "replicator.isaac.scripts.writers.pytorch_listener.PytorchListener": "returns images as tensors",
            "replicator.isaac.scripts.writers.PytorchWriter": "gives images to a listener",
            "replicator.isaac.scripts.writers.PytorchListener": "returns images as tensors",
            "isaac.wheeled_robots.robots.WheeledRobot": "a robot with wheels",
        },
    ),
    **below(
        "omni",
        "approximated",
        {
            "replicator.core.AnnotatorRegistry.get_annotator": "returns an annotator; here colours, distances, and "
            "segmentation of labelled prims",
            "replicator.core.WriterRegistry.get": "returns a writer; here only PytorchWriter",
            "replicator.core.orchestrator.step": "renders a frame; does nothing here, since images are always current",
            "isaac.sensor.Camera": "a camera as an object; here its lens and clipping range",
            "isaac.sensor.scripts.camera.Camera": "a camera as an object; here its lens and clipping range",
            "isaac.wheeled_robots.controllers.DifferentialController": "speeds of two wheels; without limits here",
        },
    ),
    "omni.isaac.wheeled_robots.*": ("missing", "robots with wheels and their controllers"),
}

WARP_FUNCTIONS = """
PI arange assign clone_tensor convert create_tensor_from_list create_zeros_tensor deg2rad euler_angles_to_quats
get_local_from_world get_pose get_type get_world_from_local move_data ones rad2deg resolve_indices tensor_cat to_list
to_numpy wxyz2xyzw xyzw2wxyz
"""

NAMES: dict[str, Row] = {
    **below(
        "carb",
        "approximated",
        {
            "log_error": "writes to the log of the application; here to standard error",
            "log_info": "writes to the log of the application; here to Python's logging",
            "log_warn": "writes to the log of the application; here to standard error",
            "log_verbose": "writes to the log of the application; here to Python's logging",
            "settings": "settings of the application; here a dictionary that physics does not read",
            "settings.*": "settings of the application; here a dictionary that physics does not read",
        },
    ),
    "carb.input.*": ("missing", "keyboard, mouse and gamepad of the application's window"),
    "carb.*": ("missing", "part of the application's core library"),
    **below(
        "omni.isaac.cloner",
        "served",
        {
            "GridCloner": "copies the first world to a grid",
            "Cloner": "copies a prim to other paths",
            "Cloner.define_base_env": "names the folder of the worlds",
            "GridCloner.define_base_env": "names the folder of the worlds",
            "Cloner.generate_paths": "returns the paths of the worlds",
            "GridCloner.generate_paths": "returns the paths of the worlds",
            "GridCloner.clone": "copies the first world and returns the origins of the worlds",
            "Cloner.clone": "copies a prim to other paths",
            "GridCloner.get_clone_transforms": "returns the origins of the worlds",
        },
    ),
    **below(
        "omni.isaac.cloner",
        "approximated",
        {
            "GridCloner.filter_collisions": "keeps worlds from colliding; here worlds never collide",
            "Cloner.filter_collisions": "keeps worlds from colliding; here worlds never collide",
        },
    ),
    **below(
        "omni.isaac.core",
        "served",
        {
            "World": "steps physics and holds the scene",
            "World.scene": "the scene",
            "World.step": "steps physics",
            "World.is_playing": "whether the simulation runs",
            "World.get_physics_context": "returns the settings of physics",
            "World.reset": "starts the simulation",
            "World.stage": "the stage",
            "tasks.BaseTask": "base class of tasks",
            "simulation_context.SimulationContext": "steps physics",
            "simulation_context.SimulationContext.step": "steps physics",
            "simulation_context.SimulationContext.is_playing": "whether the simulation runs",
            "simulation_context.SimulationContext.get_physics_dt": "returns the time of a physics step",
            "scenes.Scene": "registers views and objects by name",
            "scenes.Scene.add": "registers a view or an object",
            "scenes.Scene.object_exists": "whether a name is registered",
            "scenes.Scene.get_object": "returns a registered object",
            "scenes.Scene.remove_object": "forgets a registered object",
            "articulations.ArticulationView": "one articulation in all worlds",
            "articulations.Articulation": "one articulation",
            "robots.Robot": "one robot, from a USD file",
            "robots.RobotView": "one robot in all worlds",
            "prims.RigidPrimView": "one or several rigid bodies in all worlds",
            "prims.RigidPrim": "one rigid body",
            "prims.XFormPrim": "one prim with a pose",
            "prims.GeometryPrim": "a shape whose collisions can be changed",
            "prims.XFormPrimView": "one prim with a pose in all worlds",
            "objects.DynamicSphere": "a sphere that moves",
            "objects.DynamicCuboid": "a box that moves",
            "objects.FixedCuboid": "a box that does not move",
            "objects.VisualSphere": "a sphere without collisions",
            "objects.VisualCuboid": "a box without collisions",
            "utils.prims.get_prim_at_path": "returns the prim at a path",
            "utils.prims.define_prim": "makes a prim at a path",
            "utils.prims.create_prim": "makes a prim at a path, with attributes",
            "utils.prims.is_prim_path_valid": "whether a path has a prim",
            "utils.prims.get_prim_parent": "returns the parent of a prim",
            "utils.prims.get_prim_children": "returns the children of a prim",
            "utils.prims.get_prim_path": "returns the path of a prim",
            "utils.prims.move_prim": "moves a prim to another path",
            "utils.prims.find_matching_prim_paths": "returns the paths that match a regular expression",
            "utils.prims.is_prim_non_root_articulation_link": "whether a prim is a link below the root link",
            "utils.stage.add_reference_to_stage": "loads a USD file below a path",
            "utils.stage.get_current_stage": "returns the stage",
            "utils.string.find_unique_string_name": "returns a name with a number if it is taken",
            "utils.types.ArticulationAction": "a record of positions, velocities and efforts",
            "utils.xforms.get_world_pose": "returns the pose of a prim",
            "utils.xforms.get_local_pose": "returns the pose of a prim in its parent",
        },
    ),
    **below(
        "omni.isaac.core",
        "approximated",
        {
            "scenes.Scene.add_default_ground_plane": "loads a ground plane from a USD file; here a plain plane",
            "scenes.Scene.add_ground_plane": "adds a ground plane",
            "utils.extensions.enable_extension": "loads an extension of the application; does nothing here",
            "utils.extensions.disable_extension": "unloads an extension of the application; does nothing here",
            "utils.viewports.set_camera_view": "moves the camera of the viewport; does nothing here",
            "utils.semantics.add_update_semantics": "labels a prim for segmentation; here one label of the type class",
            "materials.PreviewSurface": "a material that only cameras see",
            "materials.VisualMaterial": "a material that only cameras see",
            "materials.OmniPBR": "a material that only cameras see",
            "materials.OmniGlass": "a material that only cameras see",
            "materials.PhysicsMaterial": "friction and restitution of shapes; here one coefficient of friction",
            "utils.types.XFormPrimViewState": "a record of poses; views here do not keep a default state",
        },
    ),
    **below(
        "omni.isaac.core",
        "missing",
        {
            "World.*": "a method of the simulation",
            "World.add_physics_callback": "calls a function before each physics step",
            "World.add_render_callback": "calls a function after each image",
            "World.add_timeline_callback": "calls a function when the simulation starts or stops",
            "scenes.Scene.*": "a method of the scene",
            "materials.deformable_material.*": "the material of a deformable body",
            "materials.DeformableMaterial": "the material of a deformable body",
            "prims.soft.*": "deformable bodies, particles and cloth",
            "prims.GeometryPrimView": "shapes in all worlds, with their contacts",
            "utils.bounds.*": "bounding boxes of prims",
            "utils.collisions.*": "ray casts",
            "utils.deformable_mesh_utils": "meshes of tetrahedra for deformable bodies",
            "utils.deformable_mesh_utils.*": "meshes of tetrahedra for deformable bodies",
            "utils.render_product.*": "images of cameras",
            "utils.*": "a utility of Isaac Sim",
            "controllers.*": "controllers of robots",
            "loggers.*": "records data of a run",
            "physics_context.*": "settings of physics",
            "objects.*": "an object of Isaac Sim",
            "*": "part of Isaac Sim's core",
        },
    ),
    **below(
        "omni.isaac.core.utils.torch",
        "served",
        dict.fromkeys(TORCH_FUNCTIONS.split(), "a function on torch tensors"),
    ),
    "omni.isaac.core.utils.torch": ("served", "functions on torch tensors"),
    "omni.isaac.core.utils.torch.*": ("missing", "a function on torch tensors"),
    "omni.isaac.core.utils.numpy": ("missing", "functions on arrays"),
    "omni.isaac.core.utils.numpy.*": ("missing", "a function on arrays"),
    **below("omni.isaac.core.utils.warp", "served", dict.fromkeys(WARP_FUNCTIONS.split(), "a function on Warp arrays")),
    "omni.isaac.core.utils.warp": ("served", "functions on Warp arrays"),
    "omni.isaac.core.utils.warp.*": ("missing", "a function on Warp arrays"),
    **below(
        "omni.isaac.gym",
        "served",
        {
            "tasks.rl_task.RLTaskInterface": "what an environment calls of a task",
            "vec_env.VecEnvBase": "steps a task in all worlds",
            "vec_env.VecEnvBase.set_task": "builds the scene of a task",
            "vec_env.VecEnvBase.close": "ends the simulation",
            "vec_env.VecEnvBase.render_enabled": "whether images are shown",
            "vec_env.TaskStopException": "ends training when the application stops the simulation",
        },
    ),
    **below(
        "omni.isaac.gym",
        "missing",
        {
            "vec_env.VecEnvMT": "trains in a thread beside the application's window",
            "vec_env.vec_env_mt.TrainerMT": "trains in a thread beside the application's window",
            "*": "part of Isaac Sim's environments",
        },
    ),
    **below(
        "omni.isaac.kit",
        "approximated",
        {
            "SimulationApp": "starts the application; here there is none, so it only keeps its settings",
            "SimulationApp.update": "draws a frame; does nothing here",
            "SimulationApp.close": "ends the application; does nothing here",
            "SimulationApp.is_running": "whether the application runs; here always",
            "SimulationApp.set_setting": "sets a setting of the application, as carb does",
        },
    ),
    "omni.isaac.kit.*": ("missing", "part of the application"),
    **below(
        "omni.isaac.nucleus",
        "served",
        {
            "get_assets_root_path": "returns the address of Isaac Sim's assets",
            "find_nucleus_server": "returns the address of Isaac Sim's assets",
        },
    ),
    "omni.isaac.nucleus.*": ("missing", "files of a Nucleus server"),
    **below(
        "omni",
        "missing",
        {
            "isaac.sensor.*": "a camera, a contact sensor or a lidar as an object",
            "isaac.manipulators.*": "robot arms and their controllers",
            "isaac.franka.*": "Franka Emika's Panda as an object",
            "isaac.motion_generation.*": "motion planning",
            "isaac.range_sensor.*": "lidars and ultrasonic sensors",
            "isaac.surface_gripper.*": "a suction gripper",
            "isaac.dynamic_control.*": "an older interface of physics",
            "isaac.ui.*": NO_WINDOW,
            "isaac.debug_draw.*": "draws points and lines in the viewport",
            "isaac.lab.*": "Isaac Lab",
            "isaac.orbit.*": "Orbit, which became Isaac Lab",
            "isaac.*": "part of Isaac Sim",
            "importer.*": "turns a URDF or MJCF file into a USD file",
            "client": "reads files of a Nucleus server",
            "client.*": "reads files of a Nucleus server",
            "ext": NO_WINDOW,
            "ext.*": NO_WINDOW,
            "ui": NO_WINDOW,
            "ui.*": NO_WINDOW,
            "timeline": "starts and stops the simulation of the application",
            "timeline.*": "starts and stops the simulation of the application",
            "physx.scripts": "writes deformable bodies and materials to the stage",
            "physx.scripts.*": "writes deformable bodies and materials to the stage",
            "physx": "the interface of PhysX",
            "physx.*": "the interface of PhysX",
            "kit.*": "part of the application",
            "kit": "the application",
            "graph.*": "graphs of actions",
            "appwindow.*": "keyboard and window of the application",
            "replicator.isaac.*": "randomises physics from graphs",
            "replicator.core": "renders images of cameras",
            "replicator.core.*": "renders images of cameras",
            "replicator.*": "renders images, and randomises scenes",
            "*": "part of the application",
        },
    ),
    **below(
        "omni",
        "approximated",
        {
            "importer.urdf._urdf": "reads URDF files; here MuJoCo reads them",
            "importer.urdf._urdf.ImportConfig": "settings of an import",
            "importer.urdf._urdf.ImportConfig.*": "settings of an import; some have no effect, which a note says",
            "importer.urdf._urdf.UrdfJointTargetType": "what drives of imported joints hold",
            "importer.urdf._urdf.UrdfJointTargetType.*": "what drives of imported joints hold",
            "importer.urdf._urdf.acquire_urdf_interface": "reads URDF files; here MuJoCo reads them",
            "kit.commands.execute": "runs a command; here imports of URDF and MJCF files, and MovePrim",
            "kit.viewport.utility.get_viewport_from_window_name": WINDOW,
            "kit.viewport.utility.get_active_viewport": WINDOW,
            "kit.viewport.utility.camera_state.ViewportCameraState": WINDOW,
            "kit.viewport.utility.ViewportCameraState": WINDOW,
            "kit.viewport_legacy.get_default_viewport_window": WINDOW,
        },
    ),
    **RANDOMIZATION,
    **CAMERAS,
    **below(
        "omni",
        "served",
        {
            "usd": "the stage of the application",
            "usd.get_context": "returns the context of the stage",
            "usd.get_stage_next_free_path": "returns a path, with a number if it is taken",
            "usd.UsdContext.get_stage": "returns the stage",
        },
    ),
    "isaacsim.*": ("missing", "part of Isaac Sim"),
    "warp.sim": ("missing", "Warp's former simulator"),
    "warp.sim.*": ("missing", "Warp's former simulator"),
}
"""State and text by name."""
