"""The Allegro Hand, the robot of AllegroHand."""

from pathlib import Path

from oige_core import ArticulationAsset, Drive

__all__ = ["ALLEGRO_HAND", "FINGERTIPS", "JOINT_NAMES"]

FINGERS = ("index", "middle", "ring", "thumb")

JOINT_NAMES = tuple(f"{finger}_joint_{joint}" for joint in range(4) for finger in FINGERS)
"""All joints, which are all driven, in the order of OmniIsaacGymEnvs.

Joint 0 of a finger turns it about its length, joints 1 to 3 bend it. Joint 0 of the thumb opposes it to the fingers,
joint 1 turns it about its length, joints 2 and 3 bend it.
"""

FINGERTIPS = tuple(f"{finger}_link_3" for finger in FINGERS)
"""The last links, which carry the fingertips."""

ALLEGRO_HAND = ArticulationAsset(
    mjcf=Path(__file__).parent / "assets" / "allegro_hand.xml",
    usd="Robots/AllegroHand/allegro_hand_instanceable.usd",
    drives={".*": Drive(stiffness=3.0, damping=0.1, max_effort=0.5)},
    joint_positions={"thumb_joint_0": 0.28},
)
"""The right hand, fixed to the world at its mount, with the drives of OmniIsaacGymEnvs.

Joints start at 0, or at the closest position within their limits.
"""
