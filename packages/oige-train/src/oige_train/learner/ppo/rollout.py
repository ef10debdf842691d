"""The control steps of an epoch: what the learner needs of them, in memory that stays the same."""

from collections.abc import Callable

import torch

from oige_train.learner.ppo.advantages import generalised_advantages

__all__ = ["Episodes", "Rollout"]


class Rollout:
    """What ``T`` control steps of ``N`` worlds stored.

    Args:
        horizon: ``T``.
        num_worlds: ``N``.
        device: device of the learner.

    Attributes:
        inputs: observations ``obs`` ``(T, N, …)`` and, for asymmetric critics, ``states``.
        policy: what the policy returned, ``actions``, ``mu`` and ``raw``, ``(T, N, A)`` each; ``raw`` is ``(T, A)`` if
            deviations do not depend on observations.
        values: ``(T + 1, N)``; normalised values of the states before each step and after the last one.
        rewards: ``(T, N)``.
        ended: ``(T + 1, N)``; whether an episode ended in the step before each step, and in the last one.
        time_outs: ``(T, N)``; whether the step truncated an episode.
        last_values: ``(T, N)``; normalised values of the last states of truncated episodes.
    """

    def __init__(self, horizon: int, num_worlds: int, device: torch.device) -> None:
        self.horizon, self.num_worlds = horizon, num_worlds
        self.inputs: dict[str, torch.Tensor] = {}
        self.policy: dict[str, torch.Tensor] = {}
        self.values = torch.zeros(horizon + 1, num_worlds, device=device)
        self.rewards = torch.zeros(horizon, num_worlds, device=device)
        self.ended = torch.ones(horizon + 1, num_worlds, dtype=torch.bool, device=device)
        self.time_outs = torch.zeros(horizon, num_worlds, dtype=torch.bool, device=device)
        self.last_values = torch.zeros(horizon, num_worlds, device=device)

    def add_outcome(self, step: int, rewards: torch.Tensor, ended: torch.Tensor) -> None:
        """Store what a control step returned, ``(N,)`` each."""
        self.rewards[step].copy_(rewards)
        self.ended[step + 1].copy_(ended)

    def advantages_and_values(
        self,
        shape_rewards: Callable[[torch.Tensor], torch.Tensor],
        restore: Callable[[torch.Tensor], torch.Tensor],
        gamma: float,
        decay: float,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return advantages ``(T, N)``, values ``(T, N)`` and shaped rewards ``(T, N)``.

        The reward of a step that truncated an episode also counts γ times the value of the episode's last state.

        Args:
            shape_rewards: shifts, scales and clamps rewards.
            restore: maps normalised values to values.
            gamma: discount γ.
            decay: λ.
        """
        values = restore(self.values.unsqueeze(-1)).squeeze(-1)
        shaped = shape_rewards(self.rewards)
        last = restore(self.last_values.unsqueeze(-1)).squeeze(-1)
        rewards = torch.where(self.time_outs, shaped + gamma * last, shaped)
        return generalised_advantages(rewards, values, self.ended[1:], gamma, decay), values[:-1], shaped


class Episodes:
    """Sums over the current episode of each world, and over the episodes that ended in each step of a rollout.

    Args:
        horizon: number of control steps ``T`` of a rollout.
        num_worlds: number of worlds ``N``.
        device: device of the learner.

    Attributes:
        current: ``(3, N)``; return, shaped return and length of the current episodes.
        ended: ``(T, 4)`` float64; for each step, the number of episodes that ended, and the sums of the three.
    """

    def __init__(self, horizon: int, num_worlds: int, device: torch.device) -> None:
        self.current = torch.zeros(3, num_worlds, device=device)
        self.ended = torch.zeros(horizon, 4, dtype=torch.float64, device=device)

    def add(self, rewards: torch.Tensor, shaped: torch.Tensor, ended: torch.Tensor) -> None:
        """Add the steps of a rollout.

        Args:
            rewards: ``(T, N)``.
            shaped: ``(T, N)``; shaped rewards.
            ended: ``(T, N)``; whether the step ended an episode.
        """
        sums = torch.stack((rewards, shaped, torch.ones_like(rewards)), dim=1)
        sums[0].add_(self.current)
        # where, not a product: a return that is not finite must not spoil the sums over other episodes
        for step in range(1, len(sums)):
            sums[step].add_(torch.where(ended[step - 1], 0.0, sums[step - 1]))
        over = torch.where(ended.unsqueeze(1), sums, 0.0).sum(-1, dtype=torch.float64)
        self.ended.copy_(torch.cat((ended.sum(1, keepdim=True), over), dim=1))
        self.current.copy_(torch.where(ended[-1], 0.0, sums[-1]))
