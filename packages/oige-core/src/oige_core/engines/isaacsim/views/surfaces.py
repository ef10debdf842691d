"""Materials and offsets of the shapes of bodies."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from oige_core.config import DefaultPhysicsMaterialConfig
from oige_core.engines.checks import fail
from oige_core.engines.isaacsim.tensors import TensorRows
from oige_core.selections import is_mask, read_rows, write_rows

__all__ = ["Surfaces", "check_materials", "material"]

_OFFSETS = ("rest_offsets", "contact_offsets")

_GAP = 0.02
"""By how much a contact offset is above a rest offset that was raised beyond it, in m."""


class Surfaces:
    """Properties of the shapes of some bodies; all shapes of a body have the same ones.

    Methods take the numbers of the bodies that they concern; None stands for all.

    Args:
        find_rows: returns for each body the rows of the worlds in a view of rigid bodies; called when it is needed.
        materials: of the scene: static friction, dynamic friction, restitution; None for bodies without shapes.
        factors: static and dynamic friction in physics, divided by those of the scene.
        num_envs: number of worlds.
        device: device of states.
    """

    def __init__(
        self,
        find_rows: Callable[[], Sequence[TensorRows]],
        materials: Sequence[tuple[float, float, float] | None],
        factors: Sequence[float],
        num_envs: int,
        device: torch.device,
    ) -> None:
        self._find_rows, self._found = find_rows, None
        self._has_shapes = [material is not None for material in materials]
        values = torch.tensor([material or (0.0, 0.0, 0.0) for material in materials], device=device)
        self._materials = values.repeat(num_envs, 1, 1)
        self._factors = torch.tensor([*factors, 1.0], device=device)
        self._device = device
        self._initial: dict[str, torch.Tensor] = {}  # offsets that were set, as they were before

    @property
    def _rows(self) -> Sequence[TensorRows]:
        if self._found is None:
            self._found = self._find_rows()
        return self._found

    def _bodies(self, bodies: Sequence[int] | None) -> list[int]:
        return list(range(self._materials.shape[1]) if bodies is None else bodies)

    def materials(self, worlds: torch.Tensor | None, bodies: Sequence[int] | None = None) -> torch.Tensor:
        """Return materials ``(n, b, 3)``."""
        return read_rows(self._materials[:, self._bodies(bodies)], worlds)

    def set_materials(
        self, values: torch.Tensor, worlds: torch.Tensor | None, bodies: Sequence[int] | None = None
    ) -> None:
        """Set materials ``(n, b, 3)``."""
        numbers = self._bodies(bodies)
        for column, body in enumerate(numbers):
            if self._has_shapes[body]:
                write_rows(self._materials[:, body], values[:, column], worlds)
        self._send_materials(worlds, numbers)

    def _send_materials(self, worlds: torch.Tensor | None, bodies: Sequence[int]) -> None:
        values = (self._materials * self._factors).to("cpu")
        for body in bodies:
            rows = self._rows[body]
            shapes = rows.read("get_material_properties").shape[1]
            if shapes:
                rows.write("set_material_properties", values[:, body : body + 1].repeat(1, shapes, 1), worlds)

    def contact_offsets(self, worlds: torch.Tensor | None, bodies: Sequence[int] | None = None) -> torch.Tensor:
        """Return contact offsets ``(n, b)`` in m of the first shapes, zero for bodies without."""
        return self._first("get_contact_offsets", worlds, bodies)

    def set_contact_offsets(
        self, offsets: torch.Tensor, worlds: torch.Tensor | None, bodies: Sequence[int] | None = None
    ) -> None:
        """Set contact offsets ``(n, b)`` in m.

        Raises:
            OigeError: one is not above the rest offset.
        """
        rest = self.rest_offsets(worlds, bodies)
        low = offsets <= rest
        if is_mask(worlds):
            low &= worlds.unsqueeze(-1)
        if bool(low.any()):
            at = tuple(low.nonzero()[0])
            fail(
                f"offsets contain {offsets[at]:g}: expected more than the rest offset, {rest[at]:g}; set a lower rest "
                "offset first."
            )
        self._set("contact_offsets", offsets, worlds, bodies)

    def rest_offsets(self, worlds: torch.Tensor | None, bodies: Sequence[int] | None = None) -> torch.Tensor:
        """Return rest offsets ``(n, b)`` in m of the first shapes, zero for bodies without."""
        return self._first("get_rest_offsets", worlds, bodies)

    def set_rest_offsets(
        self, offsets: torch.Tensor, worlds: torch.Tensor | None, bodies: Sequence[int] | None = None
    ) -> None:
        """Set rest offsets ``(n, b)`` in m."""
        self.make_room(offsets, worlds, bodies)
        self._set("rest_offsets", offsets, worlds, bodies)

    def make_room(
        self, rest_offsets: torch.Tensor, worlds: torch.Tensor | None, bodies: Sequence[int] | None = None
    ) -> None:
        """Raise contact offsets that would not be above rest offsets ``(n, b)``, which PhysX would refuse."""
        contact = self.contact_offsets(worlds, bodies)
        low = contact <= rest_offsets
        if bool(low.any()):
            self._set("contact_offsets", torch.where(low, rest_offsets + _GAP, contact), worlds, bodies)

    def _first(self, getter: str, worlds: torch.Tensor | None, bodies: Sequence[int] | None) -> torch.Tensor:
        columns = []
        for body in self._bodies(bodies):
            values = self._rows[body].read(getter).to(self._device)
            columns.append(values[:, 0] if values.shape[1] else values.new_zeros(len(values)))
        return read_rows(torch.stack(columns, dim=1), worlds)

    def _set(self, name: str, values: torch.Tensor, worlds: torch.Tensor | None, bodies: Sequence[int] | None) -> None:
        if name not in self._initial:
            self._initial[name] = getattr(self, name)(None)
        for column, body in enumerate(self._bodies(bodies)):
            rows = self._rows[body]
            data = rows.read(f"get_{name}").clone()
            if data.shape[1]:
                given = values[:, column : column + 1].to("cpu", torch.float32).expand(-1, data.shape[1])
                write_rows(data, given, None if worlds is None else worlds.to("cpu"))
                rows.write(f"set_{name}", data, worlds)

    def state_dict(self) -> dict[str, Any]:
        """Return materials, and offsets if they were set."""
        return {
            "materials": self._materials.clone(),
            **{name: getattr(self, name)(None) for name in self._initial},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        changed = (self._materials != state["materials"]).any(dim=-1).any(dim=0).nonzero().flatten().tolist()
        self._materials.copy_(state["materials"])
        self._send_materials(None, changed)
        offsets = {**self._initial, **{name: state[name] for name in _OFFSETS if name in state}}
        if "rest_offsets" in offsets:
            self.make_room(offsets["rest_offsets"], None)
        for name in _OFFSETS:
            if name in offsets:
                self._set(name, offsets[name], None, None)


def material(friction: float | None, default: DefaultPhysicsMaterialConfig) -> tuple[float, float, float]:
    """Return static friction, dynamic friction and restitution of a shape with a coefficient, or without its own."""
    if friction is None:
        return default.static_friction, default.dynamic_friction, default.restitution
    return friction, friction, default.restitution


def check_materials(values: torch.Tensor) -> None:
    """Raise if dynamic friction is above static friction in materials ``(…, 3)``, or restitution above 1."""
    static, dynamic, restitution = values.unbind(dim=-1)
    if bool((dynamic > static).any()):
        fail("values have dynamic friction above static friction: expected static, then dynamic friction.")
    if bool((restitution > 1.0).any()):
        fail(f"values contain a restitution of {restitution.max():g}: expected numbers from 0 to 1.")
