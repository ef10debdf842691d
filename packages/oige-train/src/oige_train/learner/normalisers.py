"""Normalisation over the samples of all processes that train together, as if one process had all of them."""

from typing import Any

import torch
from rl_games.algos_torch.running_mean_std import RunningMeanStd

from oige_train.learner.distributed import Workers

__all__ = ["SharedRunningMeanStd", "merged_moments", "normalised", "share_statistics"]


def merged_moments(mean: torch.Tensor, variance: torch.Tensor, workers: Workers) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and variance of the samples of all processes, bit for bit the same in each, in float64.

    They follow from the means of x and of x², which one reduction averages. CUDA graphs can capture it.

    Args:
        mean: mean of the samples of this process; every process has the same number of samples.
        variance: their variance, not Bessel-corrected; same shape.
        workers: the processes that train together.
    """
    mean, variance = mean.double(), variance.double()
    if workers.size == 1:
        return mean, variance
    first, second = mean.clone(), variance + mean.square()
    workers.average((first, second))
    return first, (second - first.square()).clamp_min(0.0)


def normalised(values: torch.Tensor, workers: Workers, epsilon: float = 1e-8) -> torch.Tensor:
    """Return ``values`` ``(n,)`` minus their mean, divided by their standard deviation plus ``epsilon``.

    Mean and standard deviation, which is Bessel-corrected, are those of the values of all processes.
    """
    if workers.size == 1:
        return (values - values.mean()) / (values.std() + epsilon)
    count = values.numel() * workers.size
    mean, variance = merged_moments(values.mean(), values.var(unbiased=False), workers)
    deviation = (variance * (count / (count - 1))).sqrt()
    return ((values - mean) / (deviation + epsilon)).to(values.dtype)


class SharedRunningMeanStd(RunningMeanStd):
    """A normaliser of rl_games that adds the samples of all processes whenever it adds samples.

    Its statistics are then the same in all processes, in every rollout and in every gradient step. All processes must
    call it in the same order, with the same number of samples.

    Args:
        former: the normaliser that it replaces, whose statistics it takes over.
        workers: the processes that train together.
    """

    def __init__(self, former: Any, workers: Workers) -> None:
        super().__init__(former.insize, former.epsilon, former.per_channel, former.norm_only)
        self.load_state_dict(former.state_dict())
        self.to(former.running_mean.device)
        self.workers = workers

    def _update_mean_var_count_from_moments(
        self, mean: Any, var: Any, count: Any, batch_mean: Any, batch_var: Any, batch_count: int
    ) -> Any:
        batch_mean, batch_var = merged_moments(batch_mean, batch_var, self.workers)
        batch_count *= self.workers.size
        return super()._update_mean_var_count_from_moments(mean, var, count, batch_mean, batch_var, batch_count)


def share_statistics(network: torch.nn.Module, workers: Workers) -> None:
    """Replace the normalisers in a network by :class:`SharedRunningMeanStd`, unless there is only one process."""
    if workers.size == 1:
        return
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if hasattr(child, "running_mean"):
                setattr(parent, name, SharedRunningMeanStd(child, workers))
