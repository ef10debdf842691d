"""Running means and variances over the samples of several processes."""

from collections.abc import Iterable
from typing import Any

import torch

from oige_train.learner.distributed import Workers

__all__ = ["NormaliserSync"]


class NormaliserSync:
    """Merges what all processes have added to the running statistics of their networks since construction.

    All processes start from the same statistics: count n₀, mean μ₀, variance σ₀². A process ends with n, μ, σ². It
    added n − n₀ samples of sum nμ − n₀μ₀ and sum of squares n(σ² + μ²) − n₀(σ₀² + μ₀²); these add up over processes.

    Args:
        networks: modules that contain normalisers of rl_games.
        workers: the processes that train together.
    """

    def __init__(self, networks: Iterable[torch.nn.Module], workers: Workers) -> None:
        self.workers = workers
        self.modules: list[Any] = [
            module for network in networks for module in network.modules() if hasattr(module, "running_mean")
        ]
        self.before = [self._moments(module) for module in self.modules]

    @staticmethod
    def _moments(module: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        count, mean, variance = module.count, module.running_mean, module.running_var
        return count.clone(), count * mean, count * (variance + mean**2)

    @torch.no_grad()
    def merge(self) -> None:
        """Write the merged statistics to the networks of all processes."""
        for module, before in zip(self.modules, self.before, strict=True):
            count, total, squares = (
                old + self.workers.sum(new - old) for old, new in zip(before, self._moments(module), strict=True)
            )
            mean = total / count
            module.count.copy_(count)
            module.running_mean.copy_(mean)
            module.running_var.copy_(squares / count - mean**2)
