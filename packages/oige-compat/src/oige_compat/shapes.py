"""Adds rigid bodies that are one primitive shape to a scene."""

import numpy as np
from oige_core.scene import Material, Scene
from pxr import Usd, UsdGeom, UsdPhysics

from oige_compat.assets.bodies import collides
from oige_compat.assets.report import Report
from oige_compat.assets.shapes import is_geometry, read_surface
from oige_compat.assets.stages import Frames, prims_below

__all__ = ["add_shape", "is_simple"]

_STATED = ("physics:centerOfMass", "physics:diagonalInertia", "physics:principalAxes")


def is_simple(prim: Usd.Prim) -> bool:
    """Whether a prim is a sphere, a box, or a cylinder or capsule along z, whose inertia follows from its mass."""
    shapes = [each for each in prims_below(prim) if is_geometry(each)]
    if shapes != [prim] or any(prim.GetAttribute(name).HasAuthoredValue() for name in _STATED):
        return False
    if prim.IsA(UsdGeom.Cube):
        return True
    lengths = Frames(prim.GetStage()).scale(prim)
    round_ = bool(np.ptp(lengths[: 3 if prim.IsA(UsdGeom.Sphere) else 2]) <= 1e-4 * lengths.max())
    along_z = prim.IsA(UsdGeom.Sphere) or str(prim.GetAttribute("axis").Get()) == "Z"
    return prim.GetTypeName() in ("Sphere", "Cylinder", "Capsule") and round_ and along_z


def add_shape(scene: Scene, name: str, prim: Usd.Prim, frames: Frames, report: Report, options: dict) -> object:
    """Add the body of a prim for which :func:`is_simple` is True, and return its view.

    Args:
        scene: gets the body.
        name: name of the element.
        prim: the shape, which is the body.
        frames: of the stage.
        report: gets what of its material acts otherwise.
        options: pose, contact forces, gravity, and whether it is kinematic.
    """
    options = {**options, "collision": collides(prim), **_mass(prim)}
    surface = read_surface(prim, frames, report) if options["collision"] else None
    color = UsdGeom.Gprim(prim).GetDisplayColorAttr().Get()
    material: dict = {}
    if color:
        red, green, blue = (min(max(float(part), 0.0), 1.0) for part in color[0])
        material["color"] = (red, green, blue, 1.0)
    if surface is not None and surface.friction is not None:
        material["friction"] = surface.friction
    if surface is not None and surface.density and not options.keys() & {"mass", "density"}:
        options["density"] = surface.density
    if material:
        options["material"] = Material(**material)
    scale = frames.scale(prim)
    match prim.GetTypeName():
        case "Sphere":
            return scene.add_sphere(name, radius=UsdGeom.Sphere(prim).GetRadiusAttr().Get() * scale[0], **options)
        case "Cube":
            edge = UsdGeom.Cube(prim).GetSizeAttr().Get()
            return scene.add_box(name, size=tuple(edge * part for part in scale), **options)  # pyright: ignore
        case kind:
            add = scene.add_cylinder if kind == "Cylinder" else scene.add_capsule
            radius, height = (prim.GetAttribute(key).Get() for key in ("radius", "height"))
            return add(name, radius=radius * scale[0], length=height * scale[2], **options)


def _mass(prim: Usd.Prim) -> dict[str, float]:
    """Return the mass in kg or the density in kg/m³ of a body, if it states one."""
    api = UsdPhysics.MassAPI(prim)
    for key, attribute in (("mass", api.GetMassAttr()), ("density", api.GetDensityAttr())):
        value = attribute.Get() if attribute.IsValid() else None
        if value:
            return {key: float(value)}
    return {}
