"""Primitive shapes of rigid bodies, their sizes and volumes."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from oige_core.errors import OigeError, nearest
from oige_core.scene.values import as_vector

__all__ = [
    "FACE_SIZE",
    "FACE_THICKNESS",
    "SHAPES",
    "Primitive",
    "check_alternatives",
    "check_size",
    "inertia",
    "size_of_volume",
    "volume",
]

Primitive = Literal["sphere", "box", "capsule", "cylinder"]

SHAPES: tuple[Primitive, ...] = get_args(Primitive)
"""Shapes in the order of the numbers that views use."""

FACE_SIZE, FACE_THICKNESS = 0.84, 0.01
"""Coloured faces of boxes are plates: their size relative to the face, and their thickness relative to the box."""

_LENGTHS: Mapping[Primitive, int] = {"sphere": 1, "box": 3, "capsule": 2, "cylinder": 2}


def check_size(title: str, shape: Primitive, size: object) -> tuple[float, ...]:
    """Return the lengths of a shape, in metres: radius; edges; or radius and length.

    Raises:
        OigeError: they are not that many numbers above 0.
    """
    lengths = as_vector(size, f"{title}: size", count=_LENGTHS[shape])
    if not all(length > 0 for length in lengths):
        raise OigeError(f"{title} of size {lengths}: expected lengths above 0.")
    return lengths


def volume(shape: Primitive, size: Sequence[float]) -> float:
    """Return the volume of a shape in m³."""
    match shape:
        case "sphere":
            return 4.0 / 3.0 * math.pi * size[0] ** 3
        case "box":
            return math.prod(size)
        case "cylinder":
            return math.pi * size[0] ** 2 * size[1]
        case "capsule":
            return math.pi * size[0] ** 2 * (size[1] + 4.0 / 3.0 * size[0])


def inertia(shape: Primitive, size: Sequence[float], mass: float) -> tuple[float, float, float]:
    """Return the moments of inertia of a shape of uniform density about its axes x, y, z, in kg·m²."""
    match shape:
        case "sphere":
            moment = 0.4 * mass * size[0] ** 2
            return moment, moment, moment
        case "box":
            x, y, z = (mass * edge**2 / 12.0 for edge in size)
            return y + z, x + z, x + y
    radius, length = size
    if shape == "cylinder":
        across = mass * (3.0 * radius**2 + length**2) / 12.0
        return across, across, 0.5 * mass * radius**2
    ball = mass * 4.0 / 3.0 * radius / (length + 4.0 / 3.0 * radius)  # mass of both caps
    rod = mass - ball
    across = rod * (3.0 * radius**2 + length**2) / 12.0
    across += ball * (0.4 * radius**2 + 0.25 * length**2 + 0.375 * length * radius)
    return across, across, 0.5 * rod * radius**2 + 0.4 * ball * radius**2


def size_of_volume(shape: Primitive, amount: float) -> tuple[float, ...]:
    """Return the size of a shape of this volume, in m³: a cube, or a cylinder or capsule of length 2 · radius."""
    match shape:
        case "sphere":
            return ((amount / (4.0 / 3.0 * math.pi)) ** (1 / 3),)
        case "box":
            return (amount ** (1 / 3),) * 3
        case _:
            radius = (amount / volume(shape, (1.0, 2.0))) ** (1 / 3)
            return radius, 2.0 * radius


def check_alternatives(
    title: str, shape: Primitive, size: Sequence[float], given: object, further: Sequence[str]
) -> dict[Primitive, tuple[float, ...]]:
    """Return the sizes of the shapes that a body may have besides its own.

    Args:
        title: what has the shapes, for messages.
        shape: its own shape.
        size: size of its own shape.
        given: sizes by shape, as a task states them.
        further: more shapes, of the same volume.

    Raises:
        OigeError: a name or a size is invalid.
    """
    if not isinstance(given, Mapping):
        raise OigeError(f"{title}: alternatives={given!r}: expected sizes by shape, such as {{'sphere': (0.1,)}}.")
    alternatives: dict[Primitive, tuple[float, ...]] = {}
    for name, lengths in {**dict.fromkeys(further), **given}.items():
        if name not in SHAPES:
            raise OigeError(f"{title}: alternatives name '{name}', which is no shape. {nearest(str(name), SHAPES)}")
        if name == shape:
            if lengths is not None:
                raise OigeError(f"{title}: alternatives name its own shape; state another one.")
        elif lengths is None:
            alternatives[name] = size_of_volume(name, volume(shape, size))
        else:
            alternatives[name] = check_size(f"{title}: alternative {name}", name, lengths)
    return alternatives
