"""The Allegro Hand, the robot of AllegroHand."""

from pathlib import Path

from oige_core import ArticulationAsset, Drive

from oige_tasks_manipulation.allegro_hand.description import FINGERS

__all__ = ["ALLEGRO_HAND", "FINGERTIPS"]

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
