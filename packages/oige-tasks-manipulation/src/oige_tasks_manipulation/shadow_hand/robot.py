"""The Shadow Dexterous Hand, the robot of the ShadowHand tasks."""

from pathlib import Path

from oige_core import ArticulationAsset, Drive

__all__ = ["ACTUATED_JOINTS", "SHADOW_HAND"]

_FINGERS = ("FF", "MF", "RF")

ACTUATED_JOINTS = (
    "robot0_WRJ1",
    "robot0_WRJ0",
    *(f"robot0_{finger}J{joint}" for finger in _FINGERS for joint in (3, 2, 1)),
    *(f"robot0_LFJ{joint}" for joint in (4, 3, 2, 1)),
    *(f"robot0_THJ{joint}" for joint in (4, 3, 2, 1, 0)),
)
"""The joints that a policy commands, wrist, fingers and thumb, in the order in which OmniIsaacGymEnvs names them.

The most distal joint of each finger, J0, has no motor: a tendon makes it follow J1.
"""


def _drive(max_effort: float, stiffness: float = 1.0, damping: float = 0.1) -> Drive:
    return Drive(stiffness=stiffness, damping=damping, max_effort=max_effort)


SHADOW_HAND = ArticulationAsset(
    mjcf=Path(__file__).parent / "assets" / "shadow_hand.xml",
    usd="Robots/ShadowHand/shadow_hand_instanceable.usd",
    drives={
        "robot0_WRJ1": _drive(4.785, stiffness=5.0, damping=0.5),
        "robot0_WRJ0": _drive(2.175, stiffness=5.0, damping=0.5),
        "robot0_(FF|MF|RF|LF)J[234]": _drive(0.9),
        "robot0_(FF|MF|RF|LF)J1": _drive(0.7245),
        "robot0_THJ4": _drive(2.3722),
        "robot0_THJ3": _drive(1.45),
        "robot0_THJ[12]": _drive(0.99),
        "robot0_THJ0": _drive(0.81),
        "robot0_(FF|MF|RF|LF)J0": Drive(max_effort=0.0),
    },
)
"""The right hand with its forearm, fixed to the world.

Gains (N·m/rad, N·m·s/rad) and effort limits (N·m) are those of OmniIsaacGymEnvs, which are those of the hand of
OpenAI's Gym. The joints that tendons move have no drive.
"""
