"""Damping and speed limits that a script has set on the links of a robot."""

import math
from typing import Any

from oige_core.scene import Scene
from pxr import Usd, UsdPhysics

from oige_compat.building.world import FirstWorld
from oige_compat.link_damping import DampedArticulation, LinkDamping

__all__ = ["damp_links"]

LEAST = 0.05
"""Angular damping that links have in PhysX unless a script sets another, in 1/s; it is left out."""


def damp_links(world: FirstWorld, scene: Scene, path: str, name: str, view: Any) -> Any:
    """Return the view of a robot, or one that damps its links as the script has set.

    Args:
        world: the first world.
        scene: gets a view of the links.
        path: of the robot's prim.
        name: of the robot in the scene.
        view: of the robot.
    """

    def largest(attribute: str) -> float:
        return max((float(each) for each in world.authored(path, f"physxRigidBody:{attribute}").values()), default=0.0)

    losses = {attribute: largest(attribute) for attribute in ("linearDamping", "angularDamping")}
    if losses["linearDamping"] == 0.0 and losses["angularDamping"] <= LEAST:
        return view
    prims = Usd.PrimRange(world.session.stage.GetPrimAtPath(path), Usd.TraverseInstanceProxies())
    links = [prim.GetName() for prim in prims if prim.HasAPI(UsdPhysics.RigidBodyAPI)]
    damping = LinkDamping(
        loss=max(losses.values()),
        max_speed=largest("maxLinearVelocity") or math.inf,
        max_angular_speed=math.radians(largest("maxAngularVelocity")) or math.inf,
    )
    world.session.note(
        f"{path}: linearDamping={losses['linearDamping']:g}, angularDamping={losses['angularDamping']:g} and limits "
        f"of links: joints get efforts that take {damping.loss:g}/s of their momentum, and more above the limits."
    )
    damped = DampedArticulation(view, scene.add_link_view(f"{name}.links", name, links), damping)
    world.session.damped.append(damped)
    world.damped.add(path)
    return damped
