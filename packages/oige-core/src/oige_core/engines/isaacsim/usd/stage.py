"""Stages, and prims that physics engines read alike."""

from collections.abc import Iterable, Sequence
from typing import Any

from pxr import Gf, Sdf, Tf, Usd, UsdGeom, UsdPhysics

__all__ = ["apply_schema", "child_path", "define_shape", "new_stage", "place", "quaternion", "set_attribute"]


def new_stage() -> Usd.Stage:
    """Return a new stage in memory: z up, metres, kilograms."""
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    UsdPhysics.SetStageKilogramsPerUnit(stage, 1.0)
    return stage


def child_path(parent: str, name: str, taken: Iterable[str] = ()) -> str:
    """Return the path of a child with a name that USD allows, and that is none of the paths ``taken``."""
    taken = set(taken)
    path = wanted = f"{parent}/{Tf.MakeValidIdentifier(name)}"
    number = 1
    while path in taken:
        number += 1
        path = f"{wanted}_{number}"
    return path


def quaternion(values: Sequence[float]) -> Gf.Quatd:
    """Return w, x, y, z as a quaternion of length 1."""
    w, x, y, z = map(float, values)
    return Gf.Quatd(w, x, y, z).GetNormalized()


def place(
    prim: Usd.Prim, position: Sequence[float], orientation: Sequence[float], scale: Sequence[float] | None = None
) -> None:
    """Set the pose of a prim in its parent's frame: x, y, z in metres; w, x, y, z; and factors along its axes."""
    xform = UsdGeom.Xformable(prim)
    xform.ClearXformOpOrder()
    xform.AddTranslateOp(UsdGeom.XformOp.PrecisionDouble).Set(Gf.Vec3d(*map(float, position)))
    xform.AddOrientOp(UsdGeom.XformOp.PrecisionDouble).Set(quaternion(orientation))
    if scale is not None:
        xform.AddScaleOp(UsdGeom.XformOp.PrecisionDouble).Set(Gf.Vec3d(*map(float, scale)))


def apply_schema(prim: Usd.Prim, name: str) -> None:
    """Apply a schema by name. Schemas of PhysX are known to Isaac Sim, but not to every installation of USD."""
    if name not in prim.GetAppliedSchemas():
        prim.AddAppliedSchema(name)


def set_attribute(prim: Usd.Prim, name: str, kind: Sdf.ValueTypeName, value: Any) -> None:
    """Set an attribute of an applied schema, which need not be known to this installation of USD."""
    attribute = prim.GetAttribute(name) or prim.CreateAttribute(name, kind, custom=False)
    attribute.Set(value)


def define_shape(stage: Usd.Stage, path: str, shape: str, size: Sequence[float]) -> Usd.Prim:
    """Define a primitive shape about its parent's origin.

    Args:
        stage: the stage.
        path: of the new prim.
        shape: ``sphere``, ``box``, ``capsule`` or ``cylinder``; the last two along z.
        size: in metres; radius, edges, or radius and length, as in :mod:`oige_core.scene.primitives`.
    """
    lengths = [float(length) for length in size]
    match shape:
        case "sphere":
            sphere = UsdGeom.Sphere.Define(stage, path)
            sphere.CreateRadiusAttr(lengths[0])
            _set_extent(sphere, [lengths[0]] * 3)
            return sphere.GetPrim()
        case "box":
            cube = UsdGeom.Cube.Define(stage, path)
            cube.CreateSizeAttr(1.0)
            _set_extent(cube, [0.5] * 3)
            place(cube.GetPrim(), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0), lengths)
            return cube.GetPrim()
    radius, length = lengths
    kind = UsdGeom.Capsule if shape == "capsule" else UsdGeom.Cylinder
    prim = kind.Define(stage, path)
    prim.CreateAxisAttr(UsdGeom.Tokens.z)
    prim.CreateRadiusAttr(radius)
    prim.CreateHeightAttr(length)
    _set_extent(prim, [radius, radius, 0.5 * length + (radius if shape == "capsule" else 0.0)])
    return prim.GetPrim()


def _set_extent(prim: UsdGeom.Boundable, half: Sequence[float]) -> None:
    prim.CreateExtentAttr([Gf.Vec3f(*(-length for length in half)), Gf.Vec3f(*half)])
