"""Rigid bodies, links and terrain in one scene, so that kernels are compiled for one model."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from oige_core.config import ActorConfig, DefaultPhysicsMaterialConfig
from oige_core.math import quat_from_angle_axis
from oige_core.scene import ArticulationAsset, Scene

G = 9.81
DT = 2e-3
NUM_ENVS = 3
IDENTITY = (1.0, 0.0, 0.0, 0.0)

# A brick with three different moments of inertia: m (a² + b²) / 12.
BRICK_SIZE, BRICK_MASS = (0.2, 0.4, 0.6), 12.0
BRICK_INERTIA = [(0.16 + 0.36), (0.04 + 0.36), (0.04 + 0.16)]

BOX_MASS, TOP_MASS, BALL_RADIUS, BALL_MASS = 2.0, 3.0, 0.1, 1.0

# A foot on a vertical rail, of two shapes, and beside it, above the ground, a link that does nothing.
PRESS = """<mujoco><worldbody><body name="stand">
  <body name="foot"><joint name="foot" type="slide" axis="0 0 1"/>
    <geom size=".1" mass="1"/><geom size=".05" mass=".5"/></body>
  <body name="idle" pos="0 1 .1"><joint name="idle" type="slide" axis="1 0 0"/><geom size=".1" mass="4"/></body>
</body></worldbody></mujoco>"""

# Two balls on one rail, 10 cm apart.
TWINS = """<mujoco><worldbody><body name="rail">
  <body name="left"><joint name="left" type="slide" axis="1 0 0"/><geom size=".1" mass="1"/></body>
  <body name="right" pos=".3 0 0"><joint name="right" type="slide" axis="1 0 0"/><geom size=".1" mass="1"/></body>
</body></worldbody></mujoco>"""

# Terrain: 1 m of margin around a field that rises along x by its first part, along y by its second.
SCALE = 0.5
ORIGIN = (10.0, 20.0, 1.0)


def heights() -> np.ndarray:
    """7 samples along x, 11 along y: flat at 0.4, but a step of 0.7 where x ≥ 2 m, and −0.3 there where y ≥ 4 m."""
    field = np.full((7, 11), 0.4)
    field[4:, :] = 0.7
    field[4:, 8:] = -0.3
    return field


def set_up_scene(scene: Scene) -> dict[str, Any]:
    def asset(mjcf: str) -> ArticulationAsset:
        return ArticulationAsset(mjcf=mjcf, usd="none.usd")

    scene.add_ground_plane()
    scene.add_height_field("terrain", heights(), horizontal_scale=SCALE, origin=ORIGIN)
    press = scene.add_articulation("press", asset(PRESS), position=(-5, 0, 0.1))
    twins = {
        name: scene.add_articulation(name, asset(TWINS), position=(0, y, 5))
        for name, y in (("apart", -8.0), ("colliding", -9.0))
    }
    return twins | {
        "press": press,
        "foot": scene.add_link_view("foot", "press", "foot", track_contact_forces=True),
        "parts": scene.add_link_view("parts", "press", ["idle", "foot"], track_contact_forces=True),
        "brick": scene.add_box("brick", size=BRICK_SIZE, mass=BRICK_MASS, position=(0, 0, 30), disable_gravity=False),
        "box": scene.add_box(
            "box", size=(0.2, 0.2, 0.2), mass=BOX_MASS, position=(3, 0, 0.1), track_contact_forces=True
        ),
        "top": scene.add_box(
            "top", size=(0.2, 0.2, 0.2), mass=TOP_MASS, position=(6, 0, 0.1), track_contact_forces=True
        ),
        "ball": scene.add_sphere(
            "ball", radius=BALL_RADIUS, mass=BALL_MASS, position=(9, 0, 0.1), track_contact_forces=True
        ),
        "pusher": scene.add_box("pusher", size=(0.2, 0.4, 0.4), kinematic=True, position=(0, 8, 0.3)),
        "marker": scene.add_sphere("marker", radius=0.2, kinematic=True, collision=False, position=(3, 0, 0.1)),
        # Without collision: kernels of further pairs of shapes take long to compile.
        "can": scene.add_cylinder("can", radius=0.1, length=0.3, density=500.0, collision=False),
        "pill": scene.add_capsule("pill", radius=0.1, length=0.3, density=500.0, collision=False),
    }


def build_rigid_bodies(build: Callable[..., Any], executor: str) -> Any:
    """Build three worlds of the scene; see the fixture ``build``."""
    return build(
        set_up_scene,
        NUM_ENVS,
        executor,
        actors={"colliding": ActorConfig(enable_self_collisions=1), "apart": ActorConfig(enable_self_collisions=0)},
        dt=DT,
        default_physics_material=DefaultPhysicsMaterialConfig(static_friction=0.5, dynamic_friction=0.5),
    )


def turned(world: Any, angle: float, *axis: float) -> torch.Tensor:
    """Return the quaternion ``(4,)`` of a turn about an axis of any length."""
    axis_ = torch.nn.functional.normalize(world.tensor(axis), dim=0)
    return quat_from_angle_axis(world.tensor(angle), axis_)
