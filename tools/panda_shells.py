"""Generate the shells of the Franka Panda's links, which are only seen: smooth unions of rounded cylinders and boxes.

    uv run python tools/panda_shells.py

writes Wavefront files, in mm, beside the model of the robot. Lengths below are in m, in the frames of the links: z is
the axis of a link's joint. Tubes follow the axes that the DH parameters give; their radii are those of the capsules in
franka_description, within 5 mm.
"""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parents[1] / "packages/oige-tasks-manipulation/src/oige_tasks_manipulation/franka/assets/shells"
CELL = 0.014  # of the grid on which a surface is sampled
FINE_CELL = 0.009  # for small links
BLEND = 0.03  # width of the fillet between two parts

Distance = Callable[[np.ndarray], np.ndarray]
Point = tuple[float, float, float]


def cylinder(start: Point, end: Point, radius: float, rounding: float = 0.004) -> Distance:
    """Return the signed distance from a cylinder with rounded edges, negative inside.

    Args:
        start, end: middles of its faces.
        radius: of the cylinder.
        rounding: radius of its edges.
    """
    first, last = np.array(start), np.array(end)
    length = np.linalg.norm(last - first)
    axis = (last - first) / length

    def distance(points: np.ndarray) -> np.ndarray:
        offset = points - 0.5 * (first + last)
        along = offset @ axis
        across = np.linalg.norm(offset - along[:, None] * axis, axis=1)
        excess = np.stack([across - radius, np.abs(along) - 0.5 * length], axis=1) + rounding
        return np.linalg.norm(np.maximum(excess, 0.0), axis=1) + np.minimum(excess.max(axis=1), 0.0) - rounding

    return distance


def cone(start: Point, end: Point, radius: float, end_radius: float) -> Distance:
    """Return nearly the signed distance from a capsule whose radius changes linearly."""
    first, last = np.array(start), np.array(end)
    way = last - first

    def distance(points: np.ndarray) -> np.ndarray:
        fraction = np.clip((points - first) @ way / (way @ way), 0.0, 1.0)
        nearest = first + fraction[:, None] * way
        return np.linalg.norm(points - nearest, axis=1) - radius - fraction * (end_radius - radius)

    return distance


def box(middle: Point, half: Point, rounding: float) -> Distance:
    """Return the signed distance from a box with rounded edges."""

    def distance(points: np.ndarray) -> np.ndarray:
        excess = np.abs(points - middle) - np.array(half) + rounding
        return np.linalg.norm(np.maximum(excess, 0.0), axis=1) + np.minimum(excess.max(axis=1), 0.0) - rounding

    return distance


def union(*parts: Distance, blend: float = BLEND) -> Distance:
    """Return the union of parts, with fillets between them (polynomial smooth minimum)."""

    def distance(points: np.ndarray) -> np.ndarray:
        result = parts[0](points)
        for part in parts[1:]:
            other = part(points)
            overlap = np.maximum(blend - np.abs(result - other), 0.0) / blend
            result = np.minimum(result, other) - 0.25 * blend * overlap**2
        return result

    return distance


SHELLS = {
    "link0": union(
        cylinder((0.0, 0.0, -0.02), (0.0, 0.0, 0.14), 0.06),  # the ground hides what is below it
        box((-0.055, 0.0, 0.035), (0.085, 0.075, 0.055), 0.03),
        cone((0.0, 0.0, 0.055), (-0.09, 0.0, 0.06), 0.07, 0.04),
    ),
    "link1": union(
        cylinder((0.0, 0.0, -0.19), (0.0, 0.0, -0.03), 0.057),
        cylinder((0.0, -0.08, 0.0), (0.0, -0.002, 0.0), 0.059, 0.025),
        cone((0.0, 0.0, -0.1), (0.0, -0.03, 0.0), 0.055, 0.05),
    ),
    "link2": union(
        cylinder((0.0, -0.03, 0.0), (0.0, -0.192, 0.0), 0.057),
        cylinder((0.0, 0.0, 0.002), (0.0, 0.0, 0.08), 0.059, 0.025),
        cone((0.0, -0.1, 0.0), (0.0, 0.0, 0.03), 0.055, 0.05),
    ),
    "link3": union(
        cylinder((0.0, 0.0, -0.12), (0.0, 0.0, -0.06), 0.057),
        cylinder((0.0825, 0.002, 0.0), (0.0825, 0.075, 0.0), 0.055, 0.025),
        cone((0.0, 0.0, -0.06), (0.07, 0.038, -0.005), 0.054, 0.045),
    ),
    "link4": union(
        cylinder((-0.0825, 0.06, 0.0), (-0.0825, 0.122, 0.0), 0.057),
        cylinder((0.0, 0.0, 0.002), (0.0, 0.0, 0.075), 0.055, 0.025),
        cone((-0.0825, 0.06, 0.0), (-0.0125, 0.005, 0.038), 0.054, 0.045),
    ),
    "link5": union(
        cylinder((0.0, 0.0, -0.26), (0.0, 0.0, -0.215), 0.057, 0.01),
        cone((0.0, 0.0, -0.225), (0.0, 0.068, -0.14), 0.055, 0.034),
        cone((0.0, 0.068, -0.14), (0.0, 0.085, 0.0), 0.034, 0.024),
        cylinder((0.0, 0.07, 0.0), (0.0, 0.105, 0.0), 0.046, 0.012),
    ),
    "link6": union(
        cylinder((0.0, 0.0, -0.067), (0.0, 0.0, 0.05), 0.048, 0.018),
        cylinder((0.088, -0.044, 0.0), (0.088, 0.056, 0.0), 0.046, 0.018),
        cone((0.0, 0.0, -0.005), (0.088, 0.01, 0.0), 0.042, 0.042),
    ),
    "link7": union(
        cylinder((0.0, 0.0, 0.048), (0.0, 0.0, 0.088), 0.043),
        cone((0.0, 0.0, 0.07), (0.048, 0.048, 0.072), 0.022, 0.018),
    ),
    "hand": union(
        box((0.0, 0.0, 0.038), (0.0315, 0.102, 0.027), 0.012),
        cylinder((0.0, 0.0, 0.002), (0.0, 0.0, 0.04), 0.0315),
        box((0.0, 0.0, 0.025), (0.028, 0.07, 0.02), 0.012),
        blend=0.02,
    ),
}


def surface(distance: Distance, cell: float) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices (V, 3) and quadrilaterals (Q, 4) of a surface, by surface nets.

    Each cell of a grid that the surface crosses has one vertex, moved onto the surface; each edge of the grid that
    crosses it has a quadrilateral between the four cells around it.

    Args:
        distance: signed distance from the surface.
        cell: size of the grid's cells, in m.
    """
    low, high = bounds(distance)
    axes = [np.arange(a, b + cell, cell) for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    inside = (distance(grid.reshape(-1, 3)) < 0.0).reshape(grid.shape[:3])
    corners = np.lib.stride_tricks.sliding_window_view(inside, (2, 2, 2)).sum(axis=(3, 4, 5))
    cells = np.argwhere((corners > 0) & (corners < 8))
    number = np.full(corners.shape, -1)
    number[tuple(cells.T)] = np.arange(len(cells))
    vertices = low + (cells + 0.5) * cell
    for _ in range(30):  # Newton steps along the gradient, no longer than half a cell
        value, slope = distance(vertices), gradient(distance, vertices)
        step = -value[:, None] * slope / np.maximum((slope**2).sum(axis=1, keepdims=True), 0.1)
        vertices = vertices + np.clip(step, -0.5 * cell, 0.5 * cell)
    quads: list[np.ndarray] = []
    for axis in range(3):
        one, two = (axis + 1) % 3, (axis + 2) % 3
        forth = np.roll(inside, -1, axis=axis)
        crossed = np.argwhere(inside != forth)
        crossed = crossed[(crossed[:, axis] < inside.shape[axis] - 1) & (crossed[:, one] > 0) & (crossed[:, two] > 0)]
        around = []
        for back in ((0, 0), (1, 0), (1, 1), (0, 1)):
            neighbours = crossed.copy()
            neighbours[:, [one, two]] -= back
            around.append(number[tuple(neighbours.T)])
        quad = np.stack(around, axis=1)
        outwards = inside[tuple(crossed.T)]
        quads.append(np.where(outwards[:, None], quad, quad[:, ::-1]))
    return vertices, np.concatenate(quads)


def bounds(distance: Distance) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest corner of a box around a part, found on a coarse grid."""
    line = np.arange(-0.36, 0.2, 2 * CELL)
    grid = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    near = grid[distance(grid) < 2 * CELL]
    return near.min(axis=0) - 2 * CELL, near.max(axis=0) + 2 * CELL


def gradient(distance: Distance, points: np.ndarray) -> np.ndarray:
    """Return the slope of a distance (N, 3), by central differences."""
    steps = 1e-4 * np.eye(3)
    return np.stack([distance(points + step) - distance(points - step) for step in steps], axis=1) / 2e-4


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, distance in SHELLS.items():
        vertices, quads = surface(distance, FINE_CELL if name in ("link7", "hand") else CELL)
        assert math.isclose(float(np.abs(distance(vertices)).max()), 0.0, abs_tol=1e-3), name
        lines = [f"v {x:.1f} {y:.1f} {z:.1f}" for x, y, z in 1000.0 * vertices]
        lines += ["f " + " ".join(map(str, quad)) for quad in quads + 1]
        (FOLDER / f"{name}.obj").write_text("\n".join(lines) + "\n")
        print(f"{name}: {len(vertices)} vertices")


if __name__ == "__main__":
    main()
