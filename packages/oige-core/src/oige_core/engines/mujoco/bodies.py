"""Adds rigid bodies to the specification of a scene."""

from collections.abc import Iterable, Mapping, Sequence

import mujoco
import numpy as np

from oige_core.engines.mujoco.attach import attach
from oige_core.engines.mujoco.collisions import Masks
from oige_core.engines.mujoco.friction import DEFAULT_FRICTION
from oige_core.engines.mujoco.layout import prefixed
from oige_core.scene.assets import Color, Material
from oige_core.scene.elements import RigidAssetElement, RigidElement
from oige_core.scene.primitives import FACE_SIZE, FACE_THICKNESS, Primitive

__all__ = ["add_primitive", "add_rigid_asset", "prepare_bodies", "surface_friction"]

# Gravity compensation can be changed at run time only if it is not zero at compile time.
_GRAVITY_COMPENSATION_OFF = 1e-12

_SHAPES = {
    "sphere": mujoco.mjtGeom.mjGEOM_SPHERE,
    "box": mujoco.mjtGeom.mjGEOM_BOX,
    "capsule": mujoco.mjtGeom.mjGEOM_CAPSULE,
    "cylinder": mujoco.mjtGeom.mjGEOM_CYLINDER,
}


def add_primitive(spec: mujoco.MjSpec, element: RigidElement, masks: Masks) -> None:
    """Add a body with a primitive shape, its alternatives, and coloured faces."""
    body = spec.worldbody.add_body(
        name=element.name, pos=element.position, quat=element.orientation, mocap=element.kinematic
    )
    if not element.kinematic:
        body.add_freejoint()
    contype, conaffinity = masks if element.collision else (0, 0)
    shapes: dict[Primitive, tuple[float, ...]] = {element.shape: element.size, **element.alternatives}
    for shape, size in shapes.items():
        geom = body.add_geom(
            type=_SHAPES[shape],
            size=_geom_size(shape, size),
            density=element.density,
            contype=contype,
            conaffinity=conaffinity,
            friction=surface_friction(element.material),
            rgba=element.material.color,
        )
        if shape != element.shape:
            geom.mass = 0.0
        elif element.mass is not None:
            geom.mass = element.mass
    for face, color in enumerate(element.face_colors):
        _add_face(body, np.array(element.size), face, color)
    prepare_bodies([body], element.disable_gravity)


def add_rigid_asset(
    spec: mujoco.MjSpec, element: RigidAssetElement, asset: mujoco.MjSpec, masks: Mapping[tuple[str, Masks], Masks]
) -> None:
    """Add a body from a file.

    Args:
        spec: specification of the scene.
        element: the body.
        asset: specification of the body.
        masks: see :func:`~oige_core.engines.mujoco.collisions.collision_masks`.
    """
    for geom in asset.geoms:
        geom.contype, geom.conaffinity = masks[element.name, (geom.contype, geom.conaffinity)]
    body = attach(spec, asset, prefixed(element.name, ""), element.position, element.orientation)
    body.name, body.mocap = element.name, element.kinematic
    if not element.kinematic:
        body.add_freejoint()
    prepare_bodies([body], element.disable_gravity)


def _geom_size(shape: Primitive, size: Sequence[float]) -> list[float]:
    """Return MuJoCo's size of a shape, in metres."""
    match shape:
        case "sphere":
            return [size[0], 0.0, 0.0]
        case "box":
            return [0.5 * edge for edge in size]
        case _:
            return [size[0], 0.5 * size[1], 0.0]


def _add_face(body: mujoco.MjsBody, size: np.ndarray, face: int, color: Color) -> None:
    """Add a plate without mass and collisions to a face of a box with edges ``size`` ``(3,)``, in metres.

    Faces are counted in the order +x, −x, +y, −y, +z, −z.
    """
    axis, sign = face // 2, 1 - 2 * (face % 2)
    along = np.arange(3) == axis
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX,
        pos=np.where(along, 0.5 * sign * size, 0.0),
        size=0.5 * size * np.where(along, FACE_THICKNESS, FACE_SIZE),
        mass=0.0,
        contype=0,
        conaffinity=0,
        rgba=color,
    )


def surface_friction(material: Material) -> list[float]:
    """Return MuJoCo's three coefficients of friction of a surface."""
    return [DEFAULT_FRICTION if material.friction is None else material.friction, 0.005, 0.0001]


def prepare_bodies(bodies: Iterable["mujoco.MjsBody"], disable_gravity: bool | None) -> None:
    """Have bodies compiled such that their centres of mass, principal axes and gravity can be changed at run time."""
    for body in bodies:
        body.simple = 0
        if disable_gravity is not None:
            body.gravcomp = 1.0 if disable_gravity else _GRAVITY_COMPENSATION_OFF
