"""Writes rigid bodies with primitive shapes."""

from collections.abc import Iterator

import numpy as np
from pxr import Usd, UsdGeom, UsdPhysics

from oige_core.engines.isaacsim.usd.description import Pose, Shape
from oige_core.engines.isaacsim.usd.prims import rigid_body, set_pose, set_values, to_quat, to_vec, write_shape
from oige_core.engines.isaacsim.usd.stage_map import ABSENT_REST_OFFSET, RigidPrims
from oige_core.scene.assets import Color
from oige_core.scene.elements import RigidElement
from oige_core.scene.primitives import FACE_SIZE, FACE_THICKNESS, Primitive, inertia, volume

__all__ = ["switch_off_alternatives", "write_rigid"]


def write_rigid(element: RigidElement, stage: Usd.Stage, path: str) -> RigidPrims:
    """Write a rigid body with its own shape and, invisible, those that worlds may have instead.

    Mass, centre of mass and inertia are those of its own shape with uniform density.

    Args:
        element: the body.
        stage: the stage.
        path: of the new body.
    """
    body = UsdGeom.Xform.Define(stage, path).GetPrim()
    set_pose(body, Pose(position=element.position, orientation=element.orientation))
    rigid_body(body, disable_gravity=bool(element.disable_gravity))
    UsdPhysics.RigidBodyAPI(body).CreateKinematicEnabledAttr(element.kinematic)
    set_values(body, "PhysxRigidBodyAPI", {"physxRigidBody:enableGyroscopicForces": True})
    mass = element.density * volume(element.shape, element.size) if element.mass is None else element.mass
    api = UsdPhysics.MassAPI.Apply(body)
    api.CreateMassAttr(mass)
    api.CreateCenterOfMassAttr(to_vec((0.0, 0.0, 0.0)))
    api.CreateDiagonalInertiaAttr(to_vec(inertia(element.shape, element.size, mass)))
    api.CreatePrincipalAxesAttr(to_quat((1.0, 0.0, 0.0, 0.0)))
    paths: dict[Primitive, str] = {}
    sizes: dict[Primitive, tuple[float, ...]] = {element.shape: element.size, **element.alternatives}
    for shape, size in sizes.items():
        paths[shape] = f"{path}/{shape}"
        drawn = _shape(shape, shape, _half_lengths(shape, size), element.material.color, collides=element.collision)
        prim = write_shape(stage, paths[shape], drawn, {})
        if shape != element.shape:
            UsdGeom.Imageable(prim).MakeInvisible()
    for face in _faces(element):
        write_shape(stage, f"{path}/{face.name}", face, {})
    return RigidPrims(path=path, shape_paths=paths)


def switch_off_alternatives(element: RigidElement, stage: Usd.Stage, prims: RigidPrims) -> None:
    """Let nothing touch the shapes that worlds may have instead of a body's own.

    PhysX cannot disable shapes while it runs, but it can change their rest offsets.

    Args:
        element: the body.
        stage: the stage.
        prims: its prims.
    """
    if element.collision:
        for number, shape in enumerate(element.alternatives, start=1):
            collider = stage.GetPrimAtPath(prims.shape_paths[shape])
            set_values(collider, "PhysxCollisionAPI", {"physxCollision:restOffset": number * ABSENT_REST_OFFSET})


def _shape(
    name: str,
    kind: Primitive,
    size: tuple[float, ...],
    color: Color,
    position: tuple[float, ...] = (0.0, 0.0, 0.0),
    *,
    collides: bool = False,
) -> Shape:
    pose = Pose(position=position)
    return Shape(
        name=name, kind=kind, size=size, pose=pose, color=color, visible=True, collides=collides, friction=None
    )


def _half_lengths(shape: Primitive, size: tuple[float, ...]) -> tuple[float, ...]:
    """Return the size of a shape of a scene as that of a shape of a link, which has half lengths."""
    if shape == "box":
        return tuple(0.5 * edge for edge in size)
    return size[0], *(0.5 * length for length in size[1:])


def _faces(element: RigidElement) -> Iterator[Shape]:
    """Yield the plates that colour the faces of a box, +x, −x, +y, −y, +z, −z."""
    for face, color in enumerate(element.face_colors):
        along = np.arange(3) == face // 2
        half = 0.5 * np.array(element.size)
        position = np.where(along, (1 - 2 * (face % 2)) * half, 0.0)
        plate = half * np.where(along, FACE_THICKNESS, FACE_SIZE)
        yield _shape(f"face_{face}", "box", tuple(plate.tolist()), color, tuple(position.tolist()))
