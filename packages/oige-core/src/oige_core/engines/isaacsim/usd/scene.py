"""Writes a scene to a USD stage: one world, from which the others are cloned, and what they share."""

from pxr import Usd, UsdGeom

from oige_core.engines.isaacsim.usd.ground import write_ground_plane
from oige_core.engines.isaacsim.usd.physics_scene import write_physics_scene
from oige_core.engines.isaacsim.usd.rigid import write_rigid
from oige_core.engines.isaacsim.usd.stage import child_path
from oige_core.engines.isaacsim.usd.stage_map import WORLDS, StageMap
from oige_core.scene.elements import GroundPlaneElement, RigidElement
from oige_core.scene.scene import Scene

__all__ = ["write_scene"]

_ROOT = "/World"


def write_scene(scene: Scene, stage: Usd.Stage) -> StageMap:
    """Write a scene to an empty stage.

    World 0 is at ``/World/envs/env_0``. The ground is at ``/World``, and meets all worlds.

    Args:
        scene: the scene.
        stage: the stage, z up, in metres and kilograms.

    Returns:
        where its elements are.
    """
    stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, _ROOT).GetPrim())
    UsdGeom.Scope.Define(stage, WORLDS)
    stage_map = StageMap(physics_scene=f"{_ROOT}/physics_scene")
    UsdGeom.Xform.Define(stage, stage_map.world)
    write_physics_scene(scene.sim, stage, stage_map.physics_scene)
    taken = {WORLDS, stage_map.physics_scene, stage_map.collision_root}
    for name, element in scene.elements.items():
        path = child_path(_ROOT if isinstance(element, GroundPlaneElement) else stage_map.world, name, taken)
        taken.add(path)
        match element:
            case GroundPlaneElement():
                write_ground_plane(element, stage, path)
                stage_map.shared_paths.append(path)
            case RigidElement():
                stage_map.rigids[name] = write_rigid(element, stage, path)
    return stage_map
