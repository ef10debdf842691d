"""What an asset's file says beyond the mechanism: gains of actuators, keyframes, and what is not read."""

import logging
import math
import re
from pathlib import Path

import mujoco
import numpy as np

from oige_core.config import ActorConfig
from oige_core.engines.mujoco.asset_files import parse
from oige_core.engines.mujoco.asset_roots import depth_first, keep_root, name_parts
from oige_core.engines.mujoco.assets import ON_JOINTS, read_asset, read_with_actuators
from oige_core.engines.mujoco.file_notes import FileNotes, some
from oige_core.errors import OigeError, nearest, one_line
from oige_core.scene.assets import ArticulationAsset, Drive
from oige_core.scene.elements import ArticulationElement

__all__ = ["actuator_drives", "keyframe_positions", "report"]

_log = logging.getLogger(__name__)

_JOINTS = mujoco.mjtJoint
_SIZES = {_JOINTS.mjJNT_FREE: 7, _JOINTS.mjJNT_BALL: 4, _JOINTS.mjJNT_HINGE: 1, _JOINTS.mjJNT_SLIDE: 1}
_WITHOUT_INTEGRATION = (mujoco.mjtDyn.mjDYN_NONE, mujoco.mjtDyn.mjDYN_FILTER, mujoco.mjtDyn.mjDYN_FILTEREXACT)


def report(asset: ArticulationAsset) -> tuple[str, ...]:
    """Return what of an asset's file does not act as it is written there, one line each."""
    notes = FileNotes()
    read_asset(_element(asset), notes)
    return notes.lines()


def actuator_drives(asset: ArticulationAsset) -> dict[str, Drive]:
    """Return drives that exert what the file's actuators on joints exert, by pattern of the joint's name.

    Raises:
        OigeError: the file has no such actuators, or is invalid.
    """
    spec = read_with_actuators(_element(asset), FileNotes())
    try:
        model = spec.compile()
    except ValueError as error:
        raise OigeError(f"{_title(asset)}: MuJoCo cannot compile it: {one_line(error)}") from error
    drives: dict[str, Drive] = {}
    others: list[str] = []
    for actuator in range(model.nu):
        joint = int(model.actuator_trnid[actuator, 0])
        drive = _drive(model, actuator)
        if drive is None:
            others.append(model.actuator(actuator).name or f"actuator {actuator}")
            continue
        pattern = re.escape(model.joint(joint).name)
        known = drives.get(pattern)
        drives[pattern] = drive if known is None else _sum(known, drive)
    if not drives:
        raise OigeError(f"{_title(asset)}: has no actuators on joints from which drives follow; give drives={{…}}.")
    if others:
        _log.warning("%s: actuators %s are not drives of joints; they are left out.", _title(asset), some(others))
    return drives


def keyframe_positions(asset: ArticulationAsset, name: str) -> dict[str, float]:
    """Return joint positions of a keyframe, in rad or m, by pattern of the joint's name.

    Raises:
        OigeError: there is no such keyframe, or the file is invalid.
    """
    title = _title(asset)
    spec, _ = parse(asset.mjcf, title, package_paths=[Path(folder) for folder in asset.package_paths])
    name_parts(spec)
    names = [key.name for key in spec.keys]
    if name not in names:
        raise OigeError(f"{title}: has no keyframe '{name}'. {nearest(name, names)}")
    values = np.asarray(spec.keys[names.index(name)].qpos)
    joints = [joint for body in depth_first(spec) for joint in body.joints]
    ends = np.cumsum([_SIZES[joint.type] for joint in joints])
    if len(values) != ends[-1]:
        raise OigeError(f"{title}: keyframe '{name}' has {len(values)} positions, expected {ends[-1]}; correct qpos.")
    positions = {
        joint.name: float(values[end - 1]) for joint, end in zip(joints, ends, strict=True) if _SIZES[joint.type] == 1
    }
    keep_root(spec, asset.root, FileNotes(), title)
    return {re.escape(joint.name): positions[joint.name] for joint in spec.joints if joint.name in positions}


def _drive(model: mujoco.MjModel, actuator: int) -> Drive | None:
    """Return the drive that exerts what a position, velocity or motor actuator on a joint exerts; None: there is none.

    The actuator's force is ``gain · ctrl + bias[0] + bias[1] · length + bias[2] · velocity`` with
    ``length = gear · q``, and it acts on the joint times ``gear``.
    """
    joint = int(model.actuator_trnid[actuator, 0])
    transmission, dynamics = int(model.actuator_trntype[actuator]), int(model.actuator_dyntype[actuator])
    gain_type, bias_type = int(model.actuator_gaintype[actuator]), int(model.actuator_biastype[actuator])
    if (
        transmission not in map(int, ON_JOINTS)
        or int(model.jnt_type[joint]) not in map(int, (_JOINTS.mjJNT_HINGE, _JOINTS.mjJNT_SLIDE))
        or dynamics not in map(int, _WITHOUT_INTEGRATION)
        or gain_type != mujoco.mjtGain.mjGAIN_FIXED
        or bias_type not in map(int, (mujoco.mjtBias.mjBIAS_NONE, mujoco.mjtBias.mjBIAS_AFFINE))
    ):
        return None
    gear, gain = float(model.actuator_gear[actuator, 0]), float(model.actuator_gainprm[actuator, 0])
    offset, position, velocity = map(float, model.actuator_biasprm[actuator, :3])
    if bias_type == mujoco.mjtBias.mjBIAS_NONE:
        offset = position = velocity = 0.0
    if offset or position > 0.0 or velocity > 0.0:
        return None
    bounds = [math.inf]
    if model.actuator_forcelimited[actuator]:
        bounds.append(float(np.abs(model.actuator_forcerange[actuator]).max()))
    if model.actuator_ctrllimited[actuator] and not position and not velocity:
        bounds.append(abs(gain) * float(np.abs(model.actuator_ctrlrange[actuator]).max()))
    return Drive(stiffness=abs(position) * gear**2, damping=abs(velocity) * gear**2, max_effort=abs(gear) * min(bounds))


def _sum(first: Drive, second: Drive) -> Drive:
    """Return the drive that acts like two on one joint, such as one for positions and one for velocities."""
    return Drive(
        stiffness=first.stiffness + second.stiffness,
        damping=first.damping + second.damping,
        max_effort=first.max_effort + second.max_effort,
    )


def _title(asset: ArticulationAsset) -> str:
    return f"'{asset.mjcf}'" if isinstance(asset.mjcf, Path) else "MJCF"


def _element(asset: ArticulationAsset) -> ArticulationElement:
    return ArticulationElement(
        name="robot",
        asset=asset,
        position=(0.0, 0.0, 0.0),
        orientation=(1.0, 0.0, 0.0, 0.0),
        track_joint_forces=False,
        disable_gravity=True,  # whether it is disabled does not change what is read
        actor=ActorConfig(),
    )
