"""A scene with every kind of view, and tables of the methods that read and write worlds."""

from typing import Any

from oige_core.scene import ArticulationAsset, Drive, Scene

N = 4

ANT = ArticulationAsset(
    mjcf="""<mujoco><worldbody><body name="root"><freejoint/><geom size=".1"/>
      <body name="a"><joint name="a" axis="0 1 0" limited="true" range="-90 90"/><geom size=".1"/></body>
      <body name="b"><joint name="b" axis="0 1 0"/><geom size=".1"/></body></body></worldbody>
      <tendon><fixed name="t" limited="true" range="-1 1"><joint joint="a" coef="1"/></fixed></tendon></mujoco>""",
    drives={".*": Drive(stiffness=1.0)},
)


def set_up_scene(scene: Scene) -> dict[str, Any]:
    options: dict[str, Any] = {"disable_gravity": False, "track_contact_forces": True}
    views: dict[str, Any] = {
        "ant": scene.add_articulation(
            "ant", ANT, track_joint_forces=True, disable_gravity=False, position=(3.0, 0.0, 0.0)
        ),
        "legs": scene.add_link_view("legs", "ant", ["a", "b"], track_contact_forces=True),
        "ball": scene.add_sphere("ball", radius=0.1, **options),
        "held": scene.add_sphere("held", radius=0.1, position=(0, 1, 0), kinematic=True),
    }
    if "cameras" in scene.views.capabilities:
        outputs: list[Any] = ["rgb", "depth", "segmentation"]
        views["eye"] = scene.add_camera("eye", width=8, height=8, horizontal_fov=1.0, outputs=outputs)
    return views


# Every setter: the view, the method, the argument, and the shape of its values without the worlds.
JOINTS, LINKS = (2,), (3,)
SETTERS = [
    ("ant", "set_joint_positions", "positions", JOINTS),
    ("ant", "set_joint_velocities", "velocities", JOINTS),
    ("ant", "set_joint_position_targets", "positions", JOINTS),
    ("ant", "set_joint_velocity_targets", "velocities", JOINTS),
    ("ant", "set_joint_efforts", "efforts", JOINTS),
    ("ant", "set_joints_default_state", "positions", JOINTS),
    ("ant", "set_joints_default_state", "velocities", JOINTS),
    ("ant", "set_gains", "kps", JOINTS),
    ("ant", "set_gains", "kds", JOINTS),
    ("ant", "set_max_efforts", "values", JOINTS),
    ("ant", "set_motor_strengths", "values", JOINTS),
    ("ant", "set_encoder_biases", "values", JOINTS),
    ("ant", "set_friction_coefficients", "values", JOINTS),
    ("ant", "set_armatures", "values", JOINTS),
    ("ant", "set_dof_limits", "values", (2, 2)),
    ("ant", "set_body_masses", "values", LINKS),
    ("ant", "set_body_inertias", "values", (3, 9)),
    ("ant", "set_body_coms", "positions", (3, 3)),
    ("ant", "set_body_colors", "values", (3, 3)),
    ("ant", "set_body_disable_gravity", "values", LINKS),
    ("ant", "set_fixed_tendon_properties", "stiffnesses", (1,)),
    ("ant", "set_fixed_tendon_properties", "dampings", (1,)),
    ("ant", "set_fixed_tendon_properties", "rest_lengths", (1,)),
    ("ant", "set_fixed_tendon_properties", "limits", (1, 2)),
    ("ant", "set_fixed_tendon_properties", "limit_stiffnesses", (1,)),
    ("ant", "set_fixed_tendon_properties", "offsets", (1,)),
    ("ant", "set_max_joint_velocities", "values", JOINTS),
    ("ant", "set_material_properties", "values", (3, 3)),
    ("ant", "set_local_scales", "scales", (3,)),
    ("ball", "set_local_scales", "scales", (3,)),
    ("ball", "set_densities", "densities", ()),
    *(
        (name, method, argument, shape)
        for name in ("ant", "ball")
        for method, argument, shape in (
            ("set_world_poses", "positions", (3,)),
            ("set_world_poses", "orientations", (4,)),
            ("set_velocities", "velocities", (6,)),
            ("set_linear_velocities", "velocities", (3,)),
            ("set_angular_velocities", "velocities", (3,)),
        )
    ),
    ("held", "set_world_poses", "positions", (3,)),
    ("held", "set_world_poses", "orientations", (4,)),
    ("eye", "set_local_poses", "translations", (3,)),
    ("eye", "set_local_poses", "orientations", (4,)),
    ("eye", "set_horizontal_fovs", "values", ()),
    *(
        (name, method, argument, (*links, *shape))
        for name, links in (("ball", ()), ("legs", (2,)))
        for method, argument, shape in (
            ("apply_forces", "forces", (3,)),
            ("apply_forces_and_torques_at_pos", "forces", (3,)),
            ("apply_forces_and_torques_at_pos", "torques", (3,)),
            ("set_masses", "masses", ()),
            ("set_inertias", "values", (9,)),
            ("set_coms", "positions", (3,)),
            ("set_colors", "values", (3,)),
            ("set_material_properties", "values", (3,)),
            ("set_rest_offsets", "offsets", ()),
        )
    ),
]
ELSEWHERE = [("ball", "set_shapes"), ("ball", "set_variants")]  # see test_views_shapes.py and test_rigid_variants.py
INDEXED = ["set_joints_default_state"]  # the only setter without indices
UNSUPPORTED = [("ball", "get_contact_offsets"), ("ball", "set_contact_offsets")]  # raise on this engine
GETTERS = [
    (name, method)
    for name, methods in {
        "ant": """get_joint_positions get_joint_velocities get_applied_joint_efforts get_measured_joint_efforts
            get_measured_joint_forces get_gains get_max_efforts get_motor_strengths
            get_encoder_biases get_friction_coefficients get_armatures get_jacobians
            get_mass_matrices get_generalized_gravity_forces get_coriolis_and_centrifugal_forces get_body_masses
            get_body_inertias get_body_coms get_body_colors get_body_disable_gravity get_fixed_tendon_stiffnesses
            get_joint_max_velocities get_material_properties get_local_scales get_fixed_tendon_limit_stiffnesses
            get_fixed_tendon_offsets get_fixed_tendon_dampings get_fixed_tendon_limits get_fixed_tendon_rest_lengths
            get_fixed_tendon_lengths
            get_world_poses get_velocities get_linear_velocities get_angular_velocities get_body_frame_velocities""",
        "ball": """get_world_poses get_velocities get_linear_velocities get_angular_velocities
            get_body_frame_velocities get_net_contact_forces get_masses get_inertias get_coms get_colors
            get_material_properties get_rest_offsets get_local_scales get_densities get_shapes get_variants""",
        "eye": "get_world_poses get_local_poses get_horizontal_fovs get_rgb get_depth get_segmentation",
    }.items()
    for method in methods.split()
]
