"""Drives that a script has set on the joints of a robot of OIGE."""

import dataclasses
import functools
import math
import re
from pathlib import Path

import mujoco
import numpy as np
from oige_core.scene import ArticulationAsset, Drive
from pxr import UsdPhysics

from oige_compat.building.limits import without_shaking_limits
from oige_compat.building.world import FirstWorld, last_name

__all__ = ["dampings", "is_counterpart", "with_drives_of_stage"]

UNITS = (("angular", math.degrees(1.0)), ("linear", 1.0))
"""Kinds of drives, and what their gains are multiplied with: those of angular drives are per degree."""


def with_drives_of_stage(world: FirstWorld, path: str, step: float) -> ArticulationAsset:
    """Return the asset of a robot with the drives that the script has set, and without those that it has removed.

    Args:
        world: the first world.
        path: path of the robot.
        step: time of a solver step, in s.
    """
    asset = world.robots[path].asset
    passive = dampings(Path(str(asset.mjcf)))
    changed: dict[str, dict[str, float]] = {}
    removed: set[str] = set()
    for kind, per_degree in UNITS:
        fields = {"stiffness": per_degree, "damping": per_degree, "maxForce": 1.0}
        for key, scale in fields.items():
            for joint, value in world.authored(path, f"drive:{kind}:physics:{key}").items():
                if not world.session.stage.GetPrimAtPath(joint).HasAPI(UsdPhysics.DriveAPI, kind):
                    removed.add(last_name(joint))
                    continue
                field = key.replace("maxForce", "max_effort")
                changed.setdefault(last_name(joint), {})[field] = float(value) * scale
    drives: dict[str, Drive] = {}
    for joint in {**changed, **dict.fromkeys(removed)}:
        own = next((drive for name, drive in asset.drives.items() if re.fullmatch(name, joint)), Drive())
        values = changed.get(joint, {"stiffness": 0.0, "damping": 0.0})
        if joint in changed and is_counterpart(own, values, passive.get(joint, 0.0)):
            continue  # ours, with a limit that suits the engine
        drives[re.escape(joint)] = dataclasses.replace(own, **values)
    others = {name: drive for name, drive in asset.drives.items() if name not in drives}
    scripted = dataclasses.replace(asset, drives={**drives, **others})  # the first match applies
    joints = [joint for joint in changed if re.escape(joint) in drives]
    return without_shaking_limits(scripted, joints, step, world.session)


def is_counterpart(own: Drive, values: dict[str, float], passive: float) -> bool:
    """Whether a drive of OIGE is that of the script, whose damping may be in part that of the joint in OIGE."""

    def is_close(key: str, gain: float) -> bool:
        return math.isclose(values.get(key, gain), gain, rel_tol=1e-3)

    damped = is_close("damping", own.damping) or is_close("damping", own.damping + passive)
    return is_close("stiffness", own.stiffness) and damped


@functools.cache
def dampings(file: Path) -> dict[str, float]:
    """Return the damping of joints in a file, by name."""
    return {joint.name: float(np.ravel(joint.damping)[0]) for joint in mujoco.MjSpec.from_file(str(file)).joints}
