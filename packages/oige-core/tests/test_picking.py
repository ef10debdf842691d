"""What a ray hits, against distances worked out by hand."""

import math

import numpy as np
import pytest
from oige_core.render.geometry import Shape
from oige_core.render.picking import first_hit

# A right triangle in the plane z = 1 of its frame, with legs of 2 m along x and 1 m along y.
TRIANGLE = Shape(
    body=0,
    vertices=np.array([[0, 0, 1], [2, 0, 1], [0, 1, 1]], np.float32),
    faces=np.array([[0, 1, 2]]),
    color=(1, 1, 1, 1),
    smooth=False,
)
UPRIGHT = [1.0, 0.0, 0.0, 0.0]
ON_ITS_SIDE = [math.sqrt(0.5), math.sqrt(0.5), 0.0, 0.0]  # by 90 degrees about x: y points up, z to −y
DOWN = np.array([0.0, 0.0, -3.0])


def instances(*poses: tuple[list[float], list[float]]) -> tuple[Shape, np.ndarray, np.ndarray]:
    return TRIANGLE, np.array([position for position, _ in poses]), np.array([turn for _, turn in poses])


@pytest.mark.parametrize(
    ("x", "y", "hits"),
    [(0.1, 0.1, True), (1.9, 0.04, True), (1.9, 0.06, False), (-0.1, 0.1, False), (0.1, -0.1, False)],
)
def test_ray_hits_the_inside_of_a_triangle(x: float, y: float, hits: bool) -> None:
    ground = instances(([0.0, 0.0, 0.0], UPRIGHT))
    assert first_hit(np.array([x, y, 9.0]), DOWN, [ground]) == ((0, 0) if hits else None)
    assert first_hit(np.array([x, y, -9.0]), -DOWN, [ground]) == ((0, 0) if hits else None)  # from below, too
    assert first_hit(np.array([x, y, 0.0]), DOWN, [ground]) is None  # it is behind the ray


def test_ray_hits_turned_triangles_where_they_are() -> None:
    """Turned about x, the triangle's plane is y = −1 and its corner (0, 1, 1) is at (0, −1, 1)."""
    shape = instances(([5.0, 0.0, 0.0], ON_ITS_SIDE))
    along_y = np.array([0.0, 1.0, 0.0])
    assert first_hit(np.array([5.1, -4.0, 0.8]), along_y, [shape]) == (0, 0)
    assert first_hit(np.array([5.1, -4.0, -0.1]), along_y, [shape]) is None
    assert first_hit(np.array([5.1, -0.9, 0.8]), along_y, [shape]) is None  # it is 10 cm behind the ray
    assert first_hit(np.array([5.1, 0.1, 9.0]), DOWN, [shape]) is None  # where it would be upright


def test_nearest_of_several_hits_counts() -> None:
    low = instances(([0.0, 0.0, 0.0], UPRIGHT), ([0.0, 0.0, 2.0], UPRIGHT))
    high = instances(([9.0, 0.0, 0.0], UPRIGHT), ([0.0, 0.0, 1.0], UPRIGHT))
    assert first_hit(np.array([0.1, 0.1, 9.0]), DOWN, [low, high]) == (0, 1)  # at z = 3, 2 and 1
    assert first_hit(np.array([0.1, 0.1, 2.5]), DOWN, [low, high]) == (1, 1)
    assert first_hit(np.array([0.1, 0.1, 1.5]), DOWN, [low, high]) == (0, 0)
    assert first_hit(np.array([9.1, 0.1, 9.0]), DOWN, [low, high]) == (1, 0)
    assert first_hit(np.array([0.1, 0.1, 9.0]), DOWN, []) is None
