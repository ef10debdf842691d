"""ShadowHandOpenAI_FF is randomised as in the original, whose blocks it has."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from oige_core import VecEnv
from oige_core.testing import make_env_on

N = 64


@pytest.fixture(scope="module")
def env() -> Iterator[VecEnv]:
    env = make_env_on("c", "ShadowHandOpenAI_FF", N)
    env.reset(seed=0)
    for _ in range(30):
        env.step(torch.zeros(N, 20))
    yield env
    env.close()


def test_worlds_run_without_problems(env: VecEnv) -> None:
    assert env.problems() == {}


def test_objects_differ(env: VecEnv) -> None:
    """Masses by a factor of 0.5 to 1.5, edges by 0.95 to 1.05, which changes masses, and friction by 0.7 to 1.3."""
    objects: Any = env.task.objects  # type: ignore[attr-defined]
    scales = objects.get_local_scales()[:, 0]
    assert 0.95 <= scales.min() < 0.97
    assert 1.03 < scales.max() <= 1.05
    masses = objects.get_masses() / 0.070875
    assert 0.5 * 0.95**3 <= masses.min() < 0.7
    assert 1.3 < masses.max() <= 1.5 * 1.05**3
    friction = objects.get_material_properties()[:, 0]
    assert 0.7 <= friction.min() < 0.75
    assert 1.25 < friction.max() <= 1.3


def test_hands_differ(env: VecEnv) -> None:
    hands: Any = env.task.hands  # type: ignore[attr-defined]
    finger = hands.get_dof_index("robot0_FFJ2")
    stiffness, damping = (gains[:, finger] for gains in hands.get_gains())
    assert 0.75 <= stiffness.min() < 0.85
    assert 1.3 < stiffness.max() <= 1.5
    assert 0.03 <= damping.min() < 0.04
    assert 0.2 < damping.max() <= 0.3
    upper = hands.get_dof_limits()[:, finger, 1]
    assert 0.005 < upper.std() < 0.015
    assert abs(upper.mean() - 1.571) < 0.01


def test_observations_have_noise_and_states_have_none(env: VecEnv) -> None:
    observed, states = env.step(torch.zeros(N, 20))[0][:, 15:18], env.task.states_buf[:, 48:51]
    noise = observed - states
    assert 0.0015 < noise.std() < 0.0025
    position = env.task.objects.get_world_poses()[0]  # type: ignore[attr-defined]
    torch.testing.assert_close(states, position)
