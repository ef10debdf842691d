"""In-hand tasks against numbers computed by hand: rewards, goals that are reached, and ends of episodes."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from oige_core import VecEnv
from oige_core.errors import ConfigError
from oige_core.registry import load_config
from oige_core.testing import make_env_on
from oige_tasks_manipulation.in_hand.goals import (
    average_successes,
    random_orientations,
    reward_terms,
    reward_weights,
    rotation_angles,
)

N = 4
FOUND = (0.0, -0.39, 0.56)  # where the goal is
HALF = math.sqrt(0.5)


@pytest.fixture
def make() -> Iterator[Callable[..., VecEnv]]:
    made: list[VecEnv] = []

    def make(executor: str = "c", task: str = "ShadowHand", **env: Any) -> VecEnv:
        made.append(make_env_on(executor, task, N, **env))
        made[-1].reset(seed=1)
        return made[-1]

    yield make
    for env in made:
        env.close()


def place(task: Any, *, aligned: list[int], fallen: list[int] | None = None) -> None:
    """Hold objects where the goal is, turned away from it by 90° but in ``aligned`` worlds; let others have fallen."""
    positions = torch.tensor(FOUND).repeat(N, 1)
    positions[fallen or []] += torch.tensor([0.0, 0.0, 0.25])
    turns = torch.tensor([0.0, 0.0, HALF, HALF]).repeat(N, 1)
    turns[aligned] = torch.tensor([0.0, 0.0, 0.0, 1.0])
    task.goal_orientations = torch.tensor([0.0, 0.0, 0.0, 1.0]).repeat(N, 1)
    task.object_positions, task.object_orientations = positions, turns


def finish(task: Any) -> torch.Tensor:
    """Compute endings and rewards of the observed state as a step does; return whether episodes ended."""
    task.terminated_buf = task.is_done()
    task.ended_buf = task.terminated_buf | task.is_cut_short()
    task.extras = {"episode_means": {}}
    task.rew_buf = task.calculate_metrics()
    task.extras["episode_means"] = task.finish_episodes(task.selection(task.ended_buf))
    return task.ended_buf


def test_angles_between_orientations() -> None:
    """A quarter turn about x, then one about z, is a third of a turn about the diagonal."""
    about_x, about_z = (HALF, HALF, 0.0, 0.0), (HALF, 0.0, 0.0, HALF)
    a = torch.tensor([about_x, about_x, about_x, about_x])
    b = torch.tensor([about_x, tuple(-x for x in about_x), (HALF, -HALF, 0.0, 0.0), about_z])
    expected = torch.tensor([0.0, 0.0, math.pi, 2 * math.pi / 3])
    torch.testing.assert_close(rotation_angles(a, b), expected, atol=1e-3, rtol=0.0)


def test_random_orientations_turn_about_y_then_about_x() -> None:
    turns = torch.tensor([[0.0, 0.0], [0.5, 0.0], [0.0, -0.5], [0.5, 0.5]])
    expected = [[1.0, 0.0, 0.0, 0.0], [HALF, HALF, 0.0, 0.0], [HALF, 0.0, -HALF, 0.0], [0.5, 0.5, 0.5, 0.5]]
    torch.testing.assert_close(random_orientations(turns), torch.tensor(expected))


def test_reward_terms_and_weights() -> None:
    terms = reward_terms(
        distances=torch.tensor([0.3, 0.0]),
        angles=torch.tensor([0.4, 0.0]),
        actions=torch.tensor([[1.0, -0.5], [0.0, 0.0]]),
        reached=torch.tensor([False, True]),
        angle_bound=0.1,
    )
    expected = {"distance": [0.3, 0.0], "rotation": [2.0, 10.0], "actions": [1.25, 0.0], "goal_reached": [0.0, 1.0]}
    assert terms.keys() == expected.keys()
    for name, values in expected.items():
        torch.testing.assert_close(terms[name], torch.tensor(values))
    weights = {"distance": -10.0, "rotation": 1.0, "actions": -0.0002, "goal_reached": 250.0}
    assert reward_weights(load_config("ShadowHand").task.env) == weights  # type: ignore[arg-type]
    openai = reward_weights(load_config("ShadowHandOpenAI_FF").task.env)  # type: ignore[arg-type]
    assert openai == weights | {"fall": -50.0, "time_out": -25.0}


def test_average_of_successes_over_a_sequence() -> None:
    """0.1 of the mean of the episodes that end, 0.9 of the average before; nothing changes if none ends."""
    average = torch.zeros(())
    for successes, ended, expected in (
        ([3.0, 5.0, 9.0], [True, True, False], 0.4),
        ([0.0, 0.0, 9.0], [False, False, False], 0.4),
        ([0.0, 0.0, 10.0], [False, False, True], 0.1 * 10.0 + 0.9 * 0.4),
        ([math.nan, 1.0, 0.0], [False, True, True], 0.1 * 0.5 + 0.9 * 1.36),
    ):
        average = average_successes(average, torch.tensor(successes), torch.tensor(ended), 0.1)
        assert average.item() == pytest.approx(expected)


@pytest.mark.parametrize("executor", ["c", "warp-cpu"])
def test_a_new_goal_leaves_the_world_untouched(make: Callable[..., VecEnv], executor: str) -> None:
    """As many steps as the other environment, which differs in the goals of worlds 1 and 3 alone."""
    env, other = make(executor), make(executor)
    task: Any = env.task
    same: Any = other.task
    before = task.goal_orientations.clone()
    task.reached = torch.tensor([False, True, False, True])
    actions = torch.zeros(N, 20)
    env.step(actions)
    other.step(actions)
    changed = (task.goal_orientations != before).any(dim=1)
    assert changed.tolist() == [False, True, False, True]
    torch.testing.assert_close(task.goals.get_world_poses()[1], task.goal_orientations)
    torch.testing.assert_close(task.goal_orientations.norm(dim=1), torch.ones(N))
    for name in ("hands", "objects"):
        for getter in ("get_world_poses", "get_velocities"):
            for ours, theirs in zip(
                torch.atleast_1d(getattr(getattr(task, name), getter)()),
                torch.atleast_1d(getattr(getattr(same, name), getter)()),
                strict=True,
            ):
                assert torch.equal(ours, theirs)
    assert torch.equal(task.hands.get_joint_positions(), same.hands.get_joint_positions())
    assert task.progress_buf.tolist() == [1] * N
    assert not task.ended_buf.any()


def test_a_new_episode_keeps_its_first_goal(make: Callable[..., VecEnv]) -> None:
    """Every step reaches its goal with this tolerance, and every second one ends the episodes."""
    env = make(successTolerance=4.0, episodeLength=2)
    task: Any = env.task
    for ends in (False, True):
        env.step(torch.zeros(N, 20))
        goals = task.goal_orientations
        task.pre_physics_step(torch.zeros(N, 20))
        assert task.goal_orientations.equal(goals) == ends


def test_success_counts_rewards_and_goes_on(make: Callable[..., VecEnv]) -> None:
    task: Any = make().task
    task.successes, task.progress_buf = torch.tensor([2.0, 0.0, 1.0, 7.0]), torch.full((N,), 300)
    task.actions = torch.zeros(N, 20)
    place(task, aligned=[0, 2], fallen=[3])
    assert finish(task).tolist() == [False, False, False, True]
    assert task.reached.tolist() == [True, False, True, False]
    assert task.successes.tolist() == [3.0, 0.0, 2.0, 7.0]
    assert task.progress_buf.tolist() == [300] * N, "without maxConsecutiveSuccesses, goals do not restart the time"
    away = 1.0 / (math.pi / 2 + 0.1)
    expected = torch.tensor([10.0 + 250.0, away, 10.0 + 250.0, away - 2.5])
    torch.testing.assert_close(task.rew_buf, expected, atol=0.05, rtol=0.0)
    assert task.extras["episode_means"]["successes"].item() == 7.0
    assert task.extras["consecutive_successes"].item() == pytest.approx(0.7)


def test_openai_variant_ends_at_the_last_goal_and_by_the_time_since_a_goal(make: Callable[..., VecEnv]) -> None:
    task: Any = make(task="ShadowHandOpenAI_FF").task
    assert task.time_limit == 160
    task.actions = torch.zeros(N, 20)
    task.successes = torch.tensor([49.0, 48.0, 0.0, 0.0])
    task.progress_buf = torch.tensor([170, 170, 160, 159])
    place(task, aligned=[0, 1])
    assert finish(task).tolist() == [True, False, True, False]
    assert task.terminated_buf.tolist() == [True, False, False, False]
    assert task.progress_buf.tolist() == [0, 0, 160, 159]
    away = 1.0 / (math.pi / 2 + 0.1)
    torch.testing.assert_close(task.rew_buf[2:], torch.tensor([away - 25.0, away]), atol=1e-4, rtol=0.0)
    assert task.reward_terms_by_name()["time_out"].tolist() == [0.0, 0.0, -25.0, 0.0]


@pytest.mark.parametrize(("compat", "limit"), [("fixed", 160), ("upstream", 159)])
def test_reset_time_replaces_the_length_of_an_episode(make: Callable[..., VecEnv], compat: str, limit: int) -> None:
    assert make(task="ShadowHandOpenAI_FF", compat=compat, episodeLength=77).task.time_limit == limit
    assert make(compat=compat, episodeLength=77).task.time_limit == 77 - (compat == "upstream")


def test_targets_are_averaged_and_clamped(make: Callable[..., VecEnv]) -> None:
    """30 % of the way to the target: joint robot0_FFJ2 is between 0 and 1.571 rad, action 0.5 is three quarters."""
    task: Any = make(actionsMovingAverage=0.3).task
    column = task.driven.index(task.hands.get_dof_index("robot0_FFJ2"))
    task.targets = torch.full((N, 20), 0.2)
    task.pre_physics_step(torch.full((N, 20), 0.5))
    assert task.targets[:, column].tolist() == pytest.approx([0.7 * 0.2 + 0.3 * 0.75 * 1.571] * N, abs=1e-3)
    lower, upper = task.hands.get_dof_limits()[0, task.driven].unbind(-1)
    assert (task.targets <= upper).all()
    task.targets = torch.full((N, 20), -3.0)
    task.pre_physics_step(torch.full((N, 20), -1.0))
    torch.testing.assert_close(task.targets, lower.expand(N, 20))


def test_a_saved_environment_continues_in_the_same_way(make: Callable[..., VecEnv]) -> None:
    """Goals that are reached, often with so wide a tolerance, are saved with the rest."""
    settings: Any = {"successTolerance": 1.5, "episodeLength": 8}
    first, second = make(**settings), make(**settings)
    actions = torch.rand(12, N, 20, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for step in range(4):
        first.step(actions[step])
    second.load_state_dict(first.state_dict())
    for step in range(4, 12):
        for ours, theirs in zip(first.step(actions[step])[:4], second.step(actions[step])[:4], strict=True):
            assert torch.equal(ours, theirs)
    tasks: list[Any] = [first.task, second.task]
    assert tasks[0].goal_orientations.equal(tasks[1].goal_orientations)
    assert tasks[0].consecutive_successes == tasks[1].consecutive_successes > 0.0


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("observationType", "ful", r"ful: expected one of full_no_vel, full, openai, full_state\. Did you mean full"),
        ("objectType", "egg", r"egg: expected one of block\."),
        ("actionsMovingAverage", 0.0, r"0\.0: expected a number above 0 and up to 1\."),
        ("averFactor", 1.5, r"1\.5: expected a number above 0 and up to 1\."),
        ("resetDofPosRandomInterval", 1.1, r"1\.1: expected a fraction, 0 to 1\."),
        ("maxConsecutiveSuccesses", -1, r"-1: expected a number of at least 0\."),
        ("successTolerance", 0.0, r"0\.0: expected a number above 0\."),
    ],
)
def test_values_out_of_range_raise(key: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"\Atask\.env\.{key}={message}"):
        load_config("ShadowHand", {f"task.env.{key}": value})


@pytest.mark.parametrize("task", ["ShadowHand", "AllegroHand"])
def test_time_of_an_episode_is_at_least_one_control_step(make: Callable[..., VecEnv], task: str) -> None:
    with pytest.raises(
        ConfigError, match=r"^task\.env\.resetTime=0\.001: expected at least one control step, 0\.0\d+ s"
    ):
        make(task=task, resetTime=0.001)
