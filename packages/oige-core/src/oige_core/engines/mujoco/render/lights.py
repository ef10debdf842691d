"""Lights, the same for cameras of a scene, the images of recordings and the page of the viewer."""

import mujoco

from oige_core.render.appearance import AMBIENT, HEADLIGHT, SUNLIGHT

__all__ = ["add_lights"]


def add_lights(spec: mujoco.MjSpec, sun: tuple[float, float, float] | None) -> None:
    """Add light from the camera and, unless ``sun`` is None, sunlight that travels in this direction."""
    headlight = spec.visual.headlight
    headlight.ambient, headlight.diffuse, headlight.specular = [AMBIENT] * 3, [HEADLIGHT] * 3, [0.05] * 3
    if sun is not None:
        spec.worldbody.add_light(
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
            dir=sun,
            diffuse=[SUNLIGHT] * 3,
            specular=[0.1] * 3,
            castshadow=True,
        )
