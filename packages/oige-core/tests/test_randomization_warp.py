"""Domain randomisation of a Warp variant: around its captured step."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from block_task import MASS, BlockConfig, BlockWarpTask
from oige_core.config import DomainRandomizationConfig, RunConfig, SimConfig, TaskConfig
from oige_core.envs import VecEnv
from oige_core.errors import ConfigError
from oige_core.spec import TaskSpec
from oige_core.testing import make_engine_on
from randomized_task import draw

N, DT = 3, 0.01


@pytest.fixture
def make() -> Iterator[Any]:
    envs: list[VecEnv] = []

    def make(params: Any, **env: Any) -> Any:
        values = {"numEnvs": N, "envSpacing": 1.0, "episodeLength": 3} | env
        config = TaskConfig(
            name="Block",
            env=BlockConfig(**values),
            sim=SimConfig(dt=DT),
            domain_randomization=DomainRandomizationConfig(
                randomize=params is not None, randomization_params=params or {}
            ),
        )
        spec = TaskSpec(task="n:n", env=BlockConfig, observation_shape=(2,), num_actions=1, num_states=1)
        run = RunConfig(task=config, seed=1, warp=True)
        envs.append(VecEnv(BlockWarpTask(run, spec, make_engine_on("warp-cpu", N))))
        return envs[-1]

    yield make
    for env in envs:
        env.close()


def step(env: Any, action: float = 0.0) -> Any:
    return env.step(torch.full((N, 1), action))


def positions(env: Any) -> torch.Tensor:
    return env.task.blocks.get_joint_positions()


@pytest.mark.parametrize("mode", ["same_step", "next_step", "upstream"])
def test_physics_feels_the_mass_that_a_reset_draws(make: Any, mode: str) -> None:
    """2 N on the mass of each world during 10 ms."""
    path = ("articulation_views", "block", "body_masses")
    params = {path[0]: {path[1]: {path[2]: {"on_reset": draw("scaling", "uniform", 0.5, 1.5)}}}}
    env = make(params, autoresetMode=mode)
    env.reset()
    seen = []
    for _ in range(8):
        target = env.task.randomization.targets[path]
        masses = target.read().clone()
        observations, *_, info = step(env, 2.0)
        if mode == "upstream":  # whose steps reset worlds before physics
            masses = target.read().clone()
        last = info.get("final_obs", observations)
        speeds = last[:, 1:]
        if not seen or not torch.equal(masses, seen[-1]):
            seen.append(masses)
            torch.testing.assert_close(speeds, 2.0 / masses * DT, atol=1e-5, rtol=1e-4)
    assert len(seen) >= 2
    assert ((torch.stack(seen) / MASS - 1).abs() <= 0.5001).all()


@pytest.mark.parametrize("mode", ["same_step", "next_step", "upstream"])
def test_noise(make: Any, mode: str) -> None:
    params = {
        "observations": {"on_reset": draw("additive", "uniform", -1.0, 1.0)},
        "actions": {"on_interval": draw("additive", "uniform", 4.0, 4.0, frequency_interval=1)},
    }
    env = make(params, autoresetMode=mode)
    first, _ = env.reset()
    kept = first[:, 0] - positions(env)[:, 0]
    assert len(kept.unique()) == N
    for count in (1, 2):
        observations = step(env)[0]
        torch.testing.assert_close(observations[:, 0] - positions(env)[:, 0], kept)
        if mode != "upstream" or count == 2:
            assert (env.task.blocks.get_joint_velocities() > 0).all()
    observations, _, _, truncated, info = step(env)
    assert truncated.all()
    if mode == "same_step":
        assert not torch.isclose(observations[:, 0] - positions(env)[:, 0], kept).any()
        assert (info["final_obs"][:, 1] - observations[:, 1] > 0.02).any()
    else:
        torch.testing.assert_close(observations[:, 0] - positions(env)[:, 0], kept)
        observations = step(env)[0]
        assert not torch.isclose(observations[:, 0] - positions(env)[:, 0], kept).any()


def test_pushes_at_intervals(make: Any) -> None:
    path = ("articulation_views", "block", "joint_velocities")
    push = draw("additive", "uniform", 0.5, 0.5, frequency_interval=2)
    env = make({path[0]: {path[1]: {path[2]: {"on_interval": push}}}}, episodeLength=100)
    env.reset()
    speeds = [step(env)[0][0, 1].item() for _ in range(4)]
    assert speeds == pytest.approx([0.0, 0.5, 0.5, 1.0])


def test_saved_states_continue_exactly(make: Any) -> None:
    params = {
        "observations": {"on_reset": draw("additive", "uniform", -1.0, 1.0)},
        "actions": {"on_interval": draw("additive", "gaussian", 0.0, 1.0, frequency_interval=1)},
        "articulation_views": {"block": {"body_masses": {"on_reset": draw("scaling", "uniform", 0.5, 1.5)}}},
    }
    env = make(params)
    env.reset()
    step(env)
    state = env.state_dict()
    runs = []
    for _ in range(2):
        runs.append([step(env)[0].clone() for _ in range(6)])
        env.load_state_dict(state)
    assert all(map(torch.equal, *runs))


@pytest.mark.parametrize(("name", "trigger"), [("joint_efforts", "on_interval"), ("joint_positions", "on_reset")])
def test_what_belongs_into_the_graph_is_refused(make: Any, name: str, trigger: str) -> None:
    interval = {"frequency_interval": 1} if trigger == "on_interval" else {}
    params = {"articulation_views": {"block": {name: {trigger: draw("additive", "uniform", 0.0, 1.0, **interval)}}}}
    with pytest.raises(
        ConfigError, match=rf"{name}\.{trigger}: the Warp variant of a task cannot draw this; leave warp"
    ):
        make(params)
