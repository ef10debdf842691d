"""Guards: contacts of a nut that act before it touches the bolt, and hold it when it is struck."""

import math

from oige_tasks_manipulation.factory.ridges import THREAD_BIT, Shapes, join, nut_sphere_places
from oige_tasks_manipulation.factory.sizes import NutBoltSize

__all__ = ["GUARD_BIT", "HOLE_CLEARANCE", "nut_guards"]

GUARD_BIT = 4
"""Collision bit of the bolt's shank and of the guards around it."""

HOLE_CLEARANCE = 0.06
"""Distance between the shank and the nut's hole, in pitches."""

_THREAD_DAMPING, _HOLE_DAMPING = 10.0, 200.0
"""Rates at which guards slow what approaches them, in 1/s; they have no stiffness, so that a nut at rest feels none.

The impedance alone decides how much of a blow's first step guards take. Damping then stops the nut, and makes turning
harder at corners of the bolt's chain of capsules, so that guards of the ridge have little of it.
"""

_THREAD_REACH = 0.05
"""Distance from the bolt's ridge at which guards begin to act, in pitches."""

_HOLE_REACH = 2.0 * HOLE_CLEARANCE
"""Distance from the shank at which guards begin to act, in pitches: all of them act on a nut in the middle."""

_THREAD_IMPEDANCE = 0.98, 0.995, 0.05
_HOLE_IMPEDANCE = 0.99, 0.9999, 0.06
"""Impedance where guards begin to act, and the largest one, which they have this many pitches closer to the bolt."""

_RINGS = (0.12, 0.37, 0.62, 0.88)
"""Heights of guards around the shank, in heights of the nut: where the bolt ends in the nut, two or more hold it."""

_RING_SHAPES = 3


def nut_guards(size: NutBoltSize) -> Shapes:
    """Return the guards of a nut with a ridge of spheres.

    A blow gives a free nut of 34 g up to 1 m/s in a single solver step, in which it moves by a pitch, through the play
    of its thread and past the ridges, before any contact exists. Guards exist before: spheres that coincide with those
    of the nut's ridge, and others around its hole. They have no friction.
    """
    shapes = Shapes()
    radius, places = nut_sphere_places(size)
    contact = _contact(size, THREAD_BIT, _THREAD_DAMPING, _THREAD_REACH, _THREAD_IMPEDANCE)
    shapes.geoms += [_sphere(radius, place, contact) for place in places]
    radius = 0.5 * size.pitch
    contact = _contact(size, GUARD_BIT, _HOLE_DAMPING, _HOLE_REACH, _HOLE_IMPEDANCE)
    from_axis = 0.5 * size.diameter + HOLE_CLEARANCE * size.pitch + radius
    for number, height in enumerate(_RINGS):
        for shape in range(_RING_SHAPES):
            angle = 2 * math.pi * (shape + 0.5 * (number % 2)) / _RING_SHAPES
            above = size.head_height + height * size.nut_height
            place = from_axis * math.cos(angle), from_axis * math.sin(angle), above
            shapes.geoms.append(_sphere(radius, place, contact))
    return shapes


def _sphere(radius: float, place: tuple[float, float, float], contact: str) -> str:
    return f'<geom type="sphere" size="{radius:.9g}" pos="{join(place)}" mass="0" group="3" {contact}/>'


def _contact(size: NutBoltSize, bit: int, damping: float, reach: float, impedance: tuple[float, float, float]) -> str:
    least, most, width = impedance
    return (
        f'contype="0" conaffinity="{bit}" condim="1" priority="1" margin="{reach * size.pitch:.9g}" '
        f'solref="0 {-damping:g}" solimp="{least} {most} {width * size.pitch:.9g}"'
    )
