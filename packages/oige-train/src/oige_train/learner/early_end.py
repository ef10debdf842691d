"""Ends training once enough of the last episodes have succeeded."""

import math
from typing import Any

import torch
from oige_core.errors import ConfigError

from oige_train.learner.distributed import Workers
from oige_train.learner.recent_mean import RecentMean

__all__ = ["GoalReachedError", "SuccessGoal"]


class GoalReachedError(Exception):
    """Training has reached its goal between two epochs; the checkpoint is written."""


class SuccessGoal:
    """The fraction of the last episodes that succeeded, and whether it is high enough.

    Args:
        key: the setting, for messages.
        goal: fraction from which training ends.
        episodes: number of last episodes that count; with fewer, training goes on.
        task: name of the task, for messages.
    """

    def __init__(self, key: str, goal: float, episodes: int, task: str) -> None:
        self._key, self._goal, self._task = key, goal, task
        self._episodes = episodes
        self._recent = RecentMean(episodes)
        self._steps: list[torch.Tensor] = []  # (2,) number of episodes that ended, and of successes among them

    def add(self, info: dict[str, Any]) -> None:
        """Add the episodes that ended in a step, without waiting for the device.

        Args:
            info: of the environment; the statistic ``success`` in ``episode_means`` is the fraction of successes.
        """
        count = info["episode_count"].to(torch.float32)
        success = info["episode_means"].get("success", torch.full_like(count, math.nan))
        self._steps.append(torch.stack([count, success * count]))

    def reached(self, workers: Workers) -> str | None:
        """Return how the goal was reached, as the end of a sentence, or None; called between epochs by all processes.

        Raises:
            ConfigError: episodes have ended, and the task reports no successes.
        """
        steps, self._steps = self._steps, []
        for count, successes in torch.stack(steps).tolist() if steps else ():
            if count and math.isnan(successes):
                raise ConfigError(
                    f"{self._key}={self._goal:g}: {self._task} reports no successes; leave it out, or end training at "
                    "a mean episode reward with train.params.config.score_to_win."
                )
            self._recent.add(int(count), successes if count else 0.0)
        sums = torch.tensor([self._recent.count, self._recent.total], dtype=torch.float64)
        count, successes = workers.sum(sums).tolist()
        if count < self._episodes or successes / count < self._goal:
            return None
        return f"success {successes / count:.3f} over the last {count:.0f} episodes, {self._key}={self._goal:g}"
