"""The way of observations or actions between the worlds and the policy: noise, delay and losses."""

from collections.abc import Mapping

import torch

from oige_core.errors import ConfigError
from oige_core.randomization.noise import SignalNoise
from oige_core.randomization.schema import DrawConfig, Path, path_key
from oige_core.randomization.signals import Delay, Drop

__all__ = ["SignalPath", "longest_delay"]

LONGEST_DELAY = 1000  # control steps


def longest_delay(group: str, draws: Mapping[Path, DrawConfig]) -> int:
    """Return the longest delay, in control steps, of ``observations`` or ``actions`` that can be drawn.

    Raises:
        ConfigError: the distribution of delays is not bounded, or they are too long.
    """
    longest = 0
    for trigger in ("on_startup", "on_reset", "on_interval"):
        draw = draws.get((group, "delay", trigger))
        if draw is None:
            continue
        if draw.distribution == "gaussian":
            key = path_key((group, "delay", trigger))
            raise ConfigError(f"{key}.distribution={draw.distribution}: delays need an upper bound; use uniform.")
        highest = round(max(draw.parameters[1]) if isinstance(draw.parameters[1], tuple) else draw.parameters[1])
        longest = longest + highest if draw.operation == "additive" else max(longest, highest)
    if longest > LONGEST_DELAY:
        raise ConfigError(
            f"{path_key((group, 'delay'))}: delays of up to {longest:,} control steps; expected at most "
            f"{LONGEST_DELAY}, because past values are kept in memory."
        )
    return longest


class SignalPath:
    """Adds noise to a signal, then delays it, then drops it in some control steps.

    Args:
        noise: the noise; None: there is none.
        delay: the delay; None: there is none.
        drop: decides what is lost; None: nothing is.
    """

    def __init__(self, noise: SignalNoise | None, delay: Delay | None, drop: Drop | None) -> None:
        self.noise = noise
        self.delay = delay
        self.drop = drop

    def begin(self, worlds: torch.Tensor, *, noise_was_drawn: bool = False) -> None:
        """Begin new episodes in a selection of worlds.

        Args:
            worlds: the selection.
            noise_was_drawn: whether :meth:`begin_noise` was called for them already.
        """
        if not noise_was_drawn:
            self.begin_noise(worlds)
        for part in (self.delay, self.drop):
            if part is not None:
                part.restart(worlds)

    def begin_noise(self, worlds: torch.Tensor) -> None:
        """Draw the noise that the selected worlds keep until their next reset."""
        if self.noise is not None:
            self.noise.begin(worlds)

    def apply(self, values: torch.Tensor) -> torch.Tensor:
        """Return what arrives of the values ``(N, …)`` of a control step, in a new tensor."""
        if self.noise is not None:
            values = self.noise.apply(values)
        for part in (self.delay, self.drop):
            if part is not None:
                values = part.push(values)
        return values

    def apply_first(self, values: torch.Tensor, worlds: torch.Tensor) -> torch.Tensor:
        """Return what arrives of the first values of worlds that have just been reset, in a new tensor.

        Args:
            values: ``(len(worlds), …)``.
            worlds: the selection.
        """
        if self.noise is not None:
            values = self.noise.apply_first(values, worlds)
        for part in (self.delay, self.drop):
            if part is not None:
                values = part.replace(worlds, values)
        return values

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the live tensors that are part of a saved state."""
        tensors = {}
        if self.noise is not None:
            tensors |= {"kept": self.noise.kept, "steps": self.noise.steps}
        for name, part in (("delay", self.delay), ("drop", self.drop)):
            if part is not None:
                tensors |= {f"{name}.{key}": value for key, value in part.tensors().items()}
        return tensors
