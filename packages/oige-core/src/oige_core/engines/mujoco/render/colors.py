"""Colours of geoms."""

import mujoco
import numpy as np

__all__ = ["geom_color"]

_NEUTRAL = (0.5, 0.5, 0.5, 1.0)  # the default colour of a geom; then the colour of its material applies


def geom_color(model: mujoco.MjModel, geom: int) -> tuple[float, float, float, float]:
    """Return the colour of a geom, red, green, blue and opacity from 0 to 1."""
    material = int(model.geom_matid[geom])
    own = model.geom_rgba[geom]
    color = model.mat_rgba[material] if material >= 0 and np.allclose(own, _NEUTRAL) else own
    red, green, blue, opacity = map(float, color)
    return red, green, blue, opacity
