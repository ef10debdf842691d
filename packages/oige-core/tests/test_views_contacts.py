"""Contacts and terrain against closed forms; tolerances are those of MuJoCo's soft contact.

The force of PhysX in one step differs from that at rest by up to 3 %, because contacts of bodies at rest are corrected
by distances near the rounding of their positions.
"""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from oige_core.errors import CapabilityError
from rigid_scene import (
    BALL_MASS,
    BALL_RADIUS,
    BOX_MASS,
    DT,
    IDENTITY,
    NUM_ENVS,
    ORIGIN,
    SCALE,
    TOP_MASS,
    G,
    build_rigid_bodies,
    turned,
)


@pytest.fixture(scope="module")
def built(build: Callable[..., Any], executor: str) -> Any:
    return build_rigid_bodies(build, executor)


def test_contact_force_equals_the_weight(world: Any) -> None:
    """The ground carries what lies on it. The lower box of a stack is pushed up by both weights, down by the upper."""
    # A little off the middle: with edges exactly above edges, rounding decides how many contacts MuJoCo Warp finds.
    world.top.set_world_poses(world.tensor([[3.013, 0.007, 0.3]]), indices=[1])
    world.run(0.4)
    expected = torch.zeros(NUM_ENVS, 3, dtype=torch.float64)
    expected[:, 2] = BOX_MASS * G
    world.close(world.box.get_net_contact_forces(), expected, tol=world.tolerance(0.2, physx=0.03 * BOX_MASS * G))
    expected[:, 2] = TOP_MASS * G
    tol = 0.03 * TOP_MASS * G
    world.close(world.top.get_net_contact_forces(), expected, tol=world.tolerance(0.2, physx=tol))
    world.close(world.top.get_net_contact_forces(indices=[2]), expected[:1], tol=world.tolerance(0.05, physx=tol))
    world.close(world.box.get_world_poses()[0][:, 2], 0.1, tol=1e-3)
    world.close(world.top.get_world_poses()[0][:, 2], [0.1, 0.3, 0.1], tol=2e-3)
    # The marker lies inside the box and does nothing; the brick falls freely.
    world.close(world.box.get_world_poses()[0][:, :2], [3.0, 0.0], tol=1e-4)


def test_contact_force_of_a_link(world: Any) -> None:
    """The drive presses with 20 N in one world and lifts in another; the foot weighs 1.5 kg."""
    world.press.set_joint_efforts(world.tensor([[-20.0], [0.0], [30.0]]), joint_indices=[0])
    world.run(0.2)
    force = world.foot.get_net_contact_forces()
    tol = world.tolerance(0.05, physx=0.03 * 1.5 * G)
    world.close(force, [[0, 0, 20 + 1.5 * G], [0, 0, 1.5 * G], [0, 0, 0]], tol=tol)
    both = world.parts.get_net_contact_forces()
    assert both.shape == (NUM_ENVS, 2, 3)
    world.close(both[:, 1], force, tol=0)
    world.engine.reset(torch.tensor([0], device=world.engine.device))
    world.close(world.foot.get_net_contact_forces()[:2], [[0, 0, 0], [0, 0, 1.5 * G]], tol=tol)


def test_friction_decides_sliding_on_an_incline(world: Any) -> None:
    """Gravity of each world is tilted by θ: a box sticks, or slides with g (sin θ − μ cos θ), by its own μ.

    A sliding box chatters, but friction is μ times the normal force all the time; then m v = ∫ F dt makes
    vx + μ vz = g t (sin θ − μ cos θ), whatever the normal force does.
    """
    world.needs("gravity_per_world")
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


def test_friction_of_each_world_decides_sliding(world: Any) -> None:
    """As above, with one gravity for all worlds."""
    angle, frictions, t = 0.6, [0.5, 0.6, 0.8], 0.2
    world.engine.set_gravity(world.everywhere(G * math.sin(angle), 0.0, -G * math.cos(angle)))
    for index, friction in enumerate(frictions):
        world.box.set_material_properties(world.tensor([[friction, friction, 0.0]]), indices=[index])
    world.run(t)
    velocity = world.box.get_linear_velocities()
    for index in (0, 1):
        slides = G * t * (math.sin(angle) - frictions[index] * math.cos(angle))
        world.close(velocity[index, 0] + frictions[index] * velocity[index, 2], slides, tol=0.01 * slides)
    world.close(velocity[2], 0.0, tol=0.02)


def test_static_friction_decides_whether_a_body_at_rest_slides(world: Any) -> None:
    """Once it slides, dynamic friction acts. tan 0.6 = 0.68; PhysX' coefficient of 0.8 gives way there already."""
    world.needs("static_friction")
    angle, t = 0.6, 0.2
    world.box.set_material_properties(world.tensor([[1.0, 0.5, 0.0], [0.6, 0.5, 0.0], [1.0, 0.3, 0.0]]))
    world.run(0.1)
    world.engine.set_gravity(world.everywhere(G * math.sin(angle), 0.0, -G * math.cos(angle)))
    world.run(t)
    slides = G * t * (math.sin(angle) - 0.5 * math.cos(angle))
    world.close(world.box.get_linear_velocities()[:, 0], [0.0, slides, 0.0], tol=0.02)


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


def test_kinematic_body_can_be_rotated(world: Any) -> None:
    turn = turned(world, 0.5, 0, 0, 1)
    world.marker.set_world_poses(world.tensor([[1.0, 2.0, 3.0]]), turn.expand(1, 4), indices=[1])
    positions, orientations = world.marker.get_world_poses()
    world.close(positions, [[3, 0, 0.1], [1, 2, 3], [3, 0, 0.1]], tol=1e-6)
    world.close(orientations[1], turn, tol=1e-6)
    world.close(world.marker.get_world_poses(indices=[1])[0], [[1, 2, 3]], tol=1e-6)


def test_self_collision_is_optional(world: Any) -> None:
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


def test_height_field_samples_are_at_their_positions(world: Any) -> None:
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
