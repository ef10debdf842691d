"""Writes rigid bodies with primitive shapes."""

from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics

from oige_core.engines.isaacsim.usd.stage import apply_schema, child_path, define_shape, place, set_attribute
from oige_core.engines.isaacsim.usd.stage_map import RigidPrims
from oige_core.scene.assets import Color
from oige_core.scene.elements import RigidElement
from oige_core.scene.primitives import Primitive, inertia, volume

__all__ = ["set_color", "write_rigid"]


def set_color(prim: Usd.Prim, color: Color) -> None:
    """Set the colour and opacity of a shape."""
    shape = UsdGeom.Gprim(prim)
    shape.CreateDisplayColorAttr([Gf.Vec3f(*color[:3])])
    if color[3] != 1.0:
        shape.CreateDisplayOpacityAttr([color[3]])


def write_rigid(element: RigidElement, stage: Usd.Stage, path: str) -> RigidPrims:
    """Write a rigid body with its own shape and, switched off, those that worlds may have instead.

    Mass, centre of mass and inertia are stated: those of its own shape of uniform density.

    Args:
        element: the body.
        stage: the stage.
        path: of the new body.
    """
    body = UsdGeom.Xform.Define(stage, path).GetPrim()
    place(body, element.position, element.orientation)
    rigid = UsdPhysics.RigidBodyAPI.Apply(body)
    rigid.CreateKinematicEnabledAttr(element.kinematic)
    apply_schema(body, "PhysxRigidBodyAPI")
    for name, kind, value in (
        ("linearDamping", Sdf.ValueTypeNames.Float, 0.0),
        ("angularDamping", Sdf.ValueTypeNames.Float, 0.0),
        ("enableGyroscopicForces", Sdf.ValueTypeNames.Bool, True),
        ("disableGravity", Sdf.ValueTypeNames.Bool, bool(element.disable_gravity)),
    ):
        set_attribute(body, f"physxRigidBody:{name}", kind, value)
    mass = element.density * volume(element.shape, element.size) if element.mass is None else element.mass
    mass_api = UsdPhysics.MassAPI.Apply(body)
    mass_api.CreateMassAttr(mass)
    mass_api.CreateCenterOfMassAttr(Gf.Vec3f(0.0))
    mass_api.CreateDiagonalInertiaAttr(Gf.Vec3f(*inertia(element.shape, element.size, mass)))
    mass_api.CreatePrincipalAxesAttr(Gf.Quatf(1.0))
    paths: dict[Primitive, str] = {}
    for shape, size in {element.shape: element.size, **element.alternatives}.items():
        paths[shape] = child_path(path, shape)
        prim = define_shape(stage, paths[shape], shape, size)
        set_color(prim, element.material.color)
        if element.collision:
            UsdPhysics.CollisionAPI.Apply(prim).CreateCollisionEnabledAttr(shape == element.shape)
        if shape != element.shape:
            UsdGeom.Imageable(prim).MakeInvisible()
    return RigidPrims(path=path, shape_paths=paths)
