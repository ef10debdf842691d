"""Adds rigid bodies of the stage to a scene: one primitive shape, or several of its children."""

from typing import Any

from oige_core.scene import Material, Scene
from pxr import Gf, Usd, UsdGeom, UsdPhysics

from oige_compat.errors import CompatError

__all__ = ["add_shape"]


def add_shape(
    scene: Scene, name: str, prim: Usd.Prim, position: Any, orientation: Any, track_contact_forces: bool
) -> Any:
    """Add the body of a prim and return its view.

    Args:
        scene: gets the body.
        name: name of the element.
        prim: a prim with ``UsdPhysics.RigidBodyAPI``.
        position: in the world, in m.
        orientation: w, x, y, z.
        track_contact_forces: whether contact forces are read.

    Raises:
        CompatError: it is not one sphere, cube, cylinder along z or capsule along z.
    """
    shape = _shape(prim)
    options: dict[str, Any] = {
        "position": position,
        "orientation": orientation,
        "kinematic": bool(UsdPhysics.RigidBodyAPI(prim).GetKinematicEnabledAttr().Get()),
        "collision": _collides(shape),
        "track_contact_forces": track_contact_forces,
        **_mass(prim),
    }
    color = UsdGeom.Gprim(shape).GetDisplayColorAttr().Get()
    if color:
        red, green, blue = (min(max(float(part), 0.0), 1.0) for part in color[0])
        options["material"] = Material(color=(red, green, blue, 1.0))
    scale = Gf.Vec3d(*(row.GetLength() for row in _rows(shape)))
    match shape.GetTypeName():
        case "Sphere":
            return scene.add_sphere(name, radius=UsdGeom.Sphere(shape).GetRadiusAttr().Get() * scale[0], **options)
        case "Cube":
            edge = UsdGeom.Cube(shape).GetSizeAttr().Get()
            return scene.add_box(name, size=tuple(edge * part for part in scale), **options)  # pyright: ignore
        case "Cylinder" | "Capsule" as kind if _axis(shape) == "Z":
            add = scene.add_cylinder if kind == "Cylinder" else scene.add_capsule
            radius, height = (shape.GetAttribute(key).Get() for key in ("radius", "height"))
            return add(name, radius=radius * scale[0], length=height * scale[2], **options)
    raise CompatError(f"{shape.GetPath()}: a rigid body of type {shape.GetTypeName()} is not served.")


def _shape(prim: Usd.Prim) -> Usd.Prim:
    """Return the only shape of a body: the prim itself or the one below it."""
    shapes = [each for each in Usd.PrimRange(prim) if each.IsA(UsdGeom.Gprim)]
    if len(shapes) != 1:
        raise CompatError(f"{prim.GetPath()}: a rigid body of {len(shapes)} shapes; expected one.")
    return shapes[0]


def _rows(shape: Usd.Prim) -> list[Gf.Vec3d]:
    matrix = UsdGeom.XformCache().GetLocalToWorldTransform(shape)
    return [Gf.Vec3d(*list(matrix.GetRow3(row))) for row in range(3)]


def _axis(shape: Usd.Prim) -> str:
    return str(shape.GetAttribute("axis").Get())


def _collides(shape: Usd.Prim) -> bool:
    if not shape.HasAPI(UsdPhysics.CollisionAPI):
        return False
    return bool(UsdPhysics.CollisionAPI(shape).GetCollisionEnabledAttr().Get())


def _mass(prim: Usd.Prim) -> dict[str, float]:
    """Return the mass in kg or the density in kg/m³ of a body, if it states one."""
    api = UsdPhysics.MassAPI(prim)
    for key, attribute in (("mass", api.GetMassAttr()), ("density", api.GetDensityAttr())):
        value = attribute.Get() if attribute.IsValid() else None
        if value:
            return {key: float(value)}
    return {}
