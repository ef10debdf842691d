"""The value of episodes that were cut off by time: of the last state, which the next episode has already replaced.

rl_games bootstraps with the value of the state before the last step, which is all that it knows.
"""

from dataclasses import dataclass

import torch

__all__ = ["RolloutTimeOuts", "TimeOuts"]


@dataclass(frozen=True)
class TimeOuts:
    """Episodes that were cut off by time, n of them.

    Attributes:
        steps: ``(n,)`` int64; control steps of the rollout in which they were.
        worlds: ``(n,)`` int64; where they were.
        last: their last observations ``obs`` ``(n, …)`` and, for asymmetric critics, ``states`` ``(n, num_states)``.
        memory: state tensors ``(layers, n, units)`` of the network that gives values, before it sees these
            observations; empty unless it is recurrent.
    """

    steps: torch.Tensor
    worlds: torch.Tensor
    last: dict[str, torch.Tensor]
    memory: list[torch.Tensor]


class RolloutTimeOuts:
    """Collects the episodes of a rollout that were cut off by time."""

    def __init__(self) -> None:
        self._step = 0
        self._found: list[TimeOuts] = []

    def add_step(self, time_outs: torch.Tensor, last: dict[str, torch.Tensor], memory: list[torch.Tensor]) -> None:
        """Take note of a control step.

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
        """Return what was collected, or None if it is nothing; the next step is the first of the next rollout."""
        found, self._found, self._step = self._found, [], 0
        if not found:
            return None
        return TimeOuts(
            steps=torch.cat([each.steps for each in found]),
            worlds=torch.cat([each.worlds for each in found]),
            last={name: torch.cat([each.last[name] for each in found]) for name in found[0].last},
            memory=[torch.cat(states, dim=1) for states in zip(*(each.memory for each in found), strict=True)],
        )
