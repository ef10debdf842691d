"""Robots that a step resets are observed alone: they look as if all had been observed, and so do the others."""

from typing import Any

import pytest
import torch
from oige_core import make_vec

SIZES = {"AnymalTerrain": {"task.env.terrain.numLevels": 2, "task.env.terrain.numTerrains": 2}}


@pytest.mark.parametrize("compat", ["fixed", "oige"])
@pytest.mark.parametrize("name", ["Ant", "Humanoid", "Anymal", "AnymalTerrain"])
def test_observations_after_resets_are_those_of_all_robots(name: str, compat: str) -> None:
    env = make_vec(name, 4, {"task.env.compat": compat, **SIZES.get(name, {})}, seed=3, sim_device="cpu")
    task: Any = env.task
    env.reset()
    actions = 0.2 * torch.ones(env.action_space.shape)
    for _ in range(3):
        env.step(actions)
    task.progress_buf[[0, 2]] = task.max_episode_length - 1
    observations, *_, info = env.step(actions)
    reset = torch.tensor([True, False, True, False])
    assert info["_final_obs"].equal(reset)
    assert not torch.isclose(observations[reset], info["final_obs"][reset]).all(dim=-1).any()
    torch.testing.assert_close(observations, env.reset(options={"reset_mask": torch.zeros(4)})[0])
    assert observations[~reset].equal(info["final_obs"][~reset])
    env.close()
