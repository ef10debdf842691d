"""Writes the further worlds of a stage, and collision groups that keep them apart."""

from collections.abc import Sequence

import numpy as np
from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics

from oige_core.engines.isaacsim.usd.stage_map import StageMap, path_in_world

__all__ = ["filter_worlds", "reference_worlds"]


def reference_worlds(stage: Usd.Stage, stage_map: StageMap, positions: np.ndarray) -> list[str]:
    """Write worlds as references to world 0, and place all of them.

    Args:
        stage: the stage with world 0.
        stage_map: of the stage.
        positions: ``(num_envs, 3)`` in metres.

    Returns:
        The paths of all worlds.
    """
    paths = [path_in_world(stage_map.world, world) for world in range(len(positions))]
    for path, position in zip(paths, positions.tolist(), strict=True):
        world = UsdGeom.Xform.Define(stage, path)
        if path != stage_map.world:
            world.GetPrim().GetReferences().AddInternalReference(stage_map.world)
        UsdGeom.XformCommonAPI(world).SetTranslate(Gf.Vec3d(*position))
    return paths


def filter_worlds(
    stage: Usd.Stage, physics_scene: str, root: str, worlds: Sequence[str], shared: Sequence[str]
) -> None:
    """Let each world collide with itself and with shared prims only, by inverted collision groups.

    Args:
        stage: the stage.
        physics_scene: path of the physics scene.
        root: path below which the groups are created.
        worlds: paths of all worlds.
        shared: paths of prims that collide with every world.
    """
    scene = stage.GetPrimAtPath(physics_scene)
    scene.AddAppliedSchema("PhysxSceneAPI")
    scene.CreateAttribute("physxScene:invertCollisionGroupFilter", Sdf.ValueTypeNames.Bool, custom=False).Set(True)
    UsdGeom.Scope.Define(stage, root)
    members = {f"{root}/group{number}": [path] for number, path in enumerate(worlds)}
    common = f"{root}/global_group"
    if shared:
        members[common] = list(shared)
    for path, includes in members.items():
        group = UsdPhysics.CollisionGroup.Define(stage, path)
        group.GetCollidersCollectionAPI().CreateIncludesRel().SetTargets(includes)
        met = list(members) if path == common else [path, *([common] if shared else [])]
        group.CreateFilteredGroupsRel().SetTargets(met)
