"""What an engine offers to whatever draws its worlds: meshes that move with bodies, and where the bodies are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from oige_core.config import ViewportConfig
from oige_core.look import FOV

__all__ = [
    "Camera",
    "Drawing",
    "Film",
    "Ground",
    "Shape",
    "WorldFilms",
    "height_field_mesh",
    "robot_radius",
    "viewport_camera",
]

LARGEST_BLOCK = 64  # cells; of a height field, that become one square where they are flat


@dataclass(frozen=True)
class Shape:
    """A mesh of one colour, fixed to a body.

    Attributes:
        body: index of the body in what :meth:`Drawing.poses` returns; None: fixed to the world.
        vertices: ``(V, 3)`` in the frame of the body, in metres.
        faces: ``(F, 3)`` indices of vertices, anticlockwise seen from outside.
        color: red, green, blue and opacity from 0 to 1.
        smooth: whether it is curved, so that its facets are not to be seen.
        texture: a picture ``(rows, columns, 3)`` float from 0 to 1 that is seen on it from above, x to the right and y
            upwards, from edge to edge; None: it has the one colour.
    """

    body: int | None
    vertices: np.ndarray
    faces: np.ndarray
    color: tuple[float, float, float, float]
    smooth: bool
    texture: np.ndarray | None = None


@dataclass(frozen=True)
class Ground:
    """A ground plane.

    Attributes:
        height: in metres.
        color: red, green and blue from 0 to 1.
    """

    height: float
    color: tuple[float, float, float]


class Drawing(Protocol):
    """The look of an engine's worlds.

    Attributes:
        shapes: what is drawn of one world, but for ground planes.
        ground: the ground plane, or None where there is none.
        num_bodies: number of bodies that shapes are fixed to.
        robot: indices of the bodies to look at, those of the first thing that moves, its root first; perhaps none.
    """

    shapes: Sequence[Shape]
    ground: Ground | None
    num_bodies: int
    robot: Sequence[int]

    def poses(self, worlds: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Return positions ``(n, num_bodies, 3)`` and orientations ``(n, num_bodies, 4)``, w, x, y, z, at present.

        They are relative to the worlds' own origins, in float32. This waits for the device.

        Args:
            worlds: numbers of the worlds.
        """
        ...

    def floor(self, x: float, y: float) -> float:
        """Return the height of the ground or terrain of a world at a point, in metres; minus infinity without any."""
        ...


@dataclass(frozen=True)
class Camera:
    """A camera that films worlds on their grid.

    Attributes:
        size: width and height of a picture, in pixels.
        position: where it is, in metres; None: near the robot in the middle, which it follows.
        target: point that it looks at, in metres.
        fov: its vertical angle, in degrees.
    """

    size: tuple[int, int]
    position: tuple[float, float, float] | None = None
    target: tuple[float, float, float] = (0.0, 0.0, 0.0)
    fov: float = FOV


def viewport_camera(viewport: ViewportConfig, size: tuple[int, int] | None = None) -> Camera:
    """Return the camera that the ``task.viewport`` section describes.

    Args:
        viewport: the section.
        size: width and height of a picture, in pixels; by default the section's.
    """
    position = viewport.camera_position
    return Camera(
        size or (viewport.viewport_camera_width, viewport.viewport_camera_height),
        position=None if position is None else _point(position),
        target=_point(viewport.camera_target),
    )


def _point(values: Sequence[float]) -> tuple[float, float, float]:
    x, y, z = values
    return x, y, z


class Film(Protocol):
    """Takes pictures of an engine's worlds."""

    def shoot(self) -> np.ndarray:
        """Return a picture ``(height, width, 3)`` of the present moment, red, green and blue from 0 to 255."""
        ...


class WorldFilms(Protocol):
    """Takes pictures of all of an engine's worlds, each by a camera of its own."""

    def shoot(self) -> np.ndarray:
        """Return pictures ``(num_envs, height, width, 3)`` of the present moment, colours from 0 to 255."""
        ...


def robot_radius(drawing: Drawing, positions: np.ndarray) -> float:
    """Return how far the robot of a world reaches around its root, in metres; 1 where there is none.

    Args:
        drawing: the look of the worlds.
        positions: ``(num_bodies, 3)`` of one world, in metres.
    """
    if not drawing.robot:
        return 1.0
    root = positions[drawing.robot[0]]
    return max(
        float(np.linalg.norm(positions[shape.body] - root) + np.linalg.norm(shape.vertices, axis=1).max())
        for shape in drawing.shapes
        if shape.body in drawing.robot
    )


def height_field_mesh(
    heights: np.ndarray, spacing: tuple[float, float], tolerance: float = 1e-3
) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices ``(V, 3)`` and faces ``(F, 3)`` of a height field; flat parts become large squares.

    Of the five million triangles of AnymalTerrain's map, this leaves a quarter. Edges of a square lie on its plane, and
    so do the samples that its smaller neighbours have there, so that no gap is wider than ``tolerance``.

    Args:
        heights: ``(rows along x, columns along y)``, in metres.
        spacing: distance of neighbouring samples along x and y, in metres; sample ``[0, 0]`` lies at x = y = 0.
        tolerance: by how much the mesh may miss a sample, in metres.
    """
    columns = heights.shape[1]
    cells = heights.shape[0] - 1, columns - 1
    covered = np.zeros(cells, dtype=bool)
    corners: list[np.ndarray] = []
    size = LARGEST_BLOCK
    while size >= 1:
        if size <= min(cells):
            rows_, columns_ = (count // size for count in cells)
            free = covered[: rows_ * size, : columns_ * size].reshape(rows_, size, columns_, size)
            block = ~free.any(axis=(1, 3)) & _is_flat(heights, size, tolerance)
            row, column = (size * index for index in np.nonzero(block))
            first = row * columns + column
            around = (0, size * columns, size * columns + size, size)
            corners.append(np.stack([first + step for step in around], axis=1))
            grown = block.repeat(size, axis=0).repeat(size, axis=1)
            covered[: grown.shape[0], : grown.shape[1]] |= grown
        size //= 2
    squares = np.concatenate(corners)
    used, indices = np.unique(squares, return_inverse=True)
    squares = indices.reshape(squares.shape)
    x, y = np.divmod(used, columns)
    vertices = np.stack([x * spacing[0], y * spacing[1], heights.ravel()[used]], axis=1).astype(np.float32)
    return vertices, np.concatenate([squares[:, :3], squares[:, [0, 2, 3]]]).astype(np.uint32)


def _is_flat(heights: np.ndarray, size: int, tolerance: float) -> np.ndarray:
    """Return which aligned blocks of ``size`` × ``size`` cells are flat, ``(rows // size, columns // size)`` bool."""
    if size == 1:
        return np.ones((heights.shape[0] - 1, heights.shape[1] - 1), dtype=bool)
    blocks = np.lib.stride_tricks.sliding_window_view(heights, (size + 1, size + 1))[::size, ::size]
    first, along_x, along_y = blocks[..., 0, 0], blocks[..., -1, 0], blocks[..., 0, -1]
    share = np.linspace(0.0, 1.0, size + 1)
    plane = (
        first[..., None, None]
        + (along_x - first)[..., None, None] * share[:, None]
        + (along_y - first)[..., None, None] * share
    )
    return np.abs(blocks - plane).max(axis=(2, 3)) <= tolerance
