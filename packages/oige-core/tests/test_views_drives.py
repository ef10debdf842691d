"""Drives, joint properties and tendons of articulations against closed forms, on both executors.

Where nothing else is said, a tolerance is the rounding of float32 (views of the C engine compute in double, MuJoCo Warp
in single precision) or, for motions, the first-order error of the time step of 1 ms.
"""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from articulation_scene import (
    DAMPING,
    DT,
    EFFORT,
    LIMITED,
    NUM_ENVS,
    POSITION,
    STIFFNESS,
    VELOCITY,
    build_articulations,
)
from oige_core.errors import CapabilityError, OigeError


@pytest.fixture(scope="module")
def built(build: Callable[..., Any], executor: str) -> Any:
    return build_articulations(build, executor)


# ------------------------------------------------------------------------------------------------ drives


def damped_step(time: float, mass: float, start: float, target: float, stiffness: float, damping: float) -> float:
    """Position of m x¨ = k (target − x) − d x˙ from rest, underdamped."""
    omega, zeta = math.sqrt(stiffness / mass), damping / (2 * math.sqrt(stiffness * mass))
    damped = omega * math.sqrt(1 - zeta**2)
    decay = math.exp(-zeta * omega * time)
    return target + (start - target) * decay * (
        math.cos(damped * time) + zeta * omega / damped * math.sin(damped * time)
    )


def test_position_drive_follows_the_second_order_response(world: Any) -> None:
    """Gains differ between worlds. The integrator's error is of the order of dt · ω · amplitude = 1e-3 · 20 · 0.4.

    That of PhysX, which integrates drives implicitly in position, too, is a little larger.
    """
    world.close(world.rails.get_joint_positions(), [0.1, 0, 0, 0], tol=1e-7)  # where the asset starts
    gains = [(200.0, 4.0), (800.0, 4.0), (200.0, 24.0)]
    kps, kds = world.tensor([[kp] for kp, _ in gains]), world.tensor([[kd] for _, kd in gains])
    world.rails.set_gains(kps, joint_indices=[POSITION])
    world.rails.set_gains(kds=kds[2:], indices=[2], joint_indices=[POSITION])
    stiffness, damping = world.rails.get_gains()
    world.close(stiffness, [[200, 0, 0, 0], [800, 0, 0, 0], [200, 0, 0, 0]], tol=0)
    world.close(damping, [[4, 90, 0, 0], [4, 90, 0, 0], [24, 90, 0, 0]], tol=0)
    world.rails.set_joint_position_targets(world.everywhere(0.5), joint_indices=[POSITION])
    for step in range(1, 5):
        world.run(0.05)
        expected = [damped_step(0.05 * step, 2.0, 0.1, 0.5, kp, kd) for kp, kd in gains]
        world.close(world.rails.get_joint_positions()[:, POSITION], expected, tol=world.tolerance(8e-3, physx=1.2e-2))
    q, v = world.rails.get_joint_positions()[:, 0], world.rails.get_joint_velocities()[:, 0]
    expected_effort = kps[:, 0] * (0.5 - q) - kds[:, 0] * v
    world.close(world.rails.get_measured_joint_efforts()[:, POSITION], expected_effort, tol=1e-4)


def test_one_step_of_a_drive_is_implicit_in_velocity(world: Any) -> None:
    """(m + dt d) dv = dt (k (target − x) + d (v target − v) + effort), to the last digits.

    The solver of PhysX divides a step into four, so that its velocity differs by dt² k v / m.
    """
    world.rails.set_joint_velocities(world.everywhere(0.7), joint_indices=[POSITION])
    world.rails.set_joint_position_targets(world.everywhere(0.4), joint_indices=[POSITION])
    world.rails.set_joint_velocity_targets(world.everywhere(-0.2), joint_indices=[POSITION])
    world.rails.set_joint_efforts(world.everywhere(1.5), joint_indices=[POSITION])
    world.run(DT)
    force = STIFFNESS * (0.4 - 0.1) + DAMPING * (-0.2 - 0.7) + 1.5
    velocity = 0.7 + DT * force / (2.0 + DT * DAMPING)
    tol = world.tolerance(1e-6, physx=2.5e-5)
    world.close(world.rails.get_joint_velocities()[:, POSITION], velocity, tol=tol)
    tol = world.tolerance(1e-6, physx=5e-6)
    world.close(world.rails.get_joint_positions()[:, POSITION], 0.1 + DT * velocity, tol=tol)


def test_velocity_drive_against_a_viscous_load(world: Any) -> None:
    """d (target − v) = b v at last. The rate is (d + b) / m = 100/s; an implicit step divides what is left by 1.1."""
    world.rails.set_joint_velocity_targets(world.everywhere(0.8), joint_indices=[VELOCITY])
    final = 0.8 * 90.0 / (90.0 + 10.0)
    world.run(0.01)
    world.close(world.rails.get_joint_velocities()[:, VELOCITY], final * (1 - 1.1**-10), tol=1e-6)
    world.run(0.14)
    world.close(world.rails.get_joint_velocities()[:, VELOCITY], final, tol=1e-5)


def test_limited_drive_against_a_viscous_load(world: Any) -> None:
    """v˙ = (6 N − b v) / m while the drive is at its limit: v = 0.6 (1 − exp(−10 t)); 0.6 after 0.1 s without a load.

    MuJoCo damps a drive at its limit as if it were below: an implicit step divides what is left by 1.1.
    """
    world.rails.set_max_efforts(world.everywhere(6.0), joint_indices=[VELOCITY])
    world.rails.set_joint_velocity_targets(world.everywhere(2.0), joint_indices=[VELOCITY])
    world.run(0.1)
    tol = world.tolerance(0.025, physx=3e-3)
    world.close(world.rails.get_joint_velocities()[:, VELOCITY], 0.6 * (1 - math.exp(-1)), tol=tol)


def test_limited_effort_gives_constant_acceleration(world: Any) -> None:
    """6 N on 4 kg for every command beyond the limit; 2 N for a command below it; limits of each world."""
    assert world.rails.get_max_efforts()[0].tolist() == [math.inf, math.inf, 6.0, math.inf]
    world.rails.set_joint_efforts(world.tensor([[100.0], [-100.0], [2.0]]), joint_indices=[EFFORT])
    world.close(world.rails.get_applied_joint_efforts()[:, EFFORT], [100, -100, 2], tol=0)
    world.close(world.rails.get_measured_joint_efforts()[:, EFFORT], [6, -6, 2], tol=0)
    world.run(0.1)
    world.close(world.rails.get_joint_velocities()[:, EFFORT], [0.15, -0.15, 0.05], tol=1e-6)
    world.rails.set_max_efforts(world.tensor([[20.0]]), indices=[0], joint_indices=[EFFORT])
    world.rails.set_max_efforts(world.tensor([[math.inf]]), indices=[1], joint_indices=[EFFORT])
    assert world.rails.get_max_efforts()[:, EFFORT].tolist() == [20.0, math.inf, 6.0]
    world.run(0.1)
    world.close(world.rails.get_joint_velocities()[:, EFFORT], [0.15 + 0.5, -0.15 - 2.5, 0.1], tol=1e-5)
    # A position drive too is bounded as a whole: 1 N on 2 kg.
    world.rails.set_max_efforts(world.everywhere(1.0), joint_indices=[POSITION])
    world.rails.set_joint_positions(world.everywhere(0.1), joint_indices=[POSITION])
    world.rails.set_joint_velocities(world.everywhere(0.0), joint_indices=[POSITION])
    world.rails.set_joint_position_targets(world.everywhere(10.0), joint_indices=[POSITION])
    world.run(0.1)
    world.close(world.rails.get_joint_velocities()[:, POSITION], 0.05, tol=1e-6)
    world.close(world.rails.get_measured_joint_efforts()[:, POSITION], 1.0, tol=0)
    # Bounds that come back with a state count again.
    state = world.engine.state_dict()
    world.rails.set_max_efforts(world.everywhere(0.5), joint_indices=[POSITION])
    world.close(world.rails.get_measured_joint_efforts()[:, POSITION], 0.5, tol=0)
    world.engine.load_state_dict(state)
    world.close(world.rails.get_measured_joint_efforts()[:, POSITION], 1.0, tol=0)


def test_control_mode_sets_the_gains(world: Any) -> None:
    view = world.rails
    view.set_joint_position_targets(world.everywhere(0.5), joint_indices=[POSITION])
    view.set_joint_velocity_targets(world.everywhere(0.3), joint_indices=[POSITION])
    view.set_joint_efforts(world.everywhere(3.0), joint_indices=[POSITION])
    first = [POSITION]
    for mode, kp, kd in (("velocity", 0.0, DAMPING), ("effort", 0.0, 0.0), ("position", STIFFNESS, DAMPING)):
        view.switch_control_mode(mode, joint_indices=first)
        stiffness, damping = view.get_gains(joint_indices=first)
        world.close(stiffness, kp, tol=0)
        world.close(damping, kd, tol=0)
        view.set_joint_positions(world.everywhere(0.1), joint_indices=first)
        view.set_joint_velocities(world.everywhere(0.0), joint_indices=first)
        world.run(DT)
        force = kp * (0.5 - 0.1) + kd * 0.3 + 3.0
        world.close(view.get_joint_velocities()[:, POSITION], DT * force / (2.0 + DT * kd), tol=1e-6)
    world.close(view.get_gains()[1][:, VELOCITY], 90.0, tol=0)  # the others were left alone
    with pytest.raises(OigeError, match="control mode 'torque': expected position, velocity or effort"):
        view.switch_control_mode("torque")


def test_gains_can_be_set_on_an_articulation_without_drives(world: Any) -> None:
    """Its position targets are its initial positions, its efforts stay."""
    world.needs("branched_tendons")
    view = world.coupled
    with pytest.raises(OigeError, match=r"'coupled': its drives have no gains, .* set_gains first"):
        view.set_joint_position_targets(world.everywhere(0.0, 0.0))
    view.set_joint_efforts(world.everywhere(2.0, 0.0))
    view.set_joints_default_state(positions=world.everywhere(0.2, -0.1))
    view.set_gains(world.everywhere(30.0, 40.0), world.everywhere(0.0, 0.0))
    world.close(view.get_applied_joint_efforts(), [2, 0], tol=0)
    view.set_joint_positions(world.everywhere(0.05, 0.0))
    world.close(view.get_measured_joint_efforts(), [2.0 - 30 * 0.05, 0.0], tol=1e-5)
    world.run(DT)
    world.close(view.get_joint_velocities(), [DT * (2.0 - 30 * 0.05), 0.0], tol=1e-7)
    world.engine.reset()
    world.close(view.get_joint_positions(), [0.2, -0.1], tol=1e-7)
    world.close(view.get_measured_joint_efforts(), 0.0, tol=1e-5)
    world.run(DT)
    world.close(view.get_joint_velocities(), 0.0, tol=1e-6)


# ------------------------------------------------------------------------------------------------ joint properties


def test_armature_adds_inertia(world: Any) -> None:
    """a = F / (m + armature)."""
    world.rails.set_armatures(world.tensor([[1.0], [2.0]]), indices=[0, 2], joint_indices=[EFFORT])
    world.close(world.rails.get_armatures()[:, EFFORT], [1, 0, 2], tol=0)
    world.rails.set_joint_efforts(world.everywhere(3.0), joint_indices=[EFFORT])
    world.run(0.1)
    world.close(world.rails.get_joint_velocities()[:, EFFORT], [0.3 / 5, 0.3 / 4, 0.3 / 6], tol=1e-6)
    world.close(world.rails.get_mass_matrices()[:, EFFORT, EFFORT], [5, 4, 6], tol=1e-6)


def test_joint_friction_holds_below_and_slips_above_breakaway(world: Any) -> None:
    """MuJoCo's dry friction is a soft constraint: a held joint creeps, by about 1 mm/s here."""
    world.rails.set_friction_coefficients(world.tensor([[2.0], [5.0]]), indices=[0, 1], joint_indices=[EFFORT])
    world.close(world.rails.get_friction_coefficients()[:, EFFORT], [2, 5, 0], tol=0)
    world.rails.set_joint_efforts(world.everywhere(4.0), joint_indices=[EFFORT])
    world.run(0.1)
    velocity = world.rails.get_joint_velocities()[:, EFFORT]
    world.close(velocity, [0.1 * (4 - 2) / 4, 0.0, 0.1 * 4 / 4], tol=1.5e-3)


def test_joint_limits_stop_a_joint(world: Any) -> None:
    """Limits are soft: 5 N press the 1 kg cart less than 2 mm beyond them."""
    view = world.rails
    infinite = [-math.inf, math.inf]
    world.close(view.get_dof_limits()[:, LIMITED], [-0.1, 0.2], tol=1e-6)
    assert view.get_dof_limits()[0, POSITION].tolist() == infinite
    view.set_dof_limits(view.get_dof_limits()[[1]] * world.tensor([3.0, 0.25]), indices=[1])
    world.close(view.get_dof_limits()[:, LIMITED], [[-0.1, 0.2], [-0.3, 0.05], [-0.1, 0.2]], tol=1e-6)
    assert view.get_dof_limits()[:, POSITION].tolist() == [infinite] * NUM_ENVS
    view.set_joint_positions(world.tensor([[0.199], [0.049], [-0.099]]), joint_indices=[LIMITED])
    view.set_joint_efforts(world.tensor([[5.0], [5.0], [-5.0]]), joint_indices=[LIMITED])
    world.run(0.1)
    world.close(view.get_joint_positions()[:, LIMITED], [0.2, 0.05, -0.1], tol=2e-3)
    with pytest.raises(CapabilityError, match="joint 'position' of 'rails': has no limits to change"):
        view.set_dof_limits([[[-1.0, 1.0]]], joint_indices=[POSITION])
    view.set_dof_limits(world.tensor([[infinite]]), indices=[2], joint_indices=[LIMITED])
    assert view.get_dof_limits()[2, LIMITED].tolist() == infinite
    before = view.get_joint_velocities()[2, LIMITED]
    world.run(0.01)
    assert view.get_joint_velocities()[2, LIMITED] < before - 0.04


# ------------------------------------------------------------------------------------------------ fixed tendons


def test_tendon_couples_joints(world: Any) -> None:
    """L = a + 2 b; a force f = −k (L − L0) − d L˙ along c = (1, 2), implicit in velocity: (M + dt D) dv = dt c f.

    D has only the diagonal of d c cᵀ: the integrator omits the terms that couple joints of different branches.
    """
    world.needs("branched_tendons")
    view = world.coupled
    assert view.num_fixed_tendons == 2
    view.set_joint_positions(world.tensor([[0.1, 0.05], [0.1, 0.05], [-0.2, 0.1]]))
    view.set_joint_velocities(world.everywhere(0.4, -0.1))
    length = torch.tensor([0.2, 0.2, 0.0], dtype=torch.float64)
    world.close(view.get_fixed_tendon_lengths(), length[:, None].expand(-1, 2), tol=1e-6)
    stiffness, rest, damping = [30.0, 0.0, 50.0], [0.0, 0.1, -0.1], [0.0, 5.0, 2.0]
    view.set_fixed_tendon_properties(
        stiffnesses=world.tensor([[0.0, k] for k in stiffness]),
        rest_lengths=world.tensor([[0.0, r] for r in rest]),
        dampings=world.tensor([[0.0, d] for d in damping]),
    )
    world.close(view.get_fixed_tendon_stiffnesses()[:, 1], stiffness, tol=0)
    world.close(view.get_fixed_tendon_rest_lengths()[:, 1], rest, tol=1e-7)
    world.close(view.get_fixed_tendon_dampings()[:, 1], damping, tol=0)
    world.run(DT)
    arms, velocity = torch.tensor([1.0, 2.0], dtype=torch.float64), torch.tensor([0.4, -0.1], dtype=torch.float64)
    for index in range(NUM_ENVS):
        force = -stiffness[index] * (length[index] - rest[index]) - damping[index] * (arms @ velocity)
        expected = velocity + DT * force * arms / (torch.tensor([1.0, 2.0]) + DT * damping[index] * arms**2)
        world.close(view.get_joint_velocities(indices=[index]), expected[None], tol=1e-6)


def test_tendon_limits_stop_both_joints(world: Any) -> None:
    """A force on only one joint pulls the other along once L is at its limit; the limit is soft, by 2 mm here."""
    world.needs("branched_tendons")
    view = world.coupled
    limits = view.get_fixed_tendon_limits()
    world.close(limits[:, 0], [-0.5, 0.5], tol=1e-6)
    assert limits[0, 1].tolist() == [-math.inf, math.inf]
    with pytest.raises(CapabilityError, match="tendon 'free' of 'coupled': has no limits to change"):
        view.set_fixed_tendon_properties(limits=torch.full_like(limits, 0.5).tolist())
    limits[1, 0, 1] = 0.3
    view.set_fixed_tendon_properties(limits=limits[[1]], indices=[1])
    stops = [0.5, 0.3, 0.5]
    world.close(view.get_fixed_tendon_limits()[:, 0, 1], stops, tol=1e-6)
    view.set_joint_positions(world.tensor(stops)[:, None] - 1e-3, joint_indices=[0])
    view.set_joint_efforts(world.everywhere(3.0), joint_indices=[0])
    world.run(0.1)
    world.close(view.get_fixed_tendon_lengths()[:, 0], stops, tol=2e-3)
    assert (view.get_joint_velocities()[:, 1] < -0.05).all()


def test_tendon_spring_balances_an_effort(world: Any) -> None:
    """At rest under efforts f (1, 2) the tendon is longer by f / k: 1 and 0.5 mm; the damping is about critical."""
    world.needs("branched_tendons")
    view = world.coupled
    view.set_fixed_tendon_properties(
        stiffnesses=world.tensor([[0.0, 4000.0], [0.0, 8000.0]]),
        dampings=world.tensor([[0.0, 73.0], [0.0, 103.0]]),
        indices=[0, 2],
    )
    view.set_joint_efforts(world.everywhere(4.0, 8.0))
    world.run(0.15)
    world.close(view.get_fixed_tendon_lengths()[[0, 2], 1], [4 / 4000, 4 / 8000], tol=1e-6)
