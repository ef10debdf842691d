"""The model of ANYmal C against the figures of ANYbotics' anymal_c_simple_description, and how it stands."""

import dataclasses
import math

import mujoco
import numpy as np
import pytest
import torch
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.registry import load_config
from oige_core.scene import Drive, Scene
from oige_core.views import ArticulationView, RigidPrimView
from oige_tasks_locomotion.anymal.description import JOINT_NAMES
from oige_tasks_locomotion.anymal.robot import ANYMAL_ASSET, MAX_EFFORT

LEGS = {"LF": (1, 1), "LH": (-1, 1), "RF": (1, -1), "RH": (-1, -1)}
WEIGHT = 51.99285 * 9.81  # N

# Parts that do not move against the base: mass in kg, centre of mass in m along the base's axes.
DRIVE, DEPTH_CAMERA, WIDE_ANGLE_CAMERA, FACE, OUTPUT = 2.04, 0.16043, 0.287, 0.73, 0.001
BASE_PARTS = [
    (6.222, (-0.018, -0.002, 0.024)),  # hull
    (0.534, (-0.00777, -0.00013, 0.06523)),  # top shell
    (1.15, (-0.00333, 0.00001, -0.07705)),  # bottom shell
    (0.3262, (-0.171, 0.002, 0.096)),  # receiver of the remote control
    (0.314, (0.37801, 0.0, 0.1372)),  # handle
    (5.53425, (-0.00067, -0.00023, -0.03362)),  # battery
    (0.065, (0.343 - 0.003, 0.0, -0.07 + 0.005)),  # hatch
    (0.01, (0.2488, 0.00835, 0.04628)),  # inertial sensor
    (0.545, (-0.364 + 0.002, 0.0, 0.0735 + 0.099)),  # cage
    (0.695, (-0.364 + 0.001, 0.012, 0.1422 - 0.008)),  # lidar, turned by -90 degrees
    (2 * FACE, (0.0, 0.0, 0.004)),  # front and rear; what lies off the middle cancels
    (2 * WIDE_ANGLE_CAMERA, (0.0, 0.0, 0.01497 + 0.025)),
    # Depth cameras look down by 30 degrees: z = −x sin 30° + z cos 30° of their own centre of mass.
    (2 * DEPTH_CAMERA, (0.0, 0.0, -0.0292 + 0.021 * 0.5 + 0.025 * math.cos(math.pi / 6))),  # front and rear
    (2 * DEPTH_CAMERA, (0.0, 0.0, 0.02905 + 0.021 * 0.5 + 0.025 * math.cos(math.pi / 6))),  # left and right
    (4 * DRIVE, (0.0, 0.0, 0.0)),  # HAA
]


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(ANYMAL_ASSET.mjcf))


def test_masses_match_the_model(model: mujoco.MjModel) -> None:
    base = sum(mass for mass, _ in BASE_PARTS)
    assert model.body("base").mass[0] == pytest.approx(base, abs=1e-5)
    hip, thigh, shank = 0.74 + DRIVE + OUTPUT, 1.03 + DRIVE + OUTPUT, 0.33742 + 0.25 + OUTPUT
    for leg in LEGS:
        masses = [model.body(f"{leg}_{link}").mass[0] for link in ("HIP", "THIGH", "SHANK")]
        assert masses == pytest.approx([hip, thigh, shank], abs=1e-5)
    assert model.body_subtreemass[1] == pytest.approx(base + 4 * (hip + thigh + shank), abs=1e-4)
    assert model.body_subtreemass[1] == pytest.approx(52.0, abs=0.05)


def test_centres_of_mass_match_the_model(model: mujoco.MjModel) -> None:
    """One drive lies with its centre of mass 63 mm behind its output, towards the middle of the robot."""
    expected = sum(mass * np.array(position) for mass, position in BASE_PARTS) / model.body("base").mass[0]
    assert model.body("base").ipos == pytest.approx(expected, abs=2e-4)
    hip = (0.74 * np.array([0.048, 0.008, -0.003]) + DRIVE * np.array([0.0599, 0.08381 - 0.063, 0.00046])) / 2.781
    thigh = (1.03 * np.array([0.0, 0.018, -0.169]) + DRIVE * np.array([0.0, 0.1003 - 0.063, -0.285 + 0.00046])) / 3.071
    foot = np.array([0.08795 + 0.00948, 0.01305 - 0.00948, -0.33797 + 0.1468])
    shank = (0.33742 * np.array([0.03463, 0.00688, 0.00098]) + 0.25 * foot) / 0.58842
    for leg, (x, y) in LEGS.items():
        for link, position in (("HIP", hip), ("THIGH", thigh), ("SHANK", shank)):
            assert model.body(f"{leg}_{link}").ipos == pytest.approx(position * [x, y, 1], abs=1e-4), (leg, link)


def test_principal_inertias_match_the_model(model: mujoco.MjModel) -> None:
    """Legs have those that MuJoCo Menagerie's model gives, made from the same description by another hand."""
    for leg in LEGS:
        for link, moments in (
            ("HIP", (0.00585729, 0.00491868, 0.00329081)),
            ("THIGH", (0.03025, 0.0298943, 0.00418465)),
            ("SHANK", (0.0101637, 0.00923838, 0.00111927)),
        ):
            assert sorted(model.body(f"{leg}_{link}").inertia) == pytest.approx(sorted(moments), rel=2e-3)


def test_lengths_axes_and_limits_match_the_model(model: mujoco.MjModel) -> None:
    for leg, (x, y) in LEGS.items():
        assert model.body(f"{leg}_HIP").pos == pytest.approx([x * 0.2999, y * 0.104, 0.0])
        assert model.body(f"{leg}_THIGH").pos == pytest.approx([x * 0.0599, y * 0.08381, 0.0])
        assert model.body(f"{leg}_SHANK").pos == pytest.approx([0.0, y * 0.1003, -0.285])
        foot = model.geom(f"{leg}_foot")
        assert foot.pos == pytest.approx([x * 0.08795, y * 0.01305, -0.33797 + 0.0225], abs=1e-6)
        assert foot.size[0] == 0.03
        inwards, outwards = 0.72, 0.49
        assert model.joint(f"{leg}_HAA").range.tolist() == ([-inwards, outwards] if y > 0 else [-outwards, inwards])
        assert model.joint(f"{leg}_HAA").axis.tolist() == [1, 0, 0]
        for joint in ("HFE", "KFE"):
            assert model.joint(f"{leg}_{joint}").range == pytest.approx([-3 * math.pi, 3 * math.pi], abs=1e-5)
            assert model.joint(f"{leg}_{joint}").axis.tolist() == [0, 1, 0]


def standing_height() -> float:
    """Height of the base over the ground in the default pose: the left front leg's chain of rotations, by hand."""
    foot_x, foot_y, foot_z = 0.08795, 0.1003 + 0.01305 + 0.08381, -0.31547
    knee = -0.285 * math.cos(0.4) - foot_x * math.sin(0.4 - 0.8) + foot_z * math.cos(0.4 - 0.8)
    return -(foot_y * math.sin(0.03) + knee * math.cos(0.03)) + 0.03


@dataclasses.dataclass
class Robot:
    engine: MujocoEngine
    body: ArticulationView
    shanks: RigidPrimView
    others: RigidPrimView


def stand(drive: Drive, height: float) -> Robot:
    engine = MujocoEngine(1, num_threads=1)
    scene = Scene(engine, load_config("Anymal").task.sim)
    scene.add_ground_plane()
    asset = dataclasses.replace(ANYMAL_ASSET, drives={".*": drive})
    body = scene.add_articulation("anymal", asset, position=(0.0, 0.0, height))
    shanks = scene.add_link_view("shanks", "anymal", ".*_SHANK", track_contact_forces=True)
    others = scene.add_link_view("others", "anymal", "base|.*_(HIP|THIGH)", track_contact_forces=True)
    engine.build(scene)
    return Robot(engine, body, shanks, others)


def test_joints_are_in_upstream_order() -> None:
    robot = stand(Drive(), 1.0)
    assert robot.body.dof_names == list(JOINT_NAMES)
    assert robot.body.dof_names[:5] == ["LF_HAA", "LH_HAA", "RF_HAA", "RH_HAA", "LF_HFE"]
    default = [0.03, 0.03, -0.03, -0.03, 0.4, -0.4, 0.4, -0.4, -0.8, 0.8, -0.8, 0.8]
    assert robot.body.get_joint_positions()[0].tolist() == pytest.approx(default)
    robot.engine.close()


def test_standing_height_matches_the_geometry() -> None:
    """In the default pose the feet touch the ground when the base is 0.543 m above it, and not a millimetre before."""
    assert standing_height() == pytest.approx(0.5427, abs=1e-4)
    for gap, touches in ((1e-3, False), (-1e-3, True)):
        robot = stand(Drive(), standing_height() + gap)
        robot.engine.step()
        pressed = robot.shanks.get_net_contact_forces()[0, :, 2] > 0
        assert pressed.tolist() == [touches] * 4
        robot.engine.close()


@pytest.mark.parametrize(
    ("drive", "sinking", "bending"),
    [
        (Drive(stiffness=400.0, damping=20.0, max_effort=MAX_EFFORT), 0.01, 0.05),
        (Drive(stiffness=math.degrees(400.0), damping=math.degrees(40.0)), 0.001, 0.002),
    ],
    ids=["fixed", "upstream"],
)
def test_robot_holds_its_default_pose(drive: Drive, sinking: float, bending: float) -> None:
    """Dropped from 0.62 m, it comes to rest on four feet, and then neither drifts nor shakes for four seconds."""
    robot = stand(drive, 0.62)
    default = robot.body.get_joint_positions()
    robot.engine.step(300)
    positions, speeds, joint_speeds, feet, elsewhere = [], [], [], [], []
    for _ in range(400):
        robot.engine.step()
        positions.append(torch.cat([pose[0] for pose in robot.body.get_world_poses()]))
        speeds.append(robot.body.get_velocities()[0])
        joint_speeds.append(robot.body.get_joint_velocities()[0])
        feet.append(robot.shanks.get_net_contact_forces()[0, :, 2])
        elsewhere.append(robot.others.get_net_contact_forces()[0])
    trace = torch.stack(positions)
    assert 0.0 < standing_height() - trace[-1, 2].item() < sinking  # m
    assert (trace[:, 2].max() - trace[:, 2].min()).item() < 1e-3
    assert (trace[-1] - trace[0])[:2].abs().max() < 1e-3  # m
    assert trace[:, 4:].abs().max() < 5e-3  # half angles in rad
    assert torch.stack(speeds).abs().max() < 0.01  # m/s, rad/s
    assert torch.stack(joint_speeds).abs().max() < 0.02  # rad/s
    assert (robot.body.get_joint_positions() - default).abs().max() < bending  # rad
    forces = torch.stack(feet)
    assert forces.sum(dim=1).mean().item() == pytest.approx(WEIGHT, rel=2e-3)
    assert forces.min() > 0.2 * WEIGHT
    assert forces.max() < 0.3 * WEIGHT
    assert not torch.stack(elsewhere).any()
    robot.engine.close()


def test_default_pose_has_no_self_collisions() -> None:
    """With self-collisions, as on rough terrain, no part of the robot touches another."""
    spec = mujoco.MjSpec.from_file(str(ANYMAL_ASSET.mjcf))
    model = spec.compile()
    data = mujoco.MjData(model)
    default = [0.03, 0.03, -0.03, -0.03, 0.4, -0.4, 0.4, -0.4, -0.8, 0.8, -0.8, 0.8]
    for name, angle in zip(JOINT_NAMES, default, strict=True):
        data.joint(name).qpos = angle
    mujoco.mj_forward(model, data)
    assert data.ncon == 0
    colliding = {model.body(model.geom_bodyid[geom]).name for geom in np.flatnonzero(model.geom_contype)}
    assert colliding == {"base", *(f"{leg}_{link}" for leg in LEGS for link in ("THIGH", "SHANK"))}
