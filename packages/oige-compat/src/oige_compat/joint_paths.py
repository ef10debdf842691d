"""Joints of robots at the paths of Isaac Sim's files, in which they are below their parent links."""

from typing import Any

from pxr import Usd, UsdPhysics

from oige_compat.session import session

__all__ = ["find_joint", "serve_joint_paths"]


def find_joint(path: str) -> Usd.Prim | None:
    """Return the joint with the last name of a path below a robot, or None."""
    current = session()
    name = path.rpartition("/")[2]
    for root in current.references:
        if path.startswith(f"{root}/"):
            for prim in Usd.PrimRange(_at_path(current.stage, root)):
                if prim.GetName() == name and prim.IsA(UsdPhysics.Joint):
                    return prim
    return None


_at_path = Usd.Stage.GetPrimAtPath


def _with_joints(stage: Usd.Stage, path: Any) -> Usd.Prim:
    prim = _at_path(stage, path)
    if prim.IsValid() or stage != session().stage:
        return prim
    return find_joint(str(path)) or prim


def serve_joint_paths() -> None:
    """Let ``GetPrimAtPath`` of the session's stage find joints by their names."""
    Usd.Stage.GetPrimAtPath = _with_joints
