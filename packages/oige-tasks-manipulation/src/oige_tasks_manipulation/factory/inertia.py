"""Masses and moments of inertia of nuts and bolts."""

import math

from oige_tasks_manipulation.factory.sizes import NUT_BOLT_DENSITY, NutBoltSize

__all__ = ["bolt_inertia", "nut_inertia", "nut_mass"]


def nut_mass(size: NutBoltSize) -> float:
    """Return the mass of a nut, in kg: a hexagonal prism with a hole of the thread's pitch diameter."""
    return NUT_BOLT_DENSITY * size.nut_height * (_hexagon_area(size) - math.pi * _pitch_radius(size) ** 2)


def nut_inertia(size: NutBoltSize) -> tuple[float, float, float]:
    """Return the principal moments of inertia of a nut about its centre, in kg·m²."""
    hole = math.pi * _pitch_radius(size) ** 4 / 2
    axial = NUT_BOLT_DENSITY * size.nut_height * (_hexagon_polar_moment(size) - hole)
    lateral = 0.5 * axial + nut_mass(size) * size.nut_height**2 / 12
    return lateral, lateral, axial


def bolt_inertia(size: NutBoltSize) -> tuple[float, float, tuple[float, float, float]]:
    """Return mass, height of the centre of mass and moments of inertia about it: a hexagonal head and a cylinder."""
    radius = _pitch_radius(size)
    parts = [
        (size.head_height, 0.5 * size.head_height, _hexagon_area(size), _hexagon_polar_moment(size)),
        (
            size.shank_length,
            size.head_height + 0.5 * size.shank_length,
            math.pi * radius**2,
            math.pi * radius**4 / 2,
        ),
    ]
    masses = [NUT_BOLT_DENSITY * length * area for length, _, area, _ in parts]
    mass = sum(masses)
    center = sum(m * part[1] for m, part in zip(masses, parts, strict=True)) / mass
    axial = sum(NUT_BOLT_DENSITY * length * polar for length, _, _, polar in parts)
    lateral = 0.5 * axial + sum(
        m * (length**2 / 12 + (middle - center) ** 2) for m, (length, middle, _, _) in zip(masses, parts, strict=True)
    )
    return mass, center, (lateral, lateral, axial)


def _pitch_radius(size: NutBoltSize) -> float:
    """Return half the pitch diameter of an ISO metric thread (ISO 724), in m."""
    return 0.5 * size.diameter - 3 * math.sqrt(3) / 16 * size.pitch


def _hexagon_area(size: NutBoltSize) -> float:
    return 0.5 * math.sqrt(3) * size.width**2


def _hexagon_polar_moment(size: NutBoltSize) -> float:
    return 5 * math.sqrt(3) / 8 * size.flat_length**4
