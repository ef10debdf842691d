"""How worlds look to people, on the viewer's page and in videos: light, sky, colours of terrain and the camera."""

import numpy as np

__all__ = [
    "AMBIENT",
    "CAMERA_DIRECTION",
    "FOV",
    "HEADLIGHT",
    "SHADE",
    "SKY",
    "SUN",
    "SUNLIGHT",
    "TILE",
    "ChaseTarget",
    "camera_position",
    "middle_world",
    "terrain_texture",
]

SKY = (0.93, 0.95, 0.98)
"""Colour behind everything, red, green and blue from 0 to 1."""

SUN = (-0.5, 0.25, -0.8)
"""Direction in which the sun shines."""

AMBIENT, HEADLIGHT, SUNLIGHT = 0.45, 0.4, 0.45
"""Factors of a colour: everywhere, on what faces the camera, on what faces the sun and is not in shadow."""

CAMERA_DIRECTION = np.array([0.75, -0.75, 0.5])
"""From what is looked at to the camera, where nothing else is said."""

FOV = 45.0
"""Vertical angle of the camera, in degrees."""

TILE = 1.0
"""Size of the checkers on the ground, in metres."""

SHADE = 0.93
"""Brightness of every other checker, relative to the others."""

DISTANCE = 4.0  # of a camera that follows a robot, in radii of the robot
CALM = 0.1  # of the way to the robot's height that the picture rises or sinks between two pictures
JUMP = 1.0  # m; a robot that rises or sinks by more was moved, and the picture with it
LOWEST_TINT = np.array([0.72, 0.82, 0.96])  # factors of a terrain's colour at its lowest point,
HIGHEST_TINT = np.array([1.32, 1.22, 1.02])  # and at its highest


class ChaseTarget:
    """The points that cameras look at that follow robots: their roots, but for quick ups and downs."""

    def __init__(self) -> None:
        self._heights: np.ndarray | None = None

    def update(self, roots: np.ndarray) -> np.ndarray:
        """Return the points for the next picture, as many as there are roots, in metres.

        Args:
            roots: ``(n, 3)`` or ``(3,)`` where the roots of the robots are, in metres; as many in each call.
        """
        heights = roots[..., 2]
        if self._heights is not None:
            rise = heights - self._heights
            heights = np.where(np.abs(rise) < JUMP, self._heights + CALM * rise, heights)
        self._heights = heights
        return np.concatenate([roots[..., :2], heights[..., None]], axis=-1)


def camera_position(targets: np.ndarray, radii: np.ndarray | float) -> np.ndarray:
    """Return where cameras are that follow robots, in metres.

    Args:
        targets: ``(n, 3)`` or ``(3,)`` the points that they look at, in metres.
        radii: ``(n,)`` or one: of the robots, in metres.
    """
    return targets + DISTANCE * np.asarray(radii)[..., None] * CAMERA_DIRECTION


def middle_world(offsets: np.ndarray) -> int:
    """Return the number of the world nearest to the middle of all.

    Args:
        offsets: ``(n, 3)`` places of the worlds, in metres.
    """
    return int(np.linalg.norm(offsets - offsets.mean(axis=0), axis=1).argmin())


def terrain_texture(heights: np.ndarray, spacing: tuple[float, float], color: tuple[float, ...]) -> np.ndarray:
    """Return a picture of a terrain from above, ``(columns, rows, 3)`` float from 0 to 1.

    The higher, the lighter, in checkers by which distances are judged. The picture has x to the right and y upwards.

    Args:
        heights: ``(rows along x, columns along y)``, in metres.
        spacing: distance of neighbouring samples along x and y, in metres.
        color: of the terrain, red, green and blue from 0 to 1.
    """
    low, high = float(heights.min()), float(heights.max())
    fraction = (heights - low) / max(high - low, 1e-6)
    tint = LOWEST_TINT + fraction[..., None] * (HIGHEST_TINT - LOWEST_TINT)
    rows, columns = (
        np.floor(np.arange(count) * step / TILE).astype(int) for count, step in zip(heights.shape, spacing, strict=True)
    )
    shade = np.where((rows[:, None] + columns) % 2 == 0, 1.0, SHADE)
    return np.clip(tint * shade[..., None] * np.array(color[:3]), 0.0, 1.0).swapaxes(0, 1)[::-1]
