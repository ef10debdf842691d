"""AllegroHand: goals that it reports, observations, and configuration."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from oige_core import ConfigError, make_vec
from oige_core.registry import load_config

STILL = torch.zeros(3, 16)


@pytest.fixture
def env() -> Iterator[Any]:
    made = make_vec("AllegroHand", 3, sim_device="cpu", seed=5, num_threads=1)
    made.reset()
    yield made
    made.close()


def test_reached_and_given_goals_are_reported_until_the_episode_ends(env: Any) -> None:
    task = env.task
    cubes = task.objects.get_world_poses()[1]
    task.goal_orientations = torch.where(torch.tensor([[True], [False], [True]]), cubes, cubes.flip(-1))
    *_, info = env.step(STILL)
    assert info["goals_reached"].tolist() == [1.0, 0.0, 1.0]
    assert info["goals_given"].tolist() == [2.0, 1.0, 2.0]
    fallen = task.objects.get_world_poses()[0]
    fallen[2, 2] = 0.1
    task.objects.set_world_poses(fallen)
    _, _, terminated, _, info = env.step(STILL)
    assert terminated.tolist() == [False, False, True]
    assert info["goals_reached"].tolist() == [1.0, 0.0, 1.0]
    assert info["episode_means"]["successes"].item() == 1.0
    assert info["episode_means"]["goals_given"].item() == 2.0
    *_, info = env.step(STILL)
    assert info["goals_reached"].tolist() == [1.0, 0.0, 0.0]


def test_a_reached_goal_is_replaced_and_the_world_goes_on(env: Any) -> None:
    task = env.task
    cubes, places = task.objects.get_world_poses()[1], task.goals.get_world_poses()[0]
    task.goal_orientations = torch.where(torch.tensor([[True], [False], [False]]), cubes, cubes.flip(-1))
    before = task.goal_orientations.clone()
    env.step(STILL)
    assert torch.equal(task.goal_orientations, before), "rewards and observations of the step are those of the goal"
    env.step(STILL)
    changed = (task.goal_orientations != before).any(dim=-1)
    assert changed.tolist() == [True, False, False]
    assert torch.equal(task.goals.get_world_poses()[1][0], task.goal_orientations[0]), "the marker shows it"
    assert torch.equal(task.goals.get_world_poses()[0], places)
    assert task.progress_buf.tolist() == [2, 2, 2]


def test_joints_start_within_their_limits_at_their_targets(env: Any) -> None:
    positions, (low, high) = env.task.hands.get_joint_positions(), env.task.hands.get_dof_limits()[0].unbind(-1)
    assert ((low <= positions) & (positions <= high)).all()
    assert torch.equal(env.task.targets, positions)
    env.step(STILL)
    middle = 0.5 * (low + high)
    torch.testing.assert_close(env.task.targets, middle.expand(3, 16))


def test_actions_of_the_current_positions_keep_the_pose() -> None:
    env = make_vec(
        "AllegroHand", 1, {"task.env.resetDofPosRandomInterval": 0.0}, sim_device="cpu", seed=1, num_threads=1
    )
    env.reset()
    task: Any = env.task
    low, high = task.hands.get_dof_limits()[0].unbind(-1)
    rest = task.hands.get_joint_positions()
    actions = (2.0 * rest - low - high) / (high - low)
    for _ in range(60):
        env.step(actions)
    torch.testing.assert_close(task.hands.get_joint_positions(), rest, atol=0.05, rtol=0.0)
    env.close()


@pytest.mark.parametrize(("kind", "size"), [("full", 72), ("full_no_vel", 50)])
def test_observation_types_have_the_sizes_of_upstream(kind: str, size: int) -> None:
    overrides = {"task.env.observationType": kind}
    env = make_vec("AllegroHand", 1, overrides, sim_device="cpu", num_threads=1)
    assert env.single_observation_space.shape == (size,)
    assert env.task.num_states == 0
    env.close()


def test_observation_types_of_the_other_hand_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^task\.env\.observationType=openai: .*full_no_vel"):
        load_config("AllegroHand", {"task.env.observationType": "openai"})


@pytest.mark.parametrize(("compat", "density", "mass"), [("fixed", 400.0, 0.05), ("upstream", 567.0, 0.070875)])
def test_upstream_cube_has_one_mass_whatever_the_density(compat: str, density: float, mass: float) -> None:
    env = make_vec("AllegroHand", 2, {"task.env.compat": compat}, sim_device="cpu", num_threads=1)
    task: Any = env.task
    objects = task.objects
    torch.testing.assert_close(objects.get_masses(), torch.full((2,), mass))
    torch.testing.assert_close(objects.get_densities(), torch.full((2,), density))
    inertia = mass * 0.05**2 / 6.0
    torch.testing.assert_close(objects.get_inertias()[:, ::4], torch.full((2, 3), inertia))
    env.close()
