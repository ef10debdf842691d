"""Ridges of threads as collision shapes, written as MJCF."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np

from oige_tasks_manipulation.factory.sizes import NutBoltSize
from oige_tasks_manipulation.factory.thread_meshes import (
    RADIAL_CLEARANCE,
    Mesh,
    nut_mesh,
    shank_mesh,
    thread_depth,
)

__all__ = [
    "THREAD_BIT",
    "Shapes",
    "ThreadProfile",
    "bolt_ridge",
    "join",
    "mesh_mjcf",
    "nut_ridge",
    "nut_sphere_places",
]

_CONTACT_ANGLE = math.radians(20.0)
"""Angle between the axis and the normals of contacts of round ridges; the smaller, the more the ridges overlap.

The flanks of the meshes are at the 30° of ISO metric threads. Round ridges with 30° overlap less than these, and rough
forces on a nut that nothing holds push it over the thread twice as often.
"""

_PLAY = 0.01
"""Distance that a nut of spheres can move along a bolt of capsules, in pitches, where the ridges are closest."""

_BOLT_SHAPES = 288
"""Shapes of a bolt's ridge; one number for all sizes, which then can be variants of one body."""

_NUT_SHAPES_PER_TURN = 4
"""Shapes on each of the two turns of a nut's ridge, at its base and at its top."""

_NUT_WEDGE = 1 / 24
"""Length of a convex piece of a nut's ridge, in turns."""

THREAD_BIT = 2
"""Collision bit of ridges: the nut's ridge only touches the bolt's, and nothing else of the nut touches the bolt's."""

_BOLT_BITS = f'mass="0" contype="{THREAD_BIT}" conaffinity="0"'
_NUT_BITS = f'mass="0" contype="0" conaffinity="{THREAD_BIT}"'


@dataclass
class Shapes:
    """Shapes of a body and the meshes that they need, as MJCF elements."""

    geoms: list[str] = field(default_factory=list)
    meshes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ThreadProfile:
    """Ridges of a bolt and of its nut with round sections, in m.

    Ridges are tubes along helices, half a pitch apart. Where they touch, the normal is 20° from the axis.
    """

    size: NutBoltSize

    @property
    def play(self) -> float:
        """Distance that the nut can move along the bolt."""
        return _PLAY * self.size.pitch

    @cached_property
    def ridge_radius(self) -> float:
        """Radius of the round section of both ridges."""
        return 0.25 * (self.size.pitch - self.play) / math.cos(_CONTACT_ANGLE)

    @property
    def bolt_radius(self) -> float:
        """Radius of the helix in the middle of the bolt's ridge, whose crest is at the major diameter."""
        return 0.5 * self.size.diameter - self.ridge_radius

    @property
    def nut_radius(self) -> float:
        """Radius of the helix in the middle of the nut's ridge."""
        return self.bolt_radius + 0.5 * (self.size.pitch - self.play) * math.tan(_CONTACT_ANGLE)

    @property
    def overlap(self) -> float:
        """Distance by which the crests of nut and bolt overlap radially."""
        return 2.0 * self.ridge_radius - (self.nut_radius - self.bolt_radius)


def bolt_ridge(size: NutBoltSize, thread: str) -> Shapes:
    """Return the ridge of a bolt, which starts at the top of its head and tapers over the last turn.

    Args:
        size: dimensions.
        thread: ``capsules``, ``convex`` or ``sdf``.
    """
    match thread:
        case "capsules":
            return _bolt_capsules(size)
        case "convex":
            return _bolt_wedges(size)
        case _:
            return _signed_distance("bolt_thread", shank_mesh(size), _BOLT_BITS)


def nut_ridge(size: NutBoltSize, thread: str) -> Shapes:
    """Return the ridge of a nut: one turn at its base and one at its top, or all of it as a signed distance field.

    Args:
        size: dimensions.
        thread: ``capsules``, ``convex`` or ``sdf``.
    """
    match thread:
        case "capsules":
            return _nut_spheres(size)
        case "convex":
            return _nut_wedges(size)
        case _:
            return _signed_distance("nut_thread", nut_mesh(size), _NUT_BITS)


def _bolt_capsules(size: NutBoltSize) -> Shapes:
    profile = ThreadProfile(size)
    turns = _bolt_turns(size)
    points = []
    for turn in np.linspace(0.0, turns, _BOLT_SHAPES + 1):
        taper = max(0.0, 1.0 - (turns - turn)) * profile.ridge_radius
        points.append(_on_helix(profile.bolt_radius - taper, turn, size.head_height, size.pitch))
    return Shapes(
        geoms=[
            f'<geom type="capsule" size="{profile.ridge_radius:.9g}" fromto="{join(start)} {join(end)}" {_BOLT_BITS}/>'
            for start, end in pairwise(points)
        ]
    )


def _nut_spheres(size: NutBoltSize) -> Shapes:
    radius, places = nut_sphere_places(size)
    return Shapes(
        geoms=[f'<geom type="sphere" size="{radius:.9g}" pos="{join(place)}" {_NUT_BITS}/>' for place in places]
    )


def nut_sphere_places(size: NutBoltSize) -> tuple[float, list[tuple[float, float, float]]]:
    """Return the radius of the spheres of a nut's ridge, and where they are, in m."""
    profile = ThreadProfile(size)
    turns = _nut_turns(size, profile.ridge_radius)
    # Each sphere is at another place of the capsule that it touches, so that corners between capsules are not felt.
    capsules_per_turn = _BOLT_SHAPES / _bolt_turns(size)
    for index, turn in enumerate(turns):
        place = index / len(turns)
        turns[index] = (round(turn * capsules_per_turn - place) + place) / capsules_per_turn
    places = [_on_helix(profile.nut_radius, turn, size.head_height, size.pitch, lead=0.5) for turn in turns]
    return profile.ridge_radius, places


def _bolt_turns(size: NutBoltSize) -> float:
    """Return the turns of a bolt's ridge of capsules."""
    return (size.shank_length - ThreadProfile(size).ridge_radius) / size.pitch


def _nut_turns(size: NutBoltSize, margin: float) -> list[float]:
    """Return where on its helix the shapes of a nut's ridge are, in turns, at least a margin in m from both faces.

    The nut's ridge is half a pitch above the bolt's.
    """
    lowest = math.ceil((margin / size.pitch - 0.5) * _NUT_SHAPES_PER_TURN)
    highest = math.floor(((size.nut_height - margin) / size.pitch - 0.5) * _NUT_SHAPES_PER_TURN)
    steps = [step for k in range(_NUT_SHAPES_PER_TURN) for step in (lowest + k, highest - k)]
    return [step / _NUT_SHAPES_PER_TURN for step in steps]


def _bolt_wedges(size: NutBoltSize) -> Shapes:
    half, depth = 0.5 * size.diameter, thread_depth(size)
    turns = size.shank_length / size.pitch - 3 / 8
    sections = []
    for turn in np.linspace(0.0, turns, _BOLT_SHAPES + 1):
        taper = max(0.0, 1.0 - (turns - turn)) * depth
        sections.append(_section(size, turn, 0.0, half - taper, 1 / 16, half - 1.5 * depth, 3 / 8))
    return _wedges("bolt_wedge", list(pairwise(sections)), _BOLT_BITS)


def _nut_wedges(size: NutBoltSize) -> Shapes:
    outer = 0.5 * size.diameter + RADIAL_CLEARANCE * size.pitch
    inner = outer - thread_depth(size)
    pieces = []
    for turn in _nut_turns(size, 7 / 16 * size.pitch):
        ends = (turn - 0.5 * _NUT_WEDGE, turn + 0.5 * _NUT_WEDGE)
        start, end = (_section(size, at, 0.5, inner, 1 / 8, outer, 7 / 16) for at in ends)
        pieces.append((start, end))
    return _wedges("nut_wedge", pieces, _NUT_BITS)


def _section(
    size: NutBoltSize, turn: float, lead: float, crest: float, crest_width: float, root: float, root_width: float
) -> list[tuple[float, float, float]]:
    """Return the corners of a ridge's trapezoidal section; radii in m, half widths in pitches."""
    return [
        _on_helix(radius, turn, size.head_height + sign * width * size.pitch, size.pitch, lead)
        for radius, width in ((crest, crest_width), (root, root_width))
        for sign in (-1, 1)
    ]


def _wedges(
    name: str, pieces: Sequence[tuple[list[tuple[float, float, float]], list[tuple[float, float, float]]]], bits: str
) -> Shapes:
    shapes = Shapes()
    for number, (start, end) in enumerate(pieces):
        corners = " ".join(join(point) for point in (*start, *end))
        shapes.meshes.append(f'<mesh name="{name}{number}" vertex="{corners}"/>')
        shapes.geoms.append(f'<geom type="mesh" mesh="{name}{number}" {bits}/>')
    return shapes


def _signed_distance(name: str, mesh: Mesh, bits: str) -> Shapes:
    return Shapes(meshes=[mesh_mjcf(name, mesh)], geoms=[f'<geom type="sdf" mesh="{name}" {bits}/>'])


def mesh_mjcf(name: str, mesh: Mesh) -> str:
    """Return a mesh as an MJCF element."""
    vertices, faces = mesh
    points = " ".join(f"{value:.7g}" for value in vertices.flat)
    return f'<mesh name="{name}" vertex="{points}" face="{" ".join(map(str, faces.flat))}"/>'


def _on_helix(radius: float, turn: float, height: float, pitch: float, lead: float = 0.0) -> tuple[float, float, float]:
    """Return a point of a right-handed helix that is ``lead`` pitches above ``height`` at angle 0."""
    angle = 2 * math.pi * turn
    return radius * math.cos(angle), radius * math.sin(angle), height + pitch * (turn + lead)


def join(values: Sequence[float]) -> str:
    """Return numbers as an MJCF attribute."""
    return " ".join(f"{value:.9g}" for value in values)
