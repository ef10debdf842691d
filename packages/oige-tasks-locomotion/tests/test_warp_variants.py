"""The Warp variants of Ant and Humanoid against the torch tasks: all observations, rewards, endings and resets."""

from typing import Any

import pytest
import torch
from oige_core.envs import VecEnv
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


@pytest.mark.parametrize("task", ["Ant", "Humanoid"])
@pytest.mark.parametrize("executor", EXECUTORS)
def test_variants_match_the_torch_tasks_over_many_episodes(executor: str, task: str) -> None:
    overrides = {"task.env.episodeLength": 25} | WORDS.get(task, {})
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


# --- what compat=upstream restores ---------------------------------------------------------------------------------


def upstream_env(task: str, worlds: int, **env: Any) -> VecEnv:
    made = make_env_on("c", task, worlds, warp=True, compat="upstream", **env)
    made.reset(seed=0)
    return made


@pytest.mark.parametrize(("task", "observed"), [("Ant", 12 + 3 * 8 + 12), ("Humanoid", 87)])
def test_upstream_mode_observes_two_feet_then_actions(task: str, observed: int) -> None:
    env = upstream_env(task, 1)
    dofs = env.task.spec.num_actions
    actions = torch.linspace(0.1, 0.9, dofs).unsqueeze(0)
    row = env.step(actions)[0][0]
    assert len(row) >= observed
    torch.testing.assert_close(row[observed - dofs : observed], actions[0])
    assert not row[observed:].any()
    task_: Any = env.task
    feet = task_.robots.get_measured_joint_forces(joint_indices=task_.foot_links[:2])[0].flatten()
    assert feet.all()
    scaled = row[observed - dofs - 12 : observed - dofs]
    torch.testing.assert_close(scaled, feet * task_.cfg.contactForceScale)
    env.close()


@pytest.mark.parametrize("task", ["Ant", "Humanoid"])
def test_upstream_mode_has_a_limit_cost_of_the_last_joint_only(task: str) -> None:
    env = upstream_env(task, 3)
    robots: Any = env.task.robots  # type: ignore[attr-defined]
    robots.set_world_poses(torch.tensor([[0.0, 0.0, 5.0]] * 3))
    lower, upper = robots.get_dof_limits()[0].unbind(-1)
    positions = (0.5 * (lower + upper)).repeat(3, 1)
    positions[1, :-1] = upper[:-1]
    positions[2, -1] = lower[-1]
    robots.set_joint_positions(positions)
    robots.set_joint_velocities(torch.zeros(3, len(lower)))
    env.reset(options={"reset_mask": torch.zeros(3, dtype=torch.bool)})
    task_: Any = env.task
    task_.calculate_metrics()
    # Ant: 1. Humanoid: 0.25 · (1 − 0.98) / 0.02 · 22.5 / 135, an ankle.
    cost = {"Ant": 1.0, "Humanoid": 0.25 * 22.5 / 135.0}[task]
    assert env.task.reward_terms_by_name()["joint_limits"].tolist() == pytest.approx([0.0, 0.0, -cost])
    env.close()


def test_upstream_mode_repeats_the_noise_of_resets() -> None:
    """Noise depends on joint · (rank + 1), the rank among the worlds that are reset together."""
    env = upstream_env("Humanoid", 4)
    robots: Any = env.task.robots  # type: ignore[attr-defined]
    first = robots.get_joint_velocities()
    assert (first[:, 0] == first[0, 0]).all()
    assert first[1, 2].equal(first[0, 4])  # 2 · 2 = 4 · 1
    assert first[2, 4].equal(first[3, 3])  # 4 · 3 = 3 · 4
    assert len(first.unique()) == len({joint * rank for joint in range(21) for rank in range(1, 5)})
    robots.set_world_poses(torch.tensor([[0.0, 0.0, 2.0], [0.0, 0.0, 0.1], [0.0, 0.0, 2.0], [0.0, 0.0, 0.1]]))
    env.step(torch.zeros(4, 21))
    assert env.task.ended_buf.tolist() == [False, True, False, True]
    task_: Any = env.task
    task_.reset_idx(task_.ended)
    velocities = torch.from_numpy(task_.robot.joint_velocities.numpy())
    assert velocities[1].equal(first[0])
    assert velocities[3].equal(first[1])
    env.close()


def test_upstream_mode_resets_the_environment_only_once() -> None:
    """As in the original, all of whose resets set the progress to 1."""
    env = upstream_env("Ant", 2)
    robots: Any = env.task.robots  # type: ignore[attr-defined]
    assert env.task.progress_buf.tolist() == [1, 1]
    for _ in range(3):
        env.step(torch.zeros(2, 8))
    assert env.task.progress_buf.tolist() == [4, 4]
    before = robots.get_world_poses()[0]
    env.reset()
    assert env.task.progress_buf.tolist() == [1, 1]
    assert robots.get_world_poses()[0].equal(before)
    env.close()
