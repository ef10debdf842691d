"""What BallBalance observes, does and rewards."""

from oige_core import RunConfig
from oige_core.description import (
    XYZ,
    Command,
    Ending,
    Quantity,
    Randomization,
    RewardTerm,
    TaskDescription,
    component_names,
)

from oige_tasks_classic.ball_balance import BallBalanceConfig

__all__ = ["describe_ball_balance"]

LOWER_LEGS = ("lower_leg0", "lower_leg1", "lower_leg2")
UPPER_LEGS = ("upper_leg0", "upper_leg1", "upper_leg2")


def describe_ball_balance(env: BallBalanceConfig, config: RunConfig) -> TaskDescription:
    """Return the description of BallBalance."""
    upstream = env.compat == "upstream"
    start = "2 m to 3 m" if upstream else "1 m to 2 m"
    return TaskDescription(
        summary="A tray on three legs catches a ball and keeps it in the middle.",
        observations=(
            Quantity(
                name="joint_position", text="positions of the lower leg joints", unit="rad", components=LOWER_LEGS
            ),
            Quantity(
                name="joint_velocity", text="velocities of the lower leg joints", unit="rad/s", components=LOWER_LEGS
            ),
            Quantity(name="ball_position", text="position of the ball", unit="m", components=XYZ),
            Quantity(name="ball_velocity", text="velocity of the ball", unit="m/s", components=XYZ),
            Quantity(
                name="leg_force",
                text="force of the tray on each upper leg, along the hinge",
                unit="N",
                components=UPPER_LEGS,
                scale=1 / 20,
            ),
            Quantity(
                name="leg_torque",
                text="torques of the tray on the upper legs: about the hinges, then across hinge and leg, then about "
                "the legs",
                unit="N·m",
                components=component_names(("about_hinge", "across", "about_leg"), UPPER_LEGS),
                scale=1 / 20,
            ),
        ),
        actions=(
            Command(
                name="joint_target_speed",
                text="speeds of the position targets of the lower leg joints",
                kind="position_target_speed",
                unit="rad/s",
                components=LOWER_LEGS,
                # Upstream, targets move per control step as far as they do in a physics step.
                scale=1.0 / env.controlFrequencyInv if upstream else 1.0,
                key="actionSpeedScale",
            ),
        ),
        rewards=(
            RewardTerm(
                name="balance",
                text="1 / (1 + distance) · 1 / (1 + speed), of the ball from 0.7 m above the ground in the middle, in "
                "m and m/s",
            ),
        ),
        endings=(Ending(text="the middle of the ball is lower than 0.15 m"),),
        randomization=(
            Randomization(text=f"position of the ball: up to 0.4 m from the middle, {start} high"),
            Randomization(text="velocity of the ball: 5 m/s downwards and up to 2 m/s inwards"),
        ),
    )
