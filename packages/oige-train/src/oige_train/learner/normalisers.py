"""Normalisation over the samples of all processes that train together, as if one process had all of them."""

import torch

from oige_train.learner.distributed import Workers

__all__ = ["merged_moments", "normalised"]


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
