"""Applies the settings of ``task.sim.<name>`` to the prims of an element."""

from typing import Any

from pxr import Usd, UsdPhysics

from oige_core.config import ActorConfig, PhysxConfig
from oige_core.engines.isaacsim.usd.prims import set_values

__all__ = ["apply_actor"]

_BODY = {
    "enable_gyroscopic_forces": ("enableGyroscopicForces", bool),
    "solver_position_iteration_count": ("solverPositionIterationCount", int),
    "solver_velocity_iteration_count": ("solverVelocityIterationCount", int),
    "sleep_threshold": ("sleepThreshold", float),
    "stabilization_threshold": ("stabilizationThreshold", float),
    "max_depenetration_velocity": ("maxDepenetrationVelocity", float),
}
_ARTICULATION = {
    "solver_position_iteration_count": ("solverPositionIterationCount", int),
    "solver_velocity_iteration_count": ("solverVelocityIterationCount", int),
    "sleep_threshold": ("sleepThreshold", float),
    "stabilization_threshold": ("stabilizationThreshold", float),
    "enable_self_collisions": ("enabledSelfCollisions", bool),
}
_COLLIDER = {
    "contact_offset": ("contactOffset", float),
    "rest_offset": ("restOffset", float),
}
"""Attributes of PhysX's schemas, without their prefixes, by key."""


def apply_actor(prim: Usd.Prim, actor: ActorConfig, physx: PhysxConfig) -> None:
    """Set the attributes of bodies, colliders and the articulation root at and below a prim.

    A key of the element other than −1 always applies. With ``override_usd_defaults``, attributes that are not stated
    get the value of the same key of ``task.sim.physx``. Without ``task.sim.physx.enable_sleeping``, thresholds of sleep
    remain 0, as the writers state them: not every release has a switch for the whole scene.

    Args:
        prim: of the element.
        actor: settings of the element.
        physx: settings of the scene.
    """
    for part in Usd.PrimRange(prim):
        if part.HasAPI(UsdPhysics.RigidBodyAPI):
            _apply(part, "PhysxRigidBodyAPI", "physxRigidBody", _BODY, actor, physx)
        if part.HasAPI(UsdPhysics.CollisionAPI):
            _apply(part, "PhysxCollisionAPI", "physxCollision", _COLLIDER, actor, physx)
        if part.HasAPI(UsdPhysics.ArticulationRootAPI):
            _apply(part, "PhysxArticulationAPI", "physxArticulation", _ARTICULATION, actor, physx)


def _apply(
    prim: Usd.Prim,
    schema: str,
    prefix: str,
    keys: dict[str, tuple[str, type]],
    actor: ActorConfig,
    physx: PhysxConfig,
) -> None:
    for key, (name, kind) in keys.items():
        if key == "sleep_threshold" and not physx.enable_sleeping:
            continue
        value: Any = getattr(actor, key)
        attribute = f"{prefix}:{name}"
        if value == -1:
            stated = prim.GetAttribute(attribute)
            value = getattr(physx, key, -1)
            if not actor.override_usd_defaults or value == -1 or (stated and stated.HasAuthoredValue()):
                continue
        set_values(prim, schema, {attribute: kind(value)})
