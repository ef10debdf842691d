"""What TargetFollowing observes, does and rewards."""

import math

from oige_core import RunConfig
from oige_core.description import Command, Ending, Quantity, Randomization, RewardTerm, TaskDescription

from oige_tasks_locomotion.target_following import TargetFollowingConfig

__all__ = ["describe_target_following"]


def describe_target_following(env: TargetFollowingConfig, _: RunConfig) -> TaskDescription:
    """Return the description of TargetFollowing."""
    upstream, levels = env.compat == "upstream", "0 to 1" if env.compat == "upstream" else "0 to 255"
    white = levels.removeprefix("0 to ")
    mask = Quantity(
        name="mask",
        text=f"{white} where the image shows the target, 0 elsewhere, in three equal channels",
        unit=levels,
        components=("0", "1", "2"),
    )
    colors = Quantity(name="image", text="colours of the image", unit=levels, components=("red", "green", "blue"))
    low, high = env.targetDistance
    return TaskDescription(
        summary="A wheeled robot drives to a cube that its camera sees.",
        observations=(colors if env.observe == "rgb" else mask,),
        observation_notes=f"Images have {env.imageSize} rows and columns (`imageSize`), and the table lists their "
        "channels.",
        actions=(
            Command(
                name="wheel_speed",
                text="speeds of the driven wheels",
                kind="velocity_target",
                unit="rad/s",
                components=("left", "right"),
                # OmniIsaacGymEnvs multiplies actions, which are wheel speeds up to π rad/s already, by π once more.
                scale=math.pi if upstream else 1.0,
                key="maxWheelSpeed",
            ),
        ),
        rewards=(
            RewardTerm(name="progress", text="10 × decrease of the distance to the target, in m"),
            RewardTerm(name="straight", text="0.0005 × (mean − |difference| of the wheel speeds, in rad/s)"),
            RewardTerm(
                name="seen", text="0.1 + fraction of the image that the target fills; −0.1 if the target is out of view"
            ),
            RewardTerm(name="near", text="100 within 1 m of the target"),
        ),
        endings=(Ending(text="the robot is closer to the target than 0.9 m"),),
        success='`info["success"]` is true once the robot has been within 1 m of the target in this episode; the '
        "fraction of such episodes is logged as `success`.",
        randomization=(
            Randomization(text="headings of robot and target"),
            Randomization(text=f"distance of the target along x: {low:g} to {high:g} m", key="targetDistance"),
        ),
        layouts=({"task.env.observe": "rgb"}, {"task.env.compat": "upstream"}),
    )
