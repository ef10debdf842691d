"""Exploration noise that each world keeps for several control steps."""

import torch

__all__ = ["RepeatedNoise", "noise_durations"]


def noise_durations(chance: torch.Tensor, longest: int, exponent: float) -> torch.Tensor:
    """Return numbers of control steps: n with a probability proportional to n^-exponent.

    Args:
        chance: uniform random numbers in [0, 1).
        longest: largest n.
        exponent: the larger, the shorter.
    """
    weights = torch.arange(1, longest + 1, dtype=torch.float64, device=chance.device) ** -exponent
    cumulated = weights.cumsum(0) / weights.sum()
    return 1 + torch.bucketize(chance.double(), cumulated[:-1], right=True)


class RepeatedNoise:
    """Noise from the standard normal distribution, which each world draws again after a random number of control steps.

    Args:
        num_envs: number of worlds, N.
        actions: size of an action.
        longest: largest number of control steps.
        exponent: see :func:`noise_durations`.
        device: where the noise is.

    Attributes:
        noise: ``(N, actions)``; that of the last control step.
        left: ``(N,)`` int64; control steps for which each world keeps it.
    """

    def __init__(self, num_envs: int, actions: int, *, longest: int, exponent: float, device: torch.device) -> None:
        self._longest, self._exponent = longest, exponent
        self.noise = torch.zeros(num_envs, actions, device=device)
        self.left = torch.zeros(num_envs, dtype=torch.int64, device=device)

    def step(self) -> torch.Tensor:
        """Return the noise ``(N, actions)`` of the next control step."""
        is_over = self.left == 0
        self.noise.copy_(torch.where(is_over.unsqueeze(-1), torch.randn_like(self.noise), self.noise))
        drawn = noise_durations(torch.rand_like(self.noise[:, 0]), self._longest, self._exponent)
        self.left.copy_(torch.where(is_over, drawn, self.left) - 1)
        return self.noise
