"""Distributions of actions, with the formulas of rl_games' models."""

import math
from typing import Protocol

import torch
from torch.nn.functional import softplus

__all__ = ["DISTRIBUTIONS", "Distribution", "Gaussian", "SquashedGaussian"]

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
LARGEST = 0.99999997  # bound of actions whose preimage under tanh is computed; rl_games'
LEAST_SIGMA = 0.001  # rl_games'


class Distribution(Protocol):
    """A family of distributions; ``raw`` ``(n, A)`` or ``(A,)`` is what the network returns for the deviations."""

    def sigma(self, raw: torch.Tensor) -> torch.Tensor:
        """Return the standard deviations that are stored with samples."""
        ...

    def sample(self, mu: torch.Tensor, raw: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Return actions ``(n, A)`` from standard normal noise ``(n, A)``."""
        ...

    def neg_log_prob(self, actions: torch.Tensor, mu: torch.Tensor, raw: torch.Tensor) -> torch.Tensor:
        """Return −ln π(a) ``(n,)``."""
        ...

    def entropy(self, mu: torch.Tensor, raw: torch.Tensor) -> torch.Tensor:
        """Return the entropy ``(n,)``."""
        ...


class Gaussian:
    """Normal distributions; the network returns ln σ."""

    def sigma(self, raw: torch.Tensor) -> torch.Tensor:
        """See :class:`Distribution`."""
        return raw.exp()

    def sample(self, mu: torch.Tensor, raw: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """See :class:`Distribution`; μ + σ ε."""
        return torch.addcmul(mu, raw.exp(), noise)

    def neg_log_prob(self, actions: torch.Tensor, mu: torch.Tensor, raw: torch.Tensor) -> torch.Tensor:
        """See :class:`Distribution`; ½ Σ ((a − μ) / σ)² + Σ ln σ + ½ A ln 2π."""
        squares = ((actions - mu) / raw.exp()).square().sum(-1)
        return 0.5 * squares + raw.sum(-1) + HALF_LOG_2PI * actions.shape[-1]

    def entropy(self, mu: torch.Tensor, raw: torch.Tensor) -> torch.Tensor:
        """See :class:`Distribution`; Σ ln σ + ½ A (1 + ln 2π)."""
        return raw.expand_as(mu).sum(-1) + (0.5 + HALF_LOG_2PI) * mu.shape[-1]


class SquashedGaussian:
    """Normal distributions followed by tanh."""

    def sigma(self, raw: torch.Tensor) -> torch.Tensor:
        """See :class:`Distribution`."""
        return softplus(raw + LEAST_SIGMA)

    def sample(self, mu: torch.Tensor, raw: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """See :class:`Distribution`; tanh(μ + σ ε)."""
        return torch.addcmul(mu, self._deviation(raw).expand_as(mu), noise).tanh()

    def neg_log_prob(self, actions: torch.Tensor, mu: torch.Tensor, raw: torch.Tensor) -> torch.Tensor:
        """See :class:`Distribution`; that of the normal distribution plus ln |d tanh x / dx|."""
        bounded = actions.clamp(-LARGEST, LARGEST)
        before = 0.5 * (bounded.log1p() - (-bounded).log1p())
        deviation = self._deviation(raw)
        terms = 0.5 * ((before - mu) / deviation).square() + deviation.log() + HALF_LOG_2PI
        return (terms + self._log_slope(before)).sum(-1)

    def entropy(self, mu: torch.Tensor, raw: torch.Tensor) -> torch.Tensor:
        """See :class:`Distribution`; estimated from one sample."""
        deviation = self._deviation(raw).expand_as(mu)
        sample = torch.addcmul(mu, deviation, torch.randn_like(mu))
        return (deviation.log() + 0.5 + HALF_LOG_2PI + self._log_slope(sample)).sum(-1)

    @staticmethod
    def _deviation(raw: torch.Tensor) -> torch.Tensor:
        return softplus(raw) + LEAST_SIGMA

    @staticmethod
    def _log_slope(before: torch.Tensor) -> torch.Tensor:
        return 2.0 * (math.log(2.0) - before - softplus(-2.0 * before))


#: By rl_games' name of the model.
DISTRIBUTIONS: dict[str, Distribution] = {
    "continuous_a2c_logstd": Gaussian(),
    "continuous_a2c_tanh": SquashedGaussian(),
}
