"""Finds coefficients for PhysX that give every pair of shapes the friction that a scene means."""

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from oige_core.errors import CapabilityError

__all__ = ["FrictionMapping", "Surface", "map_friction"]

Coefficient = float | None
"""A stated coefficient; None: that of the scene's default material."""


@dataclass(frozen=True, kw_only=True)
class Surface:
    """Shapes of one element of a scene that have the same coefficient.

    Attributes:
        element: name of the element.
        coefficient: the stated coefficient, or None.
        movable: whether the element moves. Two that do not never touch.
        touches_itself: whether shapes of the element collide with each other.
    """

    element: str
    coefficient: Coefficient
    movable: bool
    touches_itself: bool


@dataclass(frozen=True, kw_only=True)
class FrictionMapping:
    """How coefficients of a scene become those of PhysX's materials.

    Attributes:
        combine: how PhysX combines two coefficients.
        default: of shapes without a coefficient: static and dynamic.
        factor: by which stated coefficients are multiplied: static and dynamic.
    """

    combine: Literal["max", "multiply"] = "max"
    default: tuple[float, float] = (1.0, 1.0)
    factor: tuple[float, float] = (1.0, 1.0)

    def coefficients(self, stated: Coefficient) -> tuple[float, float]:
        """Return PhysX's static and dynamic coefficient of a shape."""
        if stated is None:
            return self.default
        return stated * self.factor[0], stated * self.factor[1]

    def combined(self, first: Coefficient, second: Coefficient) -> tuple[float, float]:
        """Return the static and dynamic coefficient of a pair of shapes."""
        combine: Callable[[float, float], float] = max if self.combine == "max" else lambda a, b: a * b
        (static, dynamic), (other_static, other_dynamic) = self.coefficients(first), self.coefficients(second)
        return combine(static, other_static), combine(dynamic, other_dynamic)


def map_friction(surfaces: Iterable[Surface], default: tuple[float, float]) -> FrictionMapping:
    """Return a mapping with which PhysX gives all pairs that collide the friction of a scene.

    In a scene the larger of two stated coefficients applies; if one shape states none, that of the other applies; and
    if none does, the default. PhysX's maximum differs from this only where a stated coefficient is below the default.

    Args:
        surfaces: what collides in the scene.
        default: static and dynamic coefficient of the default material.

    Raises:
        CapabilityError: there is no such mapping; the message names two elements and their coefficients.
    """
    pairs = list(_touching(list(surfaces)))
    lowest = min((c for pair in pairs for s in pair if (c := s.coefficient) is not None), default=0.0)
    mappings = [FrictionMapping(combine="max", default=default)]
    mappings.append(FrictionMapping(combine="max", default=(lowest, lowest)))
    if min(default) > 0.0:
        root = math.sqrt(default[0]), math.sqrt(default[1])
        mappings.append(FrictionMapping(combine="multiply", default=root, factor=(1 / root[0], 1 / root[1])))
    wrong: list[tuple[Surface, Surface]] = []
    for mapping in mappings:
        misses = [pair for pair in pairs if not _agrees(mapping, *pair, default)]
        if not misses:
            return mapping
        wrong = wrong or misses
    first, second = wrong[0]
    if first.coefficient is None:
        first, second = second, first
    raise CapabilityError(
        f"friction {first.coefficient} of '{first.element}' is below task.sim.default_physics_material, "
        f"{default[1]}, which acts between other shapes of the scene: PhysX would use {default[1]} between "
        f"'{first.element}' and '{second.element}', too. Set default_physics_material to at most {first.coefficient}, "
        "or state the friction of those shapes."
    )


def _touching(surfaces: list[Surface]) -> Iterable[tuple[Surface, Surface]]:
    for first, second in itertools.combinations_with_replacement(surfaces, 2):
        if first.element == second.element:
            if first.touches_itself:
                yield first, second
        elif first.movable or second.movable:
            yield first, second


def _agrees(mapping: FrictionMapping, first: Surface, second: Surface, default: tuple[float, float]) -> bool:
    stated = [c for c in (first.coefficient, second.coefficient) if c is not None]
    wanted = (max(stated), max(stated)) if stated else default
    actual = mapping.combined(first.coefficient, second.coefficient)
    return all(math.isclose(a, b, rel_tol=1e-9) for a, b in zip(actual, wanted, strict=True))
