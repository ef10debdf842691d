"""Maps of many tiles, surrounded by a flat border: one height field for all robots."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from oige_core.errors import OigeError
from oige_core.terrain.generators import (
    Grid,
    discrete_obstacles,
    pyramid_sloped,
    pyramid_stairs,
    random_uniform,
    stepping_stones,
)

__all__ = ["TERRAIN_KINDS", "TerrainMap", "curriculum_map", "mixed_map"]

TERRAIN_KINDS = ("smooth slope", "rough slope", "stairs up", "stairs down", "discrete obstacles", "stepping stones")
"""Kinds of tile of a curriculum, in the order of its proportions; stepping stones get the remainder to 1."""

PLATFORM = 3.0  # m; robots start there
STEP_WIDTH = 0.31  # m
ORIGIN_REACH = 1.0  # m; a robot starts above the highest point within this distance of the middle of its tile


@dataclass(frozen=True, kw_only=True)
class TerrainMap:
    """A height field of ``levels`` × ``types`` tiles, centred at x = y = 0.

    Attributes:
        heights: ``(rows along x, columns along y)`` in metres.
        horizontal_scale: distance between neighbouring samples, in metres.
        origin: x, y, z of sample ``[0, 0]``, in metres.
        tile_origins: ``(levels, types, 3)``: middle of each tile, in metres; z is the greatest height within 1 m.
            Levels follow x, types y.
        kinds: kind of tile of each type, from :data:`TERRAIN_KINDS`; empty if kinds are mixed.
    """

    heights: np.ndarray
    horizontal_scale: float
    origin: tuple[float, float, float]
    tile_origins: np.ndarray
    kinds: tuple[str, ...] = ()


def curriculum_map(
    *,
    levels: int,
    types: int,
    proportions: Sequence[float],
    length: float,
    width: float,
    border: float,
    horizontal_scale: float,
    rng: np.random.Generator,
) -> TerrainMap:
    """Return a map whose difficulty rises by 1 / ``levels`` per level, from 0 for the first level.

    Args:
        levels: tiles along x.
        types: tiles along y.
        proportions: fraction of the types for each of :data:`TERRAIN_KINDS` except the last.
        length: length of a tile along x, in metres.
        width: width of a tile along y, in metres.
        border: width of the flat border, in metres.
        horizontal_scale: distance between neighbouring samples, in metres.
        rng: source of randomness.

    Raises:
        OigeError: a number is out of range.
    """
    bounds = np.cumsum(proportions)
    if len(bounds) != len(TERRAIN_KINDS) - 1 or min(proportions) < 0 or bounds[-1] > 1.0 + 1e-9:
        raise OigeError(
            f"proportions={list(proportions)}: expected {len(TERRAIN_KINDS) - 1} numbers >= 0 with a sum <= 1."
        )
    fractions = (np.arange(types) + 0.5) / types  # position of each type between 0 and 1
    kinds = np.searchsorted(bounds - 1e-9, fractions, side="right")
    starts = np.concatenate(([0.0], bounds))

    def tile(grid: Grid, level: int, kind: int) -> np.ndarray:
        # In the first half of their types, slopes are pits and robots start at the bottom. In the second half, they are
        # hills.
        first, last = starts[kinds[kind]], np.append(bounds, 1.0)[kinds[kind]]
        sign = -1.0 if fractions[kind] < 0.5 * (first + last) else 1.0
        return _tile(grid, rng, TERRAIN_KINDS[kinds[kind]], level / levels, sign)

    names = tuple(TERRAIN_KINDS[kind] for kind in kinds)
    return _assemble(tile, levels, types, length, width, border, horizontal_scale, names)


def mixed_map(
    *,
    levels: int,
    types: int,
    length: float,
    width: float,
    border: float,
    horizontal_scale: float,
    rng: np.random.Generator,
) -> TerrainMap:
    """Return a map of random kinds of tiles, for training without a curriculum.

    One in ten tiles is a slope of up to ±0.3, half of which are rough. Half of the tiles are stairs of ±0.15 m, and the
    rest are obstacles of 0.15 m. Arguments are those of :func:`curriculum_map`.
    """

    def tile(grid: Grid, level: int, kind: int) -> np.ndarray:
        choice = rng.uniform()
        if choice < 0.1:
            slope = float(rng.choice([-0.3, -0.2, 0.0, 0.2, 0.3]))
            heights = pyramid_sloped(grid, slope=slope, platform_size=PLATFORM)
            return heights + _roughness(grid, rng) if choice < 0.05 else heights
        if choice < 0.6:
            height = float(rng.choice([-0.15, 0.15]))
            return pyramid_stairs(grid, step_width=STEP_WIDTH, step_height=height, platform_size=PLATFORM)
        return _obstacles(grid, rng, 0.15)

    return _assemble(tile, levels, types, length, width, border, horizontal_scale, ())


def _tile(grid: Grid, rng: np.random.Generator, kind: str, difficulty: float, sign: float) -> np.ndarray:
    """Return a tile of a difficulty from 0 to 1. The numbers are those of OmniIsaacGymEnvs."""
    step_height = 0.05 + 0.175 * difficulty
    match kind:
        case "smooth slope":
            return pyramid_sloped(grid, slope=sign * 0.4 * difficulty, platform_size=PLATFORM)
        case "rough slope":
            slope = pyramid_sloped(grid, slope=sign * 0.4 * difficulty, platform_size=PLATFORM)
            return slope + _roughness(grid, rng)
        case "stairs up":  # for a robot that starts on the platform, which is the bottom of a pit
            return pyramid_stairs(grid, step_width=STEP_WIDTH, step_height=-step_height, platform_size=PLATFORM)
        case "stairs down":
            return pyramid_stairs(grid, step_width=STEP_WIDTH, step_height=step_height, platform_size=PLATFORM)
        case "discrete obstacles":
            return _obstacles(grid, rng, 0.025 + 0.15 * difficulty)
        case _:
            size = 2.0 - 1.8 * difficulty
            return stepping_stones(grid, rng, stone_size=size, gap=0.1, max_height=0.0, platform_size=PLATFORM)


def _roughness(grid: Grid, rng: np.random.Generator) -> np.ndarray:
    return random_uniform(grid, rng, low=-0.1, high=0.1, step=0.025, patch=0.2)


def _obstacles(grid: Grid, rng: np.random.Generator, height: float) -> np.ndarray:
    return discrete_obstacles(
        grid, rng, max_height=height, min_size=1.0, max_size=2.0, count=40, platform_size=PLATFORM
    )


def _assemble(
    tile: Callable[[Grid, int, int], np.ndarray],
    levels: int,
    types: int,
    length: float,
    width: float,
    border: float,
    spacing: float,
    kinds: tuple[str, ...],
) -> TerrainMap:
    """Lay tiles side by side; ``tile(grid, level, type)`` creates one."""
    for name, value in (("levels", levels), ("types", types)):
        if value < 1:
            raise OigeError(f"terrain map: {name}={value}, expected at least 1.")
    if not border >= 0:
        raise OigeError(f"terrain map: border={border}, expected at least 0 m.")
    grid = Grid.covering(length, width, spacing)
    margin = round(border / spacing)
    heights = np.zeros((levels * grid.rows + 2 * margin, types * grid.columns + 2 * margin))
    origins = np.zeros((levels, types, 3))
    half = 0.5 * spacing * np.array(heights.shape)
    reach = grid.cells(ORIGIN_REACH)
    middle = (
        slice(grid.rows // 2 - reach, grid.rows // 2 + reach),
        slice(grid.columns // 2 - reach, grid.columns // 2 + reach),
    )
    for level in range(levels):
        for kind in range(types):
            row, column = margin + level * grid.rows, margin + kind * grid.columns
            tile_heights = tile(grid, level, kind)
            heights[row : row + grid.rows, column : column + grid.columns] = tile_heights
            origins[level, kind, :2] = spacing * (row + 0.5 * grid.rows), spacing * (column + 0.5 * grid.columns)
            origins[level, kind, 2] = tile_heights[middle].max()
    origins[..., :2] -= half
    corner = (0.5 * spacing - half[0], 0.5 * spacing - half[1], 0.0)
    return TerrainMap(heights=heights, horizontal_scale=spacing, origin=corner, tile_origins=origins, kinds=kinds)
