"""Robots of the first world, with the drives that the script has set."""

from collections.abc import Sequence
from xml.etree import ElementTree

import mujoco
import numpy as np
from oige_core.scene import ArticulationAsset, Scene
from pxr import Usd, UsdPhysics

from oige_compat.assets.stages import prims_below
from oige_compat.assets.usd import load_usd
from oige_compat.building.damping import damp_links
from oige_compat.building.drives import with_drives_of_stage
from oige_compat.building.fixed_bases import hold_bodies
from oige_compat.building.limits import without_shaking_limits
from oige_compat.building.world import FirstWorld
from oige_compat.errors import CompatError
from oige_compat.robots import Robot, find_robot

__all__ = ["add_robots", "find_robots"]


def find_robots(world: FirstWorld) -> None:
    """Look up robots of the first world: those of OIGE, and articulations of other USD files or of the script.

    Raises:
        OigeError: a file cannot be read, or an articulation cannot be expressed.
    """
    for error in world.session.stage.GetCompositionErrors():
        path, text = str(error.rootSite.path), " ".join(str(error).split())
        if path in world.session.references:
            raise CompatError(f"{path}: its file cannot be read: {text}")
        world.session.note(f"{path}: lost: this part is missing, as in Isaac Sim: {text}")
    hold_bodies(world)
    first = f"{world.session.env_paths[0]}/"
    for path, usd_path in world.session.references.items():
        robot = find_robot(usd_path) if path.startswith(first) else None
        if robot is not None:
            world.robots[path] = robot
    roots = [prim for prim in prims_below(world.prim) if prim.HasAPI(UsdPhysics.ArticulationRootAPI)]
    articulations = [prim for prim in roots if _has_links(world, prim)]
    others = [prim for prim in articulations if world.robot_above(str(prim.GetPath())) is None]
    paths = [_robot_path(world, prim) for prim in others]
    for prim, path in zip(others, paths, strict=True):
        if paths.count(path) > 1:  # several articulations of one file
            path = str(prim.GetPath())
        asset, report = load_usd(world.session.stage, path, complete=False)
        world.robots[path] = Robot(asset, None, ())
        world.reports.append(report)


def _has_links(world: FirstWorld, articulation: Usd.Prim) -> bool:
    """Whether a prim with the root of an articulation has links, or is in the file of one; PhysX ignores others."""
    if articulation.IsA(UsdPhysics.Joint) or world.robot_above(str(articulation.GetPath())) is not None:
        return True
    found = any(prim.HasAPI(UsdPhysics.RigidBodyAPI) for prim in prims_below(articulation))
    if not found:
        world.session.note(f"{articulation.GetPath()}: an articulation without rigid bodies; it has no effect.")
    return found


def _robot_path(world: FirstWorld, articulation: Usd.Prim) -> str:
    """Return the path of the prim that holds the links and joints of an articulation."""
    first, path = world.session.env_paths[0], str(articulation.GetPath())
    referring = [root for root in world.session.references if f"{path}/".startswith(f"{root}/")]
    if referring:
        return max(referring, key=len)
    inside = articulation.IsA(UsdPhysics.Joint) or articulation.HasAPI(UsdPhysics.RigidBodyAPI)
    parent = path.rpartition("/")[0]
    return parent if inside and parent != first else path


def add_robots(world: FirstWorld, scene: Scene) -> None:
    """Add robots to the scene.

    Raises:
        CompatError: gravity is disabled on some links of a robot of OIGE.
    """
    tracked = world.uses("measured_joint_force") or world.uses("force_sensor_forces")
    step = scene.sim.dt / scene.sim.substeps
    for path, robot in world.robots.items():
        position, orientation = world.pose(world.session.stage.GetPrimAtPath(path))
        disable_gravity = None
        if robot.file is None:
            asset = without_shaking_limits(robot.asset, None, step, world.session)
            position, orientation = _root_pose(asset, position, orientation)
        else:
            asset = with_drives_of_stage(world, path, step)
            gravity = world.authored(path, "physxRigidBody:disableGravity")
            if len(set(gravity.values())) > 1:
                raise CompatError(f"{path}: gravity is disabled on some links; expected all of them, or none.")
            disable_gravity = True if any(gravity.values()) else None
        name = world.name_of(path)
        view = scene.add_articulation(
            name,
            asset,
            position=position,  # pyright: ignore[reportArgumentType]
            orientation=orientation,  # pyright: ignore[reportArgumentType]
            track_joint_forces=tracked,
            disable_gravity=disable_gravity,
        )
        world.elements[path] = damp_links(world, scene, path, name, view)
        world.articulations[path] = name


def _root_pose(
    asset: ArticulationAsset, position: Sequence[float], orientation: Sequence[float]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the pose of the root link of a converted robot whose prim has this pose."""
    root = ElementTree.fromstring(str(asset.mjcf)).find("worldbody/body")
    assert root is not None
    place, turn = ([float(part) for part in root.get(key, "").split()] for key in ("pos", "quat"))
    placed, turned = np.empty(3), np.empty(4)
    mujoco.mju_rotVecQuat(placed, np.array(place), np.array(orientation))
    mujoco.mju_mulQuat(turned, np.array(orientation), np.array(turn))
    return tuple(placed + np.array(position)), tuple(turned)
