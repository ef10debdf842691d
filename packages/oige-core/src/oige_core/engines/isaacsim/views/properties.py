"""Properties of physics objects, which ``omni.physics.tensors`` has on the CPU."""

from typing import Any

import torch

from oige_core.engines.isaacsim.tensors import Order, TensorRows
from oige_core.errors import OigeError

__all__ = ["Property"]

_TOLERANCE = 1e-4  # relative, of numbers in single precision that are read back


class Property:
    """A property of each joint, link or body of all worlds, kept beside that in physics.

    Args:
        rows: rows of the worlds in the view.
        what: name in messages, such as ``mass``.
        getter: method of the view that reads it ``(rows, columns, …)``.
        setter: method that writes it.
        columns: columns of the view's tensor; None: one value per row.
        device: device of the values.
        part: components of a row or column; others stay as they are in physics.

    Attributes:
        what: see above.
        values: ``(num_envs, k, …)`` or ``(num_envs, …)`` float32 on the device. Call :meth:`send` after a change.
    """

    def __init__(
        self,
        rows: TensorRows,
        what: str,
        getter: str,
        setter: str,
        columns: Order | None,
        device: torch.device,
        part: slice = slice(None),
    ) -> None:
        self._rows, self._columns, self._part = rows, columns, part
        self.what, self._getter, self._setter = what, getter, setter
        self.values = self.read().to(device, torch.float32, copy=True)

    def of(self, columns: Order) -> bool:
        """Return whether the property is that of these columns."""
        return self._columns is columns

    def read(self) -> torch.Tensor:
        """Return what physics has, on the CPU."""
        values = self._rows.read(self._getter)
        return self._of_part(values if self._columns is None else self._columns.pick(values, dim=1))

    def send(self, worlds: torch.Tensor | None = None) -> None:
        """Send values of a selection of worlds to physics."""
        values = self._rows.read(self._getter).clone()
        target = self._of_part(values)
        if self._columns is None:
            target.copy_(self.values)
        else:
            self._columns.put(target, self.values.to("cpu"), dim=1)
        self._rows.write(self._setter, values, worlds)

    def _of_part(self, values: torch.Tensor) -> torch.Tensor:
        return values if self._part == slice(None) else values[..., self._part]

    def check(self, names: list[str], element: str) -> None:
        """Compare what physics has with what was sent.

        Args:
            names: of the joints or links.
            element: name of the element, for messages.

        Raises:
            OigeError: a number differs.
        """
        have, sent = self.read().to(torch.float32), self.values.to("cpu")
        close = torch.isclose(have, sent, rtol=_TOLERANCE, atol=1e-6) | (have == sent)
        if bool(close.all()):
            return
        where: list[int] = (~close).nonzero()[0].tolist()
        part = f" of '{names[where[1]]}'" if self._columns is not None else ""
        expected: Any = sent[tuple(where)].item()
        raise OigeError(
            f"'{element}': {self.what}{part}, world {where[0]}: is {have[tuple(where)].item():g} in physics, expected "
            f"{expected:g}; report it with the output of oige-isaacsim-check."
        )

    def load(self, values: torch.Tensor) -> None:
        """Set values of all worlds, and send them if they differ."""
        if not torch.equal(self.values, values):
            self.values.copy_(values)
            self.send()
