"""What FrankaCabinet observes, does and rewards."""

from oige_core import RunConfig
from oige_core.description import XYZ, Ending, Quantity, Randomization, RewardTerm, TaskDescription

from oige_tasks_manipulation.franka.description import FINGER_JOINTS, JOINT_OBSERVATIONS, arm_command, finger_command
from oige_tasks_manipulation.franka_cabinet import FrankaCabinetConfig

__all__ = ["describe_franka_cabinet"]


def describe_franka_cabinet(env: FrankaCabinetConfig, config: RunConfig) -> TaskDescription:
    """Return the description of FrankaCabinet."""
    upstream = env.compat == "upstream"
    return TaskDescription(
        summary="A Franka Panda opens the upper drawer of a kitchen cabinet.",
        observations=(
            *JOINT_OBSERVATIONS,
            Quantity(
                name="to_handle",
                text="vector from the grasp point of the gripper to that of the handle",
                unit="m",
                components=XYZ,
            ),
            Quantity(name="drawer_position", text="opening of the drawer", unit="m"),
            Quantity(name="drawer_velocity", text="speed of the drawer", unit="m/s"),
        ),
        observation_notes="The grasp point of the gripper is 4 cm from the middle between the frames of the fingers, "
        "along y of `panda_link7`. That of the handle is 1 cm from its middle.",
        actions=(
            arm_command(env, config),
            finger_command(
                env,
                config,
                components=FINGER_JOINTS,
                text="speeds of the position targets of the left and the right finger",
            ),
        ),
        action_notes="Targets move by 1/60 s per control step.",
        rewards=(
            RewardTerm(name="distance", text="1 / (1 + d²)², twice that for d ≤ 2 cm", key="distRewardScale"),
            RewardTerm(
                name="rotation",
                text="½ (sign(a) a² + sign(b) b²): a is the cosine of the angle between the gripper and the inward "
                "direction, b that between y of the gripper and up",
                key="rotRewardScale",
            ),
            RewardTerm(
                name="around_handle",
                text="½ if the left finger is above the handle and the right one below",
                key="aroundHandleRewardScale",
            ),
            RewardTerm(name="open", text="opening in m × (1 + `around_handle`)", key="openRewardScale"),
            RewardTerm(
                name="finger_distance",
                text="Σ (0.04 m − |height of a finger|) if they are around the handle",
                key="fingerDistRewardScale",
            ),
            RewardTerm(name="action", text="Σ action²", weight=-1.0, key="actionPenaltyScale"),
            RewardTerm(
                name="finger_close",
                text="Σ (0.04 m − position of a finger) for d ≤ 3 cm",
                key="fingerCloseRewardScale",
            ),
            RewardTerm(
                name="bonus",
                text="½ beyond an opening of 0.01 m, `around_handle` beyond 0.2 m, twice that beyond 0.39 m",
            ),
        ),
        reward_notes="d is the distance between the two grasp points. A finger's height is that of its frame above the "
        "grasp point of the handle.",
        endings=(Ending(text="the drawer is open by more than 0.39 m of 0.4 m", truncation=not upstream),),
        success='`info["success"]` is true in the step in which the drawer is open; the fraction of such episodes is '
        "logged as `success`, the mean opening at their end as `opening`.",
        randomization=(
            Randomization(text="joint positions: ±0.125 rad or m around the first pose, within their limits"),
        ),
    )
