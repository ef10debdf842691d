"""Robots of the first world, with the drives that the script has set."""

import dataclasses
import math
import re
from collections.abc import Sequence
from xml.etree import ElementTree

import mujoco
import numpy as np
from oige_core.scene import ArticulationAsset, Drive, Scene
from pxr import Usd, UsdPhysics

from oige_compat.assets.stages import prims_below
from oige_compat.assets.usd import load_usd
from oige_compat.building.world import FirstWorld, last_name
from oige_compat.errors import CompatError
from oige_compat.robots import Robot, find_robot

__all__ = ["add_robots", "find_robots"]


def find_robots(world: FirstWorld) -> None:
    """Look up robots of the first world: those of OIGE, and articulations of other USD files or of the script.

    Raises:
        OigeError: a file cannot be read, or an articulation cannot be expressed.
    """
    for error in world.session.stage.GetCompositionErrors():
        raise CompatError(f"{error.rootSite.path}: a part of it cannot be read: {' '.join(str(error).split())}")
    first = f"{world.session.env_paths[0]}/"
    for path, usd_path in world.session.references.items():
        robot = find_robot(usd_path) if path.startswith(first) else None
        if robot is not None:
            world.robots[path] = robot
    articulations = [prim for prim in prims_below(world.prim) if prim.HasAPI(UsdPhysics.ArticulationRootAPI)]
    others = [prim for prim in articulations if world.robot_above(str(prim.GetPath())) is None]
    paths = [_robot_path(world, prim) for prim in others]
    for prim, path in zip(others, paths, strict=True):
        if paths.count(path) > 1:  # several articulations of one file
            path = str(prim.GetPath())
        asset, report = load_usd(world.session.stage, path)
        world.robots[path] = Robot(asset, None, ())
        world.reports.append(report)


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
    tracked = world.uses("measured_joint_force")
    for path, robot in world.robots.items():
        position, orientation = world.pose(world.session.stage.GetPrimAtPath(path))
        disable_gravity = None
        if robot.file is None:
            asset = robot.asset
            position, orientation = _root_pose(asset, position, orientation)
        else:
            asset = _with_drives_of_stage(world, path)
            gravity = world.authored(path, "physxRigidBody:disableGravity")
            if len(set(gravity.values())) > 1:
                raise CompatError(f"{path}: gravity is disabled on some links; expected all of them, or none.")
            disable_gravity = True if any(gravity.values()) else None
        name = world.name_of(path)
        world.elements[path] = scene.add_articulation(
            name,
            asset,
            position=position,  # pyright: ignore[reportArgumentType]
            orientation=orientation,  # pyright: ignore[reportArgumentType]
            track_joint_forces=tracked,
            disable_gravity=disable_gravity,
        )
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


def _with_drives_of_stage(world: FirstWorld, path: str) -> ArticulationAsset:
    """Return the asset of a robot with the drives that the script has set."""
    asset = world.robots[path].asset
    changed: dict[str, dict[str, float]] = {}
    for kind, per_degree in (("angular", math.degrees(1.0)), ("linear", 1.0)):
        fields = {"stiffness": per_degree, "damping": per_degree, "maxForce": 1.0}
        for key, scale in fields.items():
            for joint, value in world.authored(path, f"drive:{kind}:physics:{key}").items():
                field = key.replace("maxForce", "max_effort")
                changed.setdefault(last_name(joint), {})[field] = float(value) * scale
    drives: dict[str, Drive] = {}
    for joint, values in changed.items():
        own = next((drive for name, drive in asset.drives.items() if re.fullmatch(name, joint)), Drive())
        gains = {"stiffness": own.stiffness, "damping": own.damping}
        if all(math.isclose(values.get(key, gain), gain, rel_tol=1e-3) for key, gain in gains.items()):
            continue  # ours is the counterpart of this drive, with a limit that suits the engine
        drives[re.escape(joint)] = dataclasses.replace(own, **values)
    others = {name: drive for name, drive in asset.drives.items() if name not in drives}
    return dataclasses.replace(asset, drives={**drives, **others})  # the first match applies
