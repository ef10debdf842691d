"""Robots of the first world, with the drives that the script has set."""

import dataclasses
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oige_core.scene import ArticulationAsset, Drive, Scene

from oige_compat.building.world import FirstWorld, last_name
from oige_compat.errors import CompatError
from oige_compat.props import find_prop
from oige_compat.robots import find_robot

__all__ = ["add_robots", "find_robots"]


def find_robots(world: FirstWorld) -> None:
    """Look up robots to which prims of the first world refer.

    Raises:
        CompatError: a prim refers to a USD file that is no robot of OIGE.
    """
    first = world.session.env_paths[0]
    for path, usd_path in world.session.references.items():
        if not path.startswith(f"{first}/") or find_prop(usd_path) is not None:
            continue
        robot = find_robot(usd_path)
        if robot is None:
            raise CompatError(f"{path}: {usd_path} is no robot of OIGE; local USD files are not served yet.")
        world.robots[path] = robot


def add_robots(world: FirstWorld, scene: Scene) -> None:
    """Add robots to the scene.

    Raises:
        CompatError: gravity is disabled on some links of a robot.
    """
    tracked = _reads_joint_forces(world.tasks)
    for path in world.robots:
        position, orientation = world.pose(world.session.stage.GetPrimAtPath(path))
        gravity = world.authored(path, "physxRigidBody:disableGravity")
        if len(set(gravity.values())) > 1:
            raise CompatError(f"{path}: gravity is disabled on some links; expected all of them, or none.")
        name = last_name(path)
        world.elements[path] = scene.add_articulation(
            name,
            _asset(world, path),
            position=position,  # pyright: ignore[reportArgumentType]
            orientation=orientation,  # pyright: ignore[reportArgumentType]
            track_joint_forces=tracked,
            disable_gravity=True if any(gravity.values()) else None,
        )
        world.articulations[path] = name


def _asset(world: FirstWorld, path: str) -> ArticulationAsset:
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


def _reads_joint_forces(tasks: Sequence[Any]) -> bool:
    """Whether the modules of tasks name the method that reads joint forces, whose measurement costs time."""
    for kind in {kind for task in tasks for kind in type(task).__mro__}:
        module = sys.modules.get(kind.__module__)
        file = None if module is None else getattr(module, "__file__", None)
        if file and not kind.__module__.startswith("oige_compat") and "measured_joint_force" in Path(file).read_text():
            return True
    return False
