"""What a ray hits: the shape of a world under a user's pointer."""

from collections.abc import Iterable

import numpy as np

from oige_core.render.geometry import Shape

__all__ = ["first_hit"]


def first_hit(
    origin: np.ndarray, direction: np.ndarray, shapes: Iterable[tuple[Shape, np.ndarray, np.ndarray]]
) -> tuple[int, int] | None:
    """Return which shape a ray meets first, and which of its instances; None if it meets none.

    Args:
        origin: ``(3,)`` where the ray begins, in metres.
        direction: ``(3,)`` of the ray, of any length.
        shapes: shapes, each with positions ``(n, 3)``, in metres, and orientations ``(n, 4)`` as w, x, y, z of its
            n instances.
    """
    direction = direction / np.linalg.norm(direction)
    nearest, hit = np.inf, None
    for number, (shape, positions, orientations) in enumerate(shapes):
        radius = np.linalg.norm(shape.vertices, axis=1).max()
        towards = positions - origin
        missed_by = np.linalg.norm(towards - (towards @ direction)[:, None] * direction, axis=1)
        for instance in np.flatnonzero(missed_by <= radius):
            rotation = _matrix(orientations[instance])
            distance = _distance(shape, (origin - positions[instance]) @ rotation, direction @ rotation)
            if distance < nearest:
                nearest, hit = distance, (number, int(instance))
    return hit


def _distance(shape: Shape, origin: np.ndarray, direction: np.ndarray) -> float:
    """Return the distance to a shape along a ray in its frame, in metres; infinity if the ray misses it.

    The ray meets a triangle of corners a, b, c where ``origin + t · direction = a + u (b − a) + v (c − a)``, with u and
    v at least 0 and together at most 1 (Möller and Trumbore, 1997).
    """
    corners = shape.vertices[shape.faces].astype(np.float64)
    one, two, start = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], origin - corners[:, 0]
    normal, across = np.cross(direction, two), np.cross(start, one)
    with np.errstate(divide="ignore", invalid="ignore"):  # rays along a triangle's plane
        scale = 1.0 / np.einsum("fi,fi->f", one, normal)
        u, v = scale * np.einsum("fi,fi->f", start, normal), scale * (across @ direction)
        t = scale * np.einsum("fi,fi->f", two, across)
        return float(np.min(t, where=(u >= 0.0) & (v >= 0.0) & (u + v <= 1.0) & (t > 0.0), initial=np.inf))


def _matrix(orientation: np.ndarray) -> np.ndarray:
    """Return the rotation matrix (3, 3) of an orientation w, x, y, z."""
    w, x, y, z = map(float, orientation)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
