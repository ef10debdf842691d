"""ANYmal C, the robot of Anymal and AnymalTerrain."""

import re
from collections.abc import Mapping
from pathlib import Path

from oige_core import ArticulationAsset, Drive

from oige_tasks_locomotion.anymal.description import JOINT_NAMES

__all__ = ["ANYMAL_ASSET", "DEFAULT_JOINT_POSITIONS", "HAA_JOINTS", "MAX_EFFORT", "default_pose"]

HAA_JOINTS = slice(0, 4)
"""Hip abduction."""

DEFAULT_JOINT_POSITIONS = {
    "L[FH]_HAA": 0.03,
    "R[FH]_HAA": -0.03,
    "[LR]F_HFE": 0.4,
    "[LR]H_HFE": -0.4,
    "[LR]F_KFE": -0.8,
    "[LR]H_KFE": 0.8,
}
"""The standing pose of OmniIsaacGymEnvs, in rad; the base is then 0.543 m above the ground."""


def default_pose(angles: Mapping[str, float]) -> dict[str, float]:
    """Return initial joint positions: the standing pose, with the given angles in its place.

    Args:
        angles: positions by name of the joint, in rad.
    """
    standing = {
        name: next(angle for pattern, angle in DEFAULT_JOINT_POSITIONS.items() if re.fullmatch(pattern, name))
        for name in JOINT_NAMES
    }
    return standing | dict(angles)


MAX_EFFORT = 80.0
"""Peak torque of an ANYdrive in N·m, of ANYbotics' anymal_c_simple_description."""

ANYMAL_ASSET = ArticulationAsset(
    mjcf=Path(__file__).parent / "assets" / "anymal_c.xml",
    usd="Robots/ANYbotics/anymal_instanceable.usd",
    drives={".*": Drive(max_effort=MAX_EFFORT)},
    joint_positions=DEFAULT_JOINT_POSITIONS,
)
"""The robot without drive gains, which each task sets."""
