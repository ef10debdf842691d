"""The USD files of robots are up to date, keep the rules of USD and PhysX, and have what MuJoCo makes of the MJCF."""

import re
import subprocess
import sys
from pathlib import Path

import mujoco
import numpy as np
import pytest

pytest.importorskip("pxr")

from oige_core.engines.isaacsim.usd.files import robot_files, robot_stage, usd_file
from oige_core.engines.isaacsim.usd.kinematics import link_poses
from oige_core.engines.isaacsim.usd.robot import read_description
from pxr import Gf, Usd, UsdGeom, UsdPhysics
from usd_rules import breaches, validation_errors  # pyright: ignore[reportMissingImports]

REPOSITORY = Path(__file__).resolve().parent.parent
MJCF = [file for package in sorted((REPOSITORY / "packages").glob("oige-tasks-*")) for file in robot_files(package)]
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
DEGREE = np.pi / 180
LARGEST = 2**19  # bytes of a file


class Robot:
    """A robot's file, and the model that MuJoCo compiles from its MJCF file, in its reference configuration."""

    def __init__(self, mjcf: Path) -> None:
        self.mjcf = mjcf
        self.stage = Usd.Stage.Open(str(usd_file(mjcf)))
        self.prim = self.stage.GetDefaultPrim()
        self.description = read_description(self.prim)
        self.model = mujoco.MjModel.from_xml_path(str(mjcf))
        self.data = mujoco.MjData(self.model)
        self.move({})
        self.bodies = {self.model.body(number).name: number for number in range(1, self.model.nbody)}
        self.joints = {
            self.model.joint(number).name: number
            for number in range(self.model.njnt)
            if self.model.jnt_type[number] != mujoco.mjtJoint.mjJNT_FREE
        }

    def move(self, positions: dict[str, float]) -> None:
        """Set positions of joints, with the root link at the origin."""
        mujoco.mj_resetData(self.model, self.data)
        for name, position in positions.items():
            self.data.joint(name).qpos[0] = position
        mujoco.mj_kinematics(self.model, self.data)

    def from_root(self, position: np.ndarray, rotation: np.ndarray) -> np.ndarray:
        """Return a pose of MuJoCo as a homogeneous matrix in the frame of the root link."""
        root, pose = np.eye(4), np.eye(4)
        root[:3, :3], root[:3, 3] = self.data.xmat[1].reshape(3, 3), self.data.xpos[1]
        pose[:3, :3], pose[:3, 3] = rotation, position
        return np.linalg.inv(root) @ pose

    def child(self, path: str) -> Usd.Prim:
        prim = self.prim.GetPrimAtPath(path)
        assert prim, path
        return prim


@pytest.fixture(scope="module", params=MJCF, ids=lambda path: path.stem)
def robot(request: pytest.FixtureRequest) -> Robot:
    return Robot(request.param)


def in_root(prim: Usd.Prim) -> np.ndarray:
    return np.array(UsdGeom.Xformable(prim).ComputeLocalToWorldTransform(0)).T


def joint_frame(robot: Robot, prim: Usd.Prim, end: int) -> np.ndarray:
    joint = UsdPhysics.Joint(prim)
    body = (joint.GetBody1Rel() if end else joint.GetBody0Rel()).GetTargets()[0]
    position = (joint.GetLocalPos1Attr() if end else joint.GetLocalPos0Attr()).Get()
    rotation = (joint.GetLocalRot1Attr() if end else joint.GetLocalRot0Attr()).Get()
    local = Gf.Matrix4d().SetRotate(Gf.Quatd(rotation)).SetTranslateOnly(Gf.Vec3d(position))
    return in_root(robot.stage.GetPrimAtPath(body)) @ np.array(local).T


def inertia_matrix(moments: np.ndarray, orientation: np.ndarray) -> np.ndarray:
    rotation = np.empty(9)
    mujoco.mju_quat2Mat(rotation, orientation)
    axes = rotation.reshape(3, 3)
    return axes @ np.diag(moments) @ axes.T


def test_every_robot_has_a_file() -> None:
    assert len(MJCF) == 14
    assert [mjcf.name for mjcf in MJCF if not usd_file(mjcf).is_file()] == []


def test_file_is_up_to_date(robot: Robot) -> None:
    stage, _ = robot_stage(robot.mjcf)  # a layer is valid only as long as its stage
    fresh = stage.GetRootLayer().ExportToString()
    stored = robot.stage.GetRootLayer().ExportToString()
    command = f"run oige-usd --robots {robot.mjcf.relative_to(REPOSITORY).parts[1]}"
    assert NUMBER.sub("#", fresh) == NUMBER.sub("#", stored), command
    values = [np.array([float(number) for number in NUMBER.findall(text)]) for text in (fresh, stored)]
    np.testing.assert_allclose(values[0], values[1], rtol=1e-5, atol=1e-6, err_msg=command)
    assert usd_file(robot.mjcf).stat().st_size < LARGEST


def test_file_keeps_all_rules(robot: Robot) -> None:
    assert validation_errors(robot.stage) == []
    assert list(breaches(robot.stage)) == []


def test_asset_validator_finds_no_failures(robot: Robot) -> None:
    validator = pytest.importorskip("omni.asset_validator", reason="needs omniverse-asset-validator")
    issues = validator.ValidationEngine().validate(robot.stage).issues()
    severe = validator.IssueSeverity.ERROR, validator.IssueSeverity.FAILURE
    assert [issue.message for issue in issues if issue.severity in severe] == []


def test_links_stand_where_mujoco_has_them(robot: Robot) -> None:
    robot.move({})
    assert sorted(robot.description.body_names) == sorted(robot.bodies)
    for name, body in robot.bodies.items():
        expected = robot.from_root(robot.data.xpos[body], robot.data.xmat[body].reshape(3, 3))
        np.testing.assert_allclose(in_root(robot.child(name)), expected, atol=1e-6, err_msg=name)


def test_frames_of_joints_coincide_and_lie_along_the_axes(robot: Robot) -> None:
    robot.move({})
    for joint in robot.description.joints:
        first, second = (joint_frame(robot, robot.child(f"joints/{joint.name}"), end) for end in (0, 1))
        np.testing.assert_allclose(first, second, atol=1e-6, err_msg=joint.name)
        if joint.kind == "fixed":
            continue
        number = robot.joints[joint.name]
        assert joint.reference == robot.model.qpos0[robot.model.jnt_qposadr[number]] == 0.0  # of all our robots
        pose = robot.from_root(robot.data.xanchor[number], robot.data.xmat[1].reshape(3, 3))
        axis = robot.data.xmat[1].reshape(3, 3).T @ robot.data.xaxis[number]
        np.testing.assert_allclose(second[:3, 3], pose[:3, 3], atol=1e-6, err_msg=joint.name)
        np.testing.assert_allclose(second[:3, 0], axis, atol=1e-6, err_msg=joint.name)


def test_links_move_as_in_mujoco(robot: Robot) -> None:
    random = np.random.default_rng(1)
    positions = {name: float(random.uniform(-1.0, 1.0)) for name in robot.joints}
    robot.move(positions)
    poses = link_poses(robot.description, positions)
    for name, body in robot.bodies.items():
        expected = robot.from_root(robot.data.xpos[body], robot.data.xmat[body].reshape(3, 3))
        np.testing.assert_allclose(poses[name].position, expected[:3, 3], atol=1e-6, err_msg=name)
        rotation = np.empty(9)
        mujoco.mju_quat2Mat(rotation, np.array(poses[name].orientation))
        np.testing.assert_allclose(rotation.reshape(3, 3), expected[:3, :3], atol=1e-6, err_msg=name)


def test_masses_and_inertias_are_those_of_mujoco(robot: Robot) -> None:
    model, total = robot.model, robot.model.body_mass.sum()
    for name, body in robot.bodies.items():
        mass = UsdPhysics.MassAPI(robot.child(name))
        assert mass.GetMassAttr().Get() == pytest.approx(model.body_mass[body], rel=1e-6, abs=1.01e-6 * total), name
        np.testing.assert_allclose(mass.GetCenterOfMassAttr().Get(), model.body_ipos[body], atol=1e-6, err_msg=name)
        axes = mass.GetPrincipalAxesAttr().Get()
        orientation = np.array([axes.GetReal(), *axes.GetImaginary()], float)
        actual = inertia_matrix(np.array(mass.GetDiagonalInertiaAttr().Get(), float), orientation)
        expected = inertia_matrix(model.body_inertia[body], model.body_iquat[body])
        tolerance = 1e-6 * expected.max() if model.body_mass[body] else 1.01e-10 * total
        np.testing.assert_allclose(actual, expected, atol=tolerance, err_msg=name)


def test_joints_have_the_limits_springs_and_armatures_of_mujoco(robot: Robot) -> None:
    model = robot.model
    assert sorted(robot.description.dof_names) == sorted(robot.joints)
    for name, number in robot.joints.items():
        prim, dof = robot.child(f"joints/{name}"), model.jnt_dofadr[number]
        hinge = model.jnt_type[number] == mujoco.mjtJoint.mjJNT_HINGE
        instance, unit = ("angular", DEGREE) if hinge else ("linear", 1.0)

        def read(attribute: str, prim: Usd.Prim = prim) -> float:
            return prim.GetAttribute(attribute).Get()

        limits = [read("physics:lowerLimit") * unit, read("physics:upperLimit") * unit]
        expected = model.jnt_range[number] if model.jnt_limited[number] else [-np.inf, np.inf]
        np.testing.assert_allclose(limits, expected, rtol=1e-6, atol=1e-6, err_msg=name)
        stiffness, damping = (read(f"drive:{instance}:physics:{key}") / unit for key in ("stiffness", "damping"))
        assert stiffness == pytest.approx(model.jnt_stiffness[number], rel=1e-6), name
        assert damping == pytest.approx(model.dof_damping[dof], rel=1e-6), name
        axis = f"physxJointAxis:{instance}"
        assert read(f"{axis}:armature") == read("physxJoint:armature") == pytest.approx(model.dof_armature[dof]), name
        assert read(f"{axis}:staticFrictionEffort") == pytest.approx(model.dof_frictionloss[dof]), name
        assert read(f"{axis}:dynamicFrictionEffort") == pytest.approx(model.dof_frictionloss[dof]), name


def test_shapes_that_collide_are_those_of_mujoco(robot: Robot) -> None:
    model = robot.model
    for name, body in robot.bodies.items():
        first = int(model.body_geomadr[body])
        geoms = range(first, first + int(model.body_geomnum[body])) if first >= 0 else range(0)
        expected = [bool(model.geom_contype[geom] or model.geom_conaffinity[geom]) for geom in geoms]
        shapes = [prim for prim in robot.child(name).GetChildren() if prim.IsA(UsdGeom.Gprim)]
        assert [prim.HasAPI(UsdPhysics.CollisionAPI) for prim in shapes] == expected, name
        for prim, geom in zip(shapes, geoms, strict=True):
            centre = UsdGeom.Xformable(prim).GetLocalTransformation().ExtractTranslation()
            np.testing.assert_allclose(centre, model.geom_pos[geom], atol=1e-6, err_msg=str(prim.GetPath()))


WITHOUT_MUJOCO = """
import sys

sys.modules.update(dict.fromkeys(("mujoco", "mujoco_warp", "warp")))  # None: importing one raises ModuleNotFoundError

from oige_core.engines.isaacsim.usd.prims import new_stage
from oige_core.engines.isaacsim.usd.scene import write_scene
from oige_core.envs.task_scene import task_scene
from oige_core.registry import installed_tasks, load_config

# Nuts and bolts are read from MJCF by MuJoCo, and soft bodies are refused.
tasks = {name for name in installed_tasks() if not name.startswith("Factory") and name != "FrankaDeformable"}
small = {"AnymalTerrain": {"task.env.terrain.numLevels": 1, "task.env.terrain.numTerrains": 1}}
for name in sorted(tasks):
    stage = new_stage()
    prims = write_scene(task_scene(load_config(name, {"num_envs": 1, **small.get(name, {})}), "Isaac Sim"), stage)
    print(name, sum(len(each.link_paths) for each in prims.articulations.values()))
"""


def test_scenes_of_robots_are_written_without_mujoco() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_MUJOCO], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    links = dict(line.split() for line in done.stdout.splitlines())
    assert len(links) == 18
    # 25: with the humanoid's 9 helper links; 19: Franka with 12 and the cabinet with 7.
    assert {name: int(links[name]) for name in ("Ant", "Humanoid", "FrankaCabinet", "ShadowHand")} == {
        "Ant": 9,
        "Humanoid": 25,
        "FrankaCabinet": 19,
        "ShadowHand": 26,
    }


@pytest.mark.filterwarnings("ignore:LoadUsdPhysicsFromRange is deprecated")  # its successor is new
def test_usd_reads_the_physics_of_the_file(robot: Robot) -> None:
    kinds = UsdPhysics.ObjectType
    parsed = {kind: len(found[0]) for kind, found in UsdPhysics.LoadUsdPhysicsFromRange(robot.stage, ["/"]).items()}
    description = robot.description
    assert parsed[kinds.Articulation] == 1
    anchors = any(loop.first is None for loop in description.loops)
    assert parsed[kinds.RigidBody] == len(description.links) + anchors
    joints = (kinds.RevoluteJoint, kinds.PrismaticJoint, kinds.FixedJoint, kinds.SphericalJoint)
    assert sum(parsed.get(kind, 0) for kind in joints) == len(description.joints) + len(description.loops)
    shapes = (kinds.SphereShape, kinds.CubeShape, kinds.CapsuleShape, kinds.CylinderShape, kinds.MeshShape)
    collide = sum(shape.collides for link in description.links for shape in link.shapes)
    assert sum(parsed.get(kind, 0) for kind in shapes) == collide
