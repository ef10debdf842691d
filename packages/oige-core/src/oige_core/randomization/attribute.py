"""The record of an attribute that domain randomisation can change.

Nothing here imports torch at first, because configurations are validated without it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch

__all__ = ["DURING", "TRIGGERS", "Attribute", "Trigger", "Writer", "rows"]

Trigger = Literal["on_startup", "on_reset", "on_interval"]
Reader = Callable[[Any], "torch.Tensor"]
Writer = Callable[[Any, "torch.Tensor", "torch.Tensor | None"], None]

TRIGGERS: tuple[Trigger, ...] = ("on_startup", "on_reset", "on_interval")
DURING: tuple[Trigger, ...] = ("on_reset", "on_interval")


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """A quantity of one target in each world.

    Attributes:
        unit: its unit.
        dimension: its numbers per world: a number, or ``dofs``, ``links``, ``tendons`` and multiples of these.
        meaning: a phrase for the documentation.
        kind: ``property``: a value of the model, which a draw changes relative to its value at the start and which
            keeps it. ``state``: a draw changes the current value once. ``load``: a draw acts during one control step.
            ``effort``: the same, added to what the task sets in that step.
        triggers: when it may be drawn.
        read: returns the values of all worlds ``(N, …)``; loads are zero.
        write: sets the values ``(n, …)`` of a selection of worlds.
        lowest: smallest value of the quantity; smaller ones are raised to it.
        highest: largest value of a quantity that is zero without randomisation.
        repeats: whether distribution parameters of three numbers apply to each link.
        is_whole: whether the quantity is a whole number; uniform draws then include both bounds.
        choices: names of the values of a quantity that is one of several; it is their index.
        is_zero: whether the quantity is zero without randomisation, so that it cannot be scaled.
        one_friction: makes values ``(n, d)`` valid for engines with one coefficient of friction, from values and those
            at the start.
        engines: engines that support it.
        note: what differs from PhysX.
    """

    unit: str
    dimension: str
    meaning: str
    read: Reader
    write: Writer
    kind: Literal["property", "state", "load", "effort"] = "property"
    triggers: tuple[Trigger, ...] = DURING
    lowest: float | None = None
    highest: float | None = None
    repeats: bool = False
    is_whole: bool = False
    choices: tuple[str, ...] = ()
    is_zero: bool = False
    one_friction: Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"] | None = None
    engines: tuple[str, ...] = ("MuJoCo", "MuJoCo Warp", "Isaac Sim")
    note: str = ""


def rows(values: "torch.Tensor", worlds: "torch.Tensor | None") -> "torch.Tensor":
    """Return the rows of a selection of worlds, or all rows for a mask or None."""
    from oige_core.tasks import selection

    return selection.rows(values, worlds)
