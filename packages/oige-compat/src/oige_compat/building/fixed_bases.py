"""Bodies that a script fixes by a joint which is the root of an articulation."""

from pxr import Usd, UsdPhysics

from oige_compat.assets.bodies import is_link
from oige_compat.assets.stages import prims_below
from oige_compat.building.world import FirstWorld

__all__ = ["hold_bodies"]


def hold_bodies(world: FirstWorld) -> None:
    """Let rigid bodies that are fixed bases of articulations of their own stand still.

    OmniIsaacGymEnvs writes the key ``fixed_base: True`` of an actor to the stage as a generic joint between the body
    and the stage, which is the root of an articulation. If the body has no other joint, only views move it, as they
    move a kinematic body.
    """
    joints = [prim for prim in prims_below(world.prim) if prim.IsA(UsdPhysics.Joint)]
    ends = {str(joint.GetPath()): _ends(joint) for joint in joints}
    for joint in joints:
        bodies = ends[str(joint.GetPath())]
        if len(bodies) != 1 or joint.GetTypeName() != "PhysicsJoint":
            continue
        body = world.session.stage.GetPrimAtPath(bodies[0])
        others = sum(bodies[0] in other for other in ends.values())
        if joint.HasAPI(UsdPhysics.ArticulationRootAPI) and body and is_link(body) and others == 1:
            UsdPhysics.RigidBodyAPI(body).CreateKinematicEnabledAttr(True)
            joint.SetActive(False)
            world.session.note(
                f"{body.GetPath()}: held by {joint.GetName()}; the body moves only where a view puts it."
            )


def _ends(joint: Usd.Prim) -> list[str]:
    """Return paths of the prims that a joint joins."""
    relations = (UsdPhysics.Joint(joint).GetBody0Rel(), UsdPhysics.Joint(joint).GetBody1Rel())
    return [str(path) for relation in relations for path in relation.GetTargets()]
