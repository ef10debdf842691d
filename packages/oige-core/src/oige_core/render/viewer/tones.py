"""Colours and lights that make the page look like the videos."""

import math

import numpy as np

__all__ = [
    "AMBIENT_INTENSITY",
    "FILL_INTENSITY",
    "SUN_INTENSITY",
    "lit",
    "mesh_color",
    "shadow_opacity",
    "texture_color",
]

# In videos, a pixel is a colour times the sum of the lights. The page's renderer, three.js, converts colours to linear
# light, multiplies and applies the ACES filmic curve, which desaturates them: see ACESFilmicToneMapping and
# RRTAndODTFit in tonemapping_pars_fragment of three.js.
_ACES_IN = np.array([[0.59719, 0.35458, 0.04823], [0.07600, 0.90834, 0.01566], [0.02840, 0.13383, 0.83777]])
_ACES_OUT = np.array([[1.60475, -0.53108, -0.07367], [-0.10208, 1.10813, -0.00605], [-0.00327, -0.07276, 1.07602]])
_EXPOSURE = 1.0 / 0.6
_BRIGHTEST = 0.8  # linear; brighter colours would need very strong lights
_GAMMA = 2.2


def _linear(color: np.ndarray) -> np.ndarray:
    return np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)


def _encoded(color: np.ndarray) -> np.ndarray:
    return np.where(color <= 0.0031308, 12.92 * color, 1.055 * np.maximum(color, 0.0) ** (1 / 2.4) - 0.055)


def _inverse_aces(color: np.ndarray) -> np.ndarray:
    """Return the linear light that the page shows as a linear colour, ``(…, 3)`` both."""
    seen = color @ np.linalg.inv(_ACES_OUT).T
    # Solve seen = (v (v + a) - b) / (v (c v + d) + e) for v.
    a, b, c, d, e = 0.0245786, 0.000090537, 0.983729, 0.4329510, 0.238081
    p, q, r = 1.0 - c * seen, a - d * seen, -b - e * seen
    light = (-q + np.sqrt(np.maximum(q * q - 4.0 * p * r, 0.0))) / (2.0 * p)
    return np.maximum(light @ np.linalg.inv(_ACES_IN).T, 0.0) / _EXPOSURE


_FULL = float(_inverse_aces(np.full(3, _BRIGHTEST)).max())  # light that makes white appear as _BRIGHTEST

# A least-squares fit over a sphere seen from the initial camera: there, the page's lights sum to those of videos, which
# are 0.45 + 0.4 (facing the camera) + 0.45 (facing the sun), in linear light. A matt white surface reflects 1 / π of
# it.
AMBIENT_INTENSITY = 0.08 * math.pi * _FULL
FILL_INTENSITY = 0.65 * math.pi * _FULL
SUN_INTENSITY = 0.87 * math.pi * _FULL


def mesh_color(color: np.ndarray | tuple[float, ...]) -> np.ndarray:
    """Return the colour, uint8, that makes a batched mesh look as ``color`` does in videos.

    Viser takes the colours of batched meshes, unlike all others, as linear ones.

    Args:
        color: ``(…, 3)`` red, green and blue from 0 to 1.
    """
    return _bytes(_surface(color))


def texture_color(color: np.ndarray | tuple[float, ...]) -> np.ndarray:
    """Return the colour, uint8, that makes a texture look as ``color`` does in videos.

    Args:
        color: ``(…, 3)`` red, green and blue from 0 to 1.
    """
    return _bytes(_encoded(_surface(color)))


def _surface(color: np.ndarray | tuple[float, ...]) -> np.ndarray:
    """Return the fraction of light that a surface must reflect, ``(…, 3)``."""
    seen = np.minimum(_linear(np.asarray(color, dtype=np.float64)), _BRIGHTEST)
    return _inverse_aces(seen) / _FULL


def _bytes(color: np.ndarray) -> np.ndarray:
    return np.rint(255.0 * np.clip(color, 0.0, 1.0)).astype(np.uint8)


def lit(color: tuple[float, ...], light: float) -> tuple[int, int, int]:
    """Return a colour multiplied by light, for objects that the page draws unlit."""
    red, green, blue = (round(255.0 * min(light * part, 1.0)) for part in color[:3])
    return red, green, blue


def shadow_opacity(shadow: float, light: float) -> float:
    """Return the opacity, from 0 to 1, of a shadow that dims ``light`` to ``shadow``."""
    return 1.0 - (shadow / light) ** _GAMMA
