"""Recordings of a policy in its task, and what they say about its observations."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from oige_train.export.actor import Normaliser
from oige_train.export.rollout import record
from oige_train.export.statistics import (
    Recording,
    find_derivatives,
    find_echoes,
    find_unit_vectors,
    image_statistics,
    longest_still,
)
from rl_games.algos_torch.running_mean_std import RunningMeanStd


class Counter(torch.nn.Module):
    """A recurrent policy whose action is the number of steps since its hidden state was zero."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def inputs(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros(count, 1), torch.zeros(1, count, 1)

    def forward(self, _: torch.Tensor, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        following = hidden + self.weight
        return following[0], following


def test_recording_begins_episodes_after_terminations_and_truncations() -> None:
    """World 0 is terminated in step 1, and world 1 is truncated in step 2."""
    step = iter(range(4))

    def advance(actions: torch.Tensor) -> tuple[Any, ...]:
        now = next(step)
        ends = torch.tensor([now == 1, False]), torch.tensor([False, now == 2])
        return torch.full((2, 1), now + 1.0), torch.zeros(2), *ends, {}

    env: Any = SimpleNamespace(num_envs=2, device="cpu", reset=lambda: (torch.zeros(2, 1), {}), step=advance)
    actor: Any = Counter()
    recording = record(env, actor, 4)
    assert recording.observations[..., 0].tolist() == [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]
    assert recording.starts.tolist() == [[True, True], [False, False], [True, False], [False, True]]
    assert recording.actions[..., 0].tolist() == [[1.0, 1.0], [2.0, 2.0], [1.0, 3.0], [2.0, 1.0]]


def test_normaliser_computes_what_rl_games_does() -> None:
    """Without rl_games' epsilon, an observation that never changed in training would become infinite."""
    statistics = RunningMeanStd((4,)).eval()
    statistics.running_mean.copy_(torch.tensor([1.0, -2.0, 0.5, 0.0]))
    statistics.running_var.copy_(torch.tensor([0.0, 1e-5, 4.0, 0.01]))
    observations = torch.tensor([[1.001, -2.004, 3.0, 9.0], [0.0, -2.0, -30.0, 0.1]])
    torch.testing.assert_close(Normaliser(statistics)(observations), statistics(observations))
    assert statistics(observations)[0, 3] == 5.0


def recording(observations: np.ndarray, actions: np.ndarray, *starts: int) -> Recording:
    """Return the recording of one world whose episodes begin at these steps."""
    begins = np.isin(np.arange(len(observations)), starts)[:, None]
    return Recording(observations[:, None], actions[:, None], begins)


def test_steps_of_the_same_episode_are_joined() -> None:
    episodes = recording(np.zeros((6, 1)), np.zeros((6, 1)), 0, 3)
    assert episodes.same_episode()[:, 0].tolist() == [True, True, False, True, True]
    assert episodes.same_episode(2)[:, 0].tolist() == [True, False, False, True]


def test_jumps_between_episodes_are_no_velocities() -> None:
    """Each episode begins at another position; a repeated action is 0 there."""
    time = np.arange(50) * 0.1
    velocity = np.tile(np.cos(2.0 * time), 4)
    position = np.concatenate([start + 0.5 * np.sin(2.0 * time) for start in (90.0, -70.0, 50.0, -30.0)])
    actions = np.random.default_rng(0).normal(size=(200, 2))
    echo = np.concatenate((np.zeros(1), 3.0 * actions[:-1, 1]))
    echo[::50] = 7.0
    observations = np.stack((position, 2.0 * velocity, echo), axis=1)
    episodes = recording(observations, actions, 0, 50, 100, 150)
    (derivative,) = find_derivatives(episodes, [(0, 1)], rate=10.0)
    assert (derivative["position"], derivative["velocity"]) == (0, 1)
    assert derivative["slope"] == pytest.approx(0.5, rel=0.01)
    assert derivative["correlation"] > 0.99
    assert find_echoes(episodes) == [{"observation": 2, "action": 1, "slope": pytest.approx(3.0)}]


def test_unit_vectors_have_a_constant_length() -> None:
    angles = np.linspace(0.0, 3.0, 20)
    observations = np.stack((2.0 * np.cos(angles), 2.0 * np.sin(angles), 0.0 * angles, angles, angles, angles), axis=1)
    episodes = recording(observations, np.zeros((20, 1)), 0)
    found = find_unit_vectors(episodes, [[0, 1, 2], [3, 4, 5]])
    assert found == [{"entries": [0, 1, 2], "length": pytest.approx(2.0)}]


def test_values_are_still_within_an_episode() -> None:
    values = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0])[:, None, None]
    starts = np.zeros((7, 1), bool)
    assert longest_still(values, starts).tolist() == [3]
    starts[5] = True
    assert longest_still(values, starts).tolist() == [2]


def test_statistics_of_images_are_those_of_their_channels() -> None:
    images = np.zeros((3, 1, 2, 2, 2), np.uint8)
    images[0, ..., 1] = 100
    images[2, 0, 0, 0, 0] = 240
    red, green = image_statistics(images, np.zeros((3, 1), bool))
    assert red == {
        "mean": 20.0,
        "deviation": pytest.approx((240**2 / 12 - 400) ** 0.5),
        "minimum": 0.0,
        "maximum": 240.0,
        "still": 1,
    }
    assert (green["mean"], green["maximum"], green["still"]) == (pytest.approx(100 / 3), 100.0, 1)
