"""Rigid bodies that the script has put on the stage."""

from oige_core.scene import Scene
from pxr import Usd, UsdPhysics

from oige_compat.building.world import FirstWorld
from oige_compat.shapes import add_shape
from oige_compat.stage import matching_prims

__all__ = ["add_bodies"]


def add_bodies(world: FirstWorld, scene: Scene) -> None:
    """Add rigid bodies of the first world to the scene.

    Raises:
        CompatError: a body has shapes that are not served.
    """
    tracking = [view._regex_prim_paths for view in world.session.views if view.track_contact_forces]
    tracked = {path for expression in tracking for path, _ in matching_prims(expression)}
    prims = iter(Usd.PrimRange(world.prim, Usd.TraverseInstanceProxies()))
    for prim in prims:
        path = str(prim.GetPath())
        if path in world.robots:
            prims.PruneChildren()
        elif prim.HasAPI(UsdPhysics.RigidBodyAPI):
            world.elements[path] = add_shape(scene, world.new_name(path), prim, *world.pose(prim), path in tracked)
            prims.PruneChildren()
