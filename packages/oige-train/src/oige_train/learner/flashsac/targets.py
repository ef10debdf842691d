"""What the networks of FlashSAC learn: distributions of returns, temperature, and a learning rate that falls."""

import math

import torch

__all__ = ["RewardScale", "decayed_rate", "project", "target_entropy", "with_lower_mean"]


def project(
    log_probabilities: torch.Tensor, support: torch.Tensor, shift: torch.Tensor, discount: torch.Tensor
) -> torch.Tensor:
    """Return the distribution of ``shift + discount · z`` over the bins of the distribution of z.

    The probability of each moved value is divided between the two bins beside it. Values beyond the outermost bins
    count as these.

    Args:
        log_probabilities: ``(B, bins)``.
        support: ``(bins,)``, evenly spaced.
        shift: ``(B,)``.
        discount: ``(B,)``.

    Returns:
        Probabilities, ``(B, bins)``.
    """
    low, high = support[0], support[-1]
    last = len(support) - 1
    moved = (shift.unsqueeze(-1) + discount.unsqueeze(-1) * support).clamp(low, high)
    place = ((moved - low) / (high - low) * last).clamp(0.0, last)
    below = place.floor().clamp(max=last - 1)
    upper_part = place - below
    probabilities = log_probabilities.exp()
    projected = torch.zeros_like(probabilities)
    projected.scatter_add_(1, below.long(), probabilities * (1.0 - upper_part))
    projected.scatter_add_(1, below.long() + 1, probabilities * upper_part)
    return projected


def with_lower_mean(log_probabilities: torch.Tensor, means: torch.Tensor) -> torch.Tensor:
    """Return, for each sample, the distribution ``(B, bins)`` of the critic with the lower mean.

    Args:
        log_probabilities: ``(2, B, bins)``.
        means: ``(2, B)``.
    """
    return torch.where((means[0] <= means[1]).unsqueeze(-1), log_probabilities[0], log_probabilities[1])


def target_entropy(actions: int, deviation: float) -> float:
    """Return the entropy of a normal distribution of independent actions with a standard deviation."""
    return 0.5 * actions * math.log(2.0 * math.pi * math.e * deviation**2)


def decayed_rate(initial: float, final: float, progress: torch.Tensor) -> torch.Tensor:
    """Return the learning rate on half a cosine from ``initial`` to ``final``.

    Args:
        initial: rate at the start of training.
        final: rate at the end.
        progress: 0-d fraction of training; above 1, the rate remains the final one.
    """
    return final + 0.5 * (initial - final) * (1.0 + torch.cos(math.pi * progress.clamp(max=1.0)))


class RewardScale:
    """A divisor of rewards, for which the discounted return has about unit variance and stays within a limit.

    It is the larger one of the standard deviation of the discounted sum of past rewards and of the largest such sum
    divided by the limit.

    Args:
        num_envs: number of worlds.
        gamma: discount factor per control step.
        limit: largest absolute return.
        device: where the statistics are.
    """

    def __init__(self, num_envs: int, gamma: float, limit: float, device: torch.device) -> None:
        self._gamma, self._limit = gamma, limit
        zero = torch.zeros((), dtype=torch.float64, device=device)
        self.tensors = {
            "sums": torch.zeros(num_envs, device=device),
            "largest": torch.zeros((), device=device),
            "count": zero.clone(),
            "mean": zero.clone(),
            "squares": zero.clone(),
        }

    def update(self, rewards: torch.Tensor, done: torch.Tensor) -> None:
        """Add the rewards of a control step.

        Args:
            rewards: ``(N,)``.
            done: ``(N,)`` bool; the episode ended in this step.
        """
        state = self.tensors
        sums = self._gamma * state["sums"] + rewards
        state["largest"].copy_(torch.maximum(state["largest"], sums.abs().max()))
        # Chan's method: the mean, and the sum of squared deviations from it.
        values = sums.double()
        mean, total = values.mean(), state["count"] + len(values)
        delta = mean - state["mean"]
        state["squares"].add_((values - mean).square().sum() + delta**2 * state["count"] * len(values) / total)
        state["mean"].add_(delta * len(values) / total)
        state["count"].copy_(total)
        state["sums"].copy_(torch.where(done, 0.0, sums))

    def divisor(self) -> torch.Tensor:
        """Return the divisor, 0-d; 1 as long as all rewards were 0."""
        state = self.tensors
        deviation = (state["squares"] / state["count"].clamp_min(1.0)).sqrt().float()
        divisor = torch.maximum(deviation, state["largest"] / self._limit)
        return torch.where(divisor > 0.0, divisor, 1.0)

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Restore :attr:`tensors`; the running sums begin anew if the number of worlds differs."""
        for name, tensor in self.tensors.items():
            if tensor.shape == state[name].shape:
                tensor.copy_(state[name])
