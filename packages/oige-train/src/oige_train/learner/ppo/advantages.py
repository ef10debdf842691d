"""Generalised advantage estimation."""

import torch

__all__ = ["generalised_advantages"]


def generalised_advantages(
    rewards: torch.Tensor, values: torch.Tensor, ended: torch.Tensor, gamma: float, decay: float
) -> torch.Tensor:
    """Return the advantages ``(T, N)`` of the steps of a rollout.

    δ_t = r_t + γ V_{t+1} − V_t and A_t = δ_t + γ λ A_{t+1}, without the terms of t + 1 where an episode ended in t.

    Args:
        rewards: ``(T, N)``.
        values: ``(T + 1, N)``; values of the states before each step and after the last one.
        ended: ``(T, N)``; whether the step ended an episode.
        gamma: discount γ.
        decay: λ.
    """
    alive = 1.0 - ended.to(values.dtype)
    advantages = rewards - values[:-1] + gamma * alive * values[1:]
    weights = gamma * decay * alive
    for step in reversed(range(len(rewards) - 1)):
        advantages[step].addcmul_(weights[step], advantages[step + 1])
    return advantages
