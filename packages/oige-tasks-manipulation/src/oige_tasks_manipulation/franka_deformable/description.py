"""What FrankaDeformable observes, does and rewards."""

from oige_core import RunConfig
from oige_core.description import XYZ, Command, Ending, Quantity, Randomization, RewardTerm, TaskDescription

from oige_tasks_manipulation.franka.description import JOINT_OBSERVATIONS, arm_command, finger_command
from oige_tasks_manipulation.franka_deformable import FrankaDeformableConfig

__all__ = ["describe_franka_deformable"]

VECTORS = (
    ("to_front", "vector from the middle between the frames of the fingers to the front", "m"),
    ("front_to_goal", "vector from the front to its goal (0.36, 0, 0.23) m", "m"),
    ("back_to_goal", "vector from the back to its goal (0.5, 0.2, 0) m, on the axis of the beaker", "m"),
    ("front_position", "position of the front", "m"),
    ("front_velocity", "velocity of the front", "m/s"),
    ("back_position", "position of the back", "m"),
    ("back_velocity", "velocity of the back", "m/s"),
)


def describe_franka_deformable(env: FrankaDeformableConfig, config: RunConfig) -> TaskDescription:
    """Return the description of FrankaDeformable."""
    wall = Ending(text="the tube is pushed into or through the wall of the beaker, logged as `through_wall`")
    return TaskDescription(
        summary="A Franka Panda picks up a soft tube, which lies on the ground in front of it, and puts its back end "
        "into a beaker.",
        observations=(
            *JOINT_OBSERVATIONS,
            *(Quantity(name=name, text=text, unit=unit, components=XYZ) for name, text, unit in VECTORS),
        ),
        observation_notes='"Front" is a node on the top of the tube, 15 cm from the end that points to the robot and '
        'below the gripper at the start; "back" is the lowest node of the other end.',
        actions=(
            arm_command(env, config),
            finger_command(env, config, components=(), text="speed of the position targets of both fingers"),
            Command(name="unused", text="none: the right finger follows the left one", kind="none"),
        ),
        action_notes="Targets move by 1/60 s per control step.",
        rewards=(
            RewardTerm(name="goal_distance", text="1 / (5 d + 0.025)", key="goalDistanceRewardScale"),
            RewardTerm(name="lift", text="1 / (5 |z − z₀| + 0.025)", key="liftRewardScale"),
            RewardTerm(name="depth", text="1 − z / 25 cm, from 0 to 1, for d < 7 cm", key="depthRewardScale"),
            RewardTerm(name="in_beaker", text="1 in steps with success, else 0", key="inBeakerRewardScale"),
        ),
        reward_notes="d is the horizontal distance in m from the back to its goal, z the height of the back in m, and "
        "z₀ the desired one: 0 for d < 7 cm, and 18 cm elsewhere.",
        endings=(
            Ending(text="the front is behind the robot (x < 0), more than 1 m ahead of it or more than 1 m beside it"),
            *(() if env.compat == "upstream" else (wall,)),
        ),
        success="d < 7 cm and z < 8.25 cm: the back end is in the lower half of the beaker; and the 12.5 cm of the "
        'tube before it are within the beaker or above that height. `info["success"]` is true in that step; the '
        "fraction of episodes in whose last step it is true is logged as `success`, with the means of d and z as "
        "`goal_distance` and `back_height`.",
        randomization=(
            Randomization(
                text=f"position of the tube: ±{env.startPositionNoise:g} m along x and y", key="startPositionNoise"
            ),
            Randomization(
                text=f"yaw of the tube about the vertical axis through its front: ±{env.startRotationNoise:g} rad",
                key="startRotationNoise",
            ),
        ),
    )
