"""Triangle meshes of threads with the ISO metric basic profile."""

import math

import numpy as np

from oige_tasks_manipulation.factory.sizes import NutBoltSize

__all__ = ["RADIAL_CLEARANCE", "Mesh", "nut_mesh", "shank_mesh", "thread_depth", "thread_radius"]

Mesh = tuple[np.ndarray, np.ndarray]
"""Vertices ``(n, 3)`` in m, and triangles ``(m, 3)`` whose vertices are counter-clockwise seen from outside."""

RADIAL_CLEARANCE = 0.05
"""Radial distance between nut and bolt, in pitches; along the axis the nut can move 1.15 times as far."""

_ANGLES = 48
_ROWS_PER_PITCH = 12


def thread_depth(size: NutBoltSize) -> float:
    """Return the height of the basic profile (ISO 68-1), 5/8 of that of a triangle with an angle of 60°, in m."""
    return 5 / 8 * math.sqrt(3) / 2 * size.pitch


def thread_radius(size: NutBoltSize, angle: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Return the radius of a right-handed thread's basic profile, in m.

    Crests, at the major diameter, are an eighth of the pitch wide, and roots a quarter.

    Args:
        size: dimensions.
        angle: angles about the axis, in rad.
        height: heights above the middle of the crest at angle 0, in m.
    """
    turn = height / size.pitch - angle / (2 * math.pi)
    from_crest = np.abs(turn - np.round(turn))
    flank = np.clip((from_crest - 1 / 16) / (5 / 16), 0.0, 1.0)
    return 0.5 * size.diameter - thread_depth(size) * flank


def shank_mesh(size: NutBoltSize) -> Mesh:
    """Return the threaded shank of a bolt, from the top of its head to the chamfered tip."""
    angles, heights = _grid(size.shank_length, size.pitch)
    radii = thread_radius(size, angles, heights)
    chamfer = 0.5 * size.diameter - thread_depth(size) + (size.shank_length - heights)
    side = _points(np.minimum(radii, chamfer), angles, heights + size.head_height)
    columns, rows = heights.shape
    bottom, top = columns * rows, columns * rows + 1
    first = np.arange(columns) * rows
    following = np.roll(first, -1)
    faces = [
        _triangles(columns, rows, closed=False),
        np.stack([following, first, np.full(columns, bottom)], axis=1),
        np.stack([first + rows - 1, following + rows - 1, np.full(columns, top)], axis=1),
    ]
    poles = [[0.0, 0.0, size.head_height], [0.0, 0.0, size.bolt_height]]
    return np.concatenate([side.reshape(-1, 3), poles]), np.concatenate(faces)


def nut_mesh(size: NutBoltSize) -> Mesh:
    """Return a hexagonal nut with an internal thread, whose hole is chamfered at both ends."""
    angles, heights = _grid(size.nut_height, size.pitch)
    radii = thread_radius(size, angles, heights) + RADIAL_CLEARANCE * size.pitch
    to_end = np.minimum(heights, size.nut_height - heights)
    chamfer = 0.5 * size.diameter + RADIAL_CLEARANCE * size.pitch - to_end
    inside = _points(np.maximum(radii, chamfer), angles, heights + size.head_height)
    sector = np.remainder(angles + math.pi / 6, math.pi / 3) - math.pi / 6
    outside = _points(0.5 * size.width / np.cos(sector), angles, heights + size.head_height)
    section = np.concatenate([outside, inside[:, ::-1]], axis=1)
    return section.reshape(-1, 3), _triangles(*section.shape[:2], closed=True)


def _grid(length: float, pitch: float) -> tuple[np.ndarray, np.ndarray]:
    """Return angles and heights ``(angles, rows)`` of points on a lateral surface."""
    rows = round(length / pitch * _ROWS_PER_PITCH)
    angles = np.arange(_ANGLES) * 2 * math.pi / _ANGLES
    all_angles, heights = np.meshgrid(angles, np.linspace(0.0, length, rows + 1), indexing="ij")
    return all_angles, heights


def _points(radii: np.ndarray, angles: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Return points ``(angles, rows, 3)``."""
    return np.stack([radii * np.cos(angles), radii * np.sin(angles), heights], axis=-1)


def _triangles(columns: int, rows: int, *, closed: bool) -> np.ndarray:
    """Return the triangles ``(m, 3)`` of a surface around the axis, from points ``(columns, rows)``.

    Args:
        columns: number of angles.
        rows: number of points at each angle.
        closed: whether the last point at an angle is connected to the first.
    """
    index = np.arange(columns * rows).reshape(columns, rows)
    right = np.roll(index, -1, axis=0)
    above, right_above = np.roll(index, -1, axis=1), np.roll(right, -1, axis=1)
    quads = np.stack([index, right, right_above, above], axis=-1)
    quads = (quads if closed else quads[:, :-1]).reshape(-1, 4)
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
