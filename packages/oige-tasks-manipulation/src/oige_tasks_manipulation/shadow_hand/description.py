"""What the ShadowHand tasks observe, do and reward."""

import dataclasses

from oige_core import RunConfig
from oige_core.description import TaskDescription

from oige_tasks_manipulation.in_hand.description import describe_in_hand
from oige_tasks_manipulation.shadow_hand import ShadowHandConfig

__all__ = ["FINGERTIPS", "describe_shadow_hand"]

FINGERTIPS = tuple(f"robot0_{finger}distal" for finger in ("ff", "mf", "rf", "lf", "th"))
"""Links with a force-torque sensor: first, middle, ring and little finger, and thumb."""

# Breadth-first: the little finger has one joint more.
JOINTS = tuple(
    f"robot0_{joint}"
    for joint in (
        *("WRJ1", "WRJ0", "FFJ3", "MFJ3", "RFJ3", "LFJ4", "THJ4", "FFJ2", "MFJ2", "RFJ2", "LFJ3", "THJ3"),
        *("FFJ1", "MFJ1", "RFJ1", "LFJ2", "THJ2", "FFJ0", "MFJ0", "RFJ0", "LFJ1", "THJ1", "LFJ0", "THJ0"),
    )
)
PASSIVE = tuple(f"robot0_{finger}J0" for finger in ("FF", "MF", "RF", "LF"))  # a tendon moves them

LAYOUTS = (
    {"task.env.observationType": "full"},
    {"task.env.observationType": "full_no_vel"},
    {"task.env.observationType": "openai"},
    {"task.env.observationType": "full_state"},
    {"task.env.asymmetric_observations": True},
    {"task.env.useRelativeControl": True},
)


def describe_shadow_hand(env: ShadowHandConfig, config: RunConfig) -> TaskDescription:
    """Return the description of ShadowHand and its OpenAI variants."""
    summary = "A Shadow Dexterous Hand turns a cube on its palm to one goal orientation after another."
    if env.asymmetric_observations and env.observationType == "openai":
        summary += " The policy observes what cameras and markers can measure, and the critic everything."
    description = describe_in_hand(
        env,
        config,
        summary=summary,
        joints=JOINTS,
        actuated=tuple(joint for joint in JOINTS if joint not in PASSIVE),
        fingertips=FINGERTIPS,
        layouts=LAYOUTS,
    )
    if env.resetTime <= 0.0:
        return description
    restart = f" Each goal restarts the time, {env.resetTime:g} s (`resetTime`)."
    return dataclasses.replace(description, success=description.success + restart)
