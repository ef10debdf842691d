"""The camera of the viewer and of recordings: where it is, and how it follows a robot."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oige_core.config import ViewportConfig

__all__ = [
    "CAMERA_DIRECTION",
    "FOV",
    "Camera",
    "ChaseTarget",
    "CloseUp",
    "chase_position",
    "close_up",
    "middle_world",
    "viewport_camera",
]

CAMERA_DIRECTION = np.array([0.75, -0.75, 0.5])
"""Direction from the target to the camera where no camera position is given."""

FOV = 45.0
"""Vertical field of view, in degrees."""

DISTANCE = 4.0  # of a camera that follows a robot, in radii of the robot
SMOOTHING = 0.1  # fraction of the way to the robot's height that the target moves in each image
JUMP = 1.0  # m; a larger change of height is a reset of the robot, and the target moves at once


@dataclass(frozen=True)
class CloseUp:
    """A part of a world that a camera shows.

    Attributes:
        target: its middle, relative to the world's origin, in metres.
        radius: in metres.
    """

    target: tuple[float, float, float]
    radius: float


@dataclass(frozen=True)
class Camera:
    """A camera that sees worlds on their grid.

    Attributes:
        size: width and height of an image, in pixels.
        position: in metres; None: near the robot in the middle of the grid, which the camera follows.
        target: point that the camera looks at, in metres.
        fov: vertical field of view, in degrees.
        close_up: what the camera shows instead of a robot, if it has no position.
    """

    size: tuple[int, int]
    position: tuple[float, float, float] | None = None
    target: tuple[float, float, float] = (0.0, 0.0, 0.0)
    fov: float = FOV
    close_up: CloseUp | None = None


def viewport_camera(viewport: ViewportConfig, size: tuple[int, int] | None = None) -> Camera:
    """Return the camera that the ``task.viewport`` section describes.

    Args:
        viewport: the section.
        size: width and height of an image, in pixels; by default the section's.
    """
    position = viewport.camera_position
    return Camera(
        size or (viewport.viewport_camera_width, viewport.viewport_camera_height),
        position=None if position is None else _point(position),
        target=_point(viewport.camera_target),
        close_up=close_up(viewport),
    )


def close_up(viewport: ViewportConfig) -> CloseUp | None:
    """Return the part of a world that the ``task.viewport`` section asks for, or None: its robot."""
    target = viewport.world_target
    return None if target is None else CloseUp(_point(target), viewport.world_radius)


def _point(values: Sequence[float]) -> tuple[float, float, float]:
    x, y, z = values
    return x, y, z


class ChaseTarget:
    """The points that cameras look at to follow robots: the robots' roots, with their heights smoothed."""

    def __init__(self) -> None:
        self._heights: np.ndarray | None = None

    def update(self, roots: np.ndarray) -> np.ndarray:
        """Return the points for the next image, as many as there are roots, in metres.

        Args:
            roots: ``(n, 3)`` or ``(3,)`` positions of the robots' roots, in metres; as many in each call.
        """
        heights = roots[..., 2]
        if self._heights is not None:
            rise = heights - self._heights
            heights = np.where(np.abs(rise) < JUMP, self._heights + SMOOTHING * rise, heights)
        self._heights = heights
        return np.concatenate([roots[..., :2], heights[..., None]], axis=-1)


def chase_position(targets: np.ndarray, radii: np.ndarray | float) -> np.ndarray:
    """Return the positions of cameras that follow robots, in metres.

    Args:
        targets: ``(n, 3)`` or ``(3,)`` points that the cameras look at, in metres.
        radii: ``(n,)`` or one: of the robots, in metres.
    """
    return targets + DISTANCE * np.asarray(radii)[..., None] * CAMERA_DIRECTION


def middle_world(offsets: np.ndarray) -> int:
    """Return the number of the world nearest to the middle of all.

    Args:
        offsets: ``(n, 3)`` positions of the worlds on their grid, in metres.
    """
    return int(np.linalg.norm(offsets - offsets.mean(axis=0), axis=1).argmin())
