"""Recorder of the terrain generators and of the maps of AnymalTerrain."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tools.golden_vectors.original import ROOT
from tools.golden_vectors.recording import Recording

__all__ = ["record"]

SEED = 3
GRIDS = {
    "square": (80, 80, 0.1),
    "coarse": (48, 48, 0.25),
    "long": (40, 60, 0.1),
    "wide": (60, 40, 0.1),
    "odd": (31, 27, 0.1),
}
"""Rows, columns and distance of samples, in m."""

GENERATORS: dict[str, dict[str, Any]] = {
    "sloped": {"slope": -0.37},
    "pyramid_sloped": {"slope": 0.33, "platform_size": 1.0},
    "discrete_obstacles": {
        "max_height": 0.175,
        "min_size": 0.5,
        "max_size": 2.2,
        "num_rects": 20,
        "platform_size": 1.0,
    },
    "wave": {"num_waves": 2, "amplitude": 0.7},
    "stairs": {"step_width": 0.75, "step_height": -0.13},
    "pyramid_stairs": {"step_width": 0.55, "step_height": -0.13, "platform_size": 1.0},
    "stepping_stones": {
        "stone_size": 0.62,
        "stone_distance": 0.31,
        "max_height": 0.11,
        "platform_size": 0.8,
        "depth": -3.0,
    },
    "random_uniform": {"min_height": -0.2, "max_height": 0.2, "step": 0.015, "downsampled_scale": 0.5},
}
MAPS: dict[str, dict[str, Any]] = {
    "curriculum": {"curriculum": True, "numLevels": 10, "numTerrains": 20},
    "mixed": {"curriculum": False, "numLevels": 4, "numTerrains": 5},
    "stones": {"terrainProportions": [0.3, 0.1, 0.1, 0.1, 0.1], "curriculum": True, "numLevels": 3, "numTerrains": 7},
}
METHOD = (
    "Heights in units of 0.005 m, each after numpy.random.seed(3). Maps are without their flat border of 20 m and are "
    "differences of neighbours along y, which compress better."
)


def record(original: Path, task: str) -> Iterator[Recording]:
    """Record all generators on several grids, and maps."""
    recording = Recording(task, SEED, METHOD)
    utils = importlib.import_module(f"{ROOT}.utils.terrain_utils.terrain_utils")
    for grid, (rows, columns, spacing) in GRIDS.items():
        for name, options in GENERATORS.items():
            if name == "random_uniform" and rows != columns:
                continue  # it accepts squares only
            np.random.seed(SEED)
            tile = utils.SubTerrain(width=rows, length=columns, vertical_scale=0.005, horizontal_scale=spacing)
            getattr(utils, f"{name}_terrain")(tile, **options)
            recording.put(f"out/{name}/{grid}", tile.height_field_raw)
    maps = importlib.import_module(f"{ROOT}.tasks.utils.anymal_terrain_generator")
    for name, options in MAPS.items():
        defaults = {"mapLength": 8.0, "mapWidth": 8.0, "terrainProportions": [0.1, 0.1, 0.35, 0.25, 0.2]}
        np.random.seed(SEED)
        terrain = maps.Terrain(defaults | {"slopeTreshold": 0.5} | options, 1)
        heights = terrain.height_field_raw
        inner = heights[200:-200, 200:-200]
        assert not heights.any(axis=None, where=_outside(heights.shape))
        recording.put(f"out/maps/{name}/steps", np.diff(inner, axis=1, prepend=np.int16(0)))
        recording.put(f"out/maps/{name}/origins", terrain.env_origins)
    yield recording


def _outside(shape: tuple[int, ...]) -> np.ndarray:
    border = np.ones(shape, dtype=bool)
    border[200:-200, 200:-200] = False
    return border
