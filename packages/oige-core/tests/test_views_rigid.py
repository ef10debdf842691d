"""Rigid bodies, links as bodies, contacts and terrain against closed forms, on both executors.

All stand in one scene, so that kernels are compiled for one model. Where nothing else is said, a tolerance is the
rounding of float32, or the first-order error of the time step of 2 ms; those of contacts are of MuJoCo's soft contact.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from oige_core.config import ActorConfig, DefaultPhysicsMaterialConfig
from oige_core.errors import CapabilityError, OigeError
from oige_core.math import quat_apply, quat_from_angle_axis, quat_to_matrix
from oige_core.scene import ArticulationAsset, Material, Scene

G = 9.81
DT = 2e-3
NUM_ENVS = 3
IDENTITY = (1.0, 0.0, 0.0, 0.0)

# A brick with three different moments of inertia: m (a² + b²) / 12.
BRICK_SIZE, BRICK_MASS = (0.2, 0.4, 0.6), 12.0
BRICK_INERTIA = [(0.16 + 0.36), (0.04 + 0.36), (0.04 + 0.16)]

BOX_MASS, TOP_MASS, BALL_RADIUS, BALL_MASS = 2.0, 3.0, 0.1, 1.0

# A foot on a vertical rail, of two shapes, and beside it a link that does nothing.
PRESS = """<mujoco><worldbody><body name="stand">
  <body name="foot"><joint name="foot" type="slide" axis="0 0 1"/>
    <geom size=".1" mass="1"/><geom size=".05" mass=".5"/></body>
  <body name="idle" pos="0 1 0"><joint name="idle" type="slide" axis="1 0 0"/><geom size=".1" mass="4"/></body>
</body></worldbody></mujoco>"""

# Two balls on one rail, 10 cm apart.
TWINS = """<mujoco><worldbody><body name="rail">
  <body name="left"><joint name="left" type="slide" axis="1 0 0"/><geom size=".1" mass="1"/></body>
  <body name="right" pos=".3 0 0"><joint name="right" type="slide" axis="1 0 0"/><geom size=".1" mass="1"/></body>
</body></worldbody></mujoco>"""

# Terrain: 1 m of margin around a field that rises along x by its first part, along y by its second.
SCALE = 0.5
ORIGIN = (10.0, 20.0, 1.0)


def heights() -> np.ndarray:
    """7 samples along x, 11 along y: flat at 0.4, but a step of 0.7 where x ≥ 2 m, and −0.3 there where y ≥ 4 m."""
    field = np.full((7, 11), 0.4)
    field[4:, :] = 0.7
    field[4:, 8:] = -0.3
    return field


def set_up_scene(scene: Scene) -> dict[str, Any]:
    def asset(mjcf: str) -> ArticulationAsset:
        return ArticulationAsset(mjcf=mjcf, usd="none.usd")

    scene.add_ground_plane()
    scene.add_height_field("terrain", heights(), horizontal_scale=SCALE, origin=ORIGIN)
    press = scene.add_articulation("press", asset(PRESS), position=(-5, 0, 0.1))
    twins = {
        name: scene.add_articulation(name, asset(TWINS), position=(0, y, 5))
        for name, y in (("apart", -8.0), ("colliding", -9.0))
    }
    return twins | {
        "press": press,
        "foot": scene.add_link_view("foot", "press", "foot", track_contact_forces=True),
        "parts": scene.add_link_view("parts", "press", ["idle", "foot"], track_contact_forces=True),
        "brick": scene.add_box("brick", size=BRICK_SIZE, mass=BRICK_MASS, position=(0, 0, 30), disable_gravity=False),
        "box": scene.add_box(
            "box", size=(0.2, 0.2, 0.2), mass=BOX_MASS, position=(3, 0, 0.1), track_contact_forces=True
        ),
        "top": scene.add_box(
            "top", size=(0.2, 0.2, 0.2), mass=TOP_MASS, position=(6, 0, 0.1), track_contact_forces=True
        ),
        "ball": scene.add_sphere(
            "ball", radius=BALL_RADIUS, mass=BALL_MASS, position=(9, 0, 0.1), track_contact_forces=True
        ),
        "pusher": scene.add_box("pusher", size=(0.2, 0.4, 0.4), kinematic=True, position=(0, 8, 0.3)),
        "marker": scene.add_sphere("marker", radius=0.2, kinematic=True, collision=False, position=(3, 0, 0.1)),
        # Without collision: kernels of further pairs of shapes take long to compile.
        "can": scene.add_cylinder("can", radius=0.1, length=0.3, density=500.0, collision=False),
        "pill": scene.add_capsule("pill", radius=0.1, length=0.3, density=500.0, collision=False),
    }


@pytest.fixture(scope="module")
def built(build: Callable[..., Any], executor: str) -> Any:
    world = build(
        set_up_scene,
        NUM_ENVS,
        executor,
        actors={"colliding": ActorConfig(enable_self_collisions=1), "apart": ActorConfig(enable_self_collisions=0)},
        dt=DT,
        default_physics_material=DefaultPhysicsMaterialConfig(static_friction=0.5, dynamic_friction=0.5),
    )
    world.state = world.engine.state_dict()
    return world


@pytest.fixture
def world(built: Any) -> Any:
    """The worlds, as they were after the build."""
    built.engine.load_state_dict(built.state)
    return built


def turned(world: Any, angle: float, *axis: float) -> torch.Tensor:
    """Return the quaternion ``(4,)`` of a turn about an axis of any length."""
    axis_ = torch.nn.functional.normalize(world.tensor(axis), dim=0)
    return quat_from_angle_axis(world.tensor(angle), axis_)


# ------------------------------------------------------------------------------------------------ free motion


def test_free_fall(world: Any) -> None:
    """v = v0 − g t and z = z0 + v0 t − g t (t + dt) / 2: the integrator takes the new velocity."""
    view = world.brick
    view.set_world_poses(world.tensor([[1.0, 2.0, 40.0]]), indices=[1])
    view.set_velocities(world.tensor([[0.5, -0.2, 3.0, 0.0, 0.0, 0.0]]), indices=[1])
    t = 0.2
    world.run(t)
    expected = torch.tensor([[0, 0, 30.0], [1 + 0.5 * t, 2 - 0.2 * t, 40 + 3 * t], [0, 0, 30.0]], dtype=torch.float64)
    expected[:, 2] -= G * t * (t + DT) / 2
    world.close(view.get_world_poses()[0], expected, tol=2e-5)
    world.close(view.get_world_poses()[1], IDENTITY, tol=1e-7)
    world.close(view.get_velocities()[1], [0.5, -0.2, 3 - G * t, 0, 0, 0], tol=1e-5)
    world.close(view.get_linear_velocities(indices=[2, 1])[:, 2], [-G * t, 3 - G * t], tol=1e-5)


def test_spin_about_a_principal_axis_is_steady(world: Any) -> None:
    """The body is turned; its angular velocity is given, and read, in the world frame."""
    view, spin = world.brick, 3.0
    start = turned(world, 1.0, 1.0, 2.0, -0.5)
    axis = quat_apply(start, world.tensor([0.0, 0.0, 1.0]))
    view.set_world_poses(orientations=start.expand(NUM_ENVS, 4))
    view.set_angular_velocities((spin * axis).expand(NUM_ENVS, 3))
    world.close(view.get_angular_velocities(), spin * axis, tol=1e-6)
    world.run(0.1)
    world.close(view.get_angular_velocities(), spin * axis, tol=1e-5)
    x = quat_apply(view.get_world_poses()[1], world.tensor([1.0, 0.0, 0.0]).expand(NUM_ENVS, 3))
    expected = quat_apply(turned(world, 0.1 * spin, *axis.tolist()), quat_apply(start, world.tensor([1.0, 0.0, 0.0])))
    world.close(x, expected, tol=1e-5)


def test_tumbling_keeps_its_angular_momentum(world: Any) -> None:
    """R I Rᵀ ω is constant to about ω dt / 2 while ω itself changes."""
    view = world.brick
    view.set_world_poses(orientations=turned(world, 0.7, 1.0, -1.0, 2.0).expand(NUM_ENVS, 4))
    omega = world.tensor([[0.3, 4.0, 0.2], [1.0, 2.0, 3.0], [3.0, 0.1, -2.0]])
    view.set_angular_velocities(omega)

    def momentum() -> torch.Tensor:
        rotation = quat_to_matrix(view.get_world_poses()[1])
        inertia = rotation @ torch.diag(world.tensor(BRICK_INERTIA)) @ rotation.transpose(-1, -2)
        return (inertia @ view.get_angular_velocities().unsqueeze(-1)).squeeze(-1)

    before = momentum()
    world.run(0.3)
    world.close(momentum(), before, tol=0.015 * float(before.abs().max()))
    assert ((view.get_angular_velocities() - omega).norm(dim=1) > 0.1).all()


def test_pose_and_velocity_setters_take_part_of_the_worlds(world: Any) -> None:
    view = world.brick
    view.set_velocities(world.tensor([[1.0, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]]), indices=[2, 0])
    world.close(view.get_velocities(), [[7, 8, 9, 10, 11, 12], [0] * 6, [1, 2, 3, 4, 5, 6]], tol=1e-5)
    turn = turned(world, 0.5, 0, 0, 1)
    view.set_world_poses(orientations=turn.expand(1, 4), indices=torch.tensor([2], device=world.engine.device))
    world.close(view.get_velocities(), [[7, 8, 9, 10, 11, 12], [0] * 6, [1, 2, 3, 4, 5, 6]], tol=1e-5)
    view.set_world_poses(positions=world.tensor([[1.0, 2.0, 3.0]]), indices=[0])
    positions, orientations = view.get_world_poses()
    world.close(positions, [[1, 2, 3], [0, 0, 30], [0, 0, 30]], tol=1e-6)
    world.close(orientations[2], turn, tol=1e-6)
    world.close(view.get_world_poses(indices=[2, 0])[0], [[0, 0, 30], [1, 2, 3]], tol=1e-6)
    assert view.count == NUM_ENVS


def test_gravity_of_a_body_is_switched_per_world(world: Any) -> None:
    view = world.brick
    view.disable_gravities(indices=[0, 2])
    view.enable_gravities(indices=[0])
    world.run(DT)
    world.close(view.get_linear_velocities()[:, 2], [-G * DT, -G * DT, 0.0], tol=1e-6)
    view.disable_gravities()
    world.run(DT)
    world.close(view.get_linear_velocities()[:, 2], [-G * DT, -G * DT, 0.0], tol=1e-6)
    with pytest.raises(CapabilityError, match=r"'box': gravity cannot be switched; .* disable_gravity=False"):
        world.box.disable_gravities()


# ------------------------------------------------------------------------------------------------ external forces


def weightless(world: Any) -> Any:
    """Return the brick, without gravity, in another orientation in each world."""
    world.brick.disable_gravities()
    orientations = torch.stack([turned(world, 0.4 * i, 1.0, 0.5 * i, -1.0) for i in range(NUM_ENVS)])
    world.brick.set_world_poses(orientations=orientations)
    return world.brick


def inverse_inertia(world: Any) -> torch.Tensor:
    rotation = quat_to_matrix(world.brick.get_world_poses()[1]).double()
    inverse = torch.diag(1 / torch.tensor(BRICK_INERTIA, dtype=torch.float64)).to(rotation)
    return rotation @ inverse @ rotation.transpose(-1, -2)


def test_force_at_the_centre_and_torque(world: Any) -> None:
    """a = F / m, α = I⁻¹ τ; during all substeps of one step, and gone after it."""
    view = weightless(world)
    inverse = inverse_inertia(world)
    force, torque = world.everywhere(6.0, -12.0, 24.0), world.everywhere(0.02, -0.01, 0.03)
    view.apply_forces_and_torques_at_pos(forces=force, torques=torque)
    world.run(5 * DT)
    world.close(view.get_linear_velocities(), 5 * DT * force / BRICK_MASS, tol=1e-6)
    expected = 5 * DT * (inverse @ torque.double().unsqueeze(-1)).squeeze(-1)
    world.close(view.get_angular_velocities(), expected, tol=1e-6)
    assert expected.abs().max() > 5e-4
    world.run(5 * DT)
    world.close(view.get_linear_velocities(), 5 * DT * force / BRICK_MASS, tol=1e-6)


def test_force_at_a_point(world: Any) -> None:
    """α = I⁻¹ (r × F), r from the centre of mass, in the world frame."""
    view = weightless(world)
    inverse, position = inverse_inertia(world), view.get_world_poses()[0]
    force, arm = world.everywhere(0.0, 3.0, 1.0), world.everywhere(0.2, 0.1, -0.3)
    view.apply_forces_and_torques_at_pos(forces=force, positions=position + arm)
    world.run(DT)
    moment = torch.linalg.cross(arm.double(), force.double())
    world.close(view.get_linear_velocities(), DT * force / BRICK_MASS, tol=1e-7)
    world.close(view.get_angular_velocities(), DT * (inverse @ moment.unsqueeze(-1)).squeeze(-1), tol=1e-7)


def test_forces_in_the_body_frame_add_up(world: Any) -> None:
    """Forces, torques and points turn with the body; those of several calls add up; worlds without get none."""
    view = weightless(world)
    inverse, orientation = inverse_inertia(world), view.get_world_poses()[1]
    force, arm, torque = world.everywhere(0.0, 3.0, 1.0), world.everywhere(0.2, 0.1, -0.3), world.everywhere(0.1, 0, 0)
    some = [2, 0]
    view.apply_forces_and_torques_at_pos(force[some], torque[some], arm[some], indices=some, is_global=False)
    view.apply_forces(world.tensor([[5.0, 0.0, 0.0]]), indices=[0], is_global=True)
    view.apply_forces(force, is_global=False)
    world.run(DT)
    times = world.tensor([[2.0], [1.0], [2.0]])
    total = quat_apply(orientation, times * force)
    total[0, 0] += 5.0
    world.close(view.get_linear_velocities(), DT * total / BRICK_MASS, tol=1e-6)
    moment = quat_apply(orientation, (times - 1) * (torch.linalg.cross(arm, force) + torque)).double()
    world.close(view.get_angular_velocities(), DT * (inverse @ moment.unsqueeze(-1)).squeeze(-1), tol=1e-6)


def test_forces_on_links(world: Any) -> None:
    """Several links at once: (n, links, 3)."""
    forces = torch.zeros(NUM_ENVS, 2, 3, device=world.engine.device)
    forces[:, 0, 0] = world.tensor([4.0, 8.0, 12.0])  # on the idle link, of 4 kg
    forces[:, 1, 2] = 1.5 * G + 3.0  # on the foot, of 1.5 kg
    world.parts.apply_forces(forces)
    world.run(DT)
    world.close(world.press.get_joint_velocities(), [[2 * DT, DT * i] for i in (1, 2, 3)], tol=1e-6)
    world.close(world.parts.get_velocities()[:, 0, 0], [DT, 2 * DT, 3 * DT], tol=1e-6)
    world.close(world.parts.get_velocities()[:, 1, 2], 2 * DT, tol=1e-6)
    world.close(world.parts.get_world_poses(indices=[1])[0], [[[-5, 1, 0.1], [-5, 0, 0.1]]], tol=1e-4)


# ------------------------------------------------------------------------------------------------ body properties


def test_masses_of_primitives(world: Any) -> None:
    """Density times volume, or the mass that is given."""
    world.close(world.brick.get_masses(), BRICK_MASS, tol=1e-5)
    world.close(world.can.get_masses(), 500 * math.pi * 0.1**2 * 0.3, tol=1e-5)
    world.close(world.pill.get_masses(), 500 * math.pi * (0.1**2 * 0.3 + 4 / 3 * 0.1**3), tol=1e-5)
    world.close(world.parts.get_masses(), [4.0, 1.5], tol=1e-6)
    world.close(world.brick.get_inertias(), torch.diag(torch.tensor(BRICK_INERTIA)).flatten(), tol=1e-6)
    # The cylinder's axis, and the capsule's, is z: they stand on their flat side, on their cap.
    r, h, m = 0.1, 0.3, 500 * math.pi * 0.1**2 * 0.3
    world.close(world.can.get_inertias()[:, 8], m * r * r / 2, tol=1e-6)
    world.close(world.can.get_inertias()[:, 0], m * (3 * r * r + h * h) / 12, tol=1e-6)


def test_masses_of_each_world(world: Any) -> None:
    """a = F / m with the mass of the world."""
    view = weightless(world)
    view.set_masses(world.tensor([6.0, 24.0]), indices=[2, 1])
    world.close(view.get_masses(), [12, 24, 6], tol=1e-6)
    world.close(view.get_masses(indices=[2]), [6], tol=1e-6)
    view.apply_forces(world.everywhere(0.0, 12.0, 0.0))
    world.run(DT)
    world.close(view.get_linear_velocities()[:, 1], [DT, DT / 2, 2 * DT], tol=1e-7)
    world.close(view.get_inertias()[:, 0], BRICK_INERTIA[0], tol=1e-6)  # inertias stay


def test_inertias_with_off_diagonal_terms(world: Any) -> None:
    """α = I⁻¹ τ with the full matrix of each world."""
    view = world.brick
    view.disable_gravities()
    values = world.tensor(
        [[0.5, 0.1, 0.0, 0.1, 0.4, 0.05, 0.0, 0.05, 0.3], [0.6, -0.1, 0.05, -0.1, 0.5, 0, 0.05, 0, 0.2]]
    )
    view.set_inertias(values, indices=[0, 2])
    world.close(view.get_inertias(indices=[0, 2]), values, tol=1e-6)
    world.close(view.get_inertias()[1], torch.diag(torch.tensor(BRICK_INERTIA)).flatten(), tol=1e-6)
    torque = world.everywhere(1.0, 2.0, -1.0)
    view.apply_forces_and_torques_at_pos(torques=torque)
    world.run(DT)
    matrices = view.get_inertias().reshape(-1, 3, 3).double()
    expected = DT * torch.linalg.solve(matrices, torque.double().unsqueeze(-1)).squeeze(-1)
    world.close(view.get_angular_velocities(), expected, tol=2e-6)


def test_centres_of_mass(world: Any) -> None:
    """A force at the frame's origin turns a body whose centre of mass is elsewhere; one at the centre does not."""
    view = world.brick
    view.disable_gravities()
    world.close(view.get_coms(), 0.0, tol=0)
    view.set_coms(world.tensor([[0.05, 0.0, 0.0]]), indices=[1])
    world.close(view.get_coms(), [[0, 0, 0], [0.05, 0, 0], [0, 0, 0]], tol=1e-7)
    force = world.everywhere(0.0, 12.0, 0.0)
    view.apply_forces_and_torques_at_pos(forces=force, positions=view.get_world_poses()[0])
    world.run(DT)
    # r = origin − centre = (−0.05, 0, 0): r × F = (0, 0, −0.6) N·m.
    spin = -0.6 * DT / BRICK_INERTIA[2]
    world.close(view.get_angular_velocities(), [[0, 0, 0], [0, 0, spin], [0, 0, 0]], tol=1e-6)
    # The origin moves with the centre and turns about it: v = F dt / m + ω × r.
    world.close(view.get_linear_velocities()[:, 1], [DT, DT - 0.05 * spin, DT], tol=1e-6)
    world.engine.load_state_dict(world.state)
    view.disable_gravities()
    view.set_coms(world.everywhere(0.05, 0.02, -0.1))
    view.apply_forces(force)
    world.run(DT)
    world.close(view.get_angular_velocities(), 0.0, tol=1e-6)


def test_material_of_a_body(world: Any) -> None:
    world.close(world.box.get_material_properties(), [0.5, 0.5, 0.0], tol=1e-7)
    world.box.set_material_properties(world.tensor([[0.8, 0.8, 0.0]]), indices=[1])
    world.close(world.box.get_material_properties()[:, 1], [0.5, 0.8, 0.5], tol=1e-7)
    links = world.tensor([[[0.3, 0.3, 0.0], [0.4, 0.4, 0.0]]]).expand(NUM_ENVS, -1, -1)
    world.parts.set_material_properties(links)
    world.close(world.parts.get_material_properties()[..., 1], [0.3, 0.4], tol=1e-7)
    world.close(world.foot.get_material_properties()[:, 1], 0.4, tol=1e-7)
    with pytest.raises(CapabilityError, match="'box': the engine MuJoCo has no restitution; only Isaac Sim has"):
        world.box.set_material_properties(world.everywhere(0.5, 0.5, 0.2))


# ------------------------------------------------------------------------------------------------ contacts


def test_weight_on_a_contact(world: Any) -> None:
    """The ground carries what lies on it. The lower box of a stack is pushed up by both weights, down by the upper."""
    world.top.set_world_poses(world.tensor([[3.0, 0.0, 0.3]]), indices=[1])
    world.run(0.4)
    expected = torch.zeros(NUM_ENVS, 3, dtype=torch.float64)
    expected[:, 2] = BOX_MASS * G
    world.close(world.box.get_net_contact_forces(), expected, tol=0.2)
    expected[:, 2] = TOP_MASS * G
    world.close(world.top.get_net_contact_forces(), expected, tol=0.2)
    world.close(world.top.get_net_contact_forces(indices=[2]), expected[:1], tol=0.05)
    world.close(world.box.get_world_poses()[0][:, 2], 0.1, tol=1e-3)
    world.close(world.top.get_world_poses()[0][:, 2], [0.1, 0.3, 0.1], tol=2e-3)
    # The marker lies inside the box and does nothing; the brick falls freely.
    world.close(world.box.get_world_poses()[0][:, :2], [3.0, 0.0], tol=1e-4)


def test_contact_of_a_link(world: Any) -> None:
    """The drive presses with 20 N in one world and lifts in another; the foot weighs 1.5 kg."""
    world.press.set_joint_efforts(world.tensor([[-20.0], [0.0], [30.0]]), joint_indices=[0])
    world.run(0.2)
    force = world.foot.get_net_contact_forces()
    world.close(force, [[0, 0, 20 + 1.5 * G], [0, 0, 1.5 * G], [0, 0, 0]], tol=0.05)
    both = world.parts.get_net_contact_forces()
    assert both.shape == (NUM_ENVS, 2, 3)
    world.close(both[:, 1], force, tol=0)
    world.engine.reset(torch.tensor([0], device=world.engine.device))
    world.close(world.foot.get_net_contact_forces()[:2], [[0, 0, 0], [0, 0, 1.5 * G]], tol=0.05)


def test_friction_on_an_incline(world: Any) -> None:
    """Gravity of each world is tilted by θ: a box sticks, or slides with g (sin θ − μ cos θ), by its own μ.

    A sliding box chatters, but friction is μ times the normal force all the time; then m v = ∫ F dt makes
    vx + μ vz = g t (sin θ − μ cos θ), whatever the normal force does.
    """
    angles, frictions = [0.3, 0.6, 0.6], [0.5, 0.5, 0.8]
    for index, (angle, friction) in enumerate(zip(angles, frictions, strict=True)):
        world.engine.set_gravity(world.tensor([[G * math.sin(angle), 0.0, -G * math.cos(angle)]]), indices=[index])
        # Between two shapes the larger coefficient acts: the ground's, 0.5, at least.
        world.box.set_material_properties(world.tensor([[friction, friction, 0.0]]), indices=[index])
    t = 0.2
    world.run(t)
    velocity = world.box.get_linear_velocities()
    world.close(velocity[[0, 2]], 0.0, tol=0.01)  # soft contact creeps
    slides = G * t * (math.sin(0.6) - 0.5 * math.cos(0.6))
    world.close(velocity[1, 0] + 0.5 * velocity[1, 2], slides, tol=0.01 * slides)
    # The box is held by friction uphill; it presses with the normal part of its weight.
    for index, angle in ((0, 0.3), (2, 0.6)):
        expected = [-BOX_MASS * G * math.sin(angle), 0.0, BOX_MASS * G * math.cos(angle)]
        world.close(world.box.get_net_contact_forces()[index], expected, tol=0.1)


def test_kinematic_body_pushes_and_is_not_pushed(world: Any) -> None:
    """A wall, 0.4 m thick, moves by 5 cm along −y in worlds 0 and 2 and takes a ball with it; in world 1 it stays."""
    wall = world.pusher
    world.ball.set_world_poses(world.everywhere(0.0, 7.7, 0.1))
    goal = torch.tensor([[0.0, 7.95, 0.3], [0.0, 8.0, 0.3], [0.0, 7.95, 0.3]])
    for step in range(100):
        y = 8.0 - 0.05 * (step + 1) / 100
        wall.set_world_poses(world.tensor([[0.0, y, 0.3]] * 2), indices=[0, 2])
        world.run(DT)
    world.run(0.1)
    positions, orientations = wall.get_world_poses()
    world.close(positions, goal, tol=1e-6)
    world.close(orientations, IDENTITY, tol=0)
    world.close(wall.get_velocities(), 0.0, tol=0)
    y = world.ball.get_world_poses()[0][:, 1]
    assert (y[[0, 2]] < 7.95 - 0.2 - BALL_RADIUS).all()
    assert (y[[0, 2]] > 7.5).all()
    world.close(y[1], 7.7, tol=1e-3)
    with pytest.raises(CapabilityError, match="'pusher': only free bodies and floating roots have a velocity to set"):
        wall.set_velocities(world.everywhere(*[0.0] * 6))
    world.engine.reset()
    world.close(wall.get_world_poses()[0], [0, 8, 0.3], tol=1e-6)


def test_kinematic_body_can_be_turned(world: Any) -> None:
    turn = turned(world, 0.5, 0, 0, 1)
    world.marker.set_world_poses(world.tensor([[1.0, 2.0, 3.0]]), turn.expand(1, 4), indices=[1])
    positions, orientations = world.marker.get_world_poses()
    world.close(positions, [[3, 0, 0.1], [1, 2, 3], [3, 0, 0.1]], tol=1e-6)
    world.close(orientations[1], turn, tol=1e-6)
    world.close(world.marker.get_world_poses(indices=[1])[0], [[1, 2, 3]], tol=1e-6)


def test_links_collide_with_each_other_only_where_that_is_on(world: Any) -> None:
    """The balls of a pair are driven 0.3 m together, with 1 N each, from 0.3 m between their centres."""
    for view in (world.apart, world.colliding):
        view.set_joint_positions(world.everywhere(0.04, -0.04))
        view.set_joint_efforts(world.everywhere(1.0, -1.0))
    world.run(0.4)
    gap = 0.3 + world.colliding.get_joint_positions() @ world.tensor([-1.0, 1.0])
    world.close(gap, 0.2, tol=3e-3)
    gap = 0.3 + world.apart.get_joint_positions() @ world.tensor([-1.0, 1.0])
    # Nothing holds them: each has gone ½ · 1 N / 1 kg · t (t + dt).
    world.close(gap, 0.22 - 0.4 * (0.4 + DT), tol=1e-4)


def test_height_field_has_its_samples_where_they_belong(world: Any) -> None:
    """Balls at rest over several samples: z = origin + height + radius. x and y, and their ends, are told apart."""
    places = {(1, 1): 0.4, (1, 9): 0.4, (5, 1): 0.7, (5, 6): 0.7, (5, 9): -0.3, (2, 5): 0.4}
    rows = list(places.items())
    for start in range(0, len(rows), NUM_ENVS):
        chunk = rows[start : start + NUM_ENVS]
        expected = torch.tensor([ORIGIN[2] + height + BALL_RADIUS for _, height in chunk], dtype=torch.float64)
        positions = [(ORIGIN[0] + i * SCALE, ORIGIN[1] + j * SCALE, 0.0) for (i, j), _ in chunk]
        placed = world.tensor(positions)
        placed[:, 2] = world.tensor(expected) + 2e-3
        world.ball.set_world_poses(placed, world.everywhere(*IDENTITY))
        world.ball.set_velocities(world.everywhere(*[0.0] * 6))
        world.run(0.3)
        world.close(
            world.ball.get_world_poses()[0], torch.cat([placed[:, :2].double().cpu(), expected[:, None]], 1), tol=2e-3
        )
        force = world.ball.get_net_contact_forces()
        world.close(force[:, 2], BALL_MASS * G, tol=0.1)


# ------------------------------------------------------------------------------------------------ reset and state


def state(world: Any) -> dict[str, torch.Tensor]:
    return {
        "brick": torch.cat([*world.brick.get_world_poses(), world.brick.get_velocities()], dim=1),
        "ball": torch.cat([*world.ball.get_world_poses(), world.ball.get_velocities()], dim=1),
        "pusher": world.pusher.get_world_poses()[0],
        "force": world.box.get_net_contact_forces(),
        "foot": world.foot.get_world_poses()[0],
    }


def stir(world: Any) -> None:
    world.brick.set_velocities(world.tensor(torch.arange(18).reshape(3, 6)) / 10 + 0.1)
    world.ball.set_world_poses(world.tensor([[9.0, 0.0, 0.1 + 0.01 * (i + 1)] for i in range(3)]))
    world.pusher.set_world_poses(world.tensor([[0.0, 8.0 + i, 1.0] for i in range(3)]))
    world.press.set_joint_efforts(world.everywhere(30.0), joint_indices=[0])
    world.run(0.02)


def test_reset_by_world(world: Any) -> None:
    first = state(world)
    stir(world)
    before = state(world)
    world.brick.apply_forces(world.everywhere(1000.0, 0.0, 0.0))
    world.engine.reset(torch.tensor([1], device=world.engine.device))
    after = state(world)
    for name, values in after.items():
        assert torch.equal(values[[0, 2]], before[name][[0, 2]]), name
        assert torch.equal(values[1], first[name][1]), name
        assert not torch.equal(values[1], before[name][1]), name
    world.run(DT)
    velocity = world.brick.get_linear_velocities()[:, 0] - before["brick"][:, 7]
    world.close(velocity[[0, 2]], 1000 * DT / BRICK_MASS, tol=1e-4)
    world.close(world.brick.get_linear_velocities()[1], [0, 0, -G * DT], tol=1e-6)
    world.engine.reset()
    for name, values in state(world).items():
        assert torch.equal(values, first[name]), name


def test_loaded_state_continues_bit_by_bit(world: Any) -> None:
    """Also when forces wait to act, and properties and gravity were changed in between."""
    world.box.set_material_properties(world.tensor([[0.7, 0.7, 0.0]]), indices=[1])
    stir(world)
    world.brick.apply_forces(world.everywhere(10.0, 0.0, 0.0))
    saved = world.engine.state_dict()
    world.run(0.02)
    world.run(0.02)
    expected = state(world)
    world.box.set_material_properties(world.tensor([[0.1, 0.1, 0.0]]), indices=[1])
    world.engine.set_gravity(world.everywhere(1.0, 1.0, 1.0))
    world.run(0.02)
    world.engine.load_state_dict(saved)
    world.run(0.02)
    world.run(0.02)
    for name, values in state(world).items():
        assert torch.equal(values, expected[name]), name


def test_diverged_world_starts_again(world: Any) -> None:
    """It is restored to the initial state within the step, counted each time, and nothing else is touched."""
    first = state(world)
    stir(world)
    world.run(DT)
    before = world.brick.get_velocities()
    for count in (1, 2):
        world.brick.set_linear_velocities(world.tensor([[math.nan, 0.0, 0.0]]), indices=[1])
        world.run(DT)
        assert world.engine.problems() == {"diverged": count}
        for name, values in state(world).items():
            assert torch.equal(values[1], first[name][1]), name
    world.close(world.brick.get_velocities()[[0, 2], :2], before[[0, 2], :2], tol=1e-6)


def test_no_problems_so_far(world: Any) -> None:
    """The tests above ran within all buffers, and no world diverged."""
    assert world.engine.problems() == {}


def test_closed_engine_says_so(build: Callable[..., Any]) -> None:
    world = build(lambda scene: {"ball": scene.add_sphere("ball", radius=0.1, position=(0, 0, 1))})
    world.run(world.engine.physics_dt)
    world.engine.close()
    with pytest.raises(OigeError, match="the engine is closed: its views can no longer be used"):
        world.engine.step()


def test_material_of_its_own(build: Callable[..., Any]) -> None:
    world = build(
        lambda scene: {
            "ball": scene.add_sphere("ball", radius=0.1, position=(0, 0, 1), material=Material(friction=0.3))
        }
    )
    world.close(world.ball.get_material_properties(), [0.3, 0.3, 0.0], tol=1e-7)
