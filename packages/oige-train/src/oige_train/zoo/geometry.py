"""The visible geometry of a page: meshes that move with bodies, soft bodies, ground and lights."""

from typing import Any

import mujoco
import numpy as np
from oige_core.engines.base import Engine
from oige_core.render import appearance
from oige_core.render.geometry import robot_radius

from oige_train.zoo.pack import Pack

__all__ = ["add_geometry"]


def add_geometry(pack: Pack, engine: Engine, model: mujoco.MjModel) -> dict[str, Any]:
    """Add meshes to a page's arrays and return their description.

    Args:
        pack: the arrays.
        engine: the built engine.
        model: its model.
    """
    geometry = engine.create_geometry()
    shapes = []
    for number, shape in enumerate(geometry.shapes):
        pack.add(f"mesh.{number}.vertices", shape.vertices.astype(np.float32))
        pack.add(f"mesh.{number}.faces", shape.faces.astype(np.uint32))
        described = {
            "body": None if shape.body is None else int(model.body(geometry.body_names[shape.body]).id),
            "color": list(map(float, shape.color)),
            "smooth": shape.smooth,
        }
        if shape.texture is not None:
            pack.add(f"mesh.{number}.texture", np.round(255.0 * shape.texture).astype(np.uint8))
            described["texture"] = list(shape.texture.shape[:2])
        shapes.append(described)
    soft = []
    for number, shape in enumerate(geometry.soft_shapes):
        pack.add(f"soft.{number}.faces", shape.faces.astype(np.uint32))
        flex = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_FLEX, shape.name)
        first, count = int(model.flex_vertadr[flex]), int(model.flex_vertnum[flex])
        soft.append({"first": first, "count": count, "color": list(map(float, shape.color))})
    positions = geometry.poses([0])[0][0]
    return {
        "shapes": shapes,
        "soft": soft,
        "ground": None
        if geometry.ground is None
        else {"height": geometry.ground.height, "color": list(map(float, geometry.ground.color))},
        "robot": int(model.body(geometry.body_names[geometry.robot[0]]).id) if geometry.robot else None,
        "radius": robot_radius(geometry, positions),
        "sky": list(appearance.SKY),
        "sun": list(appearance.SUN),
        "lights": {
            "ambient": appearance.AMBIENT,
            "headlight": appearance.HEADLIGHT,
            "sunlight": appearance.SUNLIGHT,
        },
        "tile": appearance.TILE,
        "shade": appearance.SHADE,
    }
