"""Terrain against golden vectors of OmniIsaacGymEnvs: every height of every generator, from the same random numbers."""

from typing import Any

import numpy as np
import pytest
from golden_support import Golden
from oige_core import terrain
from oige_core.terrain import Grid, curriculum_map, mixed_map

SEED = 3
GRIDS = {
    "square": (80, 80, 0.1),
    "coarse": (48, 48, 0.25),
    "long": (40, 60, 0.1),
    "wide": (60, 40, 0.1),
    "odd": (31, 27, 0.1),
}
GENERATORS: dict[str, dict[str, Any]] = {
    "sloped": {"slope": -0.37},
    "pyramid_sloped": {"slope": 0.33, "platform_size": 1.0},
    "discrete_obstacles": {"max_height": 0.175, "min_size": 0.5, "max_size": 2.2, "count": 20, "platform_size": 1.0},
    "wave": {"num_waves": 2, "amplitude": 0.7},
    "stairs": {"step_width": 0.75, "step_height": -0.13},
    "pyramid_stairs": {"step_width": 0.55, "step_height": -0.13, "platform_size": 1.0},
    "stepping_stones": {"stone_size": 0.62, "gap": 0.31, "max_height": 0.11, "platform_size": 0.8, "depth": 3.0},
    "random_uniform": {"low": -0.2, "high": 0.2, "step": 0.015, "patch": 0.5},
}
RANDOM = ("discrete_obstacles", "stepping_stones", "random_uniform")
CASES = [
    (name, grid)
    for name in GENERATORS
    for grid, (rows, columns, _) in GRIDS.items()
    if name != "random_uniform" or rows == columns  # the original accepts squares only
]


@pytest.fixture(scope="module")
def golden():
    return Golden("Terrain")


def assert_same(heights: np.ndarray, units: np.ndarray) -> None:
    """Assert that heights in metres are whole units of 0.005 m, and the same ones."""
    np.testing.assert_allclose(heights / 0.005, units, atol=1e-6, rtol=0.0)


@pytest.mark.parametrize(("name", "grid"), CASES)
def test_generators_match(golden, name, grid):
    rows, columns, spacing = GRIDS[grid]
    source = (np.random.RandomState(SEED),) if name in RANDOM else ()
    options = GENERATORS[name]
    heights = getattr(terrain, name)(Grid(rows=rows, columns=columns, spacing=spacing), *source, **options)
    expected = golden[f"out/{name}/{grid}"].numpy()
    assert len(np.unique(expected)) > 2
    assert_same(heights, expected)


@pytest.mark.parametrize(
    ("name", "levels", "types", "proportions"),
    [
        ("curriculum", 10, 20, [0.1, 0.1, 0.35, 0.25, 0.2]),
        ("stones", 3, 7, [0.3, 0.1, 0.1, 0.1, 0.1]),
        ("mixed", 4, 5, None),
    ],
)
def test_maps_match(golden, name, levels, types, proportions):
    options: dict[str, Any] = {"length": 8.0, "width": 8.0, "border": 20.0, "horizontal_scale": 0.1}
    options |= {"levels": levels, "types": types, "rng": np.random.RandomState(SEED)}
    ground = mixed_map(**options) if proportions is None else curriculum_map(proportions=proportions, **options)
    inner = golden[f"out/maps/{name}/steps"].numpy().cumsum(axis=1)
    assert_same(ground.heights, np.pad(inner, 200))
    # The original's map begins at −20 m, ours is centred at 0.
    centre = np.array([levels * 4.0, types * 4.0, 0.0])
    np.testing.assert_allclose(ground.tile_origins + centre, golden[f"out/maps/{name}/origins"], atol=1e-5)
    np.testing.assert_allclose(np.array(ground.origin), -20.0 - centre + [0.0, 0.0, 20.0])
