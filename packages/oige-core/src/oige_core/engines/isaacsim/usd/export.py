"""Writes a scene with all its worlds to a file."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pxr import Usd, UsdPhysics

from oige_core.engines.isaacsim.usd.prims import new_stage
from oige_core.engines.isaacsim.usd.scene import write_scene
from oige_core.engines.isaacsim.usd.stage_map import StageMap
from oige_core.engines.isaacsim.usd.worlds import filter_worlds, reference_worlds
from oige_core.errors import OigeError
from oige_core.math import grid_positions
from oige_core.scene.elements import HeightFieldElement
from oige_core.scene.scene import Scene

__all__ = ["ElementSummary", "export_scene", "summarize"]


@dataclass(frozen=True, kw_only=True)
class ElementSummary:
    """What a prim and those below it contain.

    Attributes:
        name: of the element.
        prims: number of prims.
        bodies: number of rigid bodies.
        joints: number of joints.
        colliders: number of shapes that collide.
        mass: of all bodies, in kg.
    """

    name: str
    prims: int
    bodies: int
    joints: int
    colliders: int
    mass: float


def export_scene(
    scene: Scene, folder: Path, name: str, *, num_envs: int, spacing: float, gpu: bool = False
) -> tuple[Path, list[ElementSummary]]:
    """Write a scene as one file that needs no other.

    It is a text, or binary if the scene has terrain. Worlds stand on a grid, or all at the origin of the terrain.

    Args:
        scene: the complete scene.
        folder: of the file; it is created.
        name: of the file, without its suffix.
        num_envs: number of worlds.
        spacing: distance of neighbouring worlds, in metres.
        gpu: whether physics runs on the GPU.

    Returns:
        The path of the file, and what it contains, by element of world 0.

    Raises:
        OigeError: the scene is invalid, or the file cannot be written.
    """
    stage = new_stage()
    stage_map = write_scene(scene, stage, gpu=gpu)
    terrain = any(isinstance(element, HeightFieldElement) for element in scene.elements.values())
    positions = np.zeros((num_envs, 3)) if terrain else grid_positions(num_envs, spacing).double().numpy()
    worlds = reference_worlds(stage, stage_map, positions)
    filter_worlds(stage, stage_map.physics_scene, stage_map.collision_root, worlds, stage_map.shared_paths)
    path = folder / f"{name}.{'usdc' if terrain else 'usda'}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # USD keeps reading an old file that is replaced in place
        exported = stage.GetRootLayer().Export(str(path))
    except OSError as error:
        raise OigeError(f"{path}: cannot be written: {error.strerror}.") from error
    if not exported:
        raise OigeError(f"{path}: cannot be written.")
    return path, list(summarize(stage, stage_map))


def summarize(stage: Usd.Stage, stage_map: StageMap) -> Iterator[ElementSummary]:
    """Yield what the elements of world 0, and those that all worlds share, contain."""
    paths = {path.rpartition("/")[2]: path for path in stage_map.shared_paths}
    paths |= {name: prims.path for name, prims in stage_map.articulations.items()}
    paths |= {name: prims.path for name, prims in stage_map.rigids.items()}
    paths |= {name: prims.path for name, prims in stage_map.cameras.items()}
    for name, path in paths.items():
        prims = list(Usd.PrimRange(stage.GetPrimAtPath(path)))
        bodies = [prim for prim in prims if prim.HasAPI(UsdPhysics.RigidBodyAPI)]
        yield ElementSummary(
            name=name,
            prims=len(prims),
            bodies=len(bodies),
            joints=sum(prim.IsA(UsdPhysics.Joint) for prim in prims),
            colliders=sum(map(_collides, prims)),
            mass=sum(UsdPhysics.MassAPI(body).GetMassAttr().Get() or 0.0 for body in bodies),
        )


def _collides(prim: Usd.Prim) -> bool:
    return prim.HasAPI(UsdPhysics.CollisionAPI) and UsdPhysics.CollisionAPI(prim).GetCollisionEnabledAttr().Get()
