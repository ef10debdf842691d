"""``omni.physx.scripts``: helpers that write physics materials and poses to the stage."""

from typing import Any

from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics, UsdShade

__all__ = [
    "addRigidBodyMaterial",
    "add_physics_material_to_prim",
    "set_or_add_orient_op",
    "set_or_add_scale_op",
    "set_or_add_translate_op",
    "setup_transform_as_scale_orient_translate",
]


def addRigidBodyMaterial(  # noqa: N802
    stage: Usd.Stage,
    path: str,
    density: float | None = None,
    staticFriction: float | None = None,
    dynamicFriction: float | None = None,
    restitution: float | None = None,
) -> None:
    """Create a physics material: density in kg/m³, coefficients of friction, restitution."""
    api = UsdPhysics.MaterialAPI.Apply(UsdShade.Material.Define(stage, path).GetPrim())
    for create, value in (
        (api.CreateDensityAttr, density),
        (api.CreateStaticFrictionAttr, staticFriction),
        (api.CreateDynamicFrictionAttr, dynamicFriction),
        (api.CreateRestitutionAttr, restitution),
    ):
        if value is not None:
            create().Set(float(value))


def add_physics_material_to_prim(stage: Usd.Stage, prim: Usd.Prim, material_path: Any) -> None:
    """Bind a physics material to a prim."""
    material = UsdShade.Material(stage.GetPrimAtPath(str(material_path)))
    binding = UsdShade.MaterialBindingAPI.Apply(prim)
    binding.Bind(material, UsdShade.Tokens.weakerThanDescendants, "physics")


def setup_transform_as_scale_orient_translate(xformable: Any) -> None:
    """Give a prim a translation, an orientation and a scale, in this order; its pose stays."""
    prim = UsdGeom.Xformable(xformable).GetPrim()
    transform = Gf.Transform(UsdGeom.Xformable(prim).GetLocalTransformation())
    set_or_add_translate_op(prim, transform.GetTranslation())
    set_or_add_orient_op(prim, transform.GetRotation().GetQuat())
    set_or_add_scale_op(prim, transform.GetScale())
    UsdGeom.Xformable(prim).CreateXformOpOrderAttr().Set(
        ["xformOp:translate", "xformOp:orient", "xformOp:scale"]  # as they are multiplied
    )


def set_or_add_translate_op(xformable: Any, translate: Any) -> None:
    """Set the translation of a prim, in m."""
    _set(xformable, "translate", Sdf.ValueTypeNames.Double3, Gf.Vec3d(*translate))


def set_or_add_orient_op(xformable: Any, orient: Any) -> None:
    """Set the orientation of a prim, a quaternion of ``Gf``."""
    value = Gf.Quatd(orient.GetReal(), *(float(part) for part in orient.GetImaginary()))
    _set(xformable, "orient", Sdf.ValueTypeNames.Quatd, value)


def set_or_add_scale_op(xformable: Any, scale: Any) -> None:
    """Set the scale of a prim."""
    _set(xformable, "scale", Sdf.ValueTypeNames.Double3, Gf.Vec3d(*scale))


def _set(xformable: Any, kind: str, value_type: Sdf.ValueTypeName, value: Any) -> None:
    """Set a transform of a prim, and keep the order in which transforms are multiplied."""
    prim, name = xformable.GetPrim(), f"xformOp:{kind}"
    attribute = prim.GetAttribute(name)
    if not attribute.IsValid():
        attribute = prim.CreateAttribute(name, value_type)
    single = {Sdf.ValueTypeNames.Float3: Gf.Vec3f, Sdf.ValueTypeNames.Quatf: Gf.Quatf}.get(attribute.GetTypeName())
    attribute.Set(value if single is None else single(value))
    order = UsdGeom.Xformable(prim).CreateXformOpOrderAttr()
    listed = list(order.Get() or [])
    if name not in listed:
        places = [f"xformOp:{each}" for each in ("translate", "orient", "scale")]
        order.Set(sorted([*listed, name], key=lambda each: places.index(each) if each in places else len(places)))
