"""The variant of a rigid body in each world."""

from typing import Any

import torch

from oige_core.engines.checks import fail
from oige_core.engines.columns import Columns
from oige_core.engines.mujoco.worlds import Worlds
from oige_core.selections import read_rows, write_rows

__all__ = ["BodyVariants"]


class BodyVariants:
    """Shapes, masses and surfaces of a body, which are those of one of its variants in each world.

    Args:
        worlds: the built worlds.
        name: name of the body.

    Attributes:
        numbers: the variant of each world ``(N,)`` int64; at first the worlds have them by turns.
    """

    def __init__(self, worlds: Worlds, name: str) -> None:
        variants = worlds.compiled.variants[name]
        self._worlds, self.count = worlds, variants.count
        device = worlds.device
        geoms, body = Columns(list(variants.geoms), device), Columns([variants.body], device)
        self._fields = {
            name: (geoms if name.startswith("geom_") else body, torch.as_tensor(values, device=device))
            for name, values in variants.differing.items()
        }
        colors = torch.as_tensor(variants.colors[..., :3], dtype=torch.float32, device=device)
        self._colors = (geoms, colors) if bool((colors != colors[:1]).any()) else None
        self.numbers = torch.arange(worlds.num_envs, device=device) % self.count
        worlds.variants[name] = self.numbers
        self._write(None)

    def check(self, numbers: torch.Tensor) -> None:
        """Raise unless these are numbers of variants."""
        for number in numbers.unique().tolist():
            if number not in range(self.count):
                fail(f"variants contain {number:g}: expected a whole number from 0 to {self.count - 1}.")

    def set(self, numbers: torch.Tensor, worlds: torch.Tensor | None) -> None:
        """Set the variants ``(n,)`` of a selection of worlds."""
        write_rows(self.numbers, numbers.to(torch.int64).clamp(0, self.count - 1), worlds)
        self._write(worlds)

    def _write(self, worlds: torch.Tensor | None) -> None:
        chosen = read_rows(self.numbers, worlds)
        for name, (columns, values) in self._fields.items():
            target = self._worlds.own_model_field(name)
            columns.write(target, values.to(target.dtype)[chosen], worlds)
        self._worlds.model_changed(self._fields, worlds)
        if self._colors is not None:
            columns, colors = self._colors
            columns.write(self._worlds.appearance.own_values("colors")[..., :3], colors[chosen], worlds)
        self._worlds.mark_unseen(worlds)

    def state_dict(self) -> dict[str, Any]:
        """Return the variants of the worlds; the executor saves the fields."""
        return {"variants": self.numbers.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the variants of the worlds; the executor restores the fields."""
        self.numbers.copy_(state["variants"])
