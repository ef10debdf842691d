"""Eight kinds of terrain, as pure functions that return heights in metres.

Each takes a :class:`Grid` and returns an array ``(rows, columns)``; rows follow x, columns y. Add heights to combine
kinds. Random kinds draw from the given generator, so the seed determines the terrain. The ground around a tile is
assumed to be at height 0.

Lengths that shape the terrain (steps, stones, obstacles, platforms) are rounded to whole grid cells, at least one.
"""

from dataclasses import dataclass

import numpy as np

from oige_core.errors import OigeError

__all__ = [
    "Grid",
    "discrete_obstacles",
    "pyramid_sloped",
    "pyramid_stairs",
    "random_uniform",
    "sloped",
    "stairs",
    "stepping_stones",
    "wave",
]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A grid of cells of ``spacing`` × ``spacing`` metres, with one height in the middle of each.

    Attributes:
        rows: cells along x.
        columns: cells along y.
        spacing: edge of a cell, in metres.

    Raises:
        OigeError: fewer than 2 × 2 cells, or a spacing that is not above 0.
    """

    rows: int
    columns: int
    spacing: float

    def __post_init__(self) -> None:
        _check(self.rows >= 2, f"grid: rows={self.rows}, expected at least 2.")
        _check(self.columns >= 2, f"grid: columns={self.columns}, expected at least 2.")
        _check_length("grid", "spacing", self.spacing)

    @classmethod
    def covering(cls, length: float, width: float, spacing: float) -> "Grid":
        """Return the grid of ``length`` (x) by ``width`` (y) metres."""
        for name, value in (("length", length), ("width", width), ("spacing", spacing)):
            _check_length("grid", name, value)
        return cls(rows=round(length / spacing), columns=round(width / spacing), spacing=spacing)

    def cells(self, length: float) -> int:
        """Return a length in metres as a number of cells, at least one."""
        return max(1, round(length / self.spacing))

    def zeros(self) -> np.ndarray:
        """Return flat ground."""
        return np.zeros((self.rows, self.columns))


def random_uniform(
    grid: Grid, rng: np.random.Generator, *, low: float, high: float, step: float, patch: float | None = None
) -> np.ndarray:
    """Return rough ground: heights drawn uniformly from low, low + step, … up to high.

    Args:
        grid: the grid of the tile.
        rng: source of randomness.
        low: lowest height, in metres.
        high: greatest height, in metres.
        step: distance between possible heights, in metres.
        patch: distance between random points, in metres; heights between them are interpolated bilinearly. By default
            every cell is random.

    Raises:
        OigeError: ``low`` is not below ``high``, ``step`` does not fit between them, or ``patch`` is below the spacing.
    """
    name = "random_uniform"
    _check(np.isfinite([low, high]).all() and low < high, f"{name}: low={low}, high={high}, expected low < high.")
    _check(0 < step <= high - low, f"{name}: step={step}, expected more than 0 and at most high - low = {high - low}.")
    patch = grid.spacing if patch is None else patch
    _check(
        np.isfinite(patch) and patch >= grid.spacing,
        f"{name}: patch={patch}, expected at least the grid's spacing, {grid.spacing} m.",
    )
    levels = low + step * np.arange(int((high - low) / step + 1e-9) + 1)
    rows = max(2, round(grid.rows * grid.spacing / patch))
    columns = max(2, round(grid.columns * grid.spacing / patch))
    drawn = rng.choice(levels, size=(rows, columns))
    return _interpolate(_interpolate(drawn, grid.rows).T, grid.columns).T


def sloped(grid: Grid, *, slope: float) -> np.ndarray:
    """Return a plane that rises along x by ``slope`` (tangent of its angle), from height 0 at the first row."""
    _check(np.isfinite(slope), f"sloped: slope={slope}, expected a finite number.")
    return grid.zeros() + slope * grid.spacing * np.arange(grid.rows)[:, None]


def pyramid_sloped(grid: Grid, *, slope: float, platform_size: float) -> np.ndarray:
    """Return a pyramid whose four faces rise by ``slope`` from height 0 at the edge to a flat square top.

    Args:
        grid: the grid of the tile.
        slope: tangent of the faces' angle; below 0 for a pit.
        platform_size: edge of the top, in metres.

    Raises:
        OigeError: the slope is not finite, or the platform does not fit.
    """
    _check(np.isfinite(slope), f"pyramid_sloped: slope={slope}, expected a finite number.")
    top = _cells_to_platform(grid, "pyramid_sloped", platform_size)
    return slope * grid.spacing * np.minimum(_cells_from_edge(grid), top)


def discrete_obstacles(
    grid: Grid,
    rng: np.random.Generator,
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
        min_size: minimum edge, in metres.
        max_size: maximum edge, in metres.
        count: number of blocks and holes. They may overlap; later ones replace earlier ones.
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
    _cells_to_platform(grid, name, platform_size)
    heights = grid.zeros()
    choices = max_height * np.array([-1.0, -0.5, 0.5, 1.0])
    sizes = rng.integers(grid.cells(min_size), grid.cells(max_size) + 1, size=(count, 2))
    for rows, columns in sizes:
        row = rng.integers(0, grid.rows - rows + 1)
        column = rng.integers(0, grid.columns - columns + 1)
        heights[row : row + rows, column : column + columns] = rng.choice(choices)
    heights[_platform(grid, platform_size)] = 0.0
    return heights


def wave(grid: Grid, *, num_waves: int, amplitude: float) -> np.ndarray:
    """Return a sine along x plus a cosine along y, with ``num_waves`` periods and heights ± ``amplitude / 2`` each."""
    _check(num_waves >= 1, f"wave: num_waves={num_waves}, expected at least 1.")
    _check(np.isfinite(amplitude), f"wave: amplitude={amplitude}, expected a finite number.")
    x, y = (2.0 * np.pi * num_waves * np.arange(n) / n for n in (grid.rows, grid.columns))
    return 0.5 * amplitude * (np.sin(x)[:, None] + np.cos(y)[None, :])


def stairs(grid: Grid, *, step_width: float, step_height: float) -> np.ndarray:
    """Return stairs along x; the first step is ``step_height`` above 0, or below it if ``step_height`` is negative."""
    _check_length("stairs", "step_width", step_width)
    _check(np.isfinite(step_height), f"stairs: step_height={step_height}, expected a finite number.")
    return grid.zeros() + step_height * (1 + np.arange(grid.rows) // grid.cells(step_width))[:, None]


def pyramid_stairs(grid: Grid, *, step_width: float, step_height: float, platform_size: float) -> np.ndarray:
    """Return square rings of steps, from height 0 at the edge to a flat square of at least ``platform_size``.

    Args:
        grid: the grid of the tile.
        step_width: depth of a step, in metres.
        step_height: height of a step, in metres; below 0 for a pit.
        platform_size: minimum edge of the square in the middle, in metres.

    Raises:
        OigeError: a length is not above 0, or the platform does not fit.
    """
    _check_length("pyramid_stairs", "step_width", step_width)
    _check(np.isfinite(step_height), f"pyramid_stairs: step_height={step_height}, expected a finite number.")
    width = grid.cells(step_width)
    steps = _cells_to_platform(grid, "pyramid_stairs", platform_size) // width
    return step_height * np.minimum(_cells_from_edge(grid) // width, steps)


def stepping_stones(
    grid: Grid,
    rng: np.random.Generator,
    *,
    stone_size: float,
    gap: float,
    max_height: float,
    platform_size: float,
    depth: float = 10.0,
) -> np.ndarray:
    """Return square stones in rows along x, with deep gaps between them and a flat square in the middle.

    Args:
        grid: the grid of the tile.
        rng: source of randomness, for the offsets of the rows and the height of each stone.
        stone_size: edge of a stone, in metres.
        gap: width of the gaps, in metres.
        max_height: stone heights are between ± this value, in metres.
        platform_size: edge of the square in the middle, in metres.
        depth: depth of the gaps, in metres.

    Raises:
        OigeError: a length is not above 0, or the platform does not fit.
    """
    name = "stepping_stones"
    for label, value in (("stone_size", stone_size), ("gap", gap), ("depth", depth)):
        _check_length(name, label, value)
    _check(np.isfinite(max_height) and max_height >= 0, f"{name}: max_height={max_height}, expected at least 0 m.")
    _cells_to_platform(grid, name, platform_size)
    stone, pitch = grid.cells(stone_size), grid.cells(stone_size) + grid.cells(gap)
    heights = np.full((grid.rows, grid.columns), -depth)
    for column in range(0, grid.columns, pitch):
        shift = int(rng.integers(pitch))
        for row in range(shift - pitch, grid.rows, pitch):
            rows = slice(max(row, 0), max(row + stone, 0))
            heights[rows, column : column + stone] = rng.uniform(-max_height, max_height)
    heights[_platform(grid, platform_size)] = 0.0
    return heights


def _check(holds: bool | np.bool_, message: str) -> None:
    if not holds:
        raise OigeError(message)


def _check_length(where: str, name: str, value: float) -> None:
    _check(np.isfinite(value) and value > 0, f"{where}: {name}={value}, expected a length above 0 m.")


def _interpolate(values: np.ndarray, count: int) -> np.ndarray:
    """Return ``count`` rows linearly interpolated between the first and the last row of ``values``."""
    position = np.linspace(0.0, len(values) - 1.0, count)
    below = np.minimum(position.astype(int), len(values) - 2)
    part = (position - below)[:, None]
    return (1.0 - part) * values[below] + part * values[below + 1]


def _cells_from_edge(grid: Grid) -> np.ndarray:
    """Return the number of cells between each cell and the nearest edge: 0 for cells at the edge."""
    rows, columns = (np.minimum(np.arange(n), np.arange(n)[::-1]) for n in (grid.rows, grid.columns))
    return np.minimum(rows[:, None], columns[None, :])


def _cells_to_platform(grid: Grid, name: str, platform_size: float) -> int:
    """Return the number of cells between the platform and the edge, along the shorter side of the tile."""
    _check_length(name, "platform_size", platform_size)
    shortest, platform = min(grid.rows, grid.columns), grid.cells(platform_size)
    _check(
        platform < shortest,
        f"{name}: platform_size={platform_size}, expected less than the tile's shorter edge, "
        f"{shortest * grid.spacing:g} m.",
    )
    return (shortest - platform) // 2


def _platform(grid: Grid, size: float) -> tuple[slice, slice]:
    """Return the cells of a square in the middle, at least ``size`` wide."""
    first = [(n - grid.cells(size)) // 2 for n in (grid.rows, grid.columns)]
    return slice(first[0], grid.rows - first[0]), slice(first[1], grid.columns - first[1])
