"""What Humanoid observes, does and rewards."""

from oige_core import RunConfig
from oige_core.description import RewardTerm, TaskDescription

from oige_tasks_locomotion.ant_humanoid import LocomotionConfig
from oige_tasks_locomotion.ant_humanoid.description import describe_runner

__all__ = ["FEET", "GEARS", "describe_humanoid"]

FEET = ("left_foot", "right_foot")
GEARS = {
    "abdomen_z": 67.5,
    "abdomen_y": 67.5,
    "right_shoulder1": 67.5,
    "right_shoulder2": 67.5,
    "left_shoulder1": 67.5,
    "left_shoulder2": 67.5,
    "abdomen_x": 67.5,
    "right_elbow": 45.0,
    "left_elbow": 45.0,
    "right_hip_x": 45.0,
    "right_hip_y": 135.0,
    "right_hip_z": 45.0,
    "left_hip_x": 45.0,
    "left_hip_y": 135.0,
    "left_hip_z": 45.0,
    "right_knee": 90.0,
    "left_knee": 90.0,
    "right_ankle_y": 22.5,
    "right_ankle_x": 22.5,
    "left_ankle_y": 22.5,
    "left_ankle_x": 22.5,
}
"""Torque in N·m at action 1 and ``powerScale`` 1, by joint, in the order of the joints."""


def describe_humanoid(env: LocomotionConfig, config: RunConfig) -> TaskDescription:
    """Return the description of Humanoid."""
    return describe_runner(
        env,
        config,
        summary="A figure with arms runs along x on two legs, towards a target 1 km away.",
        torques=GEARS,
        feet=FEET,
        limits=RewardTerm(
            name="joint_limits",
            text="Σ (|position| − 0.98) / 0.02 · (gear / largest gear) beyond 98 %",
            weight=-1.0,
            key="jointsAtLimitCost",
        ),
    )
