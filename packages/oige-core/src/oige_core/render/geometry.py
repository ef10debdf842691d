"""The geometry of an engine's worlds: meshes that move with bodies, poses of bodies, and surfaces of soft bodies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

__all__ = ["Ground", "SceneGeometry", "Shape", "ShapeLooks", "SoftShape", "robot_radius"]


@dataclass(frozen=True)
class Shape:
    """A mesh of one colour, fixed to a body.

    Attributes:
        body: index of the body in what :meth:`SceneGeometry.poses` returns; None: fixed to the world.
        vertices: ``(V, 3)`` in the frame of the body, in metres.
        faces: ``(F, 3)`` indices of vertices, counterclockwise seen from outside.
        color: red, green, blue and opacity from 0 to 1.
        smooth: whether the surface is curved and is shaded smoothly; else each face is shaded flat.
        texture: an image ``(rows, columns, 3)`` float from 0 to 1 that covers the mesh seen from above, x to the right
            and y upwards; None: the mesh has the one colour.
    """

    body: int | None
    vertices: np.ndarray
    faces: np.ndarray
    color: tuple[float, float, float, float]
    smooth: bool
    texture: np.ndarray | None = None


@dataclass(frozen=True)
class SoftShape:
    """The surface of a soft body, whose vertices move.

    Attributes:
        name: name of the element of the scene.
        faces: ``(F, 3)`` indices of vertices, counterclockwise seen from outside.
        color: red, green, blue and opacity from 0 to 1.
    """

    name: str
    faces: np.ndarray
    color: tuple[float, float, float, float]


@dataclass(frozen=True)
class ShapeLooks:
    """Sizes and colours of shapes where worlds differ.

    Attributes:
        scales: ``(n, shapes, 3)`` factors of the vertices along the axes of the body; None: all are 1.
        colors: ``(n, shapes, 3)`` red, green and blue from 0 to 1; None: those of the shapes.
    """

    scales: np.ndarray | None = None
    colors: np.ndarray | None = None


@dataclass(frozen=True)
class Ground:
    """A ground plane.

    Attributes:
        height: in metres.
        color: red, green and blue from 0 to 1.
    """

    height: float
    color: tuple[float, float, float]


class SceneGeometry(Protocol):
    """The visible geometry of an engine's worlds.

    Attributes:
        shapes: the visible shapes of one world, without ground planes.
        soft_shapes: the visible surfaces of soft bodies of one world.
        ground: the ground plane, or None if there is none.
        num_bodies: number of bodies that shapes are fixed to.
        body_names: their names: that of an element of the scene, or those of an articulation and its link as
            ``articulation/link``.
        robot: indices of the bodies that a camera follows: the first thing that moves, its root first; may be empty.
    """

    shapes: Sequence[Shape]
    soft_shapes: Sequence[SoftShape]
    ground: Ground | None
    num_bodies: int
    body_names: Sequence[str]
    robot: Sequence[int]

    def poses(self, worlds: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Return current positions ``(n, num_bodies, 3)`` and orientations ``(n, num_bodies, 4)``, w, x, y, z.

        They are relative to the worlds' own origins, in float32. This waits for the device.

        Args:
            worlds: numbers of the worlds.
        """
        ...

    def soft_vertices(self, worlds: Sequence[int]) -> list[np.ndarray]:
        """Return current positions ``(n, V, 3)`` of the vertices of each soft body, in metres, in float32.

        They are relative to the worlds' own origins. This waits for the device.

        Args:
            worlds: numbers of the worlds.
        """
        ...

    def looks(self, worlds: Sequence[int]) -> ShapeLooks:
        """Return the current sizes and colours of the shapes in worlds; this waits for the device.

        Args:
            worlds: numbers of the worlds.
        """
        ...

    def floor(self, x: float, y: float) -> float:
        """Return the height of the ground or terrain of a world at a point, in metres; minus infinity without any."""
        ...


def robot_radius(geometry: SceneGeometry, positions: np.ndarray) -> float:
    """Return how far the robot of a world reaches around its root, in metres; 1 if there is no robot.

    Args:
        geometry: the geometry of the worlds.
        positions: ``(num_bodies, 3)`` of one world, in metres.
    """
    if not geometry.robot:
        return 1.0
    root = positions[geometry.robot[0]]
    return max(
        float(np.linalg.norm(positions[shape.body] - root) + np.linalg.norm(shape.vertices, axis=1).max())
        for shape in geometry.shapes
        if shape.body in geometry.robot
    )
