"""Joints of robots at the paths of Isaac Sim's files, in which they are below their parent links."""

from typing import Any

from pxr import Usd, UsdPhysics

from oige_compat.session import session

__all__ = ["find_joint", "serve_joint_paths"]


def find_joint(path: str) -> Usd.Prim | None:
    """Return the joint with the last name of a path below a robot, or None.

    In some of Isaac Sim's files, joints are in a folder ``joints`` and have the names of the links that they move.
    """
    current = session()
    *_, folder, name = path.split("/")
    for root in current.references:
        if path.startswith(f"{root}/"):
            joints = [prim for prim in Usd.PrimRange(_at_path(current.stage, root)) if prim.IsA(UsdPhysics.Joint)]
            named = [joint for joint in joints if joint.GetName() == name]
            if not named and folder == "joints":
                named = [joint for joint in joints if _moved_link(joint) == name]
            if named:
                return named[0]
    return None


def _moved_link(joint: Usd.Prim) -> str:
    """Return the name of the link that a joint moves."""
    targets = UsdPhysics.Joint(joint).GetBody1Rel().GetTargets()
    return targets[0].name if targets else ""


_at_path = Usd.Stage.GetPrimAtPath


def _with_joints(stage: Usd.Stage, path: Any) -> Usd.Prim:
    prim = _at_path(stage, path)
    if prim.IsValid() or stage != session().stage:
        return prim
    return find_joint(str(path)) or prim


def serve_joint_paths() -> None:
    """Let ``GetPrimAtPath`` of the session's stage find joints by their names."""
    Usd.Stage.GetPrimAtPath = _with_joints
