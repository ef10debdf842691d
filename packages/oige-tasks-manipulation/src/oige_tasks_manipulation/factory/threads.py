"""Nuts and bolts with threads, as rigid bodies of primitive shapes.

Frames: the bolt's origin is in the middle of the bottom of its head, with z along the shank. The nut's origin is where
the bolt's is when the nut is screwed down to the head, so that the nut's base is a head's height above its own origin.
The flats of nut and head have their normals at multiples of 60° from x. A nut whose origin is at height z above the
bolt's follows the thread if its yaw is 2π z / pitch: threads are right-handed.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from oige_tasks_manipulation.factory.sizes import NUT_BOLT_DENSITY, NUT_BOLT_FRICTION, NutBoltSize

__all__ = ["ThreadProfile", "bolt_mjcf", "nut_inertia", "nut_mass", "nut_mjcf"]

_FLANK_ANGLE = math.radians(30.0)
"""Half of the angle of 60° between the flanks of an ISO metric thread."""

_PLAY = 0.01
"""Distance that the nut can move along the bolt, in pitches, where the ridges are closest."""

_BOLT_RIDGE_SHAPES = 288
"""Capsules of a bolt's ridge; one number for all sizes, which then can be variants of one body."""

_NUT_SHAPES_PER_TURN = 4
"""Spheres on each of the two turns of a nut's ridge, at its base and at its top."""

_THREAD_BIT = 2
"""Collision bit of ridges: the nut's ridge only touches the bolt's, and its flats and the rest do not touch ridges."""

_CONTACT = 'condim="3" solref="0.001 1" solimp="0.99 0.999 0.0002"'
"""Contacts as stiff as the time step allows: MuJoCo raises the time constant to two steps."""


@dataclass(frozen=True)
class ThreadProfile:
    """Ridges of a bolt and of its nut with round sections, in m.

    Ridges are tubes along helices, half a pitch apart. Where a ridge of the nut touches one of the bolt, the normal is
    30° from the axis, as on the flanks of an ISO metric thread.
    """

    size: NutBoltSize

    @property
    def play(self) -> float:
        """Distance that the nut can move along the bolt."""
        return _PLAY * self.size.pitch

    @cached_property
    def ridge_radius(self) -> float:
        """Radius of the round section of both ridges."""
        return 0.25 * (self.size.pitch - self.play) / math.cos(_FLANK_ANGLE)

    @property
    def bolt_radius(self) -> float:
        """Radius of the helix in the middle of the bolt's ridge, whose crest is at the major diameter."""
        return 0.5 * self.size.diameter - self.ridge_radius

    @property
    def nut_radius(self) -> float:
        """Radius of the helix in the middle of the nut's ridge."""
        return self.bolt_radius + 0.5 * (self.size.pitch - self.play) * math.tan(_FLANK_ANGLE)

    @property
    def overlap(self) -> float:
        """Distance by which the crests of nut and bolt overlap radially."""
        return 2.0 * self.ridge_radius - (self.nut_radius - self.bolt_radius)

    @property
    def hole_radius(self) -> float:
        """Inner radius of the nut between its ridges."""
        return 0.5 * self.size.diameter + 0.06 * self.size.pitch


def bolt_mjcf(size: NutBoltSize, *, friction: float = NUT_BOLT_FRICTION) -> str:
    """Return a bolt as an MJCF file: a hexagonal head, a shank, and a ridge of capsules, which ends in a taper.

    Args:
        size: dimensions.
        friction: coefficient of friction of all surfaces.
    """
    profile = ThreadProfile(size)
    head, shank = size.head_height, size.shank_length
    core = shank - size.pitch
    shapes = [
        _geom("box", (0.5 * size.width, 0.5 * size.flat_length, 0.5 * head), (0, 0, 0.5 * head), yaw=math.pi / 3 * k)
        for k in range(3)
    ]
    shapes.append(_geom("cylinder", (0.5 * size.diameter, 0.5 * core), (0, 0, head + 0.5 * core)))
    turns = (shank - profile.ridge_radius) / size.pitch
    points = []
    for k in range(_BOLT_RIDGE_SHAPES + 1):
        turn = turns * k / _BOLT_RIDGE_SHAPES
        taper = max(0.0, 1.0 - (turns - turn)) * profile.ridge_radius
        points.append(_on_helix(profile.bolt_radius - taper, turn, head, size.pitch))
    shapes += [
        f'<geom type="capsule" size="{profile.ridge_radius:.9g}" fromto="{_join(start)} {_join(end)}" mass="0" '
        f'contype="{_THREAD_BIT}" conaffinity="0"/>'
        for start, end in pairwise(points)
    ]
    mass, center, inertia = _bolt_inertia(size)
    return _body("bolt", mass, center, inertia, shapes, friction)


def nut_mjcf(size: NutBoltSize, *, friction: float = NUT_BOLT_FRICTION) -> str:
    """Return a nut as an MJCF file: a ring of six boxes with an open hole, and spheres on two turns of its ridge.

    Args:
        size: dimensions.
        friction: coefficient of friction of all surfaces.
    """
    profile = ThreadProfile(size)
    head, height, pitch = size.head_height, size.nut_height, size.pitch
    outer, inner = 0.5 * size.width, profile.hole_radius
    middle, center = 0.5 * (outer + inner), head + 0.5 * height
    shapes = []
    for k in range(6):
        yaw = math.pi / 3 * k
        position = (middle * math.cos(yaw), middle * math.sin(yaw), center)
        shapes.append(_geom("box", (0.5 * (outer - inner), 0.5 * size.flat_length, 0.5 * height), position, yaw=yaw))
    # The nut's ridge is half a pitch above the bolt's.
    lowest = math.ceil((profile.ridge_radius / pitch - 0.5) * _NUT_SHAPES_PER_TURN)
    highest = math.floor(((height - profile.ridge_radius) / pitch - 0.5) * _NUT_SHAPES_PER_TURN)
    for k in range(_NUT_SHAPES_PER_TURN):
        for step in (lowest + k, highest - k):
            point = _on_helix(profile.nut_radius, step / _NUT_SHAPES_PER_TURN, head + 0.5 * pitch, pitch)
            shapes.append(
                f'<geom type="sphere" size="{profile.ridge_radius:.9g}" pos="{_join(point)}" mass="0" contype="0" '
                f'conaffinity="{_THREAD_BIT}"/>'
            )
    return _body("nut", nut_mass(size), center, nut_inertia(size), shapes, friction)


def nut_mass(size: NutBoltSize) -> float:
    """Return the mass of a nut, in kg: a hexagonal prism with a hole of the thread's pitch diameter."""
    return NUT_BOLT_DENSITY * size.nut_height * (_hexagon_area(size) - math.pi * _pitch_radius(size) ** 2)


def nut_inertia(size: NutBoltSize) -> tuple[float, float, float]:
    """Return the principal moments of inertia of a nut about its centre, in kg·m²."""
    hole = math.pi * _pitch_radius(size) ** 4 / 2
    axial = NUT_BOLT_DENSITY * size.nut_height * (_hexagon_polar_moment(size) - hole)
    lateral = 0.5 * axial + nut_mass(size) * size.nut_height**2 / 12
    return lateral, lateral, axial


def _bolt_inertia(size: NutBoltSize) -> tuple[float, float, tuple[float, float, float]]:
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


def _on_helix(radius: float, turn: float, height: float, pitch: float) -> tuple[float, float, float]:
    """Return a point of a right-handed helix."""
    angle = 2 * math.pi * turn
    return radius * math.cos(angle), radius * math.sin(angle), height + pitch * turn


def _geom(kind: str, size: tuple[float, ...], position: tuple[float, ...], yaw: float = 0.0) -> str:
    quaternion = math.cos(0.5 * yaw), 0.0, 0.0, math.sin(0.5 * yaw)
    return f'<geom type="{kind}" size="{_join(size)}" pos="{_join(position)}" quat="{_join(quaternion)}" mass="0"/>'


def _join(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.9g}" for value in values)


def _body(
    name: str, mass: float, center: float, inertia: tuple[float, float, float], shapes: list[str], friction: float
) -> str:
    """Return the MJCF file of a body whose centre of mass is at a height on its axis."""
    return (
        f'<mujoco model="{name}"><default><geom friction="{friction:.9g}" {_CONTACT}/></default><worldbody>'
        f'<body name="{name}"><inertial mass="{mass:.9g}" pos="0 0 {center:.9g}" diaginertia="{_join(inertia)}"/>'
        f"{''.join(shapes)}</body></worldbody></mujoco>"
    )
