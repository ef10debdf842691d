"""Domain randomisation in captured steps: the same as in eager steps, and with parameters that change."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.envs import VecEnv
from oige_core.testing import TapeRecorder, assert_captured_steps_agree
from randomized_task import FULL, draw, make_bench, no_actions

EXECUTORS = [
    "warp-cpu",
    pytest.param("warp-cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
]


@pytest.fixture(params=EXECUTORS)
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    envs: list[VecEnv] = []
    if request.param == "warp-cpu":
        monkeypatch.setattr(MujocoEngine, "graph_recorder", lambda _: TapeRecorder())
        monkeypatch.setattr("oige_core.math.fused._on_gpu", lambda values: True)

    def make(params: Any, **options: Any) -> Any:
        envs.append(make_bench(params, 4, request.param, **options))
        return envs[-1]

    yield make
    for env in envs:
        env.close()


def actions(env: Any, steps: int) -> torch.Tensor:
    return torch.rand(steps, env.num_envs, 2, generator=torch.Generator().manual_seed(3)) * 2 - 1


@pytest.mark.parametrize("mode", ["same_step", "next_step", "upstream"])
def test_captured_steps_agree(make: Any, mode: str) -> None:
    options = {"episodeLength": 5, "min_frequency": 3, "autoresetMode": mode}
    captured, eager = (make(FULL, captureStep=capture, **options) for capture in (True, False))
    assert assert_captured_steps_agree(captured, eager, actions(eager, 16)) >= 8


def test_captured_steps_follow_the_schedule(make: Any) -> None:
    params = {"observations": {"on_interval": draw("additive", "uniform", 1.0, 1.0, frequency_interval=1)}}
    env = make(params)
    env.reset()
    random = env.task.randomization
    for step in range(6):
        value = float(step + 1)
        random.set_dr_distribution_parameters([value, value], "observations", "on_interval")
        observations = env.step(no_actions(env))[0]
        assert observations.unique().tolist() == [2.0 + value]
    assert env.task.capture.captured
    assert env.task.capture.captures == 1


def test_a_loaded_state_continues_in_captured_steps(make: Any) -> None:
    env = make(FULL, episodeLength=5)
    env.reset()
    for action in actions(env, 4):
        env.step(action.to(env.device))
    state = env.state_dict()
    runs = []
    for _ in range(2):
        runs.append([env.step(action.to(env.device))[0].clone() for action in actions(env, 8)])
        env.load_state_dict(state)
    assert env.task.capture.captured
    assert all(map(torch.equal, *runs))
