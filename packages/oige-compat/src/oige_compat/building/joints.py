"""Joints that the script has added."""

from oige_core.scene import ArticulationAsset
from pxr import Usd, UsdPhysics

from oige_compat.building.world import FirstWorld, last_name
from oige_compat.errors import CompatError

__all__ = ["check_joints"]


def check_joints(world: FirstWorld) -> None:
    """Refuse joints that the script has added, unless the robot already has them.

    Raises:
        CompatError: the robot does not have them.
    """
    for prim in Usd.PrimRange(world.prim):
        spec = world.session.stage.GetRootLayer().GetPrimAtPath(prim.GetPath())
        if spec is None or not prim.IsA(UsdPhysics.Joint) or not spec.typeName:
            continue
        targets = [last_name(str(path)) for path in UsdPhysics.Joint(prim).GetBody1Rel().GetTargets()]
        anchored = {link for robot in world.robots.values() for link in _anchored_links(robot.asset)}
        if not set(targets) <= anchored:
            raise CompatError(f"{prim.GetPath()}: joints that a script adds between bodies are not served.")


def _anchored_links(asset: ArticulationAsset) -> set[str]:
    """Return links that the robot itself attaches to the world."""
    import mujoco

    spec = mujoco.MjSpec.from_file(str(asset.mjcf))
    return {equality.name1 for equality in spec.equalities} | {equality.name2 for equality in spec.equalities}
