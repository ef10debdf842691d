"""What scripts give to the prims of a view before the worlds exist: masses, densities, sizes, poses, velocities."""

from collections.abc import Mapping
from typing import Any

import torch
from oige_core.errors import CapabilityError
from pxr import UsdPhysics

from oige_compat.errors import CompatError, caller

__all__ = ["POSITIONAL", "StartupValues"]

POSITIONAL = (
    "positions",
    "translations",
    "orientations",
    "scales",
    "visibilities",
    "reset_xform_properties",
    "masses",
    "densities",
    "linear_velocities",
    "angular_velocities",
)
"""Names of the parameters that follow the name of a view; the last four are those of rigid bodies."""

_PROPERTIES = ("scales", "densities", "masses")
_AXES = 3


class StartupValues:
    """Values of the prims of a view, which it gets when the worlds are built.

    In Isaac Sim they are attributes of each prim. Here the stage has the prims of the first world only, so that values
    of the other worlds are kept in this object.

    Args:
        view: the view.
        given: parameters by name; others than those of :data:`POSITIONAL` have no effect.
    """

    def __init__(self, view: Any, given: Mapping[str, Any]) -> None:
        self._view = view
        self._given = given
        self._values: dict[str, torch.Tensor] = {}
        self._changed: set[str] = set()
        for name in _PROPERTIES:
            if given.get(name) is not None:
                self.write(name, given[name])

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
            CompatError: the worlds exist, and their sizes are to be changed, or there are not as many values as prims.
        """
        if name == "scales" and self._view.initialized:
            raise CompatError(
                f"set_local_scales (used in {caller()}): sizes of bodies cannot change after the worlds were built; "
                "set them in set_up_scene."
            )
        rows = torch.as_tensor(values, dtype=torch.float32).cpu()
        kept = self.read(name)
        selected = self._view._select(indices)
        chosen = slice(None) if selected is None else selected.cpu()
        if rows.ndim == kept.ndim and len(rows) not in (1, len(kept[chosen])):
            raise CompatError(
                f"{name} of view '{self._view.name}' (used in {caller()}): {len(rows)} values; expected "
                f"{len(kept[chosen])}, one for each prim. Create the view after the worlds are cloned."
            )
        kept[chosen] = rows
        self._values[name] = kept
        self._changed.add(name)

    def apply(self, bodies: int) -> None:
        """Give the values that were set to the bodies of the engine, ``bodies`` per world."""
        for name in _PROPERTIES:
            if name in self._changed:
                self._apply(name, bodies)
        self.place()

    def place(self) -> None:
        """Set the poses and velocities that the constructor of the view got."""
        view: Any = self._view
        positions, translations, orientations, linear, angular = (
            self._given.get(name)
            for name in ("positions", "translations", "orientations", "linear_velocities", "angular_velocities")
        )
        if translations is not None:
            view.set_local_poses(translations, orientations)
        elif positions is not None or orientations is not None:
            view.set_world_poses(positions, orientations)
        if linear is not None:
            view.set_linear_velocities(linear)
        if angular is not None:
            view.set_angular_velocities(angular)

    def _apply(self, name: str, bodies: int) -> None:
        view = self._view._bound()
        values = self._values[name].to(self._view._device)
        if name == "scales":
            stated = torch.tensor([self._stated(name, prim) for prim in self._view.prims], device=values.device)
            values = values / stated.repeat(self._view._num_worlds, 1)
        if bodies > 1:
            values = values.unflatten(0, (-1, bodies))
        if name == "scales":
            self._scale(values)
        elif name == "densities":
            view.set_densities(values)
        else:  # as where PhysX computes the inertia of a body from its shapes and its mass
            inertias = view.get_inertias() * (values / view.get_masses()).unsqueeze(-1)
            view.set_masses(values)
            view.set_inertias(inertias)

    def _scale(self, ratios: torch.Tensor) -> None:
        if bool((ratios == 1.0).all()):
            return
        try:
            self._view._bound().set_local_scales(ratios)
        except CapabilityError as error:
            raise CompatError(
                f"set_local_scales of view '{self._view.name}': only bodies that are one sphere, box, cylinder or "
                "capsule, and robots of such shapes, can have another size in each world; scale the prim before it is "
                "cloned."
            ) from error
