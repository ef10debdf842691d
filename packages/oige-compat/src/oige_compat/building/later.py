"""Says what a script writes to the stage after the worlds were built from it, which PhysX would read."""

from typing import Any

from pxr import Sdf, Tf, Usd, UsdPhysics

from oige_compat.building.attributes import PREFIXES, RELATIONSHIPS
from oige_compat.session import Session

__all__ = ["SHAPES", "watch_stage"]

SHAPES = ("size", "radius", "height", "axis", "points")
"""Attributes of shapes."""


def watch_stage(current: Session) -> None:
    """Note from now on attributes of physics, of shapes and of poses of bodies that a script sets on the stage."""

    def look(notice: Usd.Notice.ObjectsChanged, sender: Any) -> None:
        for path in (*notice.GetChangedInfoOnlyPaths(), *notice.GetResyncedPaths()):
            if _acts(current, path):
                text = "set after the worlds were built; it has no effect. Use a view."
                current.note(f"{path.name} of {path.GetPrimPath()}: {text}")

    # USD does not keep the function, without which there are no notices.
    current.watcher = look, Tf.Notice.Register(Usd.Notice.ObjectsChanged, look, current.stage)


def _acts(current: Session, path: Sdf.Path) -> bool:
    """Whether PhysX would read a property."""
    if not path.IsPropertyPath():
        return False
    if path.name in RELATIONSHIPS or path.name.startswith(PREFIXES):
        return True
    if path.name not in SHAPES and not path.name.startswith("xformOp"):
        return False
    prim = current.stage.GetPrimAtPath(path.GetPrimPath())
    return prim.HasAPI(UsdPhysics.RigidBodyAPI) or prim.HasAPI(UsdPhysics.CollisionAPI)
