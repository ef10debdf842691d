"""What Ant observes, does and rewards."""

from oige_core import RunConfig
from oige_core.description import RewardTerm, TaskDescription

from oige_tasks_locomotion.ant_humanoid import LocomotionConfig
from oige_tasks_locomotion.ant_humanoid.description import describe_runner

__all__ = ["FEET", "GEARS", "describe_ant"]

FEET = ("front_left_foot", "front_right_foot", "left_back_foot", "right_back_foot")
GEARS = dict.fromkeys([f"{kind}_{leg}" for kind in ("hip", "ankle") for leg in range(1, 5)], 15.0)
"""Torque in N·m at action 1 and ``powerScale`` 1, by joint."""


def describe_ant(env: LocomotionConfig, config: RunConfig) -> TaskDescription:
    """Return the description of Ant."""
    upper = RewardTerm(name="joint_limits", text="joints beyond 99 % of the way to the upper limit", weight=-1.0)
    both = RewardTerm(
        name="joint_limits", text="joints beyond 99 % of their range", weight=-1.0, key="jointsAtLimitCost"
    )
    return describe_runner(
        env,
        config,
        summary="A four-legged walker runs along x, towards a target 1 km away.",
        torques=GEARS,
        feet=FEET,
        limits=upper if env.compat == "upstream" else both,
    )
