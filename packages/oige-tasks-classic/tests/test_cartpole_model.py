"""Cartpole's axes, total mass and the growth of a small lean."""

import math

import pytest
import torch
from oige_core.envs import make_vec


def test_axes_and_total_mass_match_the_model() -> None:
    env = make_vec("Cartpole", num_envs=1, num_threads=1)
    model = env.task.engine.compiled.model  # type: ignore[attr-defined]
    assert model.jnt_axis.tolist() == [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    assert env.task.cartpoles.get_body_masses()[0, 1:].sum().item() == 2.0  # type: ignore[attr-defined]
    env.close()


@pytest.mark.parametrize("action", [0.01, -0.01])
def test_first_step_from_rest_matches_the_closed_form(action: float) -> None:
    env = make_vec("Cartpole", 1, {"task.env.controlFrequencyInv": 1}, num_threads=1)
    env.reset()
    view = env.task.cartpoles  # type: ignore[attr-defined]
    view.set_joint_positions(torch.zeros(1, 2))
    view.set_joint_velocities(torch.zeros(1, 2))
    x, v, angle, rate = env.step(torch.tensor([[action]]))[0][0].tolist()
    inertia = (1.0 + 0.06**2) / 12 + 0.25  # about the hinge
    acceleration = 400 * action / (2 - 0.25 / inertia)
    assert v == pytest.approx(acceleration * 0.0083, rel=1e-5)
    assert x == pytest.approx(v * 0.0083, rel=1e-5)
    assert rate == pytest.approx(0.5 * v / inertia, rel=1e-5)
    assert angle == pytest.approx(rate * 0.0083, rel=1e-5)
    env.close()


def test_small_lean_grows_at_the_analytic_rate() -> None:
    env = make_vec("Cartpole", 1, {"task.sim.dt": 1e-4}, num_threads=1)
    env.reset()
    view = env.task.cartpoles  # type: ignore[attr-defined]
    view.set_joint_positions(torch.tensor([[0.0, 1e-3]]))
    view.set_joint_velocities(torch.zeros(1, 2))
    env.task.engine.step(5000)
    growth = math.sqrt(9.81 * 0.5 / ((1.0 + 0.06**2) / 12 + 0.25 - 0.25 / 2))  # 1/s; the cart gives way
    assert view.get_joint_positions()[0, 1].item() == pytest.approx(1e-3 * math.cosh(0.5 * growth), rel=1e-3)
    env.close()
