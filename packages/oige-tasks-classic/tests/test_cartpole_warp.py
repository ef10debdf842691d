"""Cartpole's Warp variant against the torch task, step by step, and on its own."""

import math

import pytest
import torch
from oige_core import TaskSpec, VecEnv, make_vec
from oige_core.config import EnvConfig
from oige_core.errors import ConfigError
from oige_core.registry import load_task_class
from oige_core.testing import assert_variants_agree, make_env_on

EXECUTORS = [
    "c",
    "warp-cpu",
    pytest.param("warp-cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
]
# Largest difference after an episode of random pushes. The C engine computes the same in both; MuJoCo Warp computes in
# single precision, and a falling pole multiplies differences.
TOLERANCES = {"c": 1e-6, "warp-cpu": 2e-4, "warp-cuda": 2e-4}


@pytest.mark.parametrize("mode", ["same_step", "next_step", "upstream"])
@pytest.mark.parametrize("executor", EXECUTORS)
def test_variant_matches_the_torch_task_over_many_episodes(executor: str, mode: str) -> None:
    overrides = {"task.env.episodeLength": 20, "task.env.autoresetMode": mode, "task.env.clipObservations": math.inf}
    ours = make_env_on(executor, "Cartpole", 8, warp=True, overrides=overrides)
    theirs = make_env_on("c", "Cartpole", 8, overrides=overrides)
    actions = torch.rand(150, 8, 1, generator=torch.Generator().manual_seed(3)) * 2 - 1
    tolerance = TOLERANCES[executor]
    terminated, truncated = assert_variants_agree(ours, theirs, actions, atol=tolerance, rtol=tolerance)
    assert terminated > 10
    assert truncated > 10
    ours.close()
    theirs.close()


@pytest.mark.parametrize("executor", EXECUTORS)
def test_observations_after_a_reset_show_the_new_state(executor: str) -> None:
    env = make_env_on(executor, "Cartpole", 8, warp=True, episodeLength=3)
    view = env.task.cartpoles  # type: ignore[attr-defined]
    env.reset()
    for step in range(1, 7):
        observations, _, _, _, info = env.step(torch.zeros(8, 1, device=env.device))
        assert info["_final_obs"].all() == (step % 3 == 0)
        state = torch.stack((view.get_joint_positions(), view.get_joint_velocities()), dim=-1).flatten(1)
        assert observations.equal(state)
        assert observations.equal(info["final_obs"]) == (step % 3 != 0)
    env.close()


@pytest.mark.parametrize("executor", EXECUTORS)
def test_resets_cover_exactly_their_ranges_uniformly(executor: str) -> None:
    env = make_env_on(executor, "Cartpole", 1024, warp=True)
    observations = torch.cat([env.reset(seed=5)[0], env.reset()[0]]).cpu()
    for column, bound in enumerate((1.0, 0.5, math.pi / 8, math.pi / 4)):
        values = observations[:, column] / bound
        assert values.abs().max() <= 1.0 + 1e-6
        assert values.max() > 0.99
        assert values.min() < -0.99
        share = torch.histc(values, bins=8, min=-1.0, max=1.0) / len(values)
        assert (share - 1 / 8).abs().max() < 0.04  # over five standard deviations
    correlations = torch.corrcoef(torch.cat((observations[:1024].T, observations[1024:].T)))
    assert (correlations - torch.eye(8)).abs().max() < 0.16  # five standard deviations
    env.close()


def trace(env: VecEnv, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    observations = [env.reset(seed=seed)[0]]
    for _ in range(50):
        observations.append(env.step((torch.rand(env.num_envs, 1, generator=generator) * 2 - 1).to(env.device))[0])
    return torch.stack(observations)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_seed_makes_runs_reproducible(executor: str) -> None:
    first, second = (make_env_on(executor, "Cartpole", 16, warp=True) for _ in range(2))
    run = trace(first, 7)
    assert run.equal(trace(second, 7))
    assert run.equal(trace(first, 7))
    assert not run.equal(trace(second, 8))
    assert len(run[0, :, 0].unique()) == 16  # worlds differ
    first.close()
    second.close()


def test_warp_option_selects_variant_or_raises() -> None:
    env = make_vec("Cartpole", num_envs=2, warp=True)
    assert type(env.task).__name__ == "CartpoleWarpTask"
    env.close()
    spec = TaskSpec(task="a:Ball", env=EnvConfig, observation_shape=(1,), num_actions=1)
    with pytest.raises(
        ConfigError, match=r"^warp=True: Ball has no Warp variant; leave warp out or choose (.+, )?Cartpole\b"
    ):
        load_task_class(spec, warp=True)
