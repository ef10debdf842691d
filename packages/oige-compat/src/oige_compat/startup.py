"""Masses, densities and sizes that scripts give to bodies before the worlds exist."""

from typing import TYPE_CHECKING, Any

import torch
from pxr import UsdPhysics

from oige_compat.errors import CompatError, caller

if TYPE_CHECKING:
    from oige_compat.views import PrimView

__all__ = ["StartupValues"]

_AXES = 3


class StartupValues:
    """Values of the prims of a view, which it gets when the worlds are built.

    In Isaac Sim they are attributes of each prim. Here the stage has the prims of the first world only, so that values
    of the other worlds are kept in this object.

    Args:
        view: the view.
    """

    def __init__(self, view: "PrimView") -> None:
        self._view = view
        self._values: dict[str, torch.Tensor] = {}
        self._changed: set[str] = set()

    def read(self, name: str) -> torch.Tensor:
        """Return ``masses`` or ``densities`` ``(n,)``, which are 0 unless stated, or ``scales`` ``(n, 3)``."""
        if name not in self._values:
            first = torch.tensor([self._stated(name, prim) for prim in self._view.prims])
            self._values[name] = first.repeat(self._view._num_worlds, *[1] * (first.ndim - 1))
        return self._values[name].clone()

    @staticmethod
    def _stated(name: str, prim: Any) -> Any:
        if name == "scales":
            scale = prim.GetAttribute("xformOp:scale")
            return [float(part) for part in scale.Get()] if scale.IsValid() else [1.0] * _AXES
        api = UsdPhysics.MassAPI(prim)
        value = (api.GetMassAttr() if name == "masses" else api.GetDensityAttr()).Get()
        return float(value or 0.0)

    def write(self, name: str, values: Any, indices: Any = None) -> None:
        """Set ``masses``, ``densities`` or ``scales`` of prims.

        Raises:
            CompatError: the worlds exist, and their sizes are to be changed.
        """
        if name == "scales" and self._view.initialized:
            raise CompatError(
                f"set_local_scales (used in {caller()}): sizes of bodies cannot change after the worlds were built; "
                "set them in set_up_scene."
            )
        rows = torch.as_tensor(values, dtype=torch.float32).cpu()
        kept = self.read(name)
        if indices is None:
            kept[:] = rows
        else:
            kept[torch.as_tensor(indices).long().cpu()] = rows
        self._values[name] = kept
        self._changed.add(name)

    def apply(self, bodies: int) -> None:
        """Give the values that were set to the bodies of the engine, ``bodies`` per world."""
        for name in ("scales", "densities", "masses"):
            if name in self._changed:
                self._apply(name, bodies)

    def _apply(self, name: str, bodies: int) -> None:
        view = self._view._bound()
        values = self._values[name].to(self._view._device)
        if name == "scales":
            stated = torch.tensor([self._stated(name, prim) for prim in self._view.prims], device=values.device)
            values = values / stated.repeat(self._view._num_worlds, 1)
        if bodies > 1:
            values = values.unflatten(0, (-1, bodies))
        if name == "scales":
            view.set_local_scales(values)
        elif name == "densities":
            view.set_densities(values)
        else:  # as where PhysX computes the inertia of a body from its shapes and its mass
            inertias = view.get_inertias() * (values / view.get_masses()).unsqueeze(-1)
            view.set_masses(values)
            view.set_inertias(inertias)
