"""Maps of many tiles, surrounded by a flat border: one height field for all robots."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from oige_core.errors import OigeError
from oige_core.terrain.generators import (
    Grid,
    RandomSource,
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
MIXED_PLATFORM = 1.0  # m; of slopes of mixed maps
STEP_WIDTH = 0.31  # m
PITS_BELOW = {"smooth slope": 0.05, "rough slope": 0.15}  # slopes of types before this fraction of all types are pits
ORIGIN_REACH = 1.0  # m; a robot starts above the highest point within this distance of the middle of its tile


@dataclass(frozen=True, kw_only=True)
class TerrainMap:
    """A height field of ``levels`` × ``types`` tiles, centred at x = y = 0.

    Attributes:
        heights: ``(rows along x, columns along y)`` in metres.
        horizontal_scale: distance between neighbouring samples, in metres.
        origin: x, y, z of sample ``[0, 0]``, in metres.
        tile_origins: ``(levels, types, 3)``: middle of each tile, in metres, which is at a sample; z is the greatest
            height within 1 m. Levels follow x, types y.
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
    rng: RandomSource,
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
    fractions = np.arange(types) / types
    kinds = tuple(TERRAIN_KINDS[kind] for kind in np.searchsorted(bounds, fractions, side="right"))

    def tile(grid: Grid, level: int, kind: int) -> np.ndarray:
        sign = -1.0 if fractions[kind] < PITS_BELOW.get(kinds[kind], 0.0) else 1.0
        return _tile(grid, rng, kinds[kind], level / levels, sign)

    tiles = [(level, kind) for kind in range(types) for level in range(levels)]
    return _assemble(tile, tiles, levels, types, length, width, border, horizontal_scale, kinds)


def mixed_map(
    *,
    levels: int,
    types: int,
    length: float,
    width: float,
    border: float,
    horizontal_scale: float,
    rng: RandomSource,
) -> TerrainMap:
    """Return a map of random kinds of tiles, for training without a curriculum.

    One in ten tiles is a slope of up to ±0.3 with a top of 1 m, and half of the slopes are rough. Half of the tiles are
    stairs of ±0.15 m, and the rest are obstacles of 0.15 m. Arguments are those of :func:`curriculum_map`.
    """

    def tile(grid: Grid, level: int, kind: int) -> np.ndarray:
        choice = rng.uniform(0, 1)
        if choice < 0.1:
            rough = rng.choice([False, True])
            slope = float(rng.choice([-0.3, -0.2, 0.0, 0.2, 0.3]))
            heights = pyramid_sloped(grid, slope=slope, platform_size=MIXED_PLATFORM)
            return heights + _roughness(grid, rng, 0.05) if rough else heights
        if choice < 0.6:
            height = float(rng.choice([-0.15, 0.15]))
            return pyramid_stairs(grid, step_width=STEP_WIDTH, step_height=height, platform_size=PLATFORM)
        return _obstacles(grid, rng, 0.15)

    tiles = [(level, kind) for level in range(levels) for kind in range(types)]
    return _assemble(tile, tiles, levels, types, length, width, border, horizontal_scale, ())


def _tile(grid: Grid, rng: RandomSource, kind: str, difficulty: float, sign: float) -> np.ndarray:
    """Return a tile of a difficulty from 0 to 1. The numbers are those of OmniIsaacGymEnvs."""
    step_height = 0.05 + 0.175 * difficulty
    match kind:
        case "smooth slope":
            return pyramid_sloped(grid, slope=sign * 0.4 * difficulty, platform_size=PLATFORM)
        case "rough slope":
            slope = pyramid_sloped(grid, slope=sign * 0.4 * difficulty, platform_size=PLATFORM)
            return slope + _roughness(grid, rng, 0.025)
        case "stairs up":  # for a robot that starts on the platform, which is the bottom of a pit
            return pyramid_stairs(grid, step_width=STEP_WIDTH, step_height=-step_height, platform_size=PLATFORM)
        case "stairs down":
            return pyramid_stairs(grid, step_width=STEP_WIDTH, step_height=step_height, platform_size=PLATFORM)
        case "discrete obstacles":
            return _obstacles(grid, rng, 0.025 + 0.15 * difficulty)
        case _:
            size = 2.0 - 1.8 * difficulty
            return stepping_stones(grid, rng, stone_size=size, gap=0.1, max_height=0.0, platform_size=PLATFORM)


def _roughness(grid: Grid, rng: RandomSource, step: float) -> np.ndarray:
    return random_uniform(grid, rng, low=-0.1, high=0.1, step=step, patch=0.2)


def _obstacles(grid: Grid, rng: RandomSource, height: float) -> np.ndarray:
    return discrete_obstacles(
        grid, rng, max_height=height, min_size=1.0, max_size=2.0, count=40, platform_size=PLATFORM
    )


def _assemble(
    tile: Callable[[Grid, int, int], np.ndarray],
    tiles: Sequence[tuple[int, int]],
    levels: int,
    types: int,
    length: float,
    width: float,
    border: float,
    spacing: float,
    kinds: tuple[str, ...],
) -> TerrainMap:
    """Lay ``tiles`` of a level and a type side by side; ``tile(grid, level, type)`` creates one, in the given order."""
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
    for level, kind in tiles:
        row, column = margin + level * grid.rows, margin + kind * grid.columns
        tile_heights = tile(grid, level, kind)
        heights[row : row + grid.rows, column : column + grid.columns] = tile_heights
        origins[level, kind, :2] = spacing * (row + 0.5 * grid.rows), spacing * (column + 0.5 * grid.columns)
        origins[level, kind, 2] = tile_heights[middle].max()
    origins[..., :2] -= half
    corner = (float(-half[0]), float(-half[1]), 0.0)
    return TerrainMap(heights=heights, horizontal_scale=spacing, origin=corner, tile_origins=origins, kinds=kinds)
