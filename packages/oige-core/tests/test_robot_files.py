"""MJCF and URDF files of others: what is read, mended, left out, and said."""

import logging
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
from oige_core.config import SimConfig
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.errors import CapabilityError, OigeError
from oige_core.robot_files import file_report, with_actuators, with_keyframe
from oige_core.scene import ArticulationAsset, Drive, Scene
from oige_core.views import ArticulationView
from scene_helpers import raises

TETRAHEDRON = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 2 3 4\nf 3 1 4\n"
BALL = "<inertial><mass value='2'/><inertia ixx='.1' iyy='.1' izz='.1' ixy='0' ixz='0' iyz='0'/></inertial>"

TWO = """<mujoco><worldbody><site name="hook"/><light name="sun"/><geom name="floor" type="plane" size="1 1 1"/>
  <body name="box"><freejoint/><geom name="side" size=".1" mass="5"/><site name="eye"/></body>
  <body name="arm"><light/><camera name="wrist"/><geom name="hub" size=".1" mass="1"/><site name="tip"/>
    <body><joint range="-90 90"/><geom size=".1" mass="2" pos="1 0 0"/>
      <body name="body_4"><joint name="knee" axis="0 1 0"/><geom size=".1" mass="3" pos="1 0 0"/></body></body></body>
  </worldbody>
  <equality><weld name="grip" site1="eye" site2="tip"/></equality>
  <contact><exclude name="apart" body1="box" body2="arm"/><pair geom1="hub" geom2="side"/></contact>
  <tendon><spatial name="rope"><site site="hook"/><site site="eye"/></spatial></tendon>
  <actuator><motor joint="knee"/></actuator><sensor><jointpos joint="knee"/></sensor>
  <keyframe><key name="bent" qpos="7 7 7 1 0 0 0 .5 -.25"/></keyframe></mujoco>"""


def build(asset: ArticulationAsset, worlds: int = 1, **sim: Any) -> tuple[MujocoEngine, ArticulationView]:
    engine = MujocoEngine(worlds, num_threads=1)
    scene = Scene(engine, SimConfig(**sim))
    robot = scene.add_articulation("robot", asset)
    engine.build(scene)
    return engine, robot


def urdf(*links: str, joints: str = "", compiler: str = "") -> str:
    return f"<robot name='r'><mujoco><compiler {compiler}/></mujoco>{''.join(links)}{joints}</robot>"


def package(folder: Path, shape: str = "collision", file: str = "meshes/corner.obj", inertial: str = BALL) -> Path:
    """Write a package 'crane' with a URDF whose mesh is ``package://crane/meshes/corner.obj``."""
    (folder / "crane" / "meshes").mkdir(parents=True)
    (folder / "crane" / "urdf").mkdir()
    (folder / "crane" / "meshes" / "corner.obj").write_text(TETRAHEDRON)
    geometry = f"<geometry><mesh filename='package://crane/{file}'/></geometry>"
    path = folder / "crane" / "urdf" / "crane.urdf"
    path.write_text(urdf(f"<link name='base'>{inertial}<{shape}>{geometry}</{shape}></link>"))
    return path


# -------------------------------------------------------------------------------------------- root, names, report


def test_root_selects_one_tree_and_names_parts_by_their_numbers() -> None:
    """The unnamed body is number 3 of box 1, arm 2, …; the name body_4 is taken; joint 1 follows the free joint."""
    engine, robot = build(ArticulationAsset(mjcf=TWO, root="arm"))
    assert robot.body_names == ["arm", "body_3", "body_4"]
    assert robot.dof_names == ["joint_1", "knee"]
    assert engine.compiled.model.body_mass.sum() == pytest.approx(6.0)
    assert (engine.compiled.model.nlight, engine.compiled.model.ncam) == (0, 0)
    without_rope = TWO.replace('<site site="hook"/>', "").replace("spatial", "fixed").replace('<site site="eye"/>', "")
    without_rope = without_rope.replace('name="rope">', 'name="rope"><joint joint="knee" coef="1"/>')
    _, box = build(ArticulationAsset(mjcf=without_rope, root="box"))
    assert (box.body_names, box.dof_names) == (["box"], [])


def test_unknown_root_and_missing_choice_raise() -> None:
    with raises(
        OigeError,
        r"articulation 'robot': its file has 2 root bodies: box, arm; choose one of them with ArticulationAsset "
        r"root='box'\.",
    ):
        build(ArticulationAsset(mjcf=TWO))
    with raises(OigeError, r"articulation 'robot': root='arn' is no root body of its file\. Did you mean arm\?"):
        build(ArticulationAsset(mjcf=TWO, root="arn"))


def test_report_names_everything_that_does_not_act() -> None:
    assert file_report(ArticulationAsset(mjcf=TWO, root="arm")) == (
        "changed: weld 'grip' is left out: it uses site 'eye', which is not below root='arm'",
        "changed: the contact pair of 'hub' and 'side' is left out: it uses geom 'side', which is not below root='arm'",
        "changed: the exclude of 'box' and 'arm' is left out: it uses body 'box', which is not below root='arm'",
        "ignored: root bodies box",
        "ignored: 1 actuator; with_actuators reads their gains into drives",
        "ignored: 1 sensor",
        "ignored: 1 keyframe (bent); with_keyframe reads joint positions",
        "ignored: 1 camera (wrist)",
        "ignored: 2 lights (sun)",
        "ignored: 1 shape of the world body (floor)",
        "ignored: 1 site of the world body (hook)",
    )
    asset = ArticulationAsset(mjcf=TWO, root="arm", drives={"kn.*": Drive(damping=1.0)}, joint_positions={"knee": 0.1})
    assert [line for line in file_report(asset) if "actuator" in line or "keyframe" in line] == []
    asset = ArticulationAsset(mjcf=TWO, root="arm", drives={"joint_1": Drive(damping=1.0)})
    assert "ignored: 1 actuator; with_actuators reads their gains into drives" in file_report(asset)
    clean = '<mujoco><worldbody><body name="a"><joint name="j"/><geom size=".1"/></body></worldbody></mujoco>'
    assert file_report(ArticulationAsset(mjcf=clean)) == ()


def test_building_warns_of_changes_only(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "oige_core"):
        build(ArticulationAsset(mjcf=TWO, root="arm"))
    assert caplog.messages[0] == (
        "articulation 'robot': of its text, weld 'grip' is left out: it uses site 'eye', which is not below root='arm'."
    )
    assert len(caplog.records) == 3


def test_scene_decides_about_gravity_of_a_file_without_gravity() -> None:
    """After 0.1 s in steps of 0.01 s, a ball has fallen by 55 · g · 0.01² m, or not at all."""
    ball = """<mujoco><option><flag gravity="disable"/></option><worldbody><body name="a"><freejoint/><geom size=".1"/>
      </body></worldbody></mujoco>"""
    for disable, height in ((True, 0.0), (False, -55 * 9.81 * 1e-4)):
        engine = MujocoEngine(1, num_threads=1)
        scene = Scene(engine, SimConfig(dt=0.01))
        robot = scene.add_articulation("robot", ArticulationAsset(mjcf=ball), disable_gravity=disable)
        engine.build(scene)
        engine.step(10)
        assert robot.get_world_poses()[0][0, 2].item() == pytest.approx(height, abs=1e-6)


# ------------------------------------------------------------------------------------------ actuators, keyframes


SERVOS = """<mujoco><compiler autolimits="true"/><worldbody><body name="a"><geom size=".1" mass="1"/>
  <body name="b"><joint name="p" axis="0 1 0"/><geom size=".1" mass="1" pos="1 0 0"/>
   <body name="c"><joint name="v" axis="0 1 0"/><geom size=".1" mass="1" pos="1 0 0"/>
    <body name="d"><joint name="m.x" axis="0 1 0"/><geom size=".1" mass="1" pos="1 0 0"/><site name="s"/></body></body>
  </body></body></worldbody>
  <actuator><position joint="p" kp="50" kv="3" gear="2" forcerange="-4 4"/><velocity joint="v" kv="7"/>
    <motor joint="m.x" gear="10" ctrlrange="-.5 .5"/><motor name="jet" site="s"/></actuator></mujoco>"""


def test_actuators_become_drives(caplog: pytest.LogCaptureFixture) -> None:
    """A position servo acts on the length 2 q with a force times 2; so the joint has 4 times its gains."""
    asset = with_actuators(ArticulationAsset(mjcf=SERVOS))
    assert asset.drives == {
        "p": Drive(stiffness=200.0, damping=12.0, max_effort=8.0),
        "v": Drive(damping=7.0),
        r"m\.x": Drive(max_effort=5.0),
    }
    assert caplog.messages == ["MJCF: actuators jet are not drives of joints; they are left out."]
    own = with_actuators(ArticulationAsset(mjcf=SERVOS, drives={"p|v": Drive(stiffness=1.0)}))
    _, robot = build(own)
    assert robot.get_max_efforts()[0].tolist() == [np.inf, np.inf, 5.0]
    assert robot.get_gains()[0][0].tolist() == [1.0, 1.0, 0.0]


def test_drives_of_actuators_move_as_the_actuators_in_mujoco() -> None:
    """Position targets of .6 rad at the joint are a control of 1.2, because the gear is 2."""
    mjcf = SERVOS.replace('<velocity joint="v" kv="7"/>', '<position joint="v" kp="20" dampratio="1"/>').replace(
        "autolimits", 'angle="radian" autolimits'
    )
    engine, robot = build(with_actuators(ArticulationAsset(mjcf=mjcf)), dt=0.002)
    model = mujoco.MjSpec.from_string(mjcf)
    model.option.timestep, model.option.integrator = 0.002, mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    model.option.disableflags = mujoco.mjtDisableBit.mjDSBL_CONTACT
    compiled = model.compile()
    data = mujoco.MjData(compiled)
    data.ctrl[:2] = 1.2, -0.3
    robot.set_joint_position_targets(
        robot.get_joint_positions() + robot.get_joint_positions().new_tensor([0.6, -0.3, 0])
    )
    mujoco.mj_step(compiled, data, 100)
    engine.step(100)
    np.testing.assert_allclose(robot.get_joint_positions()[0].numpy(), data.qpos, atol=1e-5)
    assert abs(data.qpos[0]) > 0.05


def test_file_without_usable_actuators_raises() -> None:
    mjcf = '<mujoco><worldbody><body name="a"><joint name="j"/><geom size=".1"/></body></worldbody></mujoco>'
    with raises(OigeError, r"MJCF: has no actuators on joints from which drives follow; give drives=\{…\}\."):
        with_actuators(ArticulationAsset(mjcf=mjcf))


def test_keyframe_gives_initial_positions() -> None:
    """The positions of the box come first in the file; given positions remain."""
    asset = with_keyframe(ArticulationAsset(mjcf=TWO, root="arm"), "bent")
    _, robot = build(asset)
    assert robot.get_joint_positions()[0].tolist() == [0.5, -0.25]
    own = with_keyframe(ArticulationAsset(mjcf=TWO, root="arm", joint_positions={"knee": 1.0}), "bent")
    assert build(own)[1].get_joint_positions()[0].tolist() == [0.5, 1.0]
    with raises(OigeError, r"MJCF: has no keyframe 'bend'\. Did you mean bent\?"):
        with_keyframe(asset, "bend")
    with raises(OigeError, r"MJCF: keyframe 'bent' has 3 positions, expected 9; correct qpos\."):
        with_keyframe(ArticulationAsset(mjcf=TWO.replace("7 7 7 1 0 0 0 .5 -.25", "7 7 7")), "bent")


# ------------------------------------------------------------------------------------------------------ files


def test_string_is_a_path_unless_it_starts_with_a_tag(tmp_path: Path) -> None:
    assert ArticulationAsset(mjcf="robots/arm.xml").mjcf == Path("robots/arm.xml")
    assert ArticulationAsset(mjcf=" \n<mujoco/>").mjcf == " \n<mujoco/>"
    with raises(
        OigeError,
        rf"articulation 'robot': its file 'robots/arm\.xml' does not exist in '{Path.cwd()}'; give the path of an MJCF "
        r"or URDF file\.",
    ):
        build(ArticulationAsset(mjcf="robots/arm.xml"))
    with raises(OigeError, rf"articulation 'robot': its file '{tmp_path}' is a folder; give the path of .* file\."):
        build(ArticulationAsset(mjcf=str(tmp_path)))


@pytest.mark.parametrize(
    ("suffix", "advice"),
    [
        ("xacro", "a xacro file; expand it with: xacro FILE > robot.urdf"),
        ("sdf", "an SDF file; convert it to URDF or MJCF"),
        ("usda", "a USD file; give the MJCF or URDF file of the robot"),
    ],
)
def test_other_formats_raise(tmp_path: Path, suffix: str, advice: str) -> None:
    file = tmp_path / f"arm.{suffix}"
    file.write_text("<robot/>")
    with raises(OigeError, f"articulation 'robot': its file '{file}' is {advice}."):
        build(ArticulationAsset(mjcf=file))


def test_mjcf_without_files_of_visual_meshes_and_textures_is_read(tmp_path: Path) -> None:
    file = tmp_path / "arm.xml"
    text = """<mujoco><compiler meshdir="parts" texturedir="parts"/><asset><mesh name="shell" file="shell.stl"/>
      <texture name="wood" type="2d" file="wood.png"/><material name="brown" texture="wood"/></asset><worldbody>
      <body name="a"><joint name="j"/><geom name="core" size=".1" material="brown"/>
      <geom type="mesh" mesh="shell" mass="0" contype="0" conaffinity="0"/></body></worldbody></mujoco>"""
    file.write_text(text)
    asset = ArticulationAsset(mjcf=file)
    assert file_report(asset) == (
        "changed: texture 'wood' is left out: its file 'wood.png' does not exist",
        "changed: the visual mesh 'shell' is left out: its file 'shell.stl' does not exist",
    )
    assert build(asset)[0].compiled.model.ngeom == 1
    file.write_text(text.replace('contype="0" ', ""))
    with raises(
        OigeError,
        rf"articulation 'robot': the file 'shell\.stl' of mesh 'shell' of body 'a' does not exist in "
        rf"'{tmp_path}/parts'; add the file, or correct meshdir or file in the MJCF\.",
    ):
        build(asset)


def test_attached_models_are_part_of_the_robot(tmp_path: Path) -> None:
    (tmp_path / "hand").mkdir()
    (tmp_path / "hand" / "corner.obj").write_text(TETRAHEDRON)
    (tmp_path / "hand" / "hand.xml").write_text(
        """<mujoco><asset><mesh file="corner.obj"/></asset><worldbody><body name="palm"><joint name="wrist"/>
        <geom type="mesh" mesh="corner" mass="3"/></body></worldbody></mujoco>"""
    )
    (tmp_path / "arm.xml").write_text(
        """<mujoco><asset><model name="hand" file="hand/hand.xml"/></asset><worldbody><body name="arm">
        <geom size=".1" mass="1"/><body name="mount"><attach model="hand" body="palm" prefix="left_"/></body></body>
        </worldbody></mujoco>"""
    )
    engine, robot = build(ArticulationAsset(mjcf=str(tmp_path / "arm.xml")))
    assert (robot.body_names, robot.dof_names) == (["arm", "mount", "left_palm"], ["left_wrist"])
    assert engine.compiled.model.body_mass.sum() == pytest.approx(4.0)


# ------------------------------------------------------------------------------------------------------- URDF


def test_package_is_found_above_the_file_or_in_package_paths(tmp_path: Path) -> None:
    path = package(tmp_path / "here")
    engine, _ = build(ArticulationAsset(mjcf=path, floating=True))
    assert engine.compiled.model.mesh_vertnum.tolist() == [4]
    alone = tmp_path / "elsewhere.urdf"
    alone.write_text(path.read_text())
    for folder in (tmp_path / "here", str(tmp_path / "here" / "crane")):
        asset = ArticulationAsset(mjcf=alone, floating=False, package_paths=[folder])
        assert build(asset)[0].compiled.model.nmesh == 1
    with raises(
        OigeError,
        r"articulation 'robot': the collision mesh 'package://crane/meshes/corner\.obj' of link 'base' does not exist; "
        r"give ArticulationAsset package_paths=\[the folder that contains the package 'crane'\]\.",
    ):
        build(ArticulationAsset(mjcf=alone, floating=False))


def test_missing_or_unreadable_meshes_of_a_urdf(tmp_path: Path) -> None:
    path = package(tmp_path, file="meshes/corner.dae")
    assert file_report(ArticulationAsset(mjcf=path, floating=True)) == (
        "changed: mesh 'package://crane/meshes/corner.dae' of link 'base' is replaced by 'corner.obj' beside it",
    )
    (tmp_path / "crane" / "meshes" / "corner.obj").rename(tmp_path / "crane" / "meshes" / "corner.dae")
    with raises(
        OigeError,
        r"articulation 'robot': the collision mesh 'package://crane/meshes/corner\.dae' of link 'base' is a \.dae "
        r"file, which MuJoCo cannot read; put 'corner\.stl' or 'corner\.obj' beside it\.",
    ):
        build(ArticulationAsset(mjcf=path, floating=True))
    text = path.read_text().replace("collision", "visual")
    path.write_text(text)
    assert file_report(ArticulationAsset(mjcf=path, floating=True)) == (
        'ignored: 1 visual shape; <mujoco><compiler discardvisual="false"/></mujoco> in the URDF keeps them',
    )
    path.write_text(text.replace("<compiler ", "<compiler discardvisual='false' "))
    assert file_report(ArticulationAsset(mjcf=path, floating=True)) == (
        "changed: the visual mesh 'package://crane/meshes/corner.dae' of link 'base' is left out: it is a .dae file",
    )


def test_meshes_of_the_same_name_in_different_folders_are_different(tmp_path: Path) -> None:
    for name, size in (("near", 1), ("far", 3)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "corner.obj").write_text(TETRAHEDRON.replace("1 0 0", f"{size} 0 0"))
    shapes = "".join(
        f"<collision><geometry><mesh filename='{name}/corner.obj'/></geometry></collision>" for name in ("near", "far")
    )
    (tmp_path / "r.urdf").write_text(urdf(f"<link name='base'>{BALL}{shapes}</link>"))
    model = build(ArticulationAsset(mjcf=tmp_path / "r.urdf", floating=True))[0].compiled.model
    assert sorted(np.ptp(model.mesh_vert[start : start + 4], axis=0).max() for start in model.mesh_vertadr) == (
        pytest.approx([np.sqrt(2), np.sqrt(10)], rel=0.2)
    )


def test_impossible_inertias_of_a_urdf_are_mended() -> None:
    """Moments of 1, 1 and 4 become 2 (1 + 1e-6) twice and 4; without moments, a mass of 3 kg has 3e-6."""
    flat = BALL.replace("izz='.1'", "izz='4'").replace("'.1'", "'1'")
    none = BALL.replace("'.1'", "'0'").replace("value='2'", "value='3'")
    joint = "<joint name='j' type='continuous'><parent link='a'/><child link='b'/><axis xyz='0 0 1'/></joint>"
    text = urdf(f"<link name='a'>{flat}</link>", f"<link name='b'>{none}</link>", joints=joint)
    asset = ArticulationAsset(mjcf=text, floating=True)
    model = build(asset)[0].compiled.model
    np.testing.assert_allclose(np.sort(model.body_inertia[1:]), [[2, 2, 4], [3e-6] * 3], rtol=3e-6)
    assert file_report(asset) == (
        "changed: link 'a' has impossible moments of inertia 1, 1, 4; they are replaced by 2, 2, 4 kg·m²",
        "changed: link 'b' has impossible moments of inertia 0, 0, 0; they are replaced by 3e-06, 3e-06, 3e-06 kg·m²",
    )


def test_mass_without_moments_of_inertia_is_that_of_the_shapes() -> None:
    """A cube of 0.2 m and one of 0.1 m, 1 m from it, in one link of 18 kg: 16 kg and 2 kg, at a distance of 1/9 m."""
    mass = "<inertial><mass value='18'/></inertial>"
    cubes = "".join(
        f"<collision><origin xyz='{x} 0 0'/><geometry><box size='{a} {a} {a}'/></geometry></collision>"
        for x, a in ((0, 0.2), (1, 0.1))
    )
    asset = ArticulationAsset(mjcf=urdf(f"<link name='a'>{mass}{cubes}</link>"), floating=True)
    model = build(asset)[0].compiled.model
    assert model.body_mass[1] == pytest.approx(18.0)
    np.testing.assert_allclose(model.body_ipos[1], [1 / 9, 0, 0], atol=1e-9)
    spin = 16 * 0.2**2 / 6 + 2 * 0.1**2 / 6
    lever = 16 * (1 / 9) ** 2 + 2 * (8 / 9) ** 2
    np.testing.assert_allclose(np.sort(model.body_inertia[1]), [spin, spin + lever, spin + lever])
    assert file_report(asset) == (
        "changed: link 'a' has no <inertia>; its moments of inertia are those of its collision shapes",
    )
    with raises(
        OigeError,
        r"articulation 'robot': link 'a' has a mass, but neither <inertia> nor collision shapes; add <inertia>\.",
    ):
        build(ArticulationAsset(mjcf=urdf(f"<link name='a'>{mass}</link>"), floating=True))


def test_links_without_mass_and_repeated_elements_are_read() -> None:
    """A frame of mass 0 on a link of 2 kg; shapes of a link without <inertial> weigh 1000 kg/m³."""
    empty = BALL.replace("'.1'", "'0'").replace("value='2'", "value='0'")
    shape = "<collision name='c'><geometry><box size='.1 .1 .1'/></geometry></collision>"
    links = (f"<link name='a'>{empty}{shape}</link>", f"<link name='b'>{BALL}{BALL}{shape}</link>", "<link name='c'>")
    fixed = "".join(
        f"<joint name='{child}' type='fixed'><parent link='a'/><child link='{child}'/></joint>" for child in "bc"
    )
    asset = ArticulationAsset(mjcf=urdf(*links, f"{shape}</link>", joints=fixed), floating=True)
    assert build(asset)[0].compiled.model.body_mass.tolist() == pytest.approx([0, 0, 2, 1])
    assert file_report(asset) == (
        "changed: of repeated elements the first is read: <inertial> of link 'b'",
        "changed: link 'c' has no <inertial>; its mass is that of its collision shapes at 1000 kg/m³",
    )


def test_urdf_with_namespace_or_lines_before_its_declaration_is_read(capfd: pytest.CaptureFixture[str]) -> None:
    text = f"\n<?xml version='1.0'?>\n<!-- made\n by hand -->\n<robot name='r' xmlns='http://a.b'><link name='a'>{BALL}"
    engine, _ = build(ArticulationAsset(mjcf=f"{text}</link></robot>", floating=True))
    assert engine.compiled.model.body("robot/a").mass[0] == 2.0
    with raises(OigeError, r"articulation 'robot': MuJoCo cannot read its URDF: .*'box'.*line 5.*"):
        build(
            ArticulationAsset(
                mjcf=f"{text}\n<collision><geometry><box/></geometry></collision></link></robot>", floating=True
            )
        )
    with raises(OigeError, r"articulation 'robot': its URDF is not valid XML: no element found: line 4, column .*\."):
        build(ArticulationAsset(mjcf=text.lstrip(), floating=True))
    assert capfd.readouterr() == ("", "")


def test_package_paths_that_have_no_effect_raise() -> None:
    with raises(OigeError, r"articulation 'robot': package_paths is only for URDF files; remove it\."):
        build(ArticulationAsset(mjcf=TWO, root="arm", package_paths=["a"]))
    with raises(OigeError, r"ArticulationAsset\(package_paths='a'\): expected a list of folders\."):
        ArticulationAsset(mjcf=TWO, package_paths="a")


def test_ball_joint_raises() -> None:
    joint = "<joint name='hip' type='spherical'><parent link='a'/><child link='b'/></joint>"
    text = urdf(*(f"<link name='{name}'>{BALL}</link>" for name in "ab"), joints=joint)
    with raises(
        CapabilityError,
        "articulation 'robot': joint 'hip' is a ball, which has no single position; replace it by three hinges at the "
        r"same place, with axes 1 0 0, 0 1 0 and 0 0 1\.",
    ):
        build(ArticulationAsset(mjcf=text, floating=False))
