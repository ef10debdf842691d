"""The appearance of worlds in the viewer and in recordings: lights, sky, ground and the colours of terrain."""

import numpy as np

__all__ = [
    "AMBIENT",
    "CAMERA_SUN",
    "HEADLIGHT",
    "SHADE",
    "SKY",
    "SUN",
    "SUNLIGHT",
    "TILE",
    "terrain_texture",
]

SKY = (0.93, 0.95, 0.98)
"""Background colour: red, green and blue from 0 to 1."""

SUN = (-0.5, 0.25, -0.8)
"""Direction in which sunlight travels."""

CAMERA_SUN = (0.35, 0.25, -0.9)
"""Direction in which sunlight travels in the images of a scene's cameras, with which policies are trained."""

AMBIENT, HEADLIGHT, SUNLIGHT = 0.45, 0.4, 0.45
"""Intensities of the lights: from everywhere, from the camera, and from the sun where there is no shadow."""

TILE = 1.0
"""Size of the checkers on the ground, in metres."""

SHADE = 0.93
"""Brightness of every other checker, relative to the others."""

LOWEST_TINT = np.array([0.62, 0.79, 1.02])  # factors of a terrain's colour at its lowest point,
HIGHEST_TINT = np.array([1.40, 1.22, 0.92])  # and at its highest
CONTOUR = 0.25  # m; between the heights of contour lines
CONTOUR_SHADE = 0.72  # brightness of contour lines, relative to the ground beside them


def terrain_texture(heights: np.ndarray, spacing: tuple[float, float], color: tuple[float, ...]) -> np.ndarray:
    """Return an image of a terrain from above, ``(columns, rows, 3)`` float from 0 to 1, x to the right, y upwards.

    Higher ground is lighter and warmer, contour lines every 0.25 m show its shape, and checkers of :data:`TILE` show
    distances. A line separates heights of less than 0.125 m from greater ones, so that flat ground at 0 has none.

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
    shade[_is_contour(heights)] *= CONTOUR_SHADE
    return np.clip(tint * shade[..., None] * np.array(color[:3]), 0.0, 1.0).swapaxes(0, 1)[::-1]


def _is_contour(heights: np.ndarray) -> np.ndarray:
    """Return whether a contour line passes between each sample and the next one along x or y."""
    band = np.floor(heights / CONTOUR + 0.5)
    lines = np.zeros(heights.shape, dtype=bool)
    lines[:-1] |= band[:-1] != band[1:]
    lines[:, :-1] |= band[:, :-1] != band[:, 1:]
    return lines
