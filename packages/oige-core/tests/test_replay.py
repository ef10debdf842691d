"""Physics that is replayed goes through the states of the steps that were recorded."""

from typing import Any

import pytest
import torch
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.engines.mujoco.replay import PhysicsReplay
from oige_core.envs import VecEnv
from oige_core.testing import make_env_on

STEPS = 12


def embedded(env: VecEnv) -> MujocoEngine:
    """Return the engine of an environment."""
    assert isinstance(env.task.engine, MujocoEngine)
    return env.task.engine


def recorded(executor: str, task: str, **options: Any) -> tuple[VecEnv, PhysicsReplay, dict[str, torch.Tensor]]:
    """Return an environment, the replay of some of its steps, and the states in which these ended."""
    env = make_env_on(executor, task, 4, **options)
    env.reset(seed=3, options={"stagger": True})
    actions = 2.0 * torch.rand(STEPS, 4, env.task.spec.num_actions) - 1.0
    episodes = []

    def run() -> None:
        for action in actions:
            episodes.append(env.step(action.to(env.device))[-1].get("episode_count", 0))

    engine = embedded(env)
    replay = PhysicsReplay(engine, run)
    executor_ = engine.executor
    ends = {name: executor_.field(name).clone() for name in ("qpos", "qvel")}
    assert sum(int(count) for count in episodes) > 0, "without resets little is shown"
    return env, replay, ends


@pytest.mark.parametrize(
    ("executor", "task", "warp"),
    [("c", "Cartpole", False), ("c", "Crazyflie", False), ("c", "Cartpole", True), ("warp-cpu", "Cartpole", False)],
)
def test_replay_ends_in_the_recorded_state(executor: str, task: str, warp: bool) -> None:
    env, replay, ends = recorded(executor, task, warp=warp, episodeLength=5)
    assert replay.calls == STEPS
    engine = embedded(env)
    # A reset after the last physics step is no part of it.
    kept = ~env.task.ended_buf
    assert kept.any()
    for _ in range(2):
        engine.executor.field("qpos").fill_(0.1)  # whatever was done in between
        engine.executor.field("qvel").fill_(-2.0)
        replay.play()
        for name, end in ends.items():
            assert engine.executor.field(name)[kept].equal(end[kept])
    env.close()


def test_replay_makes_no_control_steps_and_records_no_physics() -> None:
    env, replay, _ = recorded("c", "Cartpole", episodeLength=5)
    progress = env.task.progress_buf.clone()
    replay.play()
    assert env.task.progress_buf.equal(progress)
    env.reset()
    env.step(torch.zeros(4, 1))
    assert replay.calls == STEPS


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_step_that_is_one_graph_on_cuda_records_no_physics() -> None:
    env = make_env_on("warp-cuda", "Cartpole", 4, warp=True)
    env.reset()

    def run() -> None:
        env.step(torch.zeros(4, 1, device="cuda"))

    assert PhysicsReplay(embedded(env), run).calls == 0
    env.close()
