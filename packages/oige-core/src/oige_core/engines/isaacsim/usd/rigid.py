"""Writes rigid bodies."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from pxr import Sdf, Usd, UsdGeom, UsdPhysics

from oige_core.engines.isaacsim.usd.description import BodyDescription, MassProperties, Pose, Shape
from oige_core.engines.isaacsim.usd.prims import make_valid, rigid_body, set_pose, set_values, write_mass, write_shape
from oige_core.engines.isaacsim.usd.stage_map import ABSENT_REST_OFFSET, RigidPrims
from oige_core.scene.assets import Color
from oige_core.scene.elements import BodyElement, RigidAssetElement, RigidElement
from oige_core.scene.primitives import FACE_SIZE, FACE_THICKNESS, Primitive, inertia, volume

__all__ = ["keep_apart", "primitive_mass", "switch_off_alternatives", "write_rigid", "write_rigid_asset"]


_DEFAULT_MASKS = (1, 1)


def write_rigid(element: RigidElement, stage: Usd.Stage, path: str) -> RigidPrims:
    """Write a rigid body with its own shape and, invisible, those that worlds may have instead.

    Mass, centre of mass and inertia are those of its own shape with uniform density.

    Args:
        element: the body.
        stage: the stage.
        path: of the new body.
    """
    _write_body(element, stage, path, primitive_mass(element))
    paths: dict[str, str] = {}
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


def write_rigid_asset(
    element: RigidAssetElement, description: BodyDescription, stage: Usd.Stage, path: str
) -> RigidPrims:
    """Write a rigid body from a file.

    Args:
        element: the body.
        description: what its file has.
        stage: the stage.
        path: of the new body.
    """
    _write_body(element, stage, path, description.mass)
    identifiers = make_valid(shape.name for shape in description.shapes)
    paths = {name: f"{path}/{identifier}" for name, identifier in identifiers.items()}
    for shape in description.shapes:
        write_shape(stage, paths[shape.name], shape, description.meshes)
    return RigidPrims(path=path, shape_paths=paths, description=description)


def keep_apart(stage: Usd.Stage, rigids: Mapping[str, RigidPrims], others: Iterable[str]) -> None:
    """Filter the pairs of shapes that do not collide because of their ``contype`` and ``conaffinity``.

    Args:
        stage: the stage.
        rigids: prims of all rigid bodies, by name.
        others: paths of everything else that collides, bodies or colliders that belong to none.
    """
    bodies = list(rigids.values())
    for number, body in enumerate(bodies):
        if body.description is None:
            continue
        for shape, masks in body.description.masks.items():
            if not any(masks):
                continue
            apart = [] if _collide(masks, _DEFAULT_MASKS) else [*others]
            for other in (*bodies[:number], *bodies[number + 1 :]):
                if other.description is None:
                    apart += [] if _collide(masks, _DEFAULT_MASKS) else [other.path]
                    continue
                for name, theirs in other.description.masks.items():
                    is_later = bodies.index(other) > number  # each pair is filtered once
                    if is_later and any(theirs) and not _collide(masks, theirs):
                        apart.append(other.shape_paths[name])
            if apart:
                api = UsdPhysics.FilteredPairsAPI.Apply(stage.GetPrimAtPath(body.shape_paths[shape]))
                api.CreateFilteredPairsRel().SetTargets([Sdf.Path(path) for path in apart])


def primitive_mass(element: RigidElement) -> MassProperties:
    """Return mass and inertia of a body with a primitive shape."""
    mass = element.density * volume(element.shape, element.size) if element.mass is None else element.mass
    moments = inertia(element.shape, element.size, mass)
    return MassProperties(mass=mass, center=(0.0, 0.0, 0.0), inertia=moments, axes=(1.0, 0.0, 0.0, 0.0))


def _write_body(element: BodyElement, stage: Usd.Stage, path: str, mass: MassProperties) -> None:
    body = UsdGeom.Xform.Define(stage, path).GetPrim()
    set_pose(body, Pose(position=element.position, orientation=element.orientation))
    rigid_body(body, disable_gravity=bool(element.disable_gravity))
    UsdPhysics.RigidBodyAPI(body).CreateKinematicEnabledAttr(element.kinematic)
    set_values(body, "PhysxRigidBodyAPI", {"physxRigidBody:enableGyroscopicForces": True})
    write_mass(body, mass)


def _collide(first: tuple[int, int], second: tuple[int, int]) -> bool:
    return bool(first[0] & second[1] or second[0] & first[1])


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
