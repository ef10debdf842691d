"""The conventions of PhysX and ``omni.physics.tensors`` that the engine relies on, measured on a running stage.

The stage is that of :func:`oige_core.engines.isaacsim.usd.probe.write_probe`, cloned. Expected numbers follow from it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from oige_core.engines.isaacsim.host import Host
from oige_core.engines.isaacsim.tensors import TensorRows, write_gravity

if TYPE_CHECKING:
    from oige_core.engines.isaacsim.usd.probe import ProbePaths

__all__ = ["CONVENTIONS", "Convention", "Finding", "Probe"]

GRAVITY = 9.81
DT = 0.01
HALF = math.sqrt(0.5)


@dataclass(frozen=True)
class Finding:
    """What a measurement gave: whether the convention ``holds``, and what was ``measured``."""

    holds: bool
    measured: str


@dataclass(frozen=True)
class Convention:
    """A convention.

    Attributes:
        name: a few words with hyphens.
        assumed: what the engine relies on.
        measure: measures it. Measurements do not depend on each other.
    """

    name: str
    assumed: str
    measure: Callable[["Probe"], Finding]


class Probe:
    """The running stage: its bodies and robots in all worlds, at rest at their initial poses without gravity.

    Args:
        host: runs the stage; physics plays, and has not been stepped.
        paths: of the stage.
        num_envs: number of worlds, at least 4.

    Attributes:
        host, num_envs: see above.
        box, cube, pusher, arm, post: rows of worlds in the views of bodies and robots.
        contacts: the contact view of the cubes.
        started: pose ``(num_envs, 7)`` and velocity ``(num_envs, 6)`` of the boxes after the start.
    """

    def __init__(self, host: Host, paths: "ProbePaths", num_envs: int) -> None:
        self.host = host
        self.num_envs = num_envs
        self._simulation: Any = host.simulation_view()
        self._time = 0.0
        bodies = [
            self._simulation.create_rigid_body_view(_pattern(path)) for path in (paths.box, paths.cube, paths.pusher)
        ]
        robots = [self._simulation.create_articulation_view(_pattern(path)) for path in (paths.arm, paths.post)]
        self.box, self.cube, self.pusher, self.arm, self.post = (
            TensorRows(view, list(view.prim_paths), num_envs, host.device) for view in (*bodies, *robots)
        )
        self.contacts = self._simulation.create_rigid_contact_view(_pattern(paths.cube))
        self.started = self.box.read("get_transforms").clone(), self.box.read("get_velocities").clone()
        self._initial = {
            "box": self.started[0],
            "cube": self.cube.read("get_transforms").clone(),
            "pusher": self.pusher.read("get_transforms").clone(),
            "arm": self.arm.read("get_root_transforms").clone(),
        }

    def rest(self) -> None:
        """Put everything to its initial position, upright, at rest, without gravity."""
        self.set_gravity(0.0)
        for name, rows in (("box", self.box), ("cube", self.cube)):
            rows.write("set_transforms", self.upright(name))
            rows.write("set_velocities", self._initial[name].new_zeros(self.num_envs, 6))
        self.pusher.write("set_transforms", self.upright("pusher"))
        self.arm.write("set_root_transforms", self.upright("arm"))
        self.arm.write("set_root_velocities", self._initial["arm"].new_zeros(self.num_envs, 6))
        for name in ("positions", "velocities", "position_targets"):
            self.arm.write(f"set_dof_{name}", self._initial["arm"].new_zeros(self.num_envs, 1))
        self.host.update_kinematics()

    def upright(self, name: str) -> torch.Tensor:
        """Return the initial poses ``(num_envs, 7)`` of bodies or the arm, with the orientation 1."""
        poses = self._initial[name].clone()
        poses[:, 3:] = torch.tensor([0.0, 0.0, 0.0, 1.0], device=poses.device)
        return poses

    def set_gravity(self, downwards: float) -> None:
        """Set gravity, in m/s²."""
        write_gravity(self._simulation, (0.0, 0.0, -downwards))

    def step(self, count: int = 1, dt: float = DT) -> None:
        """Advance physics by ``count`` steps of ``dt`` seconds."""
        for _ in range(count):
            self.host.simulate(dt, self._time)
            self._time += dt

    def push(self, rows: TensorRows, force: Sequence[float], torque: Sequence[float]) -> None:
        """Add a wrench at the centres of mass of the bodies of all worlds to the next step."""
        data = [torch.tensor([values] * rows.order.size, device=self.host.device) for values in (force, torque)]
        every = torch.arange(rows.order.size, dtype=torch.int32, device=self.host.device)
        rows.view.apply_forces_and_torques_at_position(*data, None, every, True)


def _pattern(path: str) -> str:
    return path.replace("env_0", "env_*", 1)


def _compare(what: str, measured: torch.Tensor, expected: Sequence[float], tolerance: float = 1e-3) -> Finding:
    """Compare rows of worlds ``(num_envs, n)`` with ``n`` numbers; every world must agree."""
    measured = measured.float().cpu().reshape(len(measured), -1)
    target = torch.tensor(expected, dtype=torch.float32)
    holds = bool(((measured - target).abs() <= tolerance).all())
    worst = measured[(measured - target).abs().amax(dim=1).nan_to_num(math.inf).argmax()]
    text = f"{what}: {_numbers(worst)}"
    return Finding(holds, text if holds else f"{text}, expected {_numbers(target)}")


def _numbers(values: torch.Tensor) -> str:
    return ", ".join(f"{value:.4g}" for value in values.tolist())


def _order_of_rows(probe: Probe) -> Finding:
    names = [path.split("/")[3] for path in probe.box.view.prim_paths]
    return Finding(len(set(names)) == probe.num_envs, f"rows are {', '.join(names)}")


def _quaternions(probe: Probe) -> Finding:
    return _compare("a quarter turn about x", probe.started[0][:, 3:], [HALF, 0.0, 0.0, HALF])


def _start(probe: Probe) -> Finding:
    fall = -probe.started[1][:, 2]
    steps = fall / (GRAVITY * DT)
    probe.rest()
    moved = probe.box.read("get_transforms") - probe.upright("box")
    finding = _compare("difference to the written pose", moved, [0.0] * 7, 1e-6)
    return Finding(finding.holds, f"play advanced {steps.max().item():.2g} steps; {finding.measured}")


def _length_of_step(probe: Probe) -> Finding:
    probe.rest()
    probe.set_gravity(GRAVITY)
    probe.step(1, 0.0083)
    velocity = -probe.box.read("get_velocities")[:, 2:3]
    return _compare("speed after 0.0083 s of falling", velocity, [GRAVITY * 0.0083], 1e-4)


def _indices(probe: Probe) -> Finding:
    probe.rest()
    velocities = probe.box.read("get_velocities").new_full((probe.num_envs, 6), 0.5)
    chosen = torch.tensor([3], device=velocities.device)
    probe.box.write("set_velocities", velocities, chosen)
    speeds = probe.box.read("get_velocities")[:, 0]
    expected = torch.zeros_like(speeds)
    expected[3] = 0.5
    return Finding(torch.allclose(speeds, expected), f"speeds after world 3 was set: {_numbers(speeds)}")


def _velocity_of_body(probe: Probe) -> Finding:
    probe.rest()
    velocities = torch.zeros_like(probe.box.read("get_velocities"))
    velocities[:, 3] = 1.0
    probe.box.write("set_velocities", velocities)
    probe.step(10)
    moved = probe.box.read("get_transforms")[:, :3] - probe.upright("box")[:, :3]
    expected = [0.0, 0.1 * math.sin(0.1), 0.1 * (1.0 - math.cos(0.1))]
    return _compare("the origin moves, the centre of mass does not, by", moved, expected, 3e-4)


def _velocity_of_root(probe: Probe) -> Finding:
    probe.rest()
    velocities = torch.zeros_like(probe.arm.read("get_root_velocities"))
    velocities[:, 3] = 1.0
    probe.arm.write("set_root_velocities", velocities)
    probe.step()
    moved = probe.arm.read("get_root_transforms")[:, 1:2] - probe.upright("arm")[:, 1:2]
    return _compare("speed of the root's origin", moved / DT, [0.1], 0.02)


def _kinematics(probe: Probe) -> Finding:
    probe.rest()
    turned = torch.full_like(probe.arm.read("get_dof_positions"), math.pi / 2.0)
    probe.arm.write("set_dof_positions", turned)
    probe.host.update_kinematics()
    orientation = probe.arm.read("get_link_transforms")[:, 1, 3:]
    orientation = orientation * orientation[:, 3:].sign()
    return _compare("orientation of the link", orientation, [0.0, HALF, 0.0, HALF])


def _velocity_of_link(probe: Probe) -> Finding:
    _turn_joint(probe)
    return _compare("velocity of the link", probe.arm.read("get_link_velocities")[:, 1], [0.1, 0.0, 0.0, 0.0, 1.0, 0.0])


def _turn_joint(probe: Probe) -> None:
    probe.rest()
    probe.arm.write("set_dof_velocities", torch.ones_like(probe.arm.read("get_dof_velocities")))
    probe.host.update_kinematics()


def _jacobian_of_link(probe: Probe) -> Finding:
    _turn_joint(probe)
    jacobian = probe.arm.read("get_jacobians").reshape(probe.num_envs, -1, 6, 7)
    return _compare("column of the joint", jacobian[:, -1, :, -1], [0.1, 0.0, 0.0, 0.0, 1.0, 0.0])


def _jacobian_of_root(probe: Probe) -> Finding:
    probe.rest()
    jacobian = probe.arm.read("get_jacobians").reshape(probe.num_envs, -1, 6, 7)
    return _compare("six columns of the root", jacobian[:, 0, :, :6], torch.eye(6).flatten().tolist())


def _mass_matrix(probe: Probe) -> Finding:
    probe.rest()
    before = probe.arm.read("get_dof_armatures").clone()
    probe.arm.write("set_dof_armatures", torch.full_like(before, 0.5))
    try:
        matrix = probe.arm.read("get_generalized_mass_matrices")
        size = math.isqrt(matrix[0].numel())
        inertia = matrix.reshape(probe.num_envs, size, size)[:, -1:, -1]
    finally:
        probe.arm.write("set_dof_armatures", before)
    return _compare("inertia of the joint, with an armature of 0.5,", inertia, [0.03])


def _gravity_forces(probe: Probe) -> Finding:
    probe.rest()
    probe.set_gravity(GRAVITY)
    probe.arm.write("set_dof_positions", torch.full_like(probe.arm.read("get_dof_positions"), math.pi / 2.0))
    probe.host.update_kinematics()
    forces = probe.arm.read("get_gravity_compensation_forces")
    if forces.shape[-1] == 1:  # earlier releases leave the root out
        return _compare("force of the joint", forces, [-0.1 * GRAVITY])
    return _compare("forces of root z and joint", forces[:, [2, 6]], [2.0 * GRAVITY, -0.1 * GRAVITY])


def _joint_force(probe: Probe) -> Finding:
    probe.rest()
    probe.set_gravity(GRAVITY)
    probe.step(20)
    forces = probe.post.read("get_link_incoming_joint_force")[:, -1, :3]
    what = "force on a link of 2 kg in the frame of its joint, whose x axis is up,"
    return _compare(what, forces, [2.0 * GRAVITY, 0.0, 0.0], 0.05)


def _gains(probe: Probe) -> Finding:
    gains = torch.cat([probe.arm.read(f"get_dof_{name}") for name in ("stiffnesses", "dampings")], dim=1)
    return _compare("stiffness and damping", gains, [10.0, 0.5])


def _limits(probe: Probe) -> Finding:
    return _compare("limits", probe.arm.read("get_dof_limits"), [-1.0, 2.0])


def _targets(probe: Probe) -> Finding:
    probe.rest()
    probe.arm.write("set_dof_positions", torch.full_like(probe.arm.read("get_dof_positions"), 0.5))
    return _compare("target after the position was set to 0.5", probe.arm.read("get_dof_position_targets"), [0.0])


def _device_of_properties(probe: Probe) -> Finding:
    masses, stiffnesses = probe.box.read("get_masses"), probe.arm.read("get_dof_stiffnesses")
    devices = {str(masses.device), str(stiffnesses.device)}
    return Finding(devices == {"cpu"}, f"masses and stiffnesses are on {' and '.join(sorted(devices))}")


def _mass(probe: Probe) -> Finding:
    coms = probe.box.read("get_coms")[:, :3]
    inertias = probe.box.read("get_inertias")[:, [0, 4, 8]]
    values = torch.cat([probe.box.read("get_masses").reshape(-1, 1), coms, inertias], dim=1)
    return _compare("mass, centre, moments", values, [1.0, 0.0, 0.0, 0.1, 0.01, 0.02, 0.03], 1e-5)


def _material(probe: Probe) -> Finding:
    return _compare("material", probe.cube.read("get_material_properties"), [0.7, 0.5, 0.2], 1e-5)


def _worlds_apart(probe: Probe) -> Finding:
    probe.rest()
    poses = probe.upright("box")
    poses[1] = poses[0]
    probe.box.write("set_transforms", poses)
    probe.step(20)
    moved = (probe.box.read("get_transforms")[:, :3] - poses[:, :3]).abs().max().item()
    return Finding(moved < 1e-4, f"boxes of two worlds in one place moved by {moved:.2g} m")


def _world_collides(probe: Probe) -> Finding:
    probe.rest()
    poses = probe.upright("box")
    poses[:, 0] += 0.05
    probe.cube.write("set_transforms", poses)
    probe.step(20)
    moved = (probe.cube.read("get_transforms")[:, :3] - poses[:, :3]).norm(dim=1).min().item()
    return Finding(moved > 1e-3, f"overlapping bodies of one world moved apart by {moved:.2g} m")


def _contact_force(probe: Probe) -> Finding:
    probe.rest()
    probe.set_gravity(GRAVITY)
    poses = probe.upright("cube")
    poses[:, 2] = 0.1
    probe.cube.write("set_transforms", poses)
    probe.step(50)
    forces = probe.contacts.get_net_contact_forces(DT).reshape(probe.num_envs, 3)
    return _compare("force on a cube of 1 kg that stands on the ground", forces, [0.0, 0.0, GRAVITY], 0.1)


def _wrenches(probe: Probe) -> Finding:
    probe.rest()
    probe.push(probe.box, (4.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    probe.push(probe.box, (0.0, 6.0, 0.0), (0.0, 0.0, 0.3))
    probe.step(2)
    velocities = probe.box.read("get_velocities") / DT
    return _compare("accelerations by two wrenches, averaged", velocities, [4.0, 6.0, 0.0, 0.0, 0.0, 10.0], 0.02)


def _inertias(probe: Probe) -> Finding:
    before = probe.box.read("get_inertias").to(torch.float32, copy=True)
    matrix = [0.03, 0.005, 0.0, 0.005, 0.02, 0.0, 0.0, 0.0, 0.04]
    probe.box.write("set_inertias", torch.tensor([matrix] * probe.num_envs))
    try:
        values = torch.cat((probe.box.read("get_inertias"), probe.box.read("get_coms")[:, :3]), dim=1).clone()
    finally:
        probe.box.write("set_inertias", before)
    return _compare("inertia matrix that was set, and centre of mass", values, [*matrix, 0.0, 0.0, 0.1], 1e-5)


def _default_material(probe: Probe) -> Finding:
    return _compare("material", probe.box.read("get_material_properties"), [0.5, 0.5, 0.0], 1e-5)


def _kinematic_targets(probe: Probe) -> Finding:
    probe.rest()
    cube, pusher = probe.upright("cube"), probe.upright("pusher")
    cube[:, 0] = pusher[:, 0] + 0.2
    probe.cube.write("set_transforms", cube)
    probe.step()
    pusher[:, 0] += 0.02
    probe.pusher.write("set_kinematic_targets", pusher)
    probe.step()
    moved = (probe.pusher.read("get_transforms") - pusher).abs().max().item()
    speed = probe.cube.read("get_velocities")[:, 0].min().item()
    return Finding(moved < 1e-4 and speed > 0.5, f"{moved:.2g} m from the target; pushed at {speed:.2g} m/s")


def _absent_shapes(probe: Probe) -> Finding:
    probe.rest()
    before = probe.cube.read("get_rest_offsets").clone()
    probe.cube.write("set_rest_offsets", torch.full_like(before, -1000.0))
    poses = probe.upright("cube")
    poses[:, 2] = 0.1
    probe.cube.write("set_transforms", poses)
    probe.set_gravity(GRAVITY)
    try:
        probe.step(20)
        velocities = probe.cube.read("get_velocities")[:, 2:3].clone()
    finally:
        probe.cube.write("set_rest_offsets", before)
    return _compare("velocity of a cube in the ground", velocities, [-GRAVITY * 20 * DT], 0.05)


CONVENTIONS: Sequence[Convention] = (
    Convention("rows", "each world has one row in a view, found by its path", _order_of_rows),
    Convention("quaternions", "quaternions are x, y, z, w", _quaternions),
    Convention("start", "a pose that is written after the start holds, whatever play did", _start),
    Convention("step-length", "simulate(dt) advances by exactly dt", _length_of_step),
    Convention("indices", "setters write the rows of int32 indices only", _indices),
    Convention("body-velocity", "velocities of rigid bodies are of centres of mass", _velocity_of_body),
    Convention("root-velocity", "velocities of roots are of centres of mass", _velocity_of_root),
    Convention("kinematics", "update_kinematics moves links to the positions of joints", _kinematics),
    Convention("link-velocity", "velocities of links are of centres of mass", _velocity_of_link),
    Convention("jacobian-rows", "rows of Jacobians are of centres of mass, linear first", _jacobian_of_link),
    Convention("jacobian-root", "a floating root has the first six columns of the Jacobian", _jacobian_of_root),
    Convention("mass-matrix", "the mass matrix leaves armature out", _mass_matrix),
    Convention("gravity-forces", "gravity compensation acts against gravity, the root's six first", _gravity_forces),
    Convention("joint-force", "the force at a joint is what the parent exerts on the link", _joint_force),
    Convention("gains", "gains in USD are per degree, those of views per radian", _gains),
    Convention("limits", "limits in USD are in degrees, those of views in radians", _limits),
    Convention("targets", "setting positions of joints leaves their targets", _targets),
    Convention("property-device", "properties are on the CPU", _device_of_properties),
    Convention("mass", "masses, centres of mass and inertias are those of the stage", _mass),
    Convention(
        "inertias", "inertias are matrices in the body's axes; setting them leaves the centre of mass", _inertias
    ),
    Convention("wrenches", "wrenches add up, act at centres of mass, and last for one step", _wrenches),
    Convention("default-material", "shapes without a material have friction 0.5 and no restitution", _default_material),
    Convention("material", "materials have static friction, dynamic friction and restitution", _material),
    Convention("worlds-apart", "bodies of different worlds do not collide", _worlds_apart),
    Convention("world-collides", "bodies of one world collide", _world_collides),
    Convention("kinematic-targets", "kinematic bodies reach targets in one step, and push others", _kinematic_targets),
    Convention("absent-shapes", "nothing touches a shape whose rest offset is far below zero", _absent_shapes),
    Convention("contact-force", "net contact forces are in N for the length of the step", _contact_force),
)
"""Every convention, in the order in which they are measured."""
