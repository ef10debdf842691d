"""Kinds of rigid bodies."""

from pxr import Usd, UsdPhysics

__all__ = ["collides", "is_kinematic", "is_link"]


def is_link(prim: Usd.Prim) -> bool:
    """Return whether a prim is a rigid body that simulation moves."""
    return _is_body(prim) and not UsdPhysics.RigidBodyAPI(prim).GetKinematicEnabledAttr().Get()


def is_kinematic(prim: Usd.Prim) -> bool:
    """Return whether a prim is a rigid body that only programs move."""
    return _is_body(prim) and bool(UsdPhysics.RigidBodyAPI(prim).GetKinematicEnabledAttr().Get())


def collides(prim: Usd.Prim) -> bool:
    """Return whether a prim is a collider that is switched on."""
    return prim.HasAPI(UsdPhysics.CollisionAPI) and bool(UsdPhysics.CollisionAPI(prim).GetCollisionEnabledAttr().Get())


def _is_body(prim: Usd.Prim) -> bool:
    if not prim.HasAPI(UsdPhysics.RigidBodyAPI):
        return False
    return bool(UsdPhysics.RigidBodyAPI(prim).GetRigidBodyEnabledAttr().Get())
