"""Shapes, sizes and densities of rigid bodies."""

from collections.abc import Mapping
from typing import Any

import torch

from oige_core.engines.checks import fail
from oige_core.engines.isaacsim.tensors import TensorRows
from oige_core.engines.isaacsim.usd.stage_map import ABSENT_REST_OFFSET
from oige_core.engines.isaacsim.views.properties import Property
from oige_core.engines.isaacsim.views.visibility import ShapeVisibility
from oige_core.errors import OigeError
from oige_core.scene.elements import RigidElement
from oige_core.scene.primitives import SHAPES, Primitive, inertia, volume
from oige_core.selections import read_rows, write_rows

__all__ = ["BodyShapes"]


class BodyShapes:
    """The shape that a body has in each world, out of those that the scene names.

    All of them collide. Those that a body does not have in a world have a rest offset so far below zero that nothing
    touches them.

    Args:
        element: the body.
        rows: rows of the worlds in the view of the bodies.
        masses: masses ``(num_envs, 1)``.
        inertias: inertia matrices ``(num_envs, 9)``.
        visibility: which shapes are drawn.
        device: device of states.

    Attributes:
        rest_offsets: ``(num_envs,)`` of the present shapes, in m.

    Raises:
        OigeError: physics has other shapes.
    """

    def __init__(
        self,
        element: RigidElement,
        rows: TensorRows,
        masses: Property,
        inertias: Property,
        visibility: ShapeVisibility,
        device: torch.device,
    ) -> None:
        self._name, self._rows, self._masses, self._inertias = element.name, rows, masses, inertias
        self._visibility = visibility
        sizes: dict[Primitive, tuple[float, ...]] = {element.shape: element.size, **element.alternatives}
        self._known = [SHAPES.index(shape) for shape in sizes]
        num_envs = len(masses.values)
        self.numbers = torch.full((num_envs,), self._known[0], dtype=torch.int64, device=device)
        volumes, inertias_of_one_kg = torch.zeros(len(SHAPES)), torch.zeros(len(SHAPES), 9)
        for shape, size in sizes.items():
            number = SHAPES.index(shape)
            volumes[number] = volume(shape, size)
            inertias_of_one_kg[number] = torch.diag(torch.tensor(inertia(shape, size, 1.0))).flatten()
        self._volumes, self._unit_inertias = volumes.to(device), inertias_of_one_kg.to(device)
        self._columns = self._find_columns() if element.collision else {}
        present = self._columns.get(self._known[0])
        self.rest_offsets = torch.zeros(num_envs, device=device)
        if present is not None:
            self.rest_offsets.copy_(rows.read("get_rest_offsets")[:, present])

    def _find_columns(self) -> Mapping[int, int]:
        """Return the column in physics of each shape, by its number."""
        offsets = self._rows.read("get_rest_offsets")[0].tolist()
        columns = {}
        for place, number in enumerate(self._known):
            found = [
                column
                for column, offset in enumerate(offsets)
                if (offset > 0.5 * ABSENT_REST_OFFSET if place == 0 else abs(offset / ABSENT_REST_OFFSET - place) < 0.1)
            ]
            if len(found) != 1 or len(offsets) != len(self._known):
                names = ", ".join(SHAPES[each] for each in self._known)
                raise OigeError(
                    f"'{self._name}': physics has {len(offsets)} shapes with rest offsets {offsets}, expected {names}."
                )
            columns[number] = found[0]
        return columns

    def check(self, numbers: torch.Tensor) -> None:
        """Raise if the body does not have one of these shapes."""
        known = [SHAPES[number] for number in self._known]
        for number in numbers.unique().tolist():
            if number not in range(len(SHAPES)):
                names = ", ".join(SHAPES)
                fail(f"shapes contain {number:g}: expected a number from 0 to {len(SHAPES) - 1}, of {names}.")
            if int(number) not in self._known:
                fail(
                    f"shapes contain {SHAPES[int(number)]}: expected one of {', '.join(known)}; name alternatives in "
                    "the scene."
                )

    def set(self, numbers: torch.Tensor, worlds: torch.Tensor | None) -> None:
        """Set shapes ``(n,)``, and with them inertias at the present masses; unknown numbers change nothing."""
        numbers = numbers.to(torch.int64).clamp(0, len(SHAPES) - 1)
        known = torch.tensor(self._known, device=numbers.device)
        numbers = torch.where(torch.isin(numbers, known), numbers, read_rows(self.numbers, worlds))
        write_rows(self.numbers, numbers, worlds)
        self._switch(worlds)
        values = self._masses.values * self._unit_inertias[self.numbers]
        write_rows(self._inertias.values, read_rows(values, worlds), worlds)
        self._inertias.send(worlds)

    def _switch(self, worlds: torch.Tensor | None) -> None:
        """Let worlds collide with, and show, the shapes that they have."""
        if len(self._known) > 1:
            self.send_rest_offsets(worlds)
            self._visibility.show(self.numbers, worlds)

    def set_rest_offsets(self, offsets: torch.Tensor, worlds: torch.Tensor | None) -> None:
        """Set rest offsets ``(n,)`` in m of the present shapes."""
        write_rows(self.rest_offsets, offsets, worlds)
        self.send_rest_offsets(worlds)

    def send_rest_offsets(self, worlds: torch.Tensor | None) -> None:
        """Send the rest offsets of all shapes to physics."""
        if not self._columns:
            return
        values = self._rows.read("get_rest_offsets").clone()
        numbers, offsets = self.numbers.to("cpu"), self.rest_offsets.to("cpu")
        for place, number in enumerate(self._known):
            absent = torch.full_like(offsets, ABSENT_REST_OFFSET * max(place, 1))
            values[:, self._columns[number]] = torch.where(numbers == number, offsets, absent)
        self._rows.write("set_rest_offsets", values, worlds)

    def densities(self) -> torch.Tensor:
        """Return densities ``(num_envs,)`` in kg/m³."""
        return self._masses.values[:, 0] / self._volumes[self.numbers]

    def set_densities(self, densities: torch.Tensor, worlds: torch.Tensor | None) -> None:
        """Set densities ``(n,)``; masses and inertias follow."""
        factors = (densities / read_rows(self.densities(), worlds)).unsqueeze(-1)
        for values in (self._masses, self._inertias):
            write_rows(values.values, read_rows(values.values, worlds) * factors, worlds)
            values.send(worlds)

    def state_dict(self) -> dict[str, Any]:
        """Return shapes and rest offsets."""
        return {"shapes": self.numbers.clone(), "rest_offsets": self.rest_offsets.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        if not torch.equal(self.rest_offsets, state["rest_offsets"]):
            self.rest_offsets.copy_(state["rest_offsets"])
            self.send_rest_offsets(None)
        if not torch.equal(self.numbers, state["shapes"]):
            self.numbers.copy_(state["shapes"])
            self._switch(None)
