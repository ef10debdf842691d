"""The mean over the last episodes."""

import math
from collections import deque
from typing import Any

import numpy as np
import torch

__all__ = ["RecentMean"]


class RecentMean:
    """Mean over the last episodes; replaces rl_games' ``AverageMeter``.

    ``AverageMeter`` decays exponentially, so a few failures right after many simultaneous resets dominate it. This is
    the plain mean of the last ``size`` episodes and of those that ended in the same step as the first of them.

    Args:
        size: number of episodes, at least 1.
        shape: shape of the mean, ``()`` or ``(1,)``; :meth:`update` sets it.

    Attributes:
        count: number of episodes in the mean.
        total: their sum.
        current_size: number of episodes in the mean that is shown.
    """

    def __init__(self, size: int, shape: tuple[int, ...] = ()) -> None:
        self.size, self.shape = size, shape
        self.clear()

    def clear(self) -> None:
        """Forget all episodes."""
        self.steps: deque[tuple[int, float]] = deque()  # by step: number of episodes that ended, and their sum
        self.count, self.total = 0, 0.0
        self._mean, self.current_size = 0.0, 0

    def update(self, values: torch.Tensor) -> None:
        """Add the episodes that ended in a step; rl_games' SAC calls this.

        Args:
            values: ``(n, 1, 1)`` or ``(n, 1)``, one per episode; n may be 0.
        """
        self.shape = tuple(values.shape[2:])
        if len(values):
            self.add(len(values), float(values.sum(dtype=torch.float64)))

    def add(self, count: int, total: float) -> None:
        """Add the episodes that ended in a step.

        Args:
            count: their number, which may be 0.
            total: sum of their values.
        """
        if not count:
            return
        self.steps.append((count, total))
        self.total += total
        self.count += count
        while self.count - self.steps[0][0] >= self.size:
            oldest, its_total = self.steps.popleft()
            self.count -= oldest
            self.total -= its_total
        if not math.isfinite(self.total):  # a difference of infinities would remain NaN
            self.total = sum(its_total for _, its_total in self.steps)
        self.show(self.total, self.count)

    def show(self, total: float, count: int) -> None:
        """Show the mean of other episodes, such as those of all processes, until the next update."""
        self._mean, self.current_size = total / max(1, count), count

    @property
    def mean(self) -> torch.Tensor:
        """The mean, of the shape that rl_games expects; 0 before any episode."""
        return torch.full(self.shape, self._mean)

    def get_mean(self) -> np.ndarray:
        """Return the mean; rl_games calls this."""
        return self.mean.numpy()

    def state_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {"steps": list(self.steps), "total": self.total, "mean": self._mean, "current_size": self.current_size}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.steps = deque((count, total) for count, total in state["steps"])
        self.count, self.total = sum(count for count, _ in self.steps), state["total"]
        self._mean, self.current_size = state["mean"], state["current_size"]
