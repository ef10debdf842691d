"""Damping and speed limits that a script has set on the links of a robot."""

import math
from typing import Any

import mujoco
from oige_core.scene import Scene
from pxr import Usd, UsdPhysics

from oige_compat.building.world import FirstWorld
from oige_compat.link_damping import DampedArticulation, LinkDamping
from oige_compat.robots import Robot

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
    if (losses["linearDamping"] == 0.0 and losses["angularDamping"] <= LEAST) or not _has_fixed_base(
        world.robots[path]
    ):
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


def _has_fixed_base(robot: Robot) -> bool:
    """Whether it is a robot of OIGE whose root does not move; the report of a converted one says what is lost."""
    if robot.file is None or robot.asset.floating:
        return False
    joints = mujoco.MjSpec.from_file(str(robot.asset.mjcf)).joints
    return not any(joint.type == mujoco.mjtJoint.mjJNT_FREE for joint in joints)
