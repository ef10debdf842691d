"""What the files of robots say beyond the mechanism: gains of actuators, keyframes, and what is not read.

MuJoCo reads the files, so that the extra ``oige-core[mujoco]`` is needed, also where Isaac Sim simulates.
"""

import dataclasses
from collections.abc import Mapping
from typing import TypeVar

from oige_core.extras import needs_extra
from oige_core.scene.assets import ArticulationAsset

__all__ = ["file_report", "with_actuators", "with_keyframe"]

ValueT = TypeVar("ValueT")


def file_report(asset: ArticulationAsset) -> tuple[str, ...]:
    """Return what of an asset's file does not act as it is written there, one line each.

    Lines start with ``changed:`` if something was replaced or left out that the asset should have, such as a visual
    mesh whose file is missing, and with ``ignored:`` if articulations never read it, such as sensors.

    Raises:
        OigeError: the file is invalid, or contains something unsupported.
    """
    with needs_extra("mujoco", "file_report"):
        from oige_core.engines.mujoco.robot_files import report

    return report(asset)


def with_actuators(asset: ArticulationAsset) -> ArticulationAsset:
    """Return an asset with drives that exert what its file's actuators on joints exert.

    A ``position`` actuator gives a drive with its stiffness and damping, a ``velocity`` actuator one with its damping,
    a ``motor`` one without gains; all with their largest force. Targets and efforts are those of the joint: the
    ``gear`` is part of the gains. Drives that the asset already has come first. Other actuators, such as those on
    tendons, are named in a warning.

    Raises:
        OigeError: the file has no such actuators, or is invalid.
    """
    with needs_extra("mujoco", "with_actuators"):
        from oige_core.engines.mujoco.robot_files import actuator_drives

    return dataclasses.replace(asset, drives=_joined(asset.drives, actuator_drives(asset)))


def with_keyframe(asset: ArticulationAsset, name: str) -> ArticulationAsset:
    """Return an asset with the joint positions of a keyframe of its file as initial positions.

    Positions that the asset already has come first. The pose of the root is that of the scene.

    Args:
        asset: the asset.
        name: of the keyframe.

    Raises:
        OigeError: there is no such keyframe, or the file is invalid.
    """
    with needs_extra("mujoco", "with_keyframe"):
        from oige_core.engines.mujoco.robot_files import keyframe_positions

    return dataclasses.replace(asset, joint_positions=_joined(asset.joint_positions, keyframe_positions(asset, name)))


def _joined(given: Mapping[str, ValueT], read: Mapping[str, ValueT]) -> dict[str, ValueT]:
    """Return given values, then those of a file: the first pattern that matches a name applies."""
    return {**given, **{pattern: value for pattern, value in read.items() if pattern not in given}}
