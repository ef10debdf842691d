"""Terrain as height fields: generators, maps of many tiles, and heights under points."""

from oige_core.terrain.generators import (
    Grid,
    RandomSource,
    discrete_obstacles,
    pyramid_sloped,
    pyramid_stairs,
    random_uniform,
    sloped,
    stairs,
    stepping_stones,
    wave,
)
from oige_core.terrain.heights import HeightSampler
from oige_core.terrain.maps import TERRAIN_KINDS, TerrainMap, curriculum_map, mixed_map

__all__ = [
    "TERRAIN_KINDS",
    "Grid",
    "HeightSampler",
    "RandomSource",
    "TerrainMap",
    "curriculum_map",
    "discrete_obstacles",
    "mixed_map",
    "pyramid_sloped",
    "pyramid_stairs",
    "random_uniform",
    "sloped",
    "stairs",
    "stepping_stones",
    "wave",
]
