"""The drives of the Franka Panda, and what its gripper holds, against closed forms."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import mujoco
import numpy as np
import pytest
import torch
from oige_core import ArticulationAsset, Scene
from oige_core.config import MujocoConfig, SimConfig
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.views import ArticulationView, RigidPrimView
from oige_tasks_manipulation.franka.description import JOINT_NAMES
from oige_tasks_manipulation.franka.robot import FRANKA, MAX_VELOCITY

DT = 0.0083
STIFFNESS, DAMPING = 400.0, 80.0  # of the arm's joints, in N·m/rad and N·m·s/rad
G = 9.81
EDGE = 0.04  # m; of the box that the gripper holds
TIPS = 0.1036  # m; of the middle of the pads above the hand's frame


@dataclasses.dataclass
class Robot:
    engine: MujocoEngine
    view: ArticulationView
    hand: RigidPrimView
    fingers: RigidPrimView
    box: RigidPrimView | None

    @property
    def positions(self) -> np.ndarray:
        return self.view.get_joint_positions()[0].numpy().astype(float)

    @property
    def velocities(self) -> np.ndarray:
        return self.view.get_joint_velocities()[0].numpy().astype(float)

    def aim(self, targets: Sequence[float] | np.ndarray) -> None:
        self.view.set_joint_position_targets(torch.tensor(np.array([targets]), dtype=torch.float32))

    def run(self, seconds: float) -> None:
        self.engine.step(round(seconds / self.engine.physics_dt))

    def dynamics(self) -> tuple[np.ndarray, np.ndarray]:
        """Return mass matrix (9, 9) and the efforts (9,) of gravity at the present positions, from the file alone."""
        model = mujoco.MjModel.from_xml_path(str(FRANKA.mjcf))
        data = mujoco.MjData(model)
        data.qpos[:] = self.positions
        mujoco.mj_forward(model, data)
        matrix = np.zeros((9, 9))
        mujoco.mj_fullM(model, data, matrix)
        return matrix, -data.qfrc_bias


@contextmanager
def robot(
    asset: ArticulationAsset = FRANKA, *, box_mass: float | None = None, dt: float = DT, gravity: float = -G
) -> Iterator[Robot]:
    """Build a robot, and a box apart from it if it has a mass, in kg."""
    engine = MujocoEngine(1, num_threads=1)
    sim = SimConfig(dt=dt, gravity=[0.0, 0.0, gravity], mujoco=MujocoConfig(integrator="discrete"))
    scene = Scene(engine, sim)
    scene.add_ground_plane()
    view = scene.add_articulation("franka", asset)
    hand = scene.add_link_view("hand", "franka", "panda_hand")
    fingers = scene.add_link_view(
        "fingers", "franka", ["panda_leftfinger", "panda_rightfinger"], track_contact_forces=True
    )
    options: dict[str, Any] = {"size": (EDGE, EDGE, EDGE), "position": (0.0, 0.0, 3.0)}
    box = None if box_mass is None else scene.add_box("box", density=box_mass / EDGE**3, **options)
    engine.build(scene)
    yield Robot(engine, view, hand, fingers, box)
    engine.close()


def with_fingers(position: float, effort: float = 200.0) -> ArticulationAsset:
    """Return the robot with the fingers at a position, in m, and an effort limit of theirs, in N."""
    drives = dict(FRANKA.drives)
    drives["panda_finger_joint[12]"] = dataclasses.replace(drives["panda_finger_joint[12]"], max_effort=effort)
    places = {**FRANKA.joint_positions, "panda_finger_joint1": position, "panda_finger_joint2": position}
    return dataclasses.replace(FRANKA, drives=drives, joint_positions=places)


def test_joints_are_in_upstream_order() -> None:
    with robot() as franka:
        assert franka.view.dof_names == list(JOINT_NAMES)
        assert franka.positions == pytest.approx([0.0, -1.0, 0.0, -2.2, 0.0, 2.4, 0.8, 0.02, 0.02])


def test_arm_holds_its_pose_as_far_as_gravity_lets_it() -> None:
    """A joint is off by the torque of gravity over its stiffness, and neither drifts nor shakes."""
    with robot() as franka:
        targets = franka.positions
        franka.run(4.0)
        _, gravity = franka.dynamics()
        assert franka.positions[:7] - targets[:7] == pytest.approx(gravity[:7] / STIFFNESS, abs=1e-5)
        assert np.abs(gravity[:7]).max() > 10.0  # N·m
        assert franka.positions[7:] == pytest.approx([0.02, 0.02], abs=1e-5)
        for _ in range(60):
            franka.engine.step()
            assert np.abs(franka.velocities).max() < 1e-4  # rad/s, m/s


def test_step_response_is_that_of_the_gains() -> None:
    """Joint 1 turns the whole arm, of inertia M: M q'' + 80 q' + 400 (q - target) = 0 below the effort limit."""
    step, dt = 0.1, 0.001  # rad, s
    with robot(dt=dt, gravity=0.0) as franka:
        inertia = franka.dynamics()[0][0, 0]
        root = math.sqrt(DAMPING**2 - 4 * inertia * STIFFNESS)
        fast, slow = (-DAMPING - root) / (2 * inertia), (-DAMPING + root) / (2 * inertia)  # 1/s
        franka.aim(franka.positions + step * np.eye(9)[0])
        for count in range(1, 801):
            franka.engine.step()
            if count in (50, 100, 200, 400, 800):
                time = count * dt
                remaining = (fast * math.exp(slow * time) - slow * math.exp(fast * time)) / (fast - slow)
                assert franka.positions[0] == pytest.approx(step * (1.0 - remaining), abs=0.02 * step), time


@pytest.mark.parametrize("joint", range(9))
def test_effort_limits_act(joint: int) -> None:
    """A distant target accelerates the joint by what its effort limit gives: M q'' = limit of this joint alone."""
    dt, limit = 1e-5, (87.0, 12.0, 200.0)[0 if joint < 4 else 1 if joint < 7 else 2]
    with robot(with_fingers(0.001), dt=dt, gravity=0.0) as franka:
        matrix, _ = franka.dynamics()
        away = -1.0 if joint in (1, 3, 5) else 1.0
        distance = 1.0 if joint < 7 else 0.039  # rad, m
        franka.aim(franka.positions + away * distance * np.eye(9)[joint])
        franka.engine.step()
        expected = dt * np.linalg.solve(matrix, away * limit * np.eye(9)[joint])
        tolerance = 0.01 if joint < 7 else 0.3  # fingers weigh 29 g, and in 10 µs their damping of 1100 N·s/m is felt
        assert franka.velocities[joint] == pytest.approx(expected[joint], rel=tolerance)


def test_velocity_limits_act() -> None:
    """Against distant targets, no joint goes faster than its limit, but for what gravity adds; most reach it."""
    low = np.array([-2.8, -1.7, -2.8, -3.0, -2.8, 0.0, -2.8, 0.0, 0.0])
    high = np.array([2.8, 1.7, 2.8, -0.1, 2.8, 3.7, 2.8, 0.04, 0.04])
    with robot(gravity=0.0) as franka:
        start = franka.positions
        for joint in range(9):
            franka.view.set_joint_positions(torch.tensor(np.where(np.arange(9) == joint, low, start)[None]).float())
            franka.view.set_joint_velocities(torch.zeros(1, 9))
            franka.aim(np.where(np.arange(9) == joint, high, start))
            fastest = 0.0
            for _ in range(round(0.6 / DT)):
                franka.engine.step()
                fastest = max(fastest, franka.velocities[joint])
            assert fastest == pytest.approx(MAX_VELOCITY[joint], rel=0.05), JOINT_NAMES[joint]


def grip(franka: Robot) -> np.ndarray:
    """Put the box between the pads, close them for 1 s, and return the position of the box in the hand's frame."""
    assert franka.box is not None
    position, orientation = franka.hand.get_world_poses()
    rotation = _rotation(orientation)
    middle = position[0].numpy() + rotation @ [0.0, 0.0, TIPS]
    franka.box.set_world_poses(torch.tensor(middle[None], dtype=torch.float32), orientation)
    franka.box.set_velocities(torch.zeros(1, 6))
    franka.aim([*franka.positions[:7], 0.0, 0.0])
    franka.run(1.0)
    return held(franka)


def held(franka: Robot) -> np.ndarray:
    """Return the position of the box in the hand's frame, in m."""
    assert franka.box is not None
    position, orientation = franka.hand.get_world_poses()
    box, _ = franka.box.get_world_poses()
    return _rotation(orientation).T @ (box - position)[0].numpy()


def _rotation(orientation: torch.Tensor) -> np.ndarray:
    result = np.zeros(9)
    mujoco.mju_quat2Mat(result, orientation[0].double().numpy())
    return result.reshape(3, 3)


@pytest.mark.parametrize(("effort", "force"), [(200.0, 200.0), (20.0, 20.0)])
def test_gripper_holds_with_its_effort_limit(effort: float, force: float) -> None:
    """Targets 20 mm inside the box ask for 200 N; the pads then press with that, or with a smaller limit."""
    with robot(with_fingers(0.5 * EDGE + 1e-4, effort), box_mass=0.1) as franka:
        grip(franka)
        rotation = _rotation(franka.hand.get_world_poses()[1])
        forces = franka.fingers.get_net_contact_forces()[0].numpy() @ rotation
        assert forces[:, 1] == pytest.approx([force, -force], rel=0.06)
        assert franka.positions[7:] == pytest.approx(0.5 * EDGE, abs=1e-3)  # the pads do not sink in


def test_held_box_neither_slips_nor_shakes() -> None:
    with robot(with_fingers(0.5 * EDGE + 1e-4), box_mass=0.5) as franka:
        before = grip(franka)
        franka.run(2.0)
        assert held(franka) == pytest.approx(before, abs=2e-4)  # m
        for _ in range(60):
            franka.engine.step()
            assert np.abs(franka.velocities).max() < 1e-3  # rad/s, m/s


@pytest.mark.parametrize(("mass", "holds"), [(3.0, True), (5.5, False)])
def test_friction_carries_as_much_as_the_grip_gives(mass: float, holds: bool) -> None:
    """Two pads with 20 N each and a coefficient of friction of 1 carry 40 N, or 4.1 kg."""
    with robot(with_fingers(0.5 * EDGE + 1e-4, effort=20.0), box_mass=mass) as franka:
        grip(franka)
        franka.run(1.0)
        distance = np.linalg.norm(held(franka) - [0.0, 0.0, TIPS])
        assert (distance < 0.005) == holds
