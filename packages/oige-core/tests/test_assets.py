"""What an asset's file says holds, is documented as ignored, or is refused by name."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
import torch
from oige_core.config import ActorConfig, SimConfig
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.errors import CapabilityError, ConfigError, OigeError
from oige_core.scene import ArticulationAsset, Drive, Scene
from scene_helpers import raises

G = 9.81


def arm(compiler: str = "", *, world: str = "", link: str = "", joint: str = "", tail: str = "") -> str:
    """A root of 1 kg at the origin with an arm of 2 kg on a hinge about y, 1 m above it."""
    return f"""<mujoco>{compiler}<worldbody>{world}<body name="root"><geom name="hub" size=".1" mass="1"/>
      <body name="arm" pos="0 0 1"><joint name="hinge" axis="0 1 0" {joint}/>
        <geom name="beam" type="box" size=".1 .2 .3" mass="2"/>{link}</body></body></worldbody>{tail}</mujoco>"""


URDF = """<robot name="cart"><link name="base"><inertial><mass value="2"/>
    <inertia ixx=".1" iyy=".1" izz=".1" ixy="0" ixz="0" iyz="0"/></inertial></link>
  <link name="arm"><inertial><mass value="1"/>
    <inertia ixx=".1" iyy=".1" izz=".1" ixy="0" ixz="0" iyz="0"/></inertial></link>
  <joint name="hinge" type="revolute"><parent link="base"/><child link="arm"/><axis xyz="0 1 0"/>
    <limit lower="-1" upper="1" effort="7" velocity="2"/></joint></robot>"""


def build_robot(mjcf: str | Path, **options: Any) -> MujocoEngine:
    scene_options = {key: options.pop(key) for key in ("position", "actor") if key in options}
    actors = {"robot": scene_options.pop("actor")} if "actor" in scene_options else {}
    engine = MujocoEngine(1, num_threads=1)
    scene = Scene(engine, SimConfig(actors=actors))
    scene.add_articulation("robot", ArticulationAsset(mjcf=mjcf, **options), **scene_options)
    engine.build(scene)
    return engine


# ------------------------------------------------------------------------------------------------ holds


@pytest.mark.filterwarnings("ignore:compiler attribute 'settotalmass' is deprecated")
@pytest.mark.parametrize(
    "compiler",
    [
        '<compiler settotalmass="14"/>',
        '<compiler settotalmass="14" boundmass="2.5" fusestatic="true"/>',
        '<compiler boundmass="1.5" boundinertia="0.05"/>',
        '<compiler inertiafromgeom="true"/>',
        '<compiler inertiagrouprange="1 5"/>',
        '<compiler angle="radian" eulerseq="ZYX" autolimits="true"/>',
        '<compiler balanceinertia="true"/>',
    ],
)
def test_compiler_settings_match_mujoco(compiler: str) -> None:
    link = """<body name="tip" euler="1 1 0"><inertial pos="0 0 .1" mass=".5" diaginertia=".01 .02 .0299"/>
        <geom size=".05" group="3"/></body>"""
    mjcf = arm(compiler, link=link, joint='range="-.5 .5"').replace('name="beam"', 'name="beam" group="2"')
    alone = mujoco.MjSpec.from_string(mjcf)
    alone.compiler.fusestatic = False  # links stay links
    expected, model = alone.compile(), build_robot(mjcf).compiled.model
    for name in ("body_mass", "body_inertia", "body_ipos", "body_iquat", "body_quat", "jnt_range", "jnt_limited"):
        np.testing.assert_allclose(getattr(model, name), getattr(expected, name), rtol=1e-12, atol=1e-15, err_msg=name)


def test_settotalmass_sets_the_total_mass() -> None:
    """1 kg and 2 kg scaled to 14 kg."""
    model = build_robot(arm('<compiler settotalmass="14"/>')).compiled.model
    np.testing.assert_allclose(model.body_mass[1:], [14 / 3, 28 / 3], rtol=1e-12)


def test_fluid_options_apply_to_the_world() -> None:
    model = build_robot(arm('<option density="1000" viscosity="0.1" wind="1 0 0"/>')).compiled.model
    assert (model.opt.density, model.opt.viscosity, model.opt.wind.tolist()) == (1000.0, 0.1, [1.0, 0.0, 0.0])
    scene = Scene(MujocoEngine(1), SimConfig())
    for name, density in (("a", 1000), ("b", 0), ("c", 1.2)):
        scene.add_articulation(name, ArticulationAsset(mjcf=arm(f'<option density="{density}"/>')))
    with raises(
        OigeError, r"articulation 'c': its MJCF has <option density=1\.2>, another one 1000\.0; a world has .*"
    ):
        scene.views.build(scene)  # type: ignore[attr-defined]


def test_contact_flag_disables_all_collisions(build: Callable[..., Any]) -> None:
    """A ball that falls from 1 m is at 1 − g t² / 2 after half a second, below the plane on which it would lie."""
    ball = """<mujoco><option><flag contact="disable"/></option><worldbody><body name="ball"><freejoint/>
      <geom size=".5"/></body></worldbody></mujoco>"""

    def set_up_scene(scene: Scene) -> dict[str, Any]:
        scene.add_ground_plane()
        return {"ball": scene.add_articulation("ball", ArticulationAsset(mjcf=ball), position=(0, 0, 1))}

    world = build(set_up_scene, dt=0.001)
    world.run(0.5)
    world.close(world.ball.get_world_poses()[0][:, 2], 1 - 0.5 * G * 0.5**2, tol=3e-3)


@pytest.mark.parametrize("flag", ["", "constraint", "limit", "equality", "frictionloss", "spring", "damper", "contact"])
def test_flags_match_mujoco(flag: str) -> None:
    """An arm that leans on its limit, its spring, its dry friction and a tendon, beside one that it has to follow."""
    mjcf = arm(
        f'<option timestep="0.005"><flag {flag}="disable"/></option>' if flag else '<option timestep="0.005"/>',
        link="""<body name="tip" pos=".5 0 0"><joint name="tip" axis="0 1 0"/><geom size=".1"/></body>""",
        joint='range="-5 5" stiffness="20" springref="40" damping="2" frictionloss="1"',
        tail="""<equality><joint joint1="tip" joint2="hinge" polycoef="0 2 0 0 0"/></equality>
          <tendon><fixed stiffness="5" springlength=".3" damping="1"><joint joint="tip" coef="1"/></fixed></tendon>""",
    )
    alone = mujoco.MjSpec.from_string(mjcf)
    alone.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    alone.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    model = alone.compile()
    data = mujoco.MjData(model)
    engine = MujocoEngine(1, num_threads=1)
    scene = Scene(engine, SimConfig(dt=0.005))
    robot = scene.add_articulation("robot", ArticulationAsset(mjcf=mjcf))
    engine.build(scene)
    mujoco.mj_step(model, data, 40)
    engine.step(40)
    expected = torch.tensor(data.qpos, dtype=torch.float32)
    torch.testing.assert_close(robot.get_joint_positions()[0], expected, atol=1e-6, rtol=1e-5)
    assert expected.abs().max() > 0.05


def test_supported_settings_give_no_warnings(capfd: pytest.CaptureFixture[str]) -> None:
    settings = """<visual><map znear=".02"/></visual><statistic extent="5"/>
      <size nkey="3" njmax="5" nconmax="6" nuser_geom="1" nuserdata="2"/>"""
    build_robot(arm(settings))
    assert capfd.readouterr() == ("", "")


LIMITED = arm(joint='actuatorfrcrange="-7 7"')


def test_joint_effort_limit_is_read_and_can_be_set(build: Callable[..., Any], executor: str) -> None:
    """Of joint and drive the lower limit acts. The arm's inertia about y is 2 (.2² + .6²) / 12 = 1/15 kg·m²."""
    drives = {".*": Drive(stiffness=100.0, max_effort=20.0)}
    mjcf = LIMITED.replace('<body name="root">', '<body name="root" gravcomp="1">').replace(
        '<body name="arm"', '<body name="arm" gravcomp="1"'
    )
    world = build(
        lambda scene: {"robot": scene.add_articulation("robot", ArticulationAsset(mjcf=mjcf, drives=drives))},
        executor=executor,
        dt=0.001,
    )
    robot, inertia = world.robot, 2 * (0.2**2 + 0.6**2) / 12
    for bound in (7.0, 10.0):
        world.engine.reset()
        if bound > 7.0:
            robot.set_max_efforts(world.everywhere(bound))
        robot.set_joint_position_targets(world.everywhere(1.0))
        world.close(robot.get_max_efforts(), bound, tol=1e-6)
        world.close(robot.get_measured_joint_efforts(), bound, tol=1e-6)
        world.engine.step()
        world.close(robot.get_joint_velocities(), 0.001 * bound / inertia, tol=1e-5, rel=1e-5)


def test_drive_without_effort_exerts_no_force(build: Callable[..., Any], executor: str) -> None:
    drives = {".*": Drive(stiffness=100.0, max_effort=0.0)}
    world = build(
        lambda scene: {"robot": scene.add_articulation("robot", ArticulationAsset(mjcf=arm(), drives=drives))},
        executor=executor,
        gravity=[0.0, 0.0, 0.0],
    )
    world.robot.set_joint_position_targets(world.everywhere(1.0))
    world.engine.step()
    world.close(world.robot.get_max_efforts(), 0.0, tol=0)
    world.close(world.robot.get_measured_joint_efforts(), 0.0, tol=0)
    world.close(world.robot.get_joint_velocities(), 0.0, tol=0)


def test_asset_loads_from_path_string_and_with_includes(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "tail.xml").write_text('<mujoco><default><geom friction="0.3"/></default></mujoco>')
    body = arm().replace("<mujoco>", '<!-- <mujoco> -->\n<mujoco model="arm">\n<include file="parts/tail.xml"/>')
    (tmp_path / "arm.xml").write_text(body)
    for source in (tmp_path / "arm.xml", str(tmp_path / "arm.xml")):
        model = build_robot(source).compiled.model
        assert model.geom_friction[:, 0].tolist() == [0.3, 0.3]
    missing = rf"articulation 'robot': its file '{tmp_path}/leg\.xml' does not exist; give the path of an MJCF or .*\."
    with raises(OigeError, missing):
        build_robot(f"{tmp_path}/leg.xml")


def test_meshes_are_found_relative_to_the_file(tmp_path: Path) -> None:
    """A tetrahedron of 1/6 m³."""
    (tmp_path / "meshes").mkdir()
    corners = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 2 3 4\nf 3 1 4\n"
    (tmp_path / "meshes" / "corner.obj").write_text(corners)
    mjcf = """<mujoco><compiler meshdir="meshes"/><asset><mesh file="corner.obj"/></asset><worldbody><body name="root">
      <geom type="mesh" mesh="corner" density="6"/></body></worldbody></mujoco>"""
    urdf = """<robot name="corner"><link name="root"><collision><geometry>
      <mesh filename="meshes/corner.obj"/></geometry></collision></link></robot>"""
    for name, text, floating, mass in (("corner.xml", mjcf, None, 1.0), ("corner.urdf", urdf, False, 1000.0 / 6.0)):
        (tmp_path / name).write_text(text)
        engine = build_robot(tmp_path / name, floating=floating)
        assert engine.compiled.model.body("robot/root").mass[0] == pytest.approx(mass)


def test_urdf_mimic_joints_follow_their_joint(build: Callable[..., Any]) -> None:
    urdf = (
        URDF.replace("</robot>", "")
        + """<link name="hand"><inertial><mass value="1"/>
        <inertia ixx=".1" iyy=".1" izz=".1" ixy="0" ixz="0" iyz="0"/></inertial></link>
      <joint name="wrist" type="continuous"><parent link="arm"/><child link="hand"/><axis xyz="0 1 0"/>
        <mimic joint="hinge" multiplier="2"/></joint></robot>"""
    )
    asset = ArticulationAsset(mjcf=urdf, floating=False, drives={"hinge": Drive(stiffness=500.0, damping=50.0)})
    world = build(lambda scene: {"robot": scene.add_articulation("robot", asset)}, dt=0.002)
    world.robot.set_joint_position_targets(world.everywhere(0.3, 0.0))
    world.run(1.0)
    world.close(world.robot.get_joint_positions(), [0.3, 0.6], tol=0.02)


def test_site_may_have_any_name() -> None:
    """Measuring a joint's wrench adds a site to its link."""
    engine = MujocoEngine(1)
    scene = Scene(engine, SimConfig())
    asset = ArticulationAsset(mjcf=arm(link='<site name="arm:joint"/><site name="arm:joint:"/>'))
    robot = scene.add_articulation("robot", asset, track_joint_forces=["arm"], position=(0, 0, 1))
    engine.build(scene)
    engine.step()
    force = robot.get_measured_joint_forces(joint_indices=[1])
    torch.testing.assert_close(force[0, 0, :3], torch.tensor([0.0, 0.0, 2 * G]), atol=1e-3, rtol=0)


@pytest.mark.parametrize("floating", [True, False])
@pytest.mark.parametrize("mjcf", [URDF, arm(), arm().replace('<body name="arm"', '<freejoint/><body name="arm"')])
def test_floating_option_decides_whether_the_base_floats(build: Callable[..., Any], mjcf: str, floating: bool) -> None:
    asset = ArticulationAsset(mjcf=mjcf, floating=floating)
    world = build(lambda scene: {"robot": scene.add_articulation("robot", asset, position=(0, 0, 3))}, dt=0.01)
    world.engine.step()
    world.close(world.robot.get_world_poses()[0], [0, 0, 3 - G * 0.01**2 * floating], tol=1e-6)
    assert world.robot.get_jacobians().shape[-1] == 1 + 6 * floating
    if mjcf == URDF:
        world.close(world.robot.get_max_efforts(), 7.0, tol=0)


def test_density_replaces_masses_of_shapes() -> None:
    """A ball of .1 m and a box of .2 × .4 × .6 m, and a shape that its file makes weightless."""
    mjcf = arm('<compiler settotalmass="9"/>', link='<geom size=".2" mass="0"/>')
    model = build_robot(mjcf, actor=ActorConfig(density=200.0)).compiled.model
    np.testing.assert_allclose(model.body_mass[1:], [200 * 4 / 3 * math.pi * 1e-3, 200 * 0.048], rtol=1e-12)


# ------------------------------------------------------------------------------------------------ refused

SITE, GEOM, OWN = '<site name="hook"/>', '<geom name="post" size=".1"/>', '<site name="eye"/>'


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        ({"tail": '<equality><weld name="glue" site1="eye" site2="hook"/></equality>'}, "weld 'glue' uses site 'hook'"),
        ({"tail": '<equality><connect site1="hook" site2="eye"/></equality>'}, "a connect uses site 'hook'"),
        (
            {"tail": '<tendon><spatial name="rope"><site site="hook"/><site site="eye"/></spatial></tendon>'},
            "tendon 'rope' uses site 'hook'",
        ),
        (
            {
                "tail": '<tendon><spatial name="rope"><site site="eye"/><geom geom="post"/><site site="ear"/>'
                "</spatial></tendon>"
            },
            "tendon 'rope' uses geom 'post'",
        ),
        (
            {"tail": '<contact><pair geom1="post" geom2="beam"/></contact>'},
            "the contact pair of 'post' and 'beam' uses geom 'post'",
        ),
    ],
)
def test_references_to_the_world_body_raise(parts: dict[str, str], what: str) -> None:
    mjcf = arm(world=SITE + GEOM, link=OWN + '<site name="ear"/>', **parts)
    mujoco.MjModel.from_xml_string(mjcf)  # which MuJoCo itself takes
    with raises(
        OigeError, rf"articulation 'robot': {what} of the world body, which is not part of .*on another link\."
    ):
        build_robot(mjcf)


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        (
            '<weld name="w" body1="arm" relpose="0 0 1 1 0 0 0"/>',
            "weld 'w' has a relpose in the world; remove it: .*",
        ),
        (
            '<connect body1="world" body2="arm" anchor="0 0 1"/>',
            "a connect gives its anchor in the world; name .*'arm'.*",
        ),
    ],
)
def test_world_poses_raise(tail: str, message: str) -> None:
    with raises(OigeError, f"articulation 'robot': {message}"):
        build_robot(arm(tail=f"<equality>{tail}</equality>"))


@pytest.mark.parametrize("flag", ['gravity="disable"', 'filterparent="disable"', 'override="enable"'])
def test_unsupported_flags_raise(flag: str) -> None:
    with raises(CapabilityError, rf"articulation 'robot': its MJCF has <flag {flag}/>, which cannot be .*\."):
        build_robot(arm(f"<option><flag {flag}/></option>"))


@pytest.mark.parametrize(
    ("mjcf", "options", "message"),
    [
        (URDF, {}, "articulation 'robot': a URDF does not say whether its root link 'base' is fixed; give .*"),
        (
            '<mujoco><worldbody><body name="a"><joint name="a"/><geom size=".1"/></body></worldbody></mujoco>',
            {"floating": True},
            "articulation 'robot': floating=True, but its root 'a' has joints; expected none.",
        ),
        (
            '<mujoco><worldbody><body name="a" mocap="true"><geom size=".1"/></body></worldbody></mujoco>',
            {},
            "articulation 'robot': its root 'a' is a mocap body; remove mocap, and add no joints.",
        ),
        (
            arm(joint='actuatorfrcrange="-1 2"'),
            {},
            r"articulation 'robot': joint 'hinge' has actuatorfrcrange \[-1, 2\]; expected the same limit in both .*",
        ),
        (
            arm(joint='range="-1 1"', compiler='<compiler angle="radian"/>'),
            {"joint_positions": {"hinge": 1.5}},
            r"articulation 'robot': joint_positions sets 'hinge' to 1\.5 rad, .* its limits \[-1, 1\]; choose .*",
        ),
        (
            arm(joint='actuatorfrcrange="-1 1" actuatorgravcomp="true"'),
            {},
            "articulation 'robot': joint 'hinge' has actuatorfrcrange and actuatorgravcomp; remove one: .*",
        ),
        (
            arm(),
            {"joint_positions": {"hinge": math.nan}},
            r"ArticulationAsset: joint_positions\['hinge'\]=nan: expected a finite number\.",
        ),
        (
            arm(),
            {"joint_positions": {"hinge": "up"}},
            r"ArticulationAsset: joint_positions\['hinge'\]='up': expected a finite number\.",
        ),
        (
            arm(),
            {"drives": {"hinge": 3.0}},
            r"ArticulationAsset: drives\['hinge'\]=3\.0: expected Drive\(stiffness=…\)\.",
        ),
        (None, {}, r"ArticulationAsset\(mjcf=None\): expected a path, or the contents of a file\."),
        (
            arm(link='<flexcomp name="f" type="grid" count="2 2 1" spacing=".1 .1 .1" mass="1" radius=".01"/>'),
            {},
            "articulation 'robot': its MJCF has a flex; articulations consist only of rigid links.",
        ),
    ],
)
def test_unsupported_asset_content_raises(mjcf: str, options: dict[str, Any], message: str) -> None:
    with raises(OigeError, message):
        build_robot(mjcf, **options)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stiffness": math.nan}, r"Drive\(stiffness=nan\): expected a finite number of at least 0\."),
        ({"stiffness": -1.0}, r"Drive\(stiffness=-1\.0\): expected a finite number of at least 0\."),
        ({"damping": math.inf}, r"Drive\(damping=inf\): expected a finite number of at least 0\."),
        ({"max_effort": -1.0}, r"Drive\(max_effort=-1\.0\): expected a number of at least 0, or inf\."),
        ({"stiffness": "5"}, r"Drive\(stiffness='5'\): expected a number\."),
        ({"max_effort": None}, r"Drive\(max_effort=None\): expected a number\."),
        ({"max_effort": math.nan}, r"Drive\(max_effort=nan\): expected a number of at least 0, or inf\."),
    ],
)
def test_invalid_drives_raise(values: dict[str, Any], message: str) -> None:
    with raises(OigeError, message):
        Drive(**values)


@pytest.mark.parametrize("key", ["drives", "joint_positions"])
@pytest.mark.parametrize("value", [[("hinge", 1.0)], {3: 1.0}, None])
def test_joints_without_names_raise(key: str, value: Any) -> None:
    with raises(OigeError, rf"ArticulationAsset\({key}=.*\): expected a dictionary with joint names as keys\."):
        ArticulationAsset(mjcf=arm(), **{key: value})


@pytest.mark.parametrize("text", ["", " \n", "\ufeff"])
def test_empty_mjcf_raises(text: str) -> None:
    with raises(OigeError, r"articulation 'robot': its MJCF is empty; expected a path, or the contents of a file\."):
        build_robot(text)


def test_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "arm.xml"
    file.write_text("\ufeff" + arm(), encoding="utf-8")
    for mjcf in (file, "\ufeff" + arm()):
        assert build_robot(mjcf).compiled.model.body_mass.tolist() == [0.0, 1.0, 2.0]


def test_density_of_links_with_explicit_inertia_raises() -> None:
    mjcf = arm(link='<body name="tip"><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/></body>')
    with raises(ConfigError, r"task\.sim\.robot\.density=200\.0: 'tip' states its mass as <inertial>, .*"):
        build_robot(mjcf, actor=ActorConfig(density=200.0))
