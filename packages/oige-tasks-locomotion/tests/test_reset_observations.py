"""Robots that a step resets are observed separately: they look as if all had been observed, and so do the others."""

from typing import Any

import pytest
import torch
from oige_core import make_vec
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.envs import VecEnv
from oige_core.registry import find_task, load_config, load_spec
from oige_tasks_locomotion.ant.task import AntTask

SIZES = {"AnymalTerrain": {"task.env.terrain.numLevels": 2, "task.env.terrain.numTerrains": 2}}


@pytest.mark.parametrize(
    ("name", "compat"),
    [
        *((name, compat) for name in ("Ant", "Humanoid", "Anymal") for compat in ("fixed", "upstream")),
        ("AnymalTerrain", "fixed"),  # with upstream, its robots first observe the motion before the reset
    ],
)
def test_observations_of_reset_worlds_match_those_of_all(name: str, compat: str) -> None:
    overrides = {"task.env.compat": compat, "task.env.autoresetMode": "same_step"}
    overrides |= SIZES.get(name, {})
    env = make_vec(name, 4, overrides, seed=3, sim_device="cpu")
    task: Any = env.task
    env.reset()
    actions = 0.2 * torch.ones(4, env.task.spec.num_actions)
    for _ in range(3):
        env.step(actions)
    task.progress_buf[[0, 2]] = task.time_limit - 1
    observations, *_, info = env.step(actions)
    reset = torch.tensor([True, False, True, False])
    assert info["_final_obs"].equal(reset)
    assert not torch.isclose(observations[reset], info["final_obs"][reset]).all(dim=-1).any()
    torch.testing.assert_close(observations, env.reset(options={"reset_mask": torch.zeros(4, dtype=torch.bool)})[0])
    assert observations[~reset].equal(info["final_obs"][~reset])
    env.close()


class CloserAntTask(AntTask):
    """Sees half of everything, in observations that it computes itself."""

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        return 0.5 * super().get_observations()


class Closer:
    """Does the same to any task that it is mixed into."""

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        return 0.5 * super().get_observations()  # type: ignore[misc]


class MixedAntTask(Closer, AntTask):
    """Sees half of everything, too."""


@pytest.mark.parametrize("task", [CloserAntTask, MixedAntTask])
def test_task_with_its_own_observations_uses_only_those(task: type[AntTask]) -> None:
    config = load_config("Ant", {"num_envs": 4, "sim_device": "cpu"})
    engine = MujocoEngine(4, "cpu")
    env = VecEnv(task(config, load_spec(find_task("Ant")), engine))
    env.reset()
    env.task.progress_buf[[0, 2]] = env.task.max_episode_length - 1
    observations = env.step(torch.zeros(4, 8))[0]
    torch.testing.assert_close(observations, env.reset(options={"reset_mask": torch.zeros(4, dtype=torch.bool)})[0])
    env.close()
