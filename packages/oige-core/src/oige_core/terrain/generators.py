"""Eight kinds of terrain, as pure functions that return heights in metres.

Each takes a :class:`Grid` and returns an array ``(rows, columns)``; rows follow x, columns y. Add heights to combine
kinds. Random kinds draw from the given generator, so the seed determines the terrain. The ground around a tile is
assumed to be at height 0.

The terrain is that of OmniIsaacGymEnvs, cell by cell. Heights are multiples of the grid's vertical scale, and lengths
are whole cells, at least one. Both are truncated after the division, with its rounding error: 0.3 m is 2 cells of
0.1 m. With ``numpy.random.RandomState(seed)`` as generator, random kinds are those of OmniIsaacGymEnvs after
``numpy.random.seed(seed)``.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from oige_core.errors import OigeError

__all__ = [
    "Grid",
    "RandomSource",
    "discrete_obstacles",
    "pyramid_sloped",
    "pyramid_stairs",
    "random_uniform",
    "sloped",
    "stairs",
    "stepping_stones",
    "wave",
]

OBSTACLE_GRID = 4  # cells; edges and positions of obstacles differ by multiples of it
SPLINE_POINTS = 4  # fewest points that determine a cubic spline

RandomSource: TypeAlias = np.random.Generator | np.random.RandomState
"""Where a generator of terrain takes its random numbers from."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A grid of cells of ``spacing`` × ``spacing`` metres, with one height at the corner of each.

    Attributes:
        rows: cells along x.
        columns: cells along y.
        spacing: edge of a cell, in metres.
        vertical_scale: distance between possible heights, in metres.

    Raises:
        OigeError: fewer than 2 × 2 cells, or a spacing or vertical scale that is not above 0.
    """

    rows: int
    columns: int
    spacing: float
    vertical_scale: float = 0.005

    def __post_init__(self) -> None:
        _check(self.rows >= 2, f"grid: rows={self.rows}, expected at least 2.")
        _check(self.columns >= 2, f"grid: columns={self.columns}, expected at least 2.")
        _check_length("grid", "spacing", self.spacing)
        _check_length("grid", "vertical_scale", self.vertical_scale)

    @classmethod
    def covering(cls, length: float, width: float, spacing: float) -> "Grid":
        """Return the grid of ``length`` (x) by ``width`` (y) metres."""
        for name, value in (("length", length), ("width", width), ("spacing", spacing)):
            _check_length("grid", name, value)
        return cls(rows=round(length / spacing), columns=round(width / spacing), spacing=spacing)

    def cells(self, length: float) -> int:
        """Return a length in metres as a number of cells, truncated, at least one."""
        return max(1, int(length / self.spacing))

    def units(self, height: float) -> int:
        """Return a height in metres as a multiple of the vertical scale, truncated."""
        return int(height / self.vertical_scale)

    def zeros(self) -> np.ndarray:
        """Return flat ground, ``(rows, columns)`` int64, in units of the vertical scale."""
        return np.zeros((self.rows, self.columns), dtype=np.int64)


def random_uniform(
    grid: Grid, rng: RandomSource, *, low: float, high: float, step: float, patch: float | None = None
) -> np.ndarray:
    """Return rough ground: heights drawn uniformly from low, low + step, … up to high, with cubic splines between them.

    Splines overshoot: between points with heights of up to ±0.1 m, ground reaches about ±0.2 m.

    Args:
        grid: the grid of the tile.
        rng: source of randomness.
        low: lowest height that is drawn, in metres.
        high: greatest height that is drawn, in metres.
        step: distance between heights that are drawn, in metres.
        patch: distance between drawn points, in metres. By default every cell is drawn.

    Raises:
        OigeError: ``low`` is not below ``high``, ``step`` does not fit between them, ``patch`` is below the spacing, or
            there are fewer than 4 × 4 points.
    """
    name = "random_uniform"
    _check(np.isfinite([low, high]).all() and low < high, f"{name}: low={low}, high={high}, expected low < high.")
    _check(
        grid.units(step) > 0 and step <= high - low,
        f"{name}: step={step}, expected at least the vertical scale, {grid.vertical_scale} m, and at most "
        f"high - low = {high - low}.",
    )
    patch = grid.spacing if patch is None else patch
    _check(
        np.isfinite(patch) and patch >= grid.spacing,
        f"{name}: patch={patch}, expected at least the grid's spacing, {grid.spacing} m.",
    )
    points = [int(n * grid.spacing / patch) for n in (grid.rows, grid.columns)]
    _check(
        min(points) >= SPLINE_POINTS,
        f"{name}: patch={patch}, expected at most a quarter of the tile's shorter edge, "
        f"{min(grid.rows, grid.columns) * grid.spacing / SPLINE_POINTS:g} m.",
    )
    between = grid.units(step)
    levels = np.arange(grid.units(low), grid.units(high) + between, between)
    drawn = rng.choice(levels, size=points)
    smooth = _interpolate(_interpolate(drawn, grid.rows).T, grid.columns).T
    return grid.vertical_scale * np.rint(smooth)


def sloped(grid: Grid, *, slope: float) -> np.ndarray:
    """Return a plane that rises along x by ``slope`` (tangent of its angle), from height 0 at the first row."""
    _check(np.isfinite(slope), f"sloped: slope={slope}, expected a finite number.")
    rise = int(slope * (grid.spacing / grid.vertical_scale) * grid.rows)
    return grid.vertical_scale * (grid.zeros() + np.trunc(rise * np.arange(grid.rows) / grid.rows)[:, None])


def pyramid_sloped(grid: Grid, *, slope: float, platform_size: float) -> np.ndarray:
    """Return a hill that rises from height 0 at the edge to a flat top in the middle.

    Its height is that of a pyramid of the given slope along both axes through the middle. Elsewhere it is the product
    of the two profiles, so that its diagonals are parabolas. It is clipped to the height at the platform's corners.

    Args:
        grid: the grid of the tile.
        slope: tangent of the faces' angle along the axes through the middle; below 0 for a pit.
        platform_size: edge of the square whose corners determine the height of the top, in metres.

    Raises:
        OigeError: the slope is not finite, or the platform does not fit.
    """
    _check(np.isfinite(slope), f"pyramid_sloped: slope={slope}, expected a finite number.")
    _check_platform(grid, "pyramid_sloped", platform_size)
    x, y = ((n // 2 - np.abs(n // 2 - np.arange(n))) / (n // 2) for n in (grid.rows, grid.columns))
    peak = int(slope * (grid.spacing / grid.vertical_scale) * (grid.rows / 2))
    heights = np.trunc(peak * x[:, None] * y)
    half = int(platform_size / grid.spacing / 2)
    corner = heights[grid.rows // 2 - half, grid.columns // 2 - half]
    return grid.vertical_scale * np.clip(heights, min(corner, 0), max(corner, 0))


def discrete_obstacles(
    grid: Grid,
    rng: RandomSource,
    *,
    max_height: float,
    min_size: float,
    max_size: float,
    count: int,
    platform_size: float,
) -> np.ndarray:
    """Return flat ground with ``count`` blocks and holes around a flat square in the middle.

    Args:
        grid: the grid of the tile.
        rng: source of randomness.
        max_height: heights are ± this value or ± half of it, in metres.
        min_size: minimum edge, in metres. Edges exceed it by multiples of 4 cells.
        max_size: edges are shorter than this, in metres, unless it equals ``min_size``.
        count: number of blocks and holes. They may overlap; later ones replace earlier ones. Distances of their
            corners are multiples of 4 cells.
        platform_size: edge of the square in the middle, in metres.

    Raises:
        OigeError: a length is not above 0, sizes are out of order, or the platform does not fit.
    """
    name = "discrete_obstacles"
    _check_length(name, "max_height", max_height)
    _check_length(name, "min_size", min_size)
    _check(min_size <= max_size, f"{name}: min_size={min_size}, max_size={max_size}, expected min_size <= max_size.")
    shortest = min(grid.rows, grid.columns) * grid.spacing
    _check(
        max_size <= shortest, f"{name}: max_size={max_size}, expected at most the tile's shorter edge, {shortest} m."
    )
    _check(count >= 0, f"{name}: count={count}, expected at least 0.")
    _check_platform(grid, name, platform_size)
    heights, highest = grid.zeros(), grid.units(max_height)
    choices = [-highest, -highest // 2, highest // 2, highest]
    smallest = grid.cells(min_size)
    sizes = np.arange(smallest, max(grid.cells(max_size), smallest + 1), OBSTACLE_GRID)
    for _ in range(count):
        rows, columns = int(rng.choice(sizes)), int(rng.choice(sizes))
        row = int(rng.choice(np.arange(0, max(grid.rows - rows, 1), OBSTACLE_GRID)))
        column = int(rng.choice(np.arange(0, max(grid.columns - columns, 1), OBSTACLE_GRID)))
        heights[row : row + rows, column : column + columns] = rng.choice(choices)
    heights[_platform(grid, platform_size)] = 0
    return grid.vertical_scale * heights


def wave(grid: Grid, *, num_waves: int, amplitude: float) -> np.ndarray:
    """Return a sine along x plus a cosine along y, with heights ± ``amplitude / 2`` each.

    Both have the same wavelength, the width of the tile along y divided by ``num_waves``.
    """
    _check(num_waves >= 1, f"wave: num_waves={num_waves}, expected at least 1.")
    _check(np.isfinite(amplitude), f"wave: amplitude={amplitude}, expected a finite number.")
    x, y = (np.arange(n) / (grid.columns / (num_waves * np.pi * 2)) for n in (grid.rows, grid.columns))
    half = grid.units(0.5 * amplitude)
    return grid.vertical_scale * np.trunc(half * np.cos(y) + (half * np.sin(x))[:, None])


def stairs(grid: Grid, *, step_width: float, step_height: float) -> np.ndarray:
    """Return stairs along x; the first step is ``step_height`` above 0, or below it if ``step_height`` is negative.

    Rows that are left after the last whole step are at height 0.
    """
    _check_length("stairs", "step_width", step_width)
    _check(np.isfinite(step_height), f"stairs: step_height={step_height}, expected a finite number.")
    width = grid.cells(step_width)
    steps = 1 + np.arange(grid.rows) // width
    steps[steps > grid.rows // width] = 0
    return grid.vertical_scale * (grid.zeros() + grid.units(step_height) * steps[:, None])


def pyramid_stairs(grid: Grid, *, step_width: float, step_height: float, platform_size: float) -> np.ndarray:
    """Return square rings of steps, from height 0 at the edge to a flat square in the middle.

    Args:
        grid: the grid of the tile.
        step_width: depth of a step, in metres.
        step_height: height of a step, in metres; below 0 for a pit.
        platform_size: maximum edge of the square in the middle, in metres.

    Raises:
        OigeError: a length is not above 0, or the platform does not fit.
    """
    _check_length("pyramid_stairs", "step_width", step_width)
    _check(np.isfinite(step_height), f"pyramid_stairs: step_height={step_height}, expected a finite number.")
    _check_platform(grid, "pyramid_stairs", platform_size)
    width = grid.cells(step_width)
    count = math.ceil((min(grid.rows, grid.columns) - grid.cells(platform_size)) / (2 * width))
    steps = np.minimum(_cells_from_edge(grid) // width, count)
    return grid.vertical_scale * (grid.units(step_height) * steps)


def stepping_stones(
    grid: Grid,
    rng: RandomSource,
    *,
    stone_size: float,
    gap: float,
    max_height: float,
    platform_size: float,
    depth: float = 10.0,
) -> np.ndarray:
    """Return square stones in rows along the tile's shorter edge, with deep gaps and a flat square in the middle.

    Args:
        grid: the grid of the tile.
        rng: source of randomness, for the offsets of the rows and the height of each stone.
        stone_size: edge of a stone, in metres.
        gap: width of the gaps, in metres.
        max_height: stone heights are between ± this value, in metres, and lower by the vertical scale.
        platform_size: edge of the square in the middle, in metres.
        depth: depth of the gaps, in metres.

    Raises:
        OigeError: a length is not above 0, or the platform does not fit.
    """
    name = "stepping_stones"
    for label, value in (("stone_size", stone_size), ("gap", gap), ("depth", depth)):
        _check_length(name, label, value)
    _check(np.isfinite(max_height) and max_height >= 0, f"{name}: max_height={max_height}, expected at least 0 m.")
    _check_platform(grid, name, platform_size)
    stone, between, highest = grid.cells(stone_size), grid.cells(gap), grid.units(max_height)
    levels = np.arange(-highest - 1, highest)
    heights = grid.zeros() - grid.units(depth)
    along = heights if grid.columns >= grid.rows else heights.T
    for column in range(0, along.shape[1], stone + between):
        row = int(rng.choice(stone))
        along[: max(row - between, 0), column : column + stone] = rng.choice(levels)
        for first in range(row, along.shape[0], stone + between):
            along[first : first + stone, column : column + stone] = rng.choice(levels)
    heights[_platform(grid, platform_size)] = 0
    return grid.vertical_scale * heights


def _check(holds: bool | np.bool_, message: str) -> None:
    if not holds:
        raise OigeError(message)


def _check_length(where: str, name: str, value: float) -> None:
    _check(np.isfinite(value) and value > 0, f"{where}: {name}={value}, expected a length above 0 m.")


def _interpolate(values: np.ndarray, count: int) -> np.ndarray:
    """Return ``count`` evenly spaced rows of the cubic splines through the rows of ``values``, including both ends.

    At the second and at the last but one row, third derivatives are continuous too ("not a knot").
    """
    n = len(values)
    system = 4.0 * np.eye(n) + np.eye(n, k=1) + np.eye(n, k=-1)
    system[[0, -1]] = 0.0
    system[0, :3] = system[-1, -3:] = 1.0, -2.0, 1.0
    known = np.zeros(values.shape)
    known[1:-1] = 6.0 * np.diff(values, 2, axis=0)
    curvature = np.linalg.solve(system, known)
    position = np.linspace(0.0, n - 1.0, count)
    below = np.minimum(position.astype(int), n - 2)
    right = (position - below)[:, None]
    left = 1.0 - right
    line = left * values[below] + right * values[below + 1]
    return line + ((left**3 - left) * curvature[below] + (right**3 - right) * curvature[below + 1]) / 6.0


def _cells_from_edge(grid: Grid) -> np.ndarray:
    """Return the number of cells between each cell and the nearest edge: 0 for cells at the edge."""
    rows, columns = (np.minimum(np.arange(n), np.arange(n)[::-1]) for n in (grid.rows, grid.columns))
    return np.minimum(rows[:, None], columns[None, :])


def _check_platform(grid: Grid, name: str, platform_size: float) -> None:
    _check_length(name, "platform_size", platform_size)
    shortest = min(grid.rows, grid.columns)
    _check(
        grid.cells(platform_size) < shortest,
        f"{name}: platform_size={platform_size}, expected less than the tile's shorter edge, "
        f"{shortest * grid.spacing:g} m.",
    )


def _platform(grid: Grid, size: float) -> tuple[slice, slice]:
    """Return the cells of a square in the middle."""
    edge = grid.cells(size)
    rows, columns = ((n - edge) // 2 for n in (grid.rows, grid.columns))
    return slice(rows, (grid.rows + edge) // 2), slice(columns, (grid.columns + edge) // 2)
