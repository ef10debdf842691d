"""Controllers in the engine against closed forms: responses to steps, decoupled motion, and forces on surfaces.

A sphere of 2 kg on three sliding and three turning joints, without gravity, is controlled in every physics step
of 1 ms. Where nothing else is said, a tolerance is the first-order error of that step.
"""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from oige_core.config import ControlConfig
from oige_core.config.control_schema import (
    ClosedLoopForceConfig,
    ControlType,
    HybridForceMotionConfig,
    OpenLoopForceConfig,
    SharedControlConfig,
    TaskSpaceMotionConfig,
)
from oige_core.control import Controller, ControlState, ControlTarget
from oige_core.math import quat_from_rotation_vector, quat_mul
from oige_core.scene import ArticulationAsset, Drive, Material, Scene

DT = 1e-3
MASS, INERTIA, RADIUS = 2.0, 0.02, 0.1
PRESS = 10.0  # N
FRICTION = 2.0  # N, of the sliding joint along z of the second gantry

JOINTS = "".join(
    f'<joint name="{kind}_{axis}" type="{kind}" axis="{vector}" frictionloss="{{{kind}_{axis}}}"/>'
    for kind in ("slide", "hinge")
    for axis, vector in (("x", "1 0 0"), ("y", "0 1 0"), ("z", "0 0 1"))
)
GANTRY = f"""<mujoco><worldbody><body name="rail"><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>
  <body name="tool">{JOINTS}<geom type="sphere" size="{RADIUS}" mass="0" contype="1" friction="0.0 0 0"/>
    <inertial pos="0 0 0" mass="{MASS}" diaginertia="{INERTIA} {INERTIA} {INERTIA}"/></body>
</body></worldbody></mujoco>"""

# Seven links with joints about different axes, bent so that no joint is aligned with another.
ARM_AXES = ("0 0 1", "0 1 0", "0 0 1", "0 1 0", "0 0 1", "0 1 0", "1 0 0")
ARM_POSITIONS = (0.3, 0.7, -0.4, 1.1, 0.5, -0.9, 0.2)


def arm() -> str:
    """Return the MJCF of an arm; each link is 0.2 m long, of 1.5 kg less 0.2 kg per joint before it."""
    links = "".join(
        f'<body name="link{number}" pos="0 0 {0.2 * (number > 0)}"><joint name="joint{number}" axis="{axis}"/>'
        f'<inertial pos=".02 .01 .1" mass="{1.5 - 0.2 * number}" diaginertia=".01 .008 .004"/>'
        for number, axis in enumerate(ARM_AXES)
    )
    return (
        f'<mujoco><worldbody><body name="base"><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>'
        f"{links}{'</body>' * len(ARM_AXES)}</body></worldbody></mujoco>"
    )


def gantry(friction: float = 0.0) -> ArticulationAsset:
    losses = {f"{kind}_{axis}": 0.0 for kind in ("slide", "hinge") for axis in "xyz"} | {"slide_z": friction}
    return ArticulationAsset(mjcf=GANTRY.format(**losses), drives={".*": Drive(max_effort=1000.0)})


class Robot:
    """An articulation whose last link a controller moves.

    Attributes:
        position: ``(1, 3)`` of the link at the last measurement, in m.
        orientation: ``(1, 4)``.
        velocity: ``(1, 6)``, in m/s and rad/s.
        force: ``(1, 3)``: contact force on the link, in N.
    """

    def __init__(self, world: Any, name: str) -> None:
        self.world, self.joints, self.link = world, world.views[name], world.views[f"{name}_tip"]
        self.body = self.joints.num_bodies - 1
        self.measure()

    def measure(self) -> ControlState:
        self.position, self.orientation = self.link.get_world_poses()
        self.velocity = self.link.get_velocities()
        self.force = self.link.get_net_contact_forces()
        return ControlState(
            joint_positions=self.joints.get_joint_positions(),
            joint_velocities=self.joints.get_joint_velocities(),
            position=self.position,
            orientation=self.orientation,
            linear_velocity=self.velocity[:, :3],
            angular_velocity=self.velocity[:, 3:],
            jacobian=self.joints.get_jacobians()[:, self.body],
            mass_matrix=self.joints.get_mass_matrices(),
            contact_force=self.force,
        )

    def step(self, controller: Controller, position: torch.Tensor, orientation: torch.Tensor, **target: Any) -> None:
        """Move towards a pose for one step, and measure."""
        aim = ControlTarget(
            position=position, orientation=orientation, gripper_positions=position[:, :0], wrench=target.get("wrench")
        )
        self.joints.set_joint_efforts(controller.compute_efforts(self.measure(), aim))
        self.world.engine.step(1)
        self.measure()


def controller(name: ControlType, section: Any, joints: int = 6) -> Controller:
    no_gripper = SharedControlConfig(gripper_prop_gains=[], gripper_deriv_gains=[])
    return Controller(ControlConfig(ctrl_type=name, all=no_gripper, **{name: section}), "cpu", arm_joints=joints)


@pytest.fixture(scope="module")
def built(build: Callable[..., Any]) -> Any:
    def set_up_scene(scene: Scene) -> dict[str, Any]:
        views: dict[str, Any] = {}
        scene.add_ground_plane(material=Material(friction=0.0))
        links = {"gantry": (gantry(), "tool", 0.0), "rubbing": (gantry(FRICTION), "tool", 5.0)}
        asset = ArticulationAsset(
            mjcf=arm(),
            drives={".*": Drive(max_effort=1000.0)},
            joint_positions={f"joint{number}": value for number, value in enumerate(ARM_POSITIONS)},
        )
        links["arm"] = (asset, "link6", -5.0)
        for name, (model, link, x) in links.items():
            views[name] = scene.add_articulation(name, model, position=(x, 0.0, 1.0), disable_gravity=True)
            views[f"{name}_tip"] = scene.add_link_view(f"{name}_tip", name, link, track_contact_forces=True)
        views["table"] = scene.add_box(
            "table", size=(1.0, 1.0, 0.2), position=(5.0, 0.0, 0.8), kinematic=True, track_contact_forces=True
        )
        return views

    return build(set_up_scene, dt=DT)


def test_impedance_responds_to_a_step_as_a_spring_with_a_damper(world: Any) -> None:
    """m ẍ + d ẋ + k (x − x*) = 0: the overshoot is exp(−π ζ / √(1 − ζ²)), at t = π / (ω √(1 − ζ²)).

    Along x, k = 200 N/m, d = 12 N·s/m: ω = 10 1/s, ζ = 0.3; about z, 2 N·m/rad, 0.16 N·m·s/rad: ω = 10 1/s, ζ = 0.4.
    """
    robot = Robot(world, "gantry")
    section = TaskSpaceMotionConfig(
        task_prop_gains=[200.0, 300.0, 300.0, 2.0, 2.0, 2.0], task_deriv_gains=[12.0, 40.0, 40.0, 0.4, 0.4, 0.16]
    )
    impedance = controller("task_space_impedance", section)
    start, turn = robot.position.clone(), torch.tensor([[0.0, 0.0, 0.2]])
    position, orientation = start + torch.tensor([[0.1, 0.0, 0.0]]), quat_from_rotation_vector(turn)
    track = []
    for _ in range(1340):
        robot.step(impedance, position, orientation)
        track.append(torch.stack((robot.position[0, 0] / 0.1, 2.0 * robot.orientation[0, 3].asin() / 0.2)))
    highest, when = torch.stack(track).max(dim=0)
    for damping, peak, step in zip((0.3, 0.4), highest.tolist(), when.tolist(), strict=True):
        damped = math.sqrt(1.0 - damping**2)
        assert peak == pytest.approx(1.0 + math.exp(-math.pi * damping / damped), abs=0.005)
        assert (step + 1) * DT == pytest.approx(math.pi / (10.0 * damped), abs=3 * DT)
    # With the envelope exp(−ζ ω t), it has settled within 2 % after 4 / (ζ ω).
    settled = torch.stack(track)[[1330, 999], [0, 1]]
    assert (settled - 1.0).abs().max() < 0.02
    assert (robot.position - start)[0, 1:].abs().max() < 1e-6


def test_impedance_leaves_a_masked_axis_free(world: Any) -> None:
    """Pushed by 4 N for t = 0.2 s, the axis along y, which is not controlled, moves by ½ F/m t² = 4 cm.

    Along x, k = 200 N/m and d = 40 N·s/m are critical damping with ω = 10 1/s: F / k · (1 − (1 + ω t) exp(−ω t)).
    """
    robot = Robot(world, "gantry")
    section = TaskSpaceMotionConfig(
        motion_ctrl_axes=[1, 0, 1, 1, 1, 1], task_prop_gains=[200.0] * 6, task_deriv_gains=[40.0] * 6
    )
    impedance = controller("task_space_impedance", section)
    start, orientation = robot.position.clone(), robot.orientation.clone()
    for _ in range(200):
        world.gantry_tip.apply_forces(torch.tensor([[4.0, 4.0, 0.0]]))
        robot.step(impedance, start, orientation)
    yielded = 0.02 * (1.0 - 3.0 * math.exp(-2.0))
    world.close(robot.position - start, [[yielded, 0.04, 0.0]], tol=3e-4)


def test_operational_space_motion_accelerates_each_axis_by_gain_times_error(world: Any) -> None:
    """From rest, v / dt = k_p · error in every axis, whatever the pose and masses of an arm of seven joints are."""
    robot = Robot(world, "arm")
    gains = [30.0, 40.0, 50.0, 60.0, 70.0, 80.0]
    section = TaskSpaceMotionConfig(task_prop_gains=gains, task_deriv_gains=[8.0] * 6)
    motion = controller("operational_space_motion", section, joints=7)
    shift, turn = torch.tensor([[0.02, -0.05, 0.03]]), torch.tensor([[0.1, 0.3, -0.2]])
    target = quat_mul(quat_from_rotation_vector(turn), robot.orientation)
    robot.step(motion, robot.position + shift, target)
    expected = torch.tensor(gains) * torch.cat((shift, turn), dim=-1)
    world.close(robot.velocity / DT, expected, tol=1e-3 * expected.abs().max().item())


def test_operational_space_motion_follows_a_step_along_one_axis_only(world: Any) -> None:
    """ë + k_d ė + k_p e = 0 with ω = 10 1/s and ζ = 0.5: 16.3 % of overshoot along y, and less than 1 % elsewhere."""
    robot = Robot(world, "arm")
    section = TaskSpaceMotionConfig(task_prop_gains=[100.0] * 6, task_deriv_gains=[10.0] * 6)
    motion = controller("operational_space_motion", section, joints=7)
    start, orientation = robot.position.clone(), robot.orientation.clone()
    target = start + torch.tensor([[0.0, 0.02, 0.0]])
    track = []
    for _ in range(500):
        robot.step(motion, target, orientation)
        track.append((robot.position - start)[0] / 0.02)
    moved = torch.stack(track)
    assert moved[:, 1].max() == pytest.approx(1.0 + math.exp(-math.pi * 0.5 / math.sqrt(0.75)), abs=0.01)
    assert moved[:, [0, 2]].abs().max() < 0.01


def press(robot: Robot, presser: Controller, steps: int, table_speed: float = 0.0) -> float:
    """Press downwards and return the mean force on the surface during the last quarter of the steps, in N."""
    wrench = torch.tensor([[0.0, 0.0, -PRESS, 0.0, 0.0, 0.0]])
    table = robot.world.table.get_world_poses()[0].clone()
    forces = []
    for _ in range(steps):
        table[:, 2] -= table_speed * DT
        robot.world.table.set_world_poses(table)
        robot.step(presser, robot.position, robot.orientation, wrench=wrench)
        forces.append(robot.force[0, 2].item())
    last = forces[-steps // 4 :]
    return sum(last) / len(last)


@pytest.mark.parametrize("gain", [None, 0.1, 0.5])
def test_force_is_held_on_a_surface(world: Any, gain: float | None) -> None:
    """10 N on a table within 5 %, open and closed loop."""
    robot = Robot(world, "rubbing")
    robot.joints.set_joint_positions(torch.tensor([[0.0, 0.0, -0.001, 0.0, 0.0, 0.0]]))
    presser = pressers(gain)
    assert press(robot, presser, 300) == pytest.approx(PRESS, rel=0.05)


def pressers(gain: float | None) -> Controller:
    if gain is None:
        return controller("open_loop_force", OpenLoopForceConfig())
    return controller("closed_loop_force", ClosedLoopForceConfig(wrench_prop_gains=[gain] * 6))


def test_closed_loop_reduces_the_error_that_friction_causes(world: Any) -> None:
    """A table gives way at 1 cm/s, so that 2 N of joint friction f act: F* − f open, F* − f / (1 + k) closed loop."""
    forces = {}
    for gain in (None, 0.5, 0.8):
        world.engine.load_state_dict(world.initial_state)
        robot = Robot(world, "rubbing")
        forces[gain] = press(robot, pressers(gain), 700, table_speed=0.01)
    for gain, force in forces.items():
        assert force == pytest.approx(PRESS - FRICTION / (1.0 + (gain or 0.0)), rel=0.01)


def test_hybrid_control_presses_while_it_follows_a_circle(world: Any) -> None:
    """10 N downwards within 5 %; in the plane, a circle of 5 cm at 1 Hz, as k_p / (k_p − ω² + i k_d ω) lets it.

    With k_p = 400 1/s² and k_d = 40 1/s, that is a radius of 91 % and a delay of 34.9°.
    """
    robot = Robot(world, "gantry")
    robot.joints.set_joint_positions(torch.tensor([[0.0, 0.0, -0.9, 0.0, 0.0, 0.0]]))
    robot.measure()
    section = HybridForceMotionConfig(
        task_prop_gains=[400.0] * 6, task_deriv_gains=[40.0] * 6, wrench_prop_gains=[0.1] * 6
    )
    hybrid = controller("hybrid_force_motion", section)
    orientation, centre = robot.orientation.clone(), robot.position.clone()
    wrench = torch.tensor([[0.0, 0.0, -PRESS, 0.0, 0.0, 0.0]])
    rate = 2.0 * math.pi
    response = 400.0 / complex(400.0 - rate**2, 40.0 * rate)
    errors, forces = [], []
    for step in range(1200):
        angle = rate * DT * (step + 1)
        target = centre + 0.05 * torch.tensor([[math.cos(angle), math.sin(angle), 0.0]])
        robot.step(hybrid, target, orientation, wrench=wrench)
        if step >= 600:
            expected = 0.05 * response * complex(math.cos(angle), math.sin(angle))
            x, y, _ = (robot.position - centre)[0].tolist()
            errors.append(abs(complex(x, y) - expected))
            forces.append(robot.force[0, 2].item())
    assert max(errors) < 0.001
    assert min(forces) == pytest.approx(PRESS, rel=0.05)
    assert max(forces) == pytest.approx(PRESS, rel=0.05)
