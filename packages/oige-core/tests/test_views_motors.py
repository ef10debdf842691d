"""Weak motors and biased encoders against closed forms, on both executors."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from articulation_scene import DAMPING, DT, EFFORT, NUM_ENVS, POSITION, RAILS, STIFFNESS, VELOCITY, asset
from oige_core.errors import OigeError
from oige_core.scene import Drive, Scene

MASS = 2.0  # of the cart that a position drive moves
STIFF, CRITICAL = 800.0, 80.0  # gains that are not those of the asset


def set_up_scene(scene: Scene) -> dict[str, Any]:
    drives = {
        "position": Drive(stiffness=STIFFNESS, damping=DAMPING),
        "velocity": Drive(damping=90.0),
        "effort": Drive(max_effort=6.0),
    }
    return {
        "rails": scene.add_articulation("rails", asset(RAILS, drives=drives, joint_positions={"position": 0.1})),
        "cart": scene.add_link_view("cart", "rails", "position"),
    }


@pytest.fixture(scope="module")
def built(build: Callable[..., Any], any_executor: str) -> Any:
    return build(set_up_scene, NUM_ENVS, any_executor, dt=DT)


def test_effort_and_its_limit_are_scaled_by_the_motor_strength(world: Any) -> None:
    """4 N, and at most 6 N, times the strength, on 4 kg."""
    world.rails.set_motor_strengths(world.tensor([[0.5], [1.25]]), indices=[0, 2], joint_indices=[EFFORT])
    strengths = [0.5, 1.0, 1.25]
    world.close(world.rails.get_motor_strengths(joint_indices=[EFFORT])[:, 0], strengths, tol=0)
    world.close(world.rails.get_motor_strengths(joint_indices=[POSITION])[:, 0], [1.0] * 3, tol=0)
    velocity = torch.zeros(3)
    for command, exerted in ((4.0, 4.0), (-100.0, -6.0)):
        world.rails.set_joint_efforts(world.everywhere(command), joint_indices=[EFFORT])
        forces = torch.tensor(strengths) * exerted
        world.close(world.rails.get_measured_joint_efforts()[:, EFFORT], forces, tol=1e-5)
        world.run(0.01)
        velocity = velocity + forces / 4.0 * 0.01
        world.close(world.rails.get_joint_velocities()[:, EFFORT], velocity, tol=1e-5)
    world.close(world.rails.get_max_efforts()[:, EFFORT], [6.0] * 3, tol=0)


def test_gains_are_scaled_by_the_motor_strength(world: Any) -> None:
    """(m + dt s d) dv = dt s (k (target − x) + d (v target − v) + effort) with the strength s, to the last digits.

    The solver of PhysX divides a step into four, so that its velocity differs by dt² k v / m.
    """
    strengths = torch.tensor([0.5, 1.0, 1.5])
    world.rails.set_motor_strengths(world.tensor(strengths).unsqueeze(-1), joint_indices=[POSITION])
    world.rails.set_gains(world.everywhere(STIFF), world.everywhere(CRITICAL), joint_indices=[POSITION])
    world.close(world.rails.get_gains()[0][:, POSITION], [STIFF] * 3, tol=0)
    world.rails.set_joint_velocities(world.everywhere(0.7), joint_indices=[POSITION])
    world.rails.set_joint_position_targets(world.everywhere(0.4), joint_indices=[POSITION])
    world.rails.set_joint_velocity_targets(world.everywhere(-0.2), joint_indices=[POSITION])
    world.rails.set_joint_efforts(world.everywhere(1.5), joint_indices=[POSITION])
    force = strengths * (STIFF * (0.4 - 0.1) + CRITICAL * (-0.2 - 0.7) + 1.5)
    world.close(world.rails.get_measured_joint_efforts()[:, POSITION], force, tol=1e-4)
    world.run(DT)
    velocity = 0.7 + DT * force / (MASS + DT * strengths * CRITICAL)
    tol = world.tolerance(1e-5, physx=6e-4)
    world.close(world.rails.get_joint_velocities()[:, POSITION], velocity, tol=tol)


def test_bounds_and_strengths_do_not_depend_on_the_order(world: Any) -> None:
    for first in ("strengths", "bounds"):
        world.engine.load_state_dict(world.initial_state)
        for what in sorted(("strengths", "bounds"), key=lambda each: each != first):
            if what == "strengths":
                world.rails.set_motor_strengths(world.everywhere(0.5), joint_indices=[VELOCITY])
            else:
                world.rails.set_max_efforts(world.everywhere(8.0), joint_indices=[VELOCITY])
        world.rails.set_joint_velocity_targets(world.everywhere(100.0), joint_indices=[VELOCITY])
        world.close(world.rails.get_measured_joint_efforts()[:, VELOCITY], [4.0] * 3, tol=1e-6)
        world.run(DT)
        world.close(world.rails.get_joint_velocities()[:, VELOCITY], DT * 4.0, tol=1e-4)
        world.close(world.rails.get_max_efforts()[:, VELOCITY], [8.0] * 3, tol=0)


def test_encoder_bias_shifts_what_is_measured_and_where_drives_hold(world: Any) -> None:
    """Velocities of PhysX are those of four solver steps."""
    world.rails.set_encoder_biases(world.tensor([[0.02], [-0.03]]), indices=[0, 1], joint_indices=[POSITION])
    biases = torch.tensor([0.02, -0.03, 0.0])
    world.close(world.rails.get_encoder_biases()[:, POSITION], biases, tol=0)
    start = world.rails.get_joint_positions()
    world.close(start[:, POSITION], 0.1 + biases, tol=1e-7)
    world.close(start[:, VELOCITY], [0.0] * 3, tol=0)
    world.close(world.cart.get_world_poses()[0][:, 0], [0.1] * 3, tol=1e-6)
    world.rails.set_gains(world.everywhere(STIFF), world.everywhere(CRITICAL), joint_indices=[POSITION])
    world.rails.set_joint_position_targets(world.everywhere(0.3), joint_indices=[POSITION])
    effort = STIFF * (0.3 - (0.1 + biases))
    world.close(world.rails.get_measured_joint_efforts()[:, POSITION], effort, tol=1e-3)
    world.run(DT)
    velocity = DT * effort / (MASS + DT * CRITICAL)
    tol = world.tolerance(1e-5, physx=4e-5)
    world.close(world.rails.get_joint_velocities()[:, POSITION], velocity, tol=tol)
    world.close(world.rails.get_joint_positions()[:, POSITION], 0.1 + biases + DT * velocity, tol=1e-6)
    world.close(world.cart.get_world_poses()[0][:, 0], 0.1 + DT * velocity, tol=1e-6)
    world.rails.set_joint_positions(world.everywhere(0.5), joint_indices=[POSITION])
    world.close(world.cart.get_world_poses()[0][:, 0], [0.5] * 3, tol=1e-6)


def test_reset_keeps_biases_and_restores_what_drives_hold(world: Any) -> None:
    world.rails.set_encoder_biases(world.everywhere(0.02), joint_indices=[POSITION])
    world.run(0.05)
    world.engine.reset()
    world.close(world.rails.get_joint_positions()[:, POSITION], [0.12] * 3, tol=1e-6)
    expected = -STIFFNESS * 0.02  # the initial target is the true initial position
    world.close(world.rails.get_measured_joint_efforts()[:, POSITION], [expected] * 3, tol=1e-5)
    world.run(DT)
    world.close(world.rails.get_joint_velocities()[:, POSITION], DT * expected / (MASS + DT * DAMPING), tol=1e-6)


def test_strengths_and_biases_are_saved(world: Any) -> None:
    world.rails.set_encoder_biases(world.everywhere(0.02), joint_indices=[POSITION])
    world.rails.set_motor_strengths(world.everywhere(0.7))
    world.rails.set_joint_position_targets(world.everywhere(0.3), joint_indices=[POSITION])
    world.run(0.02)
    state = world.engine.state_dict()
    world.run(0.02)
    after = world.rails.get_joint_positions()
    world.engine.load_state_dict(world.initial_state)
    world.close(world.rails.get_motor_strengths(), 1.0, tol=0)
    world.engine.load_state_dict(state)
    world.close(world.rails.get_motor_strengths(), 0.7, tol=1e-7)
    world.run(0.02)
    assert torch.equal(world.rails.get_joint_positions(), after)


def test_invalid_strengths_raise(world: Any) -> None:
    if world.looks_at_tensors:
        with pytest.raises(OigeError, match="set_motor_strengths of 'rails': values contain -1"):
            world.rails.set_motor_strengths(world.everywhere(-1.0))
    with pytest.raises(OigeError, match="set_encoder_biases of 'rails': values contain nan"):
        world.rails.set_encoder_biases([[math.nan] * 4] * 3)
