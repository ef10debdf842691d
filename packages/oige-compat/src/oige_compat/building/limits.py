"""Effort limits of stiff drives, which PhysX and the engine apply differently."""

import dataclasses
import math
import re
from collections.abc import Collection
from pathlib import Path

import mujoco
from oige_core.scene import ArticulationAsset, Drive

from oige_compat.session import Session

__all__ = ["without_shaking_limits"]

MAX_DAMPING = 2.0
"""Largest ratio of the velocity that a drive's damping removes in a solver step to the velocity itself."""


def without_shaking_limits(
    asset: ArticulationAsset, joints: Collection[str] | None, step: float, session: Session
) -> ArticulationAsset:
    """Return an asset without the effort limits of drives that would shake with them.

    PhysX limits the effort that a drive exerts, with its damping integrated implicitly. The engine limits what a drive
    would exert at the beginning of a step, before damping reduces it. If damping alone turns the velocity of a joint
    round in a step, the limit lets the joint swing between its positive and negative value for ever.

    Args:
        asset: the robot.
        joints: names of the joints to look at; None: all.
        step: time of a solver step, in s.
        session: prints what is changed.
    """
    source = asset.mjcf
    load = mujoco.MjModel.from_xml_path if isinstance(source, Path) else mujoco.MjModel.from_xml_string
    model = load(str(source))
    if joints is None:
        joints = [model.joint(i).name for i in range(model.njnt) if model.jnt_type[i] != mujoco.mjtJoint.mjJNT_FREE]
    freed: dict[str, Drive] = {}
    for joint in joints:
        drive = next((drive for name, drive in asset.drives.items() if re.fullmatch(name, joint)), Drive())
        inverse = model.dof_invweight0[model.joint(joint).dofadr[0]]  # 1 / (kg·m²), or 1 / kg
        if math.isfinite(drive.max_effort) and drive.damping * step * inverse > MAX_DAMPING:
            freed[joint] = dataclasses.replace(drive, max_effort=math.inf)
    if freed:
        session.note(
            f"{', '.join(freed)}: the effort limits of these drives are not applied: with their damping, the joints "
            "would swing between the limits. Reduce the damping to keep the limits."
        )
    drives = {re.escape(joint): drive for joint, drive in freed.items()}
    others = {name: drive for name, drive in asset.drives.items() if name not in drives}
    return dataclasses.replace(asset, drives={**drives, **others})  # the first match applies
