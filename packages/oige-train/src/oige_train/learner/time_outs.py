"""Bootstrapping of truncated episodes with the value of their last state, which the reset has already replaced.

rl_games uses the value of the state before the last step, the only one that it has.
"""

from dataclasses import dataclass

import torch

__all__ = ["RolloutTimeOuts", "TimeOuts"]


@dataclass(frozen=True)
class TimeOuts:
    """The n truncated episodes of a rollout.

    Attributes:
        steps: ``(n,)`` int64; control step of the rollout in which each was truncated.
        worlds: ``(n,)`` int64; world of each.
        last: last observations ``obs`` ``(n, …)`` and, for asymmetric critics, ``states`` ``(n, num_states)``.
        memory: hidden state tensors ``(layers, n, units)`` of the value network before these observations; empty
            unless it is recurrent.
    """

    steps: torch.Tensor
    worlds: torch.Tensor
    last: dict[str, torch.Tensor]
    memory: list[torch.Tensor]


class RolloutTimeOuts:
    """Collects the truncated episodes of a rollout."""

    def __init__(self) -> None:
        self._step = 0
        self._found: list[TimeOuts] = []

    def add_step(self, time_outs: torch.Tensor, last: dict[str, torch.Tensor], memory: list[torch.Tensor]) -> None:
        """Add those of a control step.

        Args:
            time_outs: ``(N,)`` bool.
            last: last observations ``(N, …)``, on any device.
            memory: see :class:`TimeOuts`; ``(layers, N, units)`` each.
        """
        worlds = time_outs.nonzero().squeeze(-1)
        if len(worlds):
            rows = {name: values[worlds.to(values.device)].to(worlds.device) for name, values in last.items()}
            states = [state[:, worlds] for state in memory]
            self._found.append(TimeOuts(torch.full_like(worlds, self._step), worlds, rows, states))
        self._step += 1

    def take(self) -> TimeOuts | None:
        """Return the collected episodes, or None if there are none, and start the next rollout."""
        found, self._found, self._step = self._found, [], 0
        if not found:
            return None
        return TimeOuts(
            steps=torch.cat([each.steps for each in found]),
            worlds=torch.cat([each.worlds for each in found]),
            last={name: torch.cat([each.last[name] for each in found]) for name in found[0].last},
            memory=[torch.cat(states, dim=1) for states in zip(*(each.memory for each in found), strict=True)],
        )
