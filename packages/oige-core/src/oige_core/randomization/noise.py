"""Noise on the observations or the actions of all worlds."""

import torch

from oige_core.randomization.distributions import Distribution
from oige_core.selections import write_rows

__all__ = ["SignalNoise", "combine"]


def combine(operation: str, values: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
    """Return values ``(n, d)`` that drawn numbers ``(n, d)`` change; see :class:`~.schema.DrawConfig`."""
    if operation == "additive":
        return values + drawn
    return values * drawn if operation == "scaling" else drawn


class SignalNoise:
    """Noise that is drawn at the reset of a world and kept, and noise that is drawn every few control steps.

    Args:
        on_reset: distribution of the former; None: there is none.
        on_interval: distribution of the latter; None: there is none.
        num_envs: number of worlds, N.
        dimension: numbers of one world, d.
        generator: random stream.

    Attributes:
        kept: ``(N, d)`` numbers that were drawn at the last reset of each world.
        steps: ``(N,)`` int64; control steps since the last noise ``on_interval``, or since the reset.
    """

    def __init__(
        self,
        on_reset: Distribution | None,
        on_interval: Distribution | None,
        num_envs: int,
        dimension: int,
        generator: torch.Generator,
    ) -> None:
        self.on_reset = on_reset
        self.on_interval = on_interval
        self._generator = generator
        device = generator.device
        self.kept = torch.zeros(num_envs, dimension if on_reset else 0, device=device)
        self.steps = torch.zeros(num_envs, dtype=torch.int64, device=device)

    def begin(self, worlds: torch.Tensor) -> None:
        """Draw the numbers that the selected worlds keep until their next reset."""
        write_rows(self.steps, self.steps.new_zeros(len(worlds)), worlds)
        if self.on_reset is not None:
            write_rows(self.kept, self.on_reset.sample(len(worlds), self._generator), worlds)

    def apply(self, values: torch.Tensor) -> torch.Tensor:
        """Return noisy values of all worlds ``(N, …)`` for the next control step, in a new tensor."""
        noisy = self._with_kept(values.flatten(1), None)
        if self.on_interval is not None:
            self.steps += 1
            due = self.steps >= self.on_interval.config.frequency_interval
            self.steps.masked_fill_(due, 0)
            noisy = torch.where(due.unsqueeze(-1), self._drawn_on(noisy, self.on_interval), noisy)
        return _like(noisy, values)

    def apply_first(self, values: torch.Tensor, worlds: torch.Tensor) -> torch.Tensor:
        """Return noisy values of worlds that have just been reset, in a new tensor.

        Args:
            values: ``(len(worlds), …)``.
            worlds: the selection.
        """
        noisy = self._with_kept(values.flatten(1), worlds)
        if self.on_interval is not None:
            if self.on_interval.config.frequency_interval == 1:
                noisy = self._drawn_on(noisy, self.on_interval)
            else:
                write_rows(self.steps, self.steps.new_ones(len(worlds)), worlds)
        return _like(noisy, values)

    def _with_kept(self, values: torch.Tensor, worlds: torch.Tensor | None) -> torch.Tensor:
        if self.on_reset is None:
            return values
        kept = self.kept if worlds is None or worlds.dtype == torch.bool else self.kept.index_select(0, worlds)
        return combine(self.on_reset.config.operation, values, kept)

    def _drawn_on(self, values: torch.Tensor, distribution: Distribution) -> torch.Tensor:
        return combine(distribution.config.operation, values, distribution.sample(len(values), self._generator))


def _like(values: torch.Tensor, original: torch.Tensor) -> torch.Tensor:
    """Return values ``(n, d)`` in the shape and type of others; bytes are rounded."""
    values = values.reshape(original.shape)
    if original.dtype == torch.uint8:
        return values.round().clamp(0, 255).to(torch.uint8)
    return values.clone() if values.data_ptr() == original.data_ptr() else values
