"""The Warp variants of Ant and Humanoid against the torch tasks: all observations, rewards, endings and resets."""

import pytest
import torch
from oige_core.testing import assert_fills_range, assert_variants_agree, make_env_on

EXECUTORS = [
    "c",
    "warp-cpu",
    pytest.param("warp-cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
]

# The C engine computes the same in both. MuJoCo Warp's single precision shows in the forces at the feet, and in the
# progress: distances to a target 1 km away are rounded to 6e-5 m, which over a sixtieth of a second is 4e-3 m/s.
TOLERANCES = {"c": 1e-4, "warp-cpu": 1e-2, "warp-cuda": 1e-2}

# Ants driven at random seldom fall below the height of the configuration.
WORDS = {"Ant": {"task.env.terminationHeight": 0.435}}


@pytest.mark.parametrize("compat", ["fixed", "upstream"])
@pytest.mark.parametrize("task", ["Ant", "Humanoid"])
@pytest.mark.parametrize("executor", EXECUTORS)
def test_variants_match_the_torch_tasks_over_many_episodes(executor: str, task: str, compat: str) -> None:
    overrides = {"task.env.episodeLength": 25, "task.env.compat": compat} | WORDS.get(task, {})
    ours = make_env_on(executor, task, 8, warp=True, overrides=overrides)
    theirs = make_env_on("c", task, 8, overrides=overrides)
    actions = torch.rand(120, 8, ours.task.spec.num_actions, generator=torch.Generator().manual_seed(0)) * 2 - 1
    tolerance = TOLERANCES[executor]
    terminated, truncated = assert_variants_agree(ours, theirs, actions, atol=tolerance, rtol=tolerance)
    assert terminated > 5
    assert truncated > 5
    ours.close()
    theirs.close()


@pytest.mark.parametrize("task", ["Ant", "Humanoid"])
def test_resets_cover_their_ranges_within_limits(task: str) -> None:
    env = make_env_on("c", task, 2048, warp=True)
    robots = env.task.robots  # type: ignore[attr-defined]
    default = robots.get_joint_positions()[0]
    env.reset(seed=1)
    positions, velocities = robots.get_joint_positions(), robots.get_joint_velocities()
    lower, upper = robots.get_dof_limits()[0].unbind(-1)
    low, high = torch.maximum(default - 0.2, lower), torch.minimum(default + 0.2, upper)
    for values, bottom, top in ((positions, low, high), (velocities, -0.1, 0.1)):
        assert_fills_range(values, bottom, top)
    inner = (low > lower) & (high < upper)  # joints whose noise no limit cuts
    assert inner.any()
    assert ((positions - default)[:, inner].std(dim=0) - 0.4 / 12**0.5).abs().max() < 0.006  # five standard deviations
    env.close()


def test_saved_environment_continues_bitwise() -> None:
    env, other = (make_env_on("c", "Ant", 16, warp=True, episodeLength=9) for _ in range(2))
    actions = torch.rand(30, 16, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    env.reset(seed=2)
    for action in actions[:13]:
        env.step(action)
    other.load_state_dict(env.state_dict())
    for action in actions[13:]:
        for ours, theirs in zip(other.step(action)[:4], env.step(action)[:4], strict=True):
            assert ours.equal(theirs)
    env.close()
    other.close()
