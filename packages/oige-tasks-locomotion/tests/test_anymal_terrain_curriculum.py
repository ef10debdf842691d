"""The curriculum of AnymalTerrain: which tiles robots are put on."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from anymal_terrain_worlds import BORDER, close, make, put
from oige_core import VecEnv
from oige_core.errors import ConfigError
from oige_tasks_locomotion.anymal_terrain.curriculum import next_levels, next_levels_of_upstream


@pytest.fixture(scope="module")
def env() -> Iterator[VecEnv]:
    env = make()
    yield env
    env.close()


LEVELS = torch.tensor([0, 3, 3, 3, 3, 9, 9])
DISTANCES = torch.tensor([0.5, 4.1, 3.9, 2.4, 4.5, 4.1, 0.0])
COMMANDED = torch.tensor([10.0, 10.0, 10.0, 10.0, 20.0, 10.0, 0.0])


def test_level_depends_on_the_robots_own_distance() -> None:
    redrawn = torch.full((7,), 6)
    levels = next_levels(LEVELS, DISTANCES, COMMANDED, 8.0, 10, redrawn)
    # Already lowest; beyond 4 m; neither; below 2.5 m; beyond 4 m, though below 5; beyond the top; told to stand.
    assert levels.tolist() == [0, 4, 3, 2, 4, 6, 9]


def test_upstream_mode_uses_the_batch_and_wraps_from_top_to_bottom() -> None:
    commanded = torch.stack((COMMANDED, torch.zeros(7)), dim=-1)
    # Together, they should have covered √(5 · 10² + 20²) / 4 = 7.5 m each: all move down, those beyond 4 m up as well.
    levels = next_levels_of_upstream(LEVELS, DISTANCES, commanded, 8.0, 10)
    assert levels.tolist() == [0, 3, 2, 2, 3, 9, 8]
    alone = next_levels_of_upstream(torch.tensor([9]), torch.tensor([8.0]), torch.tensor([[6.0, 8.0]]), 8.0, 10)
    assert alone.tolist() == [0]


@pytest.mark.parametrize("compat", ["fixed", "upstream"])
def test_reset_moves_robots_to_their_next_tile(compat: str) -> None:
    env = make(6, compat=compat)
    env.reset(seed=0)
    task: Any = env.task
    assert task.terrain_levels.tolist() == [0] * 6
    if compat == "fixed":
        assert task.terrain_types.tolist() == [0, 1, 2, 3, 0, 1]
    for level in (1, 2):
        positions, _ = task.anymals.get_world_poses()
        positions[:3, 1] += 4.6  # from up to 0.5 m off the middle
        task.anymals.set_world_poses(positions)
        task.commands[:, :2] = 0.0
        task.progress_buf[:] = 700
        task.ended_buf[:] = True
        task.reset_idx(torch.arange(6))
        assert task.terrain_levels.tolist() == [level] * 3 + [0] * 3
        positions, _ = task.anymals.get_world_poses()
        offsets = (
            positions - torch.tensor(task.terrain_map.tile_origins).float()[task.terrain_levels, task.terrain_types]
        )
        assert (offsets[:, :2].abs() <= 0.5).all()
        close(offsets[:, 2], torch.full((6,), 0.62))
    # 1 m/s for 20 s makes 20 m, of which 5 are enough; robots at the lowest level stay.
    task.commands[:, 0], task.commands[:, 1] = 0.8, 0.6
    task.progress_buf[:] = 700
    task.ended_buf[:] = False  # but for a reset from outside
    task.reset_idx(torch.arange(6))
    assert task.terrain_levels.tolist() == [2] * 3 + [0] * 3
    task.progress_buf[:] = 700
    task.ended_buf[:] = True
    task.reset_idx(torch.arange(6))
    assert task.terrain_levels.tolist() == [1] * 3 + [0] * 3
    # A robot that has not moved yet has shown nothing.
    task.reset_idx(torch.arange(6))
    assert task.terrain_levels.tolist() == [1] * 3 + [0] * 3
    env.close()


def test_curriculum_accounts_for_the_time_of_staggered_episodes() -> None:
    """1 m/s for 20 s makes 20 m, of which 5 are enough; in the last 2 s of an episode, 0.5 m are."""
    env = make(4)
    env.reset(seed=0)
    task: Any = env.task
    task.terrain_levels[:] = 1
    task.reset_idx(torch.arange(4))
    positions, _ = task.anymals.get_world_poses()
    positions[:, :2] = task.tile_origins[1, task.terrain_types, :2]
    positions[:, 1] += torch.tensor([1.0, 1.0, 0.4, 1.0])
    task.anymals.set_world_poses(positions)
    task.commands[:] = torch.tensor([1.0, 0.0, 0.0])
    task.skipped_buf[:] = torch.tensor([0, 900, 900, 900])
    task.ended_buf[:] = True
    task.progress_buf[:] = torch.tensor([1000, 1000, 1000, 900])  # the last one has not moved yet
    task.reset_idx(torch.arange(4))
    assert task.terrain_levels.tolist() == [0, 1, 0, 1]
    assert task.skipped_buf.tolist() == [0] * 4
    env.close()


def test_manual_resets_keep_levels() -> None:
    env = make(4)
    env.reset(seed=0)
    task: Any = env.task
    task.terrain_levels[:] = 1
    env.step(torch.zeros(4, 12))  # in which no robot gets anywhere
    env.reset()
    assert task.terrain_levels.tolist() == [1] * 4
    env.close()


def test_push_interval_below_a_control_step_raises() -> None:
    message = r"\Atask\.env\.learn\.pushInterval_s=0\.001: expected at least one control step, 0\.02 s\.\Z"
    with pytest.raises(ConfigError, match=message):
        make(1, learn__pushInterval_s=0.001)


@pytest.mark.parametrize("mode", ["same_step", "next_step", "upstream"])
def test_exploded_robot_keeps_its_level(mode: str) -> None:
    env = make(4, autoresetMode=mode)
    env.reset(seed=0)
    task: Any = env.task
    task.terrain_levels[:] = 1
    env.step(torch.zeros(4, 12))
    velocities = task.anymals.get_velocities()
    velocities[1, 0], velocities[2, 2] = 1e11, 5e3
    task.anymals.set_velocities(velocities)
    _, rewards, terminated, _, info = env.step(torch.zeros(4, 12))
    assert terminated.tolist() == [False, True, True, False]
    assert rewards[1:3].tolist() == [0.0, 0.0]
    assert info["_problems"].tolist() == [False, True, True, False]
    if mode != "same_step":
        env.step(torch.zeros(4, 12))
    assert task.terrain_levels.tolist() == [1] * 4
    positions, _ = task.anymals.get_world_poses()
    offsets = positions[1:3, :2] - task.tile_origins[1, task.terrain_types[1:3], :2]
    assert (offsets.abs() <= 0.5).all()
    env.close()


def test_robots_without_curriculum_stay_on_tiles_of_all_levels() -> None:
    env = make(64, terrain__curriculum=False)
    env.reset(seed=0)
    task: Any = env.task
    levels = task.terrain_levels.clone()
    assert sorted(levels.unique().tolist()) == [0, 1, 2]
    task.progress_buf[:] = 700
    task.reset_idx(torch.arange(64))
    assert task.terrain_levels.equal(levels)
    env.close()


def test_mean_level_is_reported(env: VecEnv) -> None:
    task = put(env, *BORDER, 0.5)
    task.terrain_levels[:] = torch.tensor([0, 1, 2, 2])
    info = env.step(torch.zeros(4, 12))[-1]
    assert info["episode_means"]["terrain_level"].item() == 1.25
    task.terrain_levels[:] = 0
