"""``omni.replicator.isaac.physics_view``: registers views, and says what of them is drawn."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from oige_compat.errors import CompatError, caller
from oige_compat.randomization.attributes import (
    ARTICULATION_ATTRIBUTES,
    RIGID_PRIM_ATTRIBUTES,
    SIMULATION_CONTEXT_ATTRIBUTES,
)
from oige_compat.randomization.randomizer import randomizer
from oige_compat.session import session

__all__ = [
    "randomize_articulation_view",
    "randomize_rigid_prim_view",
    "randomize_simulation_context",
    "register_articulation_view",
    "register_rigid_prim_view",
    "register_simulation_context",
    "step_randomization",
]

_RIGID, _ARTICULATIONS, _SIMULATION = "rigid_prim_views", "articulation_views", "simulation"


class _Values(Mapping[str, torch.Tensor]):
    """Values ``(N, d)`` by attribute, at the first use of each; gravity is ``(3,)``."""

    def __init__(self, group: str, name: str, attributes: list[str]) -> None:
        self._group, self._name, self._attributes = group, name, attributes

    def __getitem__(self, attribute: str) -> torch.Tensor:
        if attribute not in self._attributes:
            raise KeyError(attribute)
        values = randomizer().initial(self._group, self._name, attribute)
        return values[0] if self._group == _SIMULATION else values

    def __iter__(self) -> Iterator[str]:
        return iter(self._attributes)

    def __len__(self) -> int:
        return len(self._attributes)


class _Registered(Mapping[str, _Values]):
    """Values by name of the view, of views that are registered."""

    def __init__(self, group: str, attributes: list[str]) -> None:
        self._group, self._attributes = group, attributes

    def _names(self) -> list[str]:
        return [name for group, name in randomizer().views if group == self._group]

    def __getitem__(self, name: str) -> _Values:
        if name not in self._names():
            raise KeyError(name)
        return _Values(self._group, name, self._attributes)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())


_simulation_context_initial_values = _Values(_SIMULATION, "simulation", SIMULATION_CONTEXT_ATTRIBUTES)
_rigid_prim_views_initial_values = _Registered(_RIGID, RIGID_PRIM_ATTRIBUTES)
_articulation_views_initial_values = _Registered(_ARTICULATIONS, ARTICULATION_ATTRIBUTES)


def register_simulation_context(simulation_context: Any) -> None:
    """Accept the simulation, of which there is one."""
    randomizer()


def register_rigid_prim_view(rigid_prim_view: Any) -> None:
    """Register a view of bodies under its name."""
    randomizer().register(_RIGID, rigid_prim_view)


def register_articulation_view(articulation_view: Any) -> None:
    """Register a view of articulations under its name."""
    randomizer().register(_ARTICULATIONS, articulation_view)


def _add(group: str, known: list[str], name: str, operation: str, num_buckets: Any, given: dict[str, Any]) -> None:
    for attribute, values in given.items():
        if attribute not in known:
            raise CompatError(
                f"randomisation of {attribute} of '{name}' (used in {caller()}): expected one of {', '.join(known)}."
            )
        if values is not None:
            buckets = num_buckets if attribute == "material_properties" else None
            randomizer().add(group, name, attribute, values, operation, buckets)


def randomize_simulation_context(operation: str = "direct", **attributes: Any) -> None:
    """Draw ``gravity`` in m/s², the same in all worlds, within a gate.

    Args:
        operation: ``direct``, ``additive`` or ``scaling``.
        attributes: distributions by attribute.

    Raises:
        CompatError: there is no such attribute, or the distribution does not fit it.
    """
    _add(_SIMULATION, SIMULATION_CONTEXT_ATTRIBUTES, "simulation", operation, None, attributes)


def randomize_rigid_prim_view(
    view_name: str, operation: str = "direct", num_buckets: int | None = None, **attributes: Any
) -> None:
    """Draw attributes of bodies within a gate.

    Args:
        view_name: name of a registered view.
        operation: ``direct``, ``additive`` or ``scaling``.
        num_buckets: number of different values that are drawn of ``material_properties``.
        attributes: distributions by attribute.

    Raises:
        CompatError: there is no such attribute or view, or the distribution does not fit it.
    """
    _add(_RIGID, RIGID_PRIM_ATTRIBUTES, view_name, operation, num_buckets, attributes)


def randomize_articulation_view(
    view_name: str, operation: str = "direct", num_buckets: int | None = None, **attributes: Any
) -> None:
    """Draw attributes of articulations within a gate; see :func:`randomize_rigid_prim_view`."""
    _add(_ARTICULATIONS, ARTICULATION_ATTRIBUTES, view_name, operation, num_buckets, attributes)


def step_randomization(reset_inds: Any = None) -> None:
    """Draw what is due, once per control step.

    Args:
        reset_inds: indices of worlds that are reset, in any shape; None: there are none.
    """
    current = session()
    if current.randomizer is not None:
        given = [] if reset_inds is None else reset_inds
        device = current.randomizer.frames.device
        current.randomizer.step(torch.as_tensor(given, device=device).long().flatten())
