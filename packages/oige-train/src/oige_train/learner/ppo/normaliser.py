"""Normalisation with the running statistics of rl_games' modules, which keep them in checkpoints."""

from typing import Any

import torch

from oige_train.learner.distributed import Workers
from oige_train.learner.normalisers import merged_moments
from oige_train.learner.ppo.launcher import find_launcher

__all__ = ["Normaliser", "as_float"]

BOUND = 5.0  # rl_games'


def as_float(observations: torch.Tensor) -> torch.Tensor:
    """Return observations as numbers; bytes of images are scaled to one."""
    return observations.float() / 255.0 if observations.dtype == torch.uint8 else observations


class Normaliser:
    """Normalises samples by the mean and variance of all samples so far, of all processes.

    Args:
        module: rl_games' ``RunningMeanStd``; None: samples are returned as they are.
        workers: the processes that train together.
    """

    def __init__(self, module: Any, workers: Workers) -> None:
        self.module = module
        self._workers = workers
        self._launcher = None if module is None else find_launcher(module.running_mean.device)

    @torch.no_grad()
    def update(self, samples: torch.Tensor) -> None:
        """Add samples ``(n, …)`` of this process, and as many of each other one, to the statistics."""
        if self.module is None:
            return
        mean, variance = _mean_and_variance(samples)
        mean, variance = merged_moments(mean, variance, self._workers)
        added = len(samples) * self._workers.size
        count = self.module.count
        if self._launcher is not None:
            running = [self.module.running_mean.view(-1), self.module.running_var.view(-1)]
            moments = [mean.reshape(-1), variance.reshape(-1)]
            kernel = self._launcher.kernels.update_statistics
            self._launcher.launch(kernel, mean.numel(), [*moments, added, count.view(1)], running)
            count.add_(added)
            return
        total = count + added
        change = mean - self.module.running_mean
        squares = self.module.running_var * count + variance * added + change.square() * (count * added / total)
        self.module.running_mean.add_(change * (added / total))
        self.module.running_var.copy_(squares / total)
        count.copy_(total)

    def normalise(self, samples: torch.Tensor) -> torch.Tensor:
        """Return samples ``(n, …)`` with mean 0 and variance 1, clamped to ±5."""
        if self.module is None:
            return samples
        if self._launcher is not None:
            return self._map(self._launcher.kernels.normalise, samples)
        mean, deviation = self._moments()
        return ((samples - mean) / deviation).clamp_(-BOUND, BOUND)

    def normalise_in_place(self, samples: torch.Tensor) -> None:
        """Replace samples ``(…, *shape)``, as :meth:`normalise` does."""
        if self.module is None:
            return
        if self._launcher is not None:
            self._map(self._launcher.kernels.normalise, samples, samples)
        else:
            mean, deviation = self._moments()
            samples.sub_(mean).div_(deviation).clamp_(-BOUND, BOUND)

    def restore(self, samples: torch.Tensor) -> torch.Tensor:
        """Return samples ``(n, …)`` whose normalised values are given, after clamping these to ±5."""
        if self.module is None:
            return samples
        if self._launcher is not None:
            return self._map(self._launcher.kernels.restore, samples)
        mean, deviation = self._moments()
        return samples.clamp(-BOUND, BOUND) * deviation + mean

    def _map(self, kernel: Any, source: torch.Tensor, target: torch.Tensor | None = None) -> torch.Tensor:
        """Launch a kernel on all rows of ``source``; return ``target``, a new tensor if it is None."""
        assert self._launcher is not None
        if target is None:
            target = torch.empty(source.shape, device=source.device)
        module = self.module
        mean, variance = module.running_mean.view(-1), module.running_var.view(-1)
        rows = source.float().reshape(-1, len(mean))
        inputs = [rows, mean, variance, module.epsilon, BOUND]
        self._launcher.launch(kernel, tuple(rows.shape), inputs, [target.view(-1, len(mean))])
        return target

    def _moments(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.module.running_mean.float(), (self.module.running_var.float() + self.module.epsilon).sqrt()


def _mean_and_variance(samples: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and variance over the first dimension."""
    if samples.is_cuda:
        variance, mean = torch.var_mean(samples, 0, correction=0)
        return mean, variance
    mean = samples.mean(0)  # on the CPU, torch's var_mean takes ten times as long over the first dimension
    return mean, (samples - mean).square_().mean(0)
