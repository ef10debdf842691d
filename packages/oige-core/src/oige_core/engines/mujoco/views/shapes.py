"""Surfaces of the shapes of bodies."""

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
import torch

from oige_core.capabilities import Capable, require
from oige_core.engines.columns import Columns
from oige_core.engines.mujoco.worlds import Worlds

__all__ = ["Shapes", "as_materials", "check_materials"]


@dataclass
class _Part:
    """The shapes of some of the bodies: the geoms, the index of each one's body, and the first geom of each body."""

    geoms: Columns
    owners: torch.Tensor
    firsts: Columns
    has_shape: torch.Tensor | None  # None: all bodies have shapes


class Shapes:
    """Reads properties of the first shape of bodies, and writes those of all their shapes.

    Args:
        worlds: the built worlds.
        bodies: ids of the bodies.
    """

    def __init__(self, worlds: Worlds, bodies: Sequence[int]) -> None:
        self._worlds = worlds
        model = worlds.compiled.model
        self._geoms: list[list[int]] = []
        for body in bodies:
            geoms = np.flatnonzero(model.geom_bodyid == body)
            collides = (model.geom_contype[geoms] | model.geom_conaffinity[geoms]) != 0
            self._geoms.append([*geoms[collides].tolist(), *geoms[~collides].tolist()])
        self._parts: dict[tuple[int, ...] | None, _Part] = {}

    def read(self, name: str, worlds: torch.Tensor | None, bodies: Sequence[int] | None = None) -> torch.Tensor:
        """Return the first component of a field of geoms ``(n, b)``, zero for bodies without shapes."""
        part = self._part(bodies)
        values = part.firsts.read(self._first_component(self._worlds.model_values(name)), worlds, clone=True)
        return values if part.has_shape is None else values * part.has_shape

    def write(
        self, name: str, values: torch.Tensor, worlds: torch.Tensor | None, bodies: Sequence[int] | None = None
    ) -> None:
        """Set the first component of a field of geoms from values of bodies ``(n, b)``."""
        part = self._part(bodies)
        target = self._first_component(self._worlds.own_model_field(name))
        part.geoms.write(target, values[:, part.owners].to(torch.float32), worlds)
        self._worlds.model_changed([name], worlds)

    def set_friction(
        self, values: torch.Tensor, worlds: torch.Tensor | None, bodies: Sequence[int] | None = None
    ) -> None:
        """Set coefficients of sliding friction ``(n, b)``, at least the minimum of the C engine."""
        self.write("geom_friction", values.clamp(min=mujoco.mjMINMU), worlds, bodies)

    @staticmethod
    def _first_component(field: torch.Tensor) -> torch.Tensor:
        return field[..., 0] if field.ndim == 3 else field

    def _part(self, bodies: Sequence[int] | None) -> _Part:
        key = None if bodies is None else tuple(bodies)
        if key not in self._parts:
            chosen = self._geoms if key is None else [self._geoms[body] for body in key]
            owners = [i for i, geoms in enumerate(chosen) for _ in geoms]
            device = self._worlds.device
            has_shape = torch.tensor([bool(geoms) for geoms in chosen], device=device)
            self._parts[key] = _Part(
                geoms=Columns([geom for geoms in chosen for geom in geoms], device),
                owners=torch.tensor(owners, dtype=torch.int64, device=device),
                firsts=Columns([geoms[0] if geoms else 0 for geoms in chosen], device),
                has_shape=None if all(chosen) else has_shape,
            )
        return self._parts[key]


def as_materials(friction: torch.Tensor) -> torch.Tensor:
    """Return static friction, dynamic friction and restitution ``(…, 3)`` of shapes with friction ``(…)``."""
    return torch.stack((friction, friction, torch.zeros_like(friction)), dim=-1)


def check_materials(name: str, engine: Capable, values: torch.Tensor) -> None:
    """Raise if materials ``(…, 3)`` of an element have restitution, or two coefficients of friction."""
    if bool((values[..., 2] != 0).any()):
        require(engine, "restitution", f"'{name}'", "Set it to 0.")
    if bool((values[..., 0] != values[..., 1]).any()):
        require(engine, "static_friction", f"'{name}'", "Set both to one value.")
