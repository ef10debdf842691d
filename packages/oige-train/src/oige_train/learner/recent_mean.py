"""The mean over the last episodes."""

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

    Attributes:
        mean: mean over the episodes, in rl_games' format: ``(1,)`` of values ``(n, 1, 1)``, 0-d of values ``(n, 1)``; 0
            before any episode.
        current_size: number of episodes in the mean.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.clear()

    def clear(self) -> None:
        """Forget all episodes."""
        self.steps: deque[tuple[int, torch.Tensor]] = deque()  # by step: number of episodes that ended, and their sum
        self.count = 0
        self.total = torch.zeros((), dtype=torch.float64)
        self.mean, self.current_size = torch.zeros(()), 0

    def update(self, values: torch.Tensor) -> None:
        """Add the episodes that ended in a step.

        Args:
            values: ``(n, 1, 1)`` or ``(n, 1)``, one per episode; n may be 0.
        """
        self.add(len(values), values.sum(dim=0, dtype=torch.float64).squeeze(0))

    def add(self, count: int, total: torch.Tensor) -> None:
        """Add the episodes that ended in a step.

        Args:
            count: their number, which may be 0.
            total: sum of their values, float64, in the format of ``mean``.
        """
        if not count:
            return
        self.steps.append((count, total))
        self.total = self.total.to(total.device) + total
        self.count += count
        while self.count - self.steps[0][0] >= self.size:
            oldest, its_total = self.steps.popleft()
            self.count -= oldest
            self.total = self.total - its_total.to(self.total.device)
        self.show(self.total, self.count)

    def show(self, total: torch.Tensor, count: int) -> None:
        """Set ``mean`` and ``current_size`` to those of other episodes, such as of all processes, until updated."""
        self.mean, self.current_size = (total / max(1, count)).to(torch.float32), count

    def get_mean(self) -> np.ndarray:
        """Return the mean; rl_games calls this."""
        return self.mean.cpu().numpy()

    def state_dict(self) -> dict[str, Any]:
        """Return everything as tensors and plain values."""
        return {
            "counts": [count for count, _ in self.steps],
            "totals": [total for _, total in self.steps],
            "total": self.total,
            "mean": self.mean,
            "current_size": self.current_size,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.steps = deque(zip(state["counts"], state["totals"], strict=True))
        self.count, self.total = sum(state["counts"]), state["total"]
        self.mean, self.current_size = state["mean"], state["current_size"]
