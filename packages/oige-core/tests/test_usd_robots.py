"""Robots as USD: what the writer makes of small mechanisms, against MuJoCo and numbers worked out by hand."""

import importlib.metadata
from collections.abc import Callable
from pathlib import Path

import mujoco
import numpy as np
import pytest

pytest.importorskip("pxr")

from oige_core.engines.isaacsim.usd.description import (
    Pose,
    RobotDescription,
    from_json,
    to_json,
    with_base,
    with_density,
)
from oige_core.engines.isaacsim.usd.files import describe_asset, robot_files, write_robot_file
from oige_core.engines.isaacsim.usd.from_mujoco import describe
from oige_core.engines.isaacsim.usd.kinematics import link_poses
from oige_core.engines.isaacsim.usd.robot import RobotOptions, read_description, write_robot
from oige_core.errors import ConfigError, OigeError
from oige_core.scene import ArticulationAsset, Drive
from pxr import Gf, Usd, UsdGeom, UsdPhysics

# A fixed base, a body with a hinge and a slide that do not start at zero, and a finger welded to a tip.
ARM = """
<mujoco model="arm">
  <compiler angle="radian"/>
  <worldbody>
    <body name="base">
      <geom type="box" size=".1 .2 .3" mass="2" friction="0.5"/>
      <body name="upper arm" pos="0 0.1 0.3" quat="0.9238795 0 0.3826834 0">
        <joint name="shoulder" axis="0 1 1" range="-1 2" ref="0.5" armature=".1" damping=".3" stiffness="2"
          springref=".2" actuatorfrcrange="-7 7" frictionloss=".05"/>
        <joint name="slide" type="slide" pos=".1 0 0" axis="1 0 0" ref="0.1"/>
        <geom name="tube" type="capsule" fromto="0 0 0 .4 .1 0" size=".05" mass="1"/>
        <body name="tip" pos=".5 0 0">
          <joint name="wrist" axis="0 0 -1"/>
          <geom type="ellipsoid" size=".1 .05 .02" mass=".2" contype="0" conaffinity="0" rgba="1 0 0 .5"/>
          <body name="finger" pos="0.1 0 0"><geom type="sphere" size=".02" mass=".1"/></body>
        </body>
      </body>
    </body>
  </worldbody>
</mujoco>"""


@pytest.fixture(scope="module")
def arm() -> RobotDescription:
    return describe(ArticulationAsset(mjcf=ARM))


@pytest.fixture
def stage() -> Usd.Stage:
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    return stage


def mujoco_poses(xml: str, positions: dict[str, float]) -> dict[str, np.ndarray]:
    """Homogeneous matrices of bodies by name, in the frame of the root."""
    model = mujoco.MjModel.from_xml_string(xml)
    data = mujoco.MjData(model)
    for name, position in positions.items():
        data.joint(name).qpos[0] = position
    mujoco.mj_kinematics(model, data)
    poses = {}
    for body in range(1, model.nbody):
        poses[model.body(body).name] = matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = data.xmat[body].reshape(3, 3), data.xpos[body]
    return poses


def as_matrix(pose: Pose) -> np.ndarray:
    matrix, rotation = np.eye(4), np.empty(9)
    mujoco.mju_quat2Mat(rotation, np.array(pose.orientation))
    matrix[:3, :3], matrix[:3, 3] = rotation.reshape(3, 3), pose.position
    return matrix


def usd_matrix(stage: Usd.Stage, path: str) -> np.ndarray:
    """Homogeneous matrix of a prim in the stage's frame."""
    return np.array(UsdGeom.Xformable(stage.GetPrimAtPath(path)).ComputeLocalToWorldTransform(0)).T


@pytest.mark.parametrize("positions", [{}, {"shoulder": -0.4, "slide": 0.25, "wrist": 1.1}])
def test_links_stand_where_mujoco_puts_them(arm: RobotDescription, positions: dict[str, float]) -> None:
    poses = link_poses(arm, positions)
    for name, expected in mujoco_poses(ARM, positions).items():
        np.testing.assert_allclose(as_matrix(poses[name]), expected, atol=1e-6, err_msg=name)


def test_two_joints_of_a_body_have_a_helper_between_them(arm: RobotDescription) -> None:
    assert [link.name for link in arm.links] == ["base", "upper arm_shoulder", "upper arm", "tip", "finger"]
    assert arm.body_names == ["base", "upper arm", "tip", "finger"]
    assert arm.dof_names == ["shoulder", "slide", "wrist"]
    ends = [(joint.kind, joint.parent, joint.child) for joint in arm.joints]
    assert ends == [
        ("fixed", None, "base"),
        ("revolute", "base", "upper arm_shoulder"),
        ("prismatic", "upper arm_shoulder", "upper arm"),
        ("revolute", "upper arm", "tip"),
        ("fixed", "tip", "finger"),
    ]


def test_joint_frames_coincide_at_the_initial_positions(arm: RobotDescription, stage: Usd.Stage) -> None:
    options = RobotOptions(joint_positions={"shoulder": -0.3, "slide": 0.2}, pose=Pose(position=(1.0, 2.0, 3.0)))
    prims = write_robot(arm, stage, "/World/arm", options)
    positions = {"shoulder": -0.3, "slide": 0.2, "wrist": 0.0}
    for name, expected in mujoco_poses(ARM, positions).items():
        expected[:3, 3] += (1.0, 2.0, 3.0)
        np.testing.assert_allclose(usd_matrix(stage, prims.links[name]), expected, atol=1e-6, err_msg=name)
    for name, path in prims.joints.items():
        first, second = (joint_frame(stage, path, end) for end in (0, 1))
        position, moved = positions.get(name, 0.0), np.eye(4)
        if name == "slide":
            moved[0, 3] = position
        else:
            cos, sin = np.cos(position), np.sin(position)
            moved[1:3, 1:3] = [[cos, -sin], [sin, cos]]
        np.testing.assert_allclose(first @ moved, second, atol=1e-6, err_msg=name)


def joint_frame(stage: Usd.Stage, path: str, end: int) -> np.ndarray:
    """Homogeneous matrix, in the stage's frame, of the frame of a joint at one of its ends."""
    joint = UsdPhysics.Joint(stage.GetPrimAtPath(path))
    body = joint.GetBody0Rel() if end == 0 else joint.GetBody1Rel()
    position = joint.GetLocalPos0Attr() if end == 0 else joint.GetLocalPos1Attr()
    rotation = joint.GetLocalRot0Attr() if end == 0 else joint.GetLocalRot1Attr()
    local = Gf.Matrix4d().SetRotate(Gf.Quatd(rotation.Get()))
    local.SetTranslateOnly(Gf.Vec3d(position.Get()))
    return usd_matrix(stage, str(body.GetTargets()[0])) @ np.array(local).T


def value(stage: Usd.Stage, path: str, attribute: str) -> object:
    return stage.GetPrimAtPath(path).GetAttribute(attribute).Get()


def test_springs_and_dampers_of_joints_are_part_of_the_drives(arm: RobotDescription, stage: Usd.Stage) -> None:
    drives = {"shoulder": Drive(stiffness=6.0, damping=0.7, max_effort=9.0)}
    options = RobotOptions(drives=drives, joint_positions={"shoulder": 1.0})
    path = write_robot(arm, stage, "/arm", options).joints["shoulder"]
    degree = np.pi / 180
    assert value(stage, path, "drive:angular:physics:stiffness") == pytest.approx(8.0 * degree)
    assert value(stage, path, "drive:angular:physics:damping") == pytest.approx(1.0 * degree)
    target = (6.0 * 1.0 + 2.0 * 0.2) / 8.0  # where both springs together are at rest
    assert value(stage, path, "drive:angular:physics:targetPosition") == pytest.approx(target / degree)
    assert value(stage, path, "drive:angular:physics:maxForce") == 7.0  # of the asset, below the drive's
    assert value(stage, path, "physxJointAxis:angular:armature") == pytest.approx(0.1)
    assert value(stage, path, "physics:lowerLimit") == pytest.approx(-1.0 / degree)
    assert value(stage, path, "physics:upperLimit") == pytest.approx(2.0 / degree)
    assert value(stage, path, "state:angular:physics:position") == pytest.approx(1.0 / degree)


def test_springs_and_dampers_without_a_drive_are_not_limited(arm: RobotDescription, stage: Usd.Stage) -> None:
    path = write_robot(arm, stage, "/arm").joints["shoulder"]
    assert value(stage, path, "drive:angular:physics:stiffness") == pytest.approx(2.0 * np.pi / 180)
    assert value(stage, path, "drive:angular:physics:maxForce") == np.inf


def test_description_is_read_back_from_the_prim(arm: RobotDescription, stage: Usd.Stage) -> None:
    write_robot(arm, stage, "/arm")
    assert read_description(stage.GetPrimAtPath("/arm")) == from_json(to_json(arm))


def test_prim_without_description_is_refused(stage: Usd.Stage) -> None:
    UsdGeom.Xform.Define(stage, "/arm")
    with pytest.raises(OigeError, match="'/arm' is not a robot that oige-usd wrote"):
        read_description(stage.GetPrimAtPath("/arm"))


def test_density_replaces_masses_of_shapes(arm: RobotDescription) -> None:
    masses = {link.name: link.mass for link in with_density(arm, 100.0, "task.sim.arm.density").links}
    assert masses["base"].mass == pytest.approx(100.0 * 0.2 * 0.4 * 0.6)
    assert masses["finger"].mass == pytest.approx(100.0 * 4 / 3 * np.pi * 0.02**3)
    assert masses["finger"].inertia == pytest.approx([0.4 * masses["finger"].mass * 0.02**2] * 3)
    stated = ARM.replace(
        '<joint name="wrist"', '<inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/><joint name="wrist"'
    )
    with pytest.raises(ConfigError, match=r"task.sim.arm.density=100.0: robot 'arm' states masses of links"):
        with_density(describe(ArticulationAsset(mjcf=stated)), 100.0, "task.sim.arm.density")


def test_base_can_be_freed_and_fixed(arm: RobotDescription) -> None:
    free = with_base(arm, True)
    assert free.floating
    assert free.joints == arm.joints[1:]
    assert with_base(free, False) == arm
    assert with_base(arm, None) is arm


@pytest.fixture
def mjcf(tmp_path: Path) -> Path:
    path = tmp_path / "assets" / "arm.xml"
    path.parent.mkdir()
    path.write_text(ARM)
    return path


@pytest.fixture(params=["3.8.0", None])
def no_mujoco(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Pretends that MuJoCo is not installed, or as old as that of Isaac Sim's Newton."""

    def version(name: str) -> str:
        if request.param is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return request.param

    return lambda: monkeypatch.setattr(importlib.metadata, "version", version)


def test_file_beside_the_mjcf_replaces_mujoco(mjcf: Path, no_mujoco: Callable[[], None]) -> None:
    asset = ArticulationAsset(mjcf=mjcf)
    assert robot_files(mjcf.parent.parent) == [mjcf]
    expected = from_json(to_json(describe_asset(asset, "arm")))
    assert write_robot_file(mjcf)[0] == mjcf.with_suffix(".usda")
    no_mujoco()
    assert describe_asset(asset, "arm") == expected
    assert describe_asset(ArticulationAsset(mjcf=mjcf, floating=True), "arm") == with_base(expected, True)


def test_file_of_another_mjcf_is_not_used(mjcf: Path, no_mujoco: Callable[[], None]) -> None:
    write_robot_file(mjcf)
    mjcf.write_text(ARM.replace('mass="2"', 'mass="3"'))
    assert describe_asset(ArticulationAsset(mjcf=mjcf), "arm").root.mass.mass == pytest.approx(3.0)
    no_mujoco()
    with pytest.raises(OigeError, match=r"articulation 'arm': .*arm.usda' was made from another 'arm.xml'"):
        describe_asset(ArticulationAsset(mjcf=mjcf), "arm")
    with pytest.raises(OigeError, match=r"because it is given as text, and oige-core"):
        describe_asset(ArticulationAsset(mjcf=ARM), "arm")
