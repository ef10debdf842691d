"""Rules that stages of robots and scenes keep, beyond those of the validators of USD."""

from collections.abc import Iterator

from pxr import Usd, UsdGeom, UsdPhysics, UsdShade, UsdValidation

__all__ = ["breaches", "validation_errors"]


def validation_errors(stage: Usd.Stage) -> list[str]:
    """Messages of all validators of this installation of USD."""
    context = UsdValidation.ValidationContext(UsdValidation.ValidationRegistry().GetOrLoadAllValidators())
    return [f"{error.GetName()}: {error.GetMessage()}" for error in context.Validate(stage)]


def breaches(stage: Usd.Stage) -> Iterator[str]:
    """Yield one line for each place in which a stage breaks a rule."""
    if UsdGeom.GetStageUpAxis(stage) != UsdGeom.Tokens.z:
        yield "z is not up"
    if UsdGeom.GetStageMetersPerUnit(stage) != 1.0 or UsdPhysics.GetStageKilogramsPerUnit(stage) != 1.0:
        yield "units are not metres and kilograms"
    for prim in stage.Traverse():
        if prim.HasAPI(UsdPhysics.RigidBodyAPI):
            yield from _body(prim)
        if prim.HasAPI(UsdPhysics.CollisionAPI):
            yield from _collider(prim)
        if prim.HasAPI(UsdPhysics.ArticulationRootAPI):
            yield from _root(prim)


def _body(prim: Usd.Prim) -> Iterator[str]:
    path = prim.GetPath()
    above = prim.GetParent()
    while above:
        if above.HasAPI(UsdPhysics.RigidBodyAPI):
            yield f"{path}: is below another body, {above.GetPath()}"
        above = above.GetParent()
    mass = UsdPhysics.MassAPI(prim)
    for attribute in (mass.GetMassAttr(), mass.GetCenterOfMassAttr(), mass.GetDiagonalInertiaAttr()):
        if not attribute.HasAuthoredValue():
            yield f"{path}: does not state {attribute.GetName()}"
    if not (mass.GetMassAttr().Get() > 0.0 and min(mass.GetDiagonalInertiaAttr().Get()) > 0.0):
        yield f"{path}: has no mass or inertia, so that PhysX chooses them"
    for name in ("linearDamping", "angularDamping", "sleepThreshold"):
        attribute = prim.GetAttribute(f"physxRigidBody:{name}")
        if not attribute or not attribute.HasAuthoredValue():
            yield f"{path}: does not state {name}"
    for name in ("linearDamping", "angularDamping"):
        if prim.GetAttribute(f"physxRigidBody:{name}").Get():
            yield f"{path}: {name} is not 0"


def _collider(prim: Usd.Prim) -> Iterator[str]:
    material, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial("physics")
    if not material:
        yield f"{prim.GetPath()}: has no material"
        return
    surface = UsdPhysics.MaterialAPI(material)
    for attribute in (
        surface.GetStaticFrictionAttr(),
        surface.GetDynamicFrictionAttr(),
        surface.GetRestitutionAttr(),
        material.GetPrim().GetAttribute("physxMaterial:frictionCombineMode"),
        material.GetPrim().GetAttribute("physxMaterial:restitutionCombineMode"),
    ):
        if not attribute or not attribute.HasAuthoredValue():
            yield f"{prim.GetPath()}: its material does not state all of friction, restitution and combine modes"


def _root(prim: Usd.Prim) -> Iterator[str]:
    path = prim.GetPath()
    if prim.GetAttribute("physxArticulation:enabledSelfCollisions").Get() is None:
        yield f"{path}: does not state enabledSelfCollisions"
    robot = prim.GetParent() if prim.HasAPI(UsdPhysics.RigidBodyAPI) else prim
    roots = [each.GetPath() for each in Usd.PrimRange(robot) if each.HasAPI(UsdPhysics.ArticulationRootAPI)]
    if roots != [path]:
        yield f"{robot.GetPath()}: has {len(roots)} roots"
    if prim.HasAPI(UsdPhysics.RigidBodyAPI):
        for joint in (UsdPhysics.Joint(each) for each in Usd.PrimRange(robot) if each.IsA(UsdPhysics.Joint)):
            ends = [*joint.GetBody0Rel().GetTargets(), *joint.GetBody1Rel().GetTargets()]
            fixes = not joint.GetExcludeFromArticulationAttr().Get() and path in ends
            if fixes and not all(robot.GetStage().GetPrimAtPath(end).HasAPI(UsdPhysics.RigidBodyAPI) for end in ends):
                yield f"{path}: is a root that {joint.GetPath()} fixes; the root belongs on the robot or the joint"
