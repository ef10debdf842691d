"""What AllegroHand observes, does and rewards."""

from oige_core import RunConfig
from oige_core.description import TaskDescription

from oige_tasks_manipulation.allegro_hand import AllegroHandConfig
from oige_tasks_manipulation.in_hand.description import describe_in_hand

__all__ = ["FINGERS", "JOINT_NAMES", "describe_allegro_hand"]

FINGERS = ("index", "middle", "ring", "thumb")

JOINT_NAMES = tuple(f"{finger}_joint_{joint}" for joint in range(4) for finger in FINGERS)
"""All joints, which are all driven, in the order of OmniIsaacGymEnvs.

Joint 0 of a finger turns it about its length, joints 1 to 3 bend it. Joint 0 of the thumb opposes it to the fingers,
joint 1 turns it about its length, joints 2 and 3 bend it.
"""


def describe_allegro_hand(env: AllegroHandConfig, config: RunConfig) -> TaskDescription:
    """Return the description of AllegroHand."""
    return describe_in_hand(
        env,
        config,
        summary="An Allegro Hand, palm up, turns a cube of 5 cm to one goal orientation after another.",
        joints=JOINT_NAMES,
        actuated=JOINT_NAMES,
        layouts=({"task.env.observationType": "full_no_vel"}, {"task.env.useRelativeControl": True}),
    )
