"""Heights of the ground from the points and triangles of a mesh."""

from dataclasses import dataclass, field

import numpy as np

from oige_compat.errors import CompatError

__all__ = ["Heights", "heights_of_mesh"]

SAMPLES = 4_000_000
"""Largest number of samples of a mesh that is no grid."""


@dataclass
class Heights:
    """A height field.

    Attributes:
        values: ``(rows along x, columns along y)`` in m, relative to ``origin``.
        spacing: distance between neighbouring samples in m.
        origin: x, y, z of sample ``[0, 0]`` in m.
        differences: how the height field differs from the mesh.
    """

    values: np.ndarray
    spacing: float
    origin: tuple[float, float, float]
    differences: list[str] = field(default_factory=list)


def heights_of_mesh(title: str, points: np.ndarray, triangles: np.ndarray) -> Heights:
    """Return the height field of a mesh.

    A mesh that was made from a height field gives its heights, also where its points were moved sideways to make
    walls vertical. Any other mesh is sampled at its highest points.

    Args:
        title: what the mesh is, for errors.
        points: ``(n, 3)`` in m.
        triangles: ``(m, 3)`` indices of points.

    Raises:
        CompatError: the mesh has no extent along x or y.
    """
    if not (np.ptp(points[:, :2], axis=0) > 0).all():
        raise CompatError(f"{title}: a terrain without extent along x and y; expected a mesh of triangles.")
    return _grid(points, triangles) or _sampled(points, triangles)


def _grid(points: np.ndarray, triangles: np.ndarray) -> Heights | None:
    """Return the heights of a grid of points, row by row, or None."""
    columns = int(np.ptp(triangles, axis=1).max()) - 1  # the largest distance is that to the diagonal neighbour
    if columns < 2 or len(points) % columns or len(points) < 2 * columns:
        return None
    grid = points.reshape(-1, columns, 3)
    x = grid[..., 0]
    if abs(np.median(x[-1]) - np.median(x[0])) < abs(np.median(x[:, -1]) - np.median(x[:, 0])):
        grid = grid.swapaxes(0, 1)  # rows lie along y
    rows, columns = grid.shape[:2]
    # Medians do not notice points that were moved.
    first = np.median(grid[0, :, 0]), np.median(grid[:, 0, 1])
    spacings = (
        (np.median(grid[-1, :, 0]) - first[0]) / (rows - 1),
        (np.median(grid[:, -1, 1]) - first[1]) / (columns - 1),
    )
    spacing = float(np.mean(spacings))
    if not (spacing > 0 and np.ptp(spacings) < 1e-3 * spacing):
        return None
    moved = np.maximum(
        abs(grid[..., 0] - first[0] - spacing * np.arange(rows)[:, None]),
        abs(grid[..., 1] - first[1] - spacing * np.arange(columns)),
    )
    if moved.max() > 1.01 * spacing:
        return None
    count = int((moved > 0.01 * spacing).sum())
    differences = [] if not count else [f"{count} points make walls vertical; here walls are {spacing:.3g} m thick."]
    return Heights(grid[..., 2], spacing, (float(first[0]), float(first[1]), 0.0), differences)


def _sampled(points: np.ndarray, triangles: np.ndarray) -> Heights:
    """Return the highest points of a mesh above a grid of samples."""
    low, extent = points[:, :2].min(axis=0), np.ptp(points[:, :2], axis=0)
    corners = points[triangles]
    edges = np.linalg.norm(corners[..., :2] - np.roll(corners[..., :2], 1, axis=1), axis=-1)
    spacing = max(float(np.median(edges)) / 2, float(np.sqrt(extent.prod() / SAMPLES)))
    shape = np.maximum(np.round(extent / spacing).astype(int) + 1, 2)
    high, lowest = np.full(shape, -np.inf), np.full(shape, np.inf)
    for triangle in corners:
        _cover(high, lowest, (triangle[:, :2] - low) / spacing, triangle[:, 2])
    missing, several = ~np.isfinite(high), (high - lowest) > 0.01
    high[missing] = points[:, 2].min()
    differences = [f"the mesh is no regular grid; heights are sampled every {spacing:.3g} m."]
    if missing.any():
        differences.append(f"{missing.mean():.1%} of the samples lie above no triangle; they get the lowest height.")
    if several.any():
        differences.append(f"{several.mean():.1%} of the samples have several heights, of which the highest is used.")
    return Heights(high, spacing, (float(low[0]), float(low[1]), 0.0), differences)


def _cover(high: np.ndarray, lowest: np.ndarray, corners: np.ndarray, z: np.ndarray) -> None:
    """Raise and lower the samples that a triangle covers; ``corners`` ``(3, 2)`` are in units of samples."""
    first = np.maximum(np.ceil(corners.min(axis=0) - 1e-6).astype(int), 0)
    last = np.minimum(np.floor(corners.max(axis=0) + 1e-6).astype(int), np.array(high.shape) - 1)
    edges = (corners[1:] - corners[0]).T
    if (last < first).any() or abs(np.linalg.det(edges)) < 1e-12:
        return
    cells = np.stack(np.meshgrid(*(np.arange(a, b + 1) for a, b in zip(first, last, strict=True)), indexing="ij"), -1)
    weights = (cells - corners[0]) @ np.linalg.inv(edges).T
    inside = (weights.min(axis=-1) >= -1e-6) & (weights.sum(axis=-1) <= 1 + 1e-6)
    rows, columns = cells[inside].T
    values = z[0] + weights[inside] @ (z[1:] - z[0])
    high[rows, columns] = np.maximum(high[rows, columns], values)
    lowest[rows, columns] = np.minimum(lowest[rows, columns], values)
