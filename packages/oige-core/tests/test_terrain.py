"""Terrain: the geometry of each generator, the map of tiles, and heights under points."""

from typing import Any

import numpy as np
import pytest
import torch
from oige_core.config import SimConfig
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.errors import OigeError
from oige_core.scene import Scene
from oige_core.terrain import (
    TERRAIN_KINDS,
    Grid,
    HeightSampler,
    curriculum_map,
    discrete_obstacles,
    mixed_map,
    pyramid_sloped,
    pyramid_stairs,
    random_uniform,
    sloped,
    stairs,
    stepping_stones,
    wave,
)

GRID = Grid.covering(8.0, 8.0, 0.1)
OBLONG = Grid.covering(4.0, 6.0, 0.1)


def rng(seed=0):
    return np.random.default_rng(seed)


def curriculum(seed=0, proportions=(0.1, 0.1, 0.35, 0.25, 0.2), levels=10, types=20):
    return curriculum_map(
        levels=levels,
        types=types,
        proportions=proportions,
        length=8.0,
        width=8.0,
        border=20.0,
        horizontal_scale=0.1,
        rng=rng(seed),
    )


def test_grid_truncates_lengths_and_heights():
    assert (OBLONG.rows, OBLONG.columns) == (40, 60)
    assert [GRID.cells(length) for length in (0.31, 0.39, 0.04, 1.0)] == [3, 3, 1, 10]
    assert [GRID.units(height) for height in (0.0675, -0.0675, 0.15)] == [13, -13, 30]


def test_slope_rises_along_x():
    heights = sloped(OBLONG, slope=0.3)
    assert heights.shape == (40, 60)
    np.testing.assert_allclose(np.diff(heights, axis=0), 0.03)
    assert not np.diff(heights, axis=1).any()
    assert heights[0, 0] == 0.0
    assert heights[-1, 0] == pytest.approx(0.3 * 3.9)


def test_stairs_rise_along_x():
    heights = stairs(OBLONG, step_width=0.31, step_height=-0.2)
    # 13 steps of 3 cells; the last row is left over.
    np.testing.assert_allclose(heights[[0, 2, 3, 5, 6, 38, 39], 7], [-0.2, -0.2, -0.4, -0.4, -0.6, -2.6, 0.0])
    assert not np.diff(heights, axis=1).any()


def test_pyramid_is_the_product_of_two_ramps_up_to_the_corner_of_the_platform():
    heights = pyramid_sloped(GRID, slope=0.4, platform_size=3.0)
    np.testing.assert_allclose(heights, heights.T, atol=0.0051)  # up to the truncation of rounding errors
    np.testing.assert_array_equal(heights[1:], heights[:0:-1])  # the middle is at sample 40
    # 0.4 × 4 m at the middle, times (25 / 40)² at the corner of the platform.
    assert heights.max() == heights[25, 25] == pytest.approx(1.6 * (25 / 40) ** 2)
    np.testing.assert_allclose(heights[[4, 8, 12, 39], 40], [0.16, 0.32, 0.48, 0.625])
    np.testing.assert_allclose(heights[[10, 20], [10, 20]], [0.1, 0.4])  # a quarter and a half of both ramps
    assert not heights[0].any()
    np.testing.assert_array_equal(pyramid_sloped(GRID, slope=-0.4, platform_size=3.0), -heights)


def test_pyramid_stairs_have_steps_of_one_height_and_width():
    heights = pyramid_stairs(GRID, step_width=0.31, step_height=0.15, platform_size=3.0)
    np.testing.assert_array_equal(heights, heights[::-1])
    np.testing.assert_array_equal(heights, heights.T)
    # The ninth step is the platform: at 32 cells, eight steps leave more than 3 m.
    np.testing.assert_allclose(heights[:40, 40], 0.15 * np.minimum(np.arange(40) // 3, 9))
    assert (heights == heights.max()).sum() == 26 * 26
    np.testing.assert_array_equal(pyramid_stairs(GRID, step_width=0.31, step_height=-0.15, platform_size=3.0), -heights)


def test_wave_has_the_given_periods_and_amplitude():
    heights = wave(OBLONG, num_waves=2, amplitude=0.4)
    np.testing.assert_allclose(heights[0, [0, 15, 30]], [0.2, -0.2, 0.2], atol=1e-12)
    # Both waves have the length of that along y: 30 cells.
    np.testing.assert_allclose(heights[[0, 15, 30], 0], 0.2, atol=0.005)
    assert heights.max() == pytest.approx(0.4, abs=0.0051)
    assert heights.min() == pytest.approx(-0.4, abs=0.0051)


def test_rough_ground_uses_levels_between_low_and_high():
    heights = random_uniform(GRID, rng(), low=-0.1, high=0.1, step=0.025)
    levels, counts = np.unique(np.round(heights, 9), return_counts=True)
    np.testing.assert_allclose(levels, np.linspace(-0.1, 0.1, 9), atol=1e-9)
    assert counts.min() > 0.8 * heights.size / 9  # evenly: 711 ± 25 each


class Given:
    """A source of randomness that returns the given values."""

    def __init__(self, values):
        self.values = values

    def choice(self, levels, size):
        assert set(np.unique(self.values)) <= set(levels)
        assert self.values.shape == tuple(size)
        return self.values


def test_rough_ground_in_patches_is_interpolated_with_cubic_splines():
    # Not-a-knot splines reproduce a product of cubic polynomials, here of ten points on 80 cells.
    def cubic(x):
        return x**3 - 9.0 * x**2 + 3.0 * x + 5.0

    points, cells = np.arange(10.0), np.linspace(0.0, 9.0, 80)
    given: Any = Given(np.multiply.outer(cubic(points), cubic(points)).astype(int))
    grid = Grid(rows=80, columns=80, spacing=0.1, vertical_scale=1.0)
    heights = random_uniform(grid, given, low=-20000.0, high=20000.0, step=1.0, patch=0.8)
    np.testing.assert_array_equal(heights, np.rint(np.multiply.outer(cubic(cells), cubic(cells)).round(7)))


def test_obstacles_have_four_heights_and_keep_the_platform_free():
    options = {"max_height": 0.2, "min_size": 1.0, "max_size": 2.0, "platform_size": 3.0}
    heights = discrete_obstacles(GRID, rng(), count=40, **options)
    assert set(np.unique(heights).round(9)) == {-0.2, -0.1, 0.0, 0.1, 0.2}
    assert not heights[25:55, 25:55].any()
    assert not discrete_obstacles(GRID, rng(), count=0, **options).any()
    edges = set()
    for seed in range(20):
        single = discrete_obstacles(GRID, rng(seed), count=1, **(options | {"platform_size": 0.1}))
        for cells in np.nonzero(single):
            edges.add(np.ptp(cells) + 1)
            assert cells.min() % 4 == 0
    assert edges == {10, 14, 18}


def test_stones_and_gaps_have_the_given_sizes():
    heights = stepping_stones(GRID, rng(), stone_size=0.5, gap=0.2, max_height=0.05, platform_size=2.0, depth=3.0)
    is_gap = heights == -3.0
    assert not is_gap[30:50, 30:50].any()
    assert not heights[30:50, 30:50].any()
    assert is_gap[:, 5:7].all()  # between the first two rows of stones
    assert is_gap[:, 12:14].all()
    rows = is_gap[:, 0]
    edges = np.flatnonzero(np.diff(rows.astype(int)))
    assert set(np.diff(edges)[::2]) | set(np.diff(edges)[1::2]) == {2, 5}
    stones = heights[~is_gap]
    levels = np.unique(stones[stones != 0.0]).round(9)
    np.testing.assert_allclose([levels.min(), levels.max()], [-0.055, 0.045])  # 0.005 m lower than ±0.05 m


@pytest.mark.parametrize(
    "make",
    [
        lambda random: random_uniform(GRID, random, low=-0.1, high=0.1, step=0.005, patch=0.2),
        lambda random: discrete_obstacles(
            GRID, random, max_height=0.2, min_size=1.0, max_size=2.0, count=40, platform_size=3.0
        ),
        lambda random: stepping_stones(GRID, random, stone_size=0.5, gap=0.1, max_height=0.1, platform_size=3.0),
        lambda random: (
            mixed_map(levels=2, types=3, length=8.0, width=8.0, border=1.0, horizontal_scale=0.1, rng=random).heights
        ),
        lambda random: (
            curriculum_map(
                levels=2,
                types=5,
                proportions=[0.2] * 5,
                length=8.0,
                width=8.0,
                border=1.0,
                horizontal_scale=0.1,
                rng=random,
            ).heights
        ),
    ],
    ids=["random_uniform", "discrete_obstacles", "stepping_stones", "mixed_map", "curriculum_map"],
)
def test_terrain_depends_only_on_the_seed(make):
    np.testing.assert_array_equal(make(rng(1)), make(rng(1)))
    assert (make(rng(1)) != make(rng(2))).any()


OBSTACLES: dict[str, Any] = {"max_height": 0.2, "min_size": 1.0, "max_size": 2.0, "count": 4, "platform_size": 3.0}
STONES: dict[str, Any] = {"stone_size": 0.5, "gap": 0.1, "max_height": 0.0, "platform_size": 3.0}
MAP: dict[str, Any] = {
    "levels": 2,
    "types": 2,
    "length": 8.0,
    "width": 8.0,
    "border": 1.0,
    "horizontal_scale": 0.1,
    "rng": rng(),
}


def changed(values: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return values of which some are replaced."""
    return values | changes


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Grid(rows=1, columns=5, spacing=0.1), "rows=1"),
        (lambda: Grid.covering(8.0, 8.0, 0.0), "spacing=0.0"),
        (lambda: Grid.covering(8.0, -8.0, 0.1), "width=-8.0"),
        (lambda: random_uniform(GRID, rng(), low=0.1, high=-0.1, step=0.1), "low=0.1, high=-0.1"),
        (lambda: random_uniform(GRID, rng(), low=-0.1, high=0.1, step=0.3), "step=0.3"),
        (lambda: random_uniform(GRID, rng(), low=-0.1, high=0.1, step=0.1, patch=0.05), "patch=0.05"),
        (lambda: sloped(GRID, slope=np.inf), "slope=inf"),
        (lambda: pyramid_sloped(GRID, slope=np.nan, platform_size=3.0), "slope=nan"),
        (lambda: pyramid_sloped(GRID, slope=0.1, platform_size=8.0), "platform_size=8.0"),
        (lambda: wave(GRID, num_waves=0, amplitude=0.1), "num_waves=0"),
        (lambda: stairs(GRID, step_width=0.0, step_height=0.1), "step_width=0.0"),
        (lambda: pyramid_stairs(GRID, step_width=-0.3, step_height=0.1, platform_size=3.0), "step_width=-0.3"),
        (lambda: discrete_obstacles(GRID, rng(), **changed(OBSTACLES, max_size=0.5)), "max_size=0.5"),
        (lambda: discrete_obstacles(GRID, rng(), **changed(OBSTACLES, max_size=9.0)), "max_size=9.0"),
        (lambda: discrete_obstacles(GRID, rng(), **changed(OBSTACLES, count=-1)), "count=-1"),
        (lambda: stepping_stones(GRID, rng(), **changed(STONES, gap=0.0)), "gap=0.0"),
        (lambda: stepping_stones(GRID, rng(), **changed(STONES, max_height=-0.1)), "max_height=-0.1"),
        (lambda: curriculum_map(proportions=[0.5] * 5, **MAP), "proportions"),
        (lambda: curriculum_map(proportions=[0.5], **MAP), "proportions"),
        (lambda: mixed_map(**changed(MAP, levels=0)), "levels=0"),
        (lambda: mixed_map(**changed(MAP, border=-1.0)), "border=-1.0"),
    ],
)
def test_invalid_terrain_parameters_raise(make, message):
    with pytest.raises(OigeError) as caught:
        make()
    assert message in str(caught.value)
    assert "expected" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_map_has_upstream_size_and_is_centred():
    terrain = curriculum()
    assert terrain.heights.shape == (1200, 2000)  # 10 × 8 m and 20 × 8 m, and twice 20 m
    assert terrain.origin == pytest.approx((-60.0, -100.0, 0.0))
    assert terrain.tile_origins[0, 0, :2] == pytest.approx((-36.0, -76.0))
    assert terrain.tile_origins[9, 19, :2] == pytest.approx((36.0, 76.0))
    border = terrain.heights.copy()
    border[200:-200, 200:-200] = 0.0
    assert not border.any()


def test_map_has_upstream_proportions():
    # 10 %, 10 %, 35 %, 25 %, 20 % of twenty types.
    assert curriculum().kinds == tuple(np.repeat(TERRAIN_KINDS[:5], [2, 2, 7, 5, 4]))
    # What proportions leave of 1 are stepping stones.
    assert curriculum(proportions=(0, 0, 0, 0, 0.5), types=4).kinds == tuple(np.repeat(TERRAIN_KINDS[4:], 2))


@pytest.mark.parametrize("level", [0, 4, 9])
def test_difficulty_grows_with_the_level(level):
    terrain, difficulty = curriculum(), level / 10
    tiles = {kind: terrain.heights[200 + 80 * level :, 200 + 80 * kind :][:80, :80] for kind in range(20)}
    ramp = np.trunc(int(320 * difficulty) * np.arange(26) / 40) * 0.005  # up to the platform, along the middle
    corner = np.trunc(int(320 * difficulty) * (25 / 40) ** 2) * 0.005
    np.testing.assert_allclose(tiles[0][:26, 40], -np.minimum(ramp, corner), atol=1e-12)  # a pit
    np.testing.assert_allclose(tiles[1][:26, 40], np.minimum(ramp, corner), atol=1e-12)  # a hill
    for kind, sign in ((2, -1.0), (3, 1.0)):
        roughness = tiles[kind] - pyramid_sloped(GRID, slope=sign * 0.4 * difficulty, platform_size=3.0)
        assert 0.13 < np.abs(roughness).max() < 0.22
        assert roughness.std() == pytest.approx(0.057, abs=0.006)
    step = 0.005 * int((0.05 + 0.175 * difficulty) / 0.005)
    for kind, sign in ((4, -1.0), (10, -1.0), (11, 1.0), (15, 1.0)):
        assert tiles[kind][40, 40] == pytest.approx(sign * 9 * step)
        assert np.unique(np.diff(tiles[kind][:40, 40]).round(9)) == pytest.approx(sorted({0.0, round(sign * step, 9)}))
    assert np.abs(tiles[17]).max() == pytest.approx(0.005 * int((0.025 + 0.15 * difficulty) / 0.005))
    origins = terrain.tile_origins[level, :, 2]
    assert origins[[0, 1]] == pytest.approx([-corner, corner])
    assert origins[[4, 15, 17]] == pytest.approx([-9 * step, 9 * step, 0.0])


def test_levels_have_upstream_heights():
    terrain = curriculum()
    tiles = {level: terrain.heights[200 + 80 * level :][:80, 200:-200] for level in (0, 5, 9)}
    assert tiles[9][:, 80:160].max() == pytest.approx(0.56)
    assert tiles[5][:, 80:160].max() == pytest.approx(0.31)
    assert tiles[9][:, 960:1040].max() == pytest.approx(1.845)
    assert tiles[0][:, 960:1040].max() == pytest.approx(0.45)


def test_robots_start_above_everything_within_a_metre():
    terrain = curriculum()
    around = terrain.heights[200 + 30 : 200 + 50, 200 + 3 * 80 + 30 : 200 + 3 * 80 + 50]  # level 0, type 3: rough
    assert terrain.tile_origins[0, 3, 2] == around.max()
    assert around.max() > 0.05


def test_mixed_map_has_upstream_fractions():
    terrain = mixed_map(levels=20, types=20, length=8.0, width=8.0, border=0.0, horizontal_scale=0.1, rng=rng())
    assert terrain.kinds == ()
    deepest = terrain.tile_origins[..., 2]
    is_stairs = np.isclose(np.abs(deepest), 9 * 0.15)
    # 200 of 400 expected, with a standard deviation of 10; half of them down.
    assert 160 < is_stairs.sum() < 240
    assert 70 < (deepest[is_stairs] > 0).sum() < 130
    assert np.abs(deepest).max() <= 1.35 + 1e-9


def test_height_is_the_lower_of_two_opposite_samples():
    heights = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 0.5], [6.0, 7.0, 8.0]])
    sampler = HeightSampler(heights, 0.5, (-1.0, 2.0, 10.0), "cpu")
    x = torch.tensor([-1.0, -0.51, -0.75, -0.25, -5.0, 5.0])
    y = torch.tensor([2.0, 2.49, 2.75, 2.25, 2.25, 5.0])
    # Cells: (0, 0) twice, (0, 1), (1, 0), and at the border (0, 0) and (1, 1).
    assert sampler.sample(x, y).tolist() == [10.0, 10.0, 10.5, 13.0, 10.0, 14.0]


def test_heights_of_a_map_match_its_height_field():
    terrain = curriculum()
    sampler = HeightSampler(terrain.heights, terrain.horizontal_scale, terrain.origin, "cpu")
    random = rng(5)
    x, y = random.uniform(-59.9, 59.8, (40, 140)), random.uniform(-99.9, 99.8, (40, 140))
    row, column = ((x + 60.0) / 0.1).astype(int), ((y + 100.0) / 0.1).astype(int)
    expected = np.minimum(terrain.heights[row, column], terrain.heights[row + 1, column + 1])
    sampled = sampler.sample(torch.tensor(x), torch.tensor(y)).numpy()
    np.testing.assert_allclose(sampled, expected, atol=1e-6)


def test_sample_points_rotate_with_the_robot():
    """Also where places, or some of their points, are beyond the border, in which the height at the border counts."""
    heights = rng(7).uniform(0.0, 1.0, (121, 201))
    random = rng(6)
    points = random.uniform(-3.0, 3.0, (2, 140))
    sampler = HeightSampler(heights, 0.1, (-6.0, -10.0, 0.0), "cpu", torch.tensor(points, dtype=torch.float32))
    places = np.stack((random.uniform(-12.0, 12.0, 400), random.uniform(-16.0, 16.0, 400)), axis=-1)
    places[0] = 1000.0, -1000.0
    yaw = random.uniform(-np.pi, np.pi, 400)
    turned = (points[0] + 1j * points[1]) * np.exp(1j * yaw)[:, None]
    x, y = places[:, :1] + turned.real, places[:, 1:] + turned.imag
    outside = (np.abs(places) > (6.0, 10.0)).any(axis=-1)
    assert 100 < outside.sum() < 300
    forward = np.stack((np.cos(yaw), np.sin(yaw)), axis=-1)
    around = sampler.sample_around(*(torch.tensor(values, dtype=torch.float32) for values in (places, forward)))
    expected = sampler.sample(torch.tensor(x), torch.tensor(y))
    same = np.isclose(around.numpy(), expected.numpy(), atol=1e-6)
    assert same[outside].mean() > 0.995  # all but those that single precision puts into the next cell
    assert same[~outside].mean() > 0.995
    assert len(np.unique(expected)) > 1000


def test_balls_pressed_into_rough_ground_rest_on_it() -> None:
    """Contacts with neighbouring cells do not work against each other: nothing is driven in or thrown up."""
    scale, count, radius = 0.1, 64, 0.03
    ground = random_uniform(Grid(rows=60, columns=60, spacing=scale), rng(), low=-0.1, high=0.1, step=0.025, patch=0.2)
    engine = MujocoEngine(count, "cpu")
    scene = Scene(engine, SimConfig(dt=0.005))
    scene.add_height_field("ground", ground, horizontal_scale=scale)
    balls = scene.add_sphere("ball", radius=radius, mass=0.3)
    engine.build(scene)
    positions = torch.tensor(rng(1).uniform(1.0, 5.0, (count, 3)), dtype=torch.float32)
    positions[:, 2] = 0.2
    balls.set_world_poses(positions)
    engine.step(200)  # fall and come to rest
    for _ in range(200):
        balls.apply_forces(torch.tensor([[0.0, 0.0, -150.0]]).repeat(count, 1))
        engine.step()
    around = np.linspace(-0.05, 0.05, 41)
    dx, dy = around[:, None], around[None, :]
    x, y, z = (balls.get_world_poses()[0].double().numpy()[:, axis, None, None] for axis in range(3))
    u, v = (x + dx) / scale, (y + dy) / scale
    i, j = u.astype(int), v.astype(int)
    u, v = u - i, v - j
    low, high = ground[i, j], ground[i + 1, j + 1]
    along_x = low + u * (ground[i + 1, j] - low) + v * (high - ground[i + 1, j])
    along_y = low + v * (ground[i, j + 1] - low) + u * (high - ground[i, j + 1])
    nearest = dx**2 + dy**2 + (np.where(u >= v, along_x, along_y) - z) ** 2
    gaps = np.sqrt(nearest.min(axis=(1, 2))) - radius
    assert gaps.min() > -0.0032
    assert gaps.max() < 0.0005
    engine.close()
