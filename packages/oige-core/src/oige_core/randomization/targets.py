"""What randomised attributes change in the worlds: properties, states and loads of one target."""

from collections.abc import Mapping
from typing import Any

import torch

from oige_core.errors import OigeError
from oige_core.randomization.attribute import Attribute
from oige_core.randomization.distributions import Distribution
from oige_core.randomization.noise import combine
from oige_core.selections import is_indices, write_rows

__all__ = ["EffortTarget", "Target"]


class Target:
    """One attribute of one view, or of the engine, in all worlds.

    Args:
        attribute: the record of the attribute.
        view: the view, or the engine.
        draws: distributions by trigger.
        values: the values ``(N, …)`` at the start.
        generator: random stream.
        key: configuration key of the attribute, for messages.
        one_friction: whether the engine has one coefficient of friction.

    Attributes:
        nominal: ``(d,)`` values of the first world before any draw; properties only.
        base: ``(N, d)`` values at the start, with those that ``on_startup`` draws; properties only.
        kept: ``(N, d)`` values after the last draw ``on_reset``; properties only.
    """

    def __init__(
        self,
        attribute: Attribute,
        view: Any,
        draws: Mapping[str, Distribution],
        values: torch.Tensor,
        generator: torch.Generator,
        *,
        key: str,
        one_friction: bool,
    ) -> None:
        self.attribute = attribute
        self.view = view
        self.draws = draws
        self._generator = generator
        self._key = key
        self._shape = values.shape[1:]
        self._settle = attribute.one_friction if one_friction else None
        keeps = attribute.kind == "property"
        self.base = values.reshape(len(values), -1).clone() if keeps else values.new_zeros(len(values), 0)
        self.kept = self.base.clone()
        self.nominal = self.base[0].clone()
        self._has_infinite = bool(self.base.isinf().any())

    def start(self, generator: torch.Generator) -> None:
        """Draw the values of the whole run, if there are any."""
        if "on_startup" in self.draws:
            self.read_base()
            draw = self.draws["on_startup"]
            drawn = draw.sample(len(self.base), generator)
            self._write(self.valid(self.combined(draw.config.operation, self.base, drawn), self.base), None)

    def read_base(self) -> None:
        """Start from the current values, which draws ``on_startup`` of this or of other attributes have changed."""
        if self.attribute.kind == "property":
            self.base.copy_(self.read())
            self.kept.copy_(self.base)

    def apply(self, trigger: str, worlds: torch.Tensor) -> None:
        """Draw values in a selection of worlds, if the trigger is configured."""
        draw = self.draws.get(trigger)
        if draw is None:
            return
        drawn = draw.sample(len(worlds), self._generator)
        operation = draw.config.operation
        if self.attribute.kind != "property":
            self._write(self._changed(operation, drawn, worlds), worlds)
            return
        before = self.base if trigger == "on_reset" else self.kept
        values = self.valid(self.combined(operation, _rows(before, worlds), drawn), _rows(self.base, worlds))
        if trigger == "on_reset":
            write_rows(self.kept, values, worlds)
        self._write(values, worlds)

    def read(self) -> torch.Tensor:
        """Return the current values ``(N, d)``."""
        values = self.attribute.read(self.view)
        return values.reshape(len(values), -1)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the live tensors that are part of a saved state."""
        return {"base": self.base, "kept": self.kept}

    def combined(self, operation: str, values: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
        """Return values ``(n, d)`` that drawn numbers change; infinite ones change only by ``direct`` draws."""
        changed = combine(operation, values, drawn)
        if self._has_infinite and operation != "direct":
            return torch.where(values.isinf(), values, changed)
        return changed

    def valid(self, values: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
        """Return the nearest values ``(n, d)`` that the engine accepts; ``base`` are those at the start."""
        if self._settle is not None:
            values = self._settle(values, base)
        return values if self.attribute.lowest is None else values.clamp(min=self.attribute.lowest)

    def _changed(self, operation: str, drawn: torch.Tensor, worlds: torch.Tensor) -> torch.Tensor:
        if operation == "direct" or self.attribute.kind in ("load", "effort"):
            return drawn
        return combine(operation, _rows(self.read(), worlds), drawn)

    def _write(self, values: torch.Tensor, worlds: torch.Tensor | None) -> None:
        try:
            self.attribute.write(self.view, values.reshape(len(values), *self._shape), worlds)
        except OigeError as error:
            raise type(error)(f"{self._key}: {error}") from error


class EffortTarget(Target):
    """Efforts of joints that act during one control step, besides those that the task sets.

    Attributes:
        pending: ``(N, d)`` efforts that act during the next control step.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.pending = torch.zeros_like(self.read())
        self._set_by_task = torch.zeros_like(self.pending)
        self._is_added = False

    def add(self, *, skip_if_zero: bool) -> None:
        """Add the pending efforts before physics.

        Args:
            skip_if_zero: whether to look for pending efforts first, which waits for a GPU.
        """
        if not skip_if_zero or self.pending.any():
            self._set_by_task.copy_(self.read())
            self.view.set_joint_efforts(self._set_by_task + self.pending)
            self._is_added = True

    def remove(self) -> None:
        """Restore the efforts of the task after physics."""
        if self._is_added:
            self.view.set_joint_efforts(self._set_by_task)
            self.pending.zero_()
            self._is_added = False

    def tensors(self) -> dict[str, torch.Tensor]:
        """See :class:`Target`."""
        return {"pending": self.pending}

    def _write(self, values: torch.Tensor, worlds: torch.Tensor | None) -> None:
        write_rows(self.pending, values, worlds)


def _rows(values: torch.Tensor, worlds: torch.Tensor) -> torch.Tensor:
    return values.index_select(0, worlds) if is_indices(worlds) else values
