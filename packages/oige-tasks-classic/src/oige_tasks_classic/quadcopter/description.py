"""What Quadcopter observes, does and rewards."""

import math

from oige_core import EnvConfig, RunConfig
from oige_core.description import Command, Ending, Quantity, Randomization, RewardTerm, TaskDescription

from oige_tasks_classic.hover_description import SCALED_FLIGHT

__all__ = ["GIMBAL_SPEED", "MAX_THRUST", "ROTORS", "THRUST_SPEED", "describe_quadcopter"]

ROTORS = ("rotor0", "rotor1", "rotor2", "rotor3")
GIMBALS = tuple(f"rotor_{axis}{i}" for axis in ("pitch", "roll") for i in range(4))
GIMBAL_SPEED = 8.0 * math.pi  # rad/s, speed of the position targets at action 1
THRUST_SPEED = 100.0  # N/s, change of thrust at action 1
MAX_THRUST = 2.0  # N, of a rotor


def describe_quadcopter(env: EnvConfig, config: RunConfig) -> TaskDescription:
    """Return the description of Quadcopter."""
    # Upstream, targets and thrusts change per control step as much as they do in a physics step.
    rate = 1.0 / env.controlFrequencyInv if env.compat == "upstream" else 1.0
    return TaskDescription(
        summary="A quadcopter with tilting rotors flies to a target and hovers there.",
        observations=(
            *SCALED_FLIGHT,
            Quantity(
                name="gimbal_position", text="pitch, then roll of the rotors' gimbals", unit="rad", components=GIMBALS
            ),
        ),
        actions=(
            Command(
                name="gimbal_target_speed",
                text="speeds of the position targets of the gimbals",
                kind="position_target_speed",
                unit="rad/s",
                components=GIMBALS,
                scale=GIMBAL_SPEED * rate,
            ),
            Command(
                name="thrust_rate",
                text=f"changes of the rotors' thrusts, which stay within ±{MAX_THRUST:g} N",
                kind="force_rate",
                unit="N/s",
                components=ROTORS,
                scale=THRUST_SPEED * rate,
            ),
        ),
        rewards=(
            RewardTerm(name="position", text="p = 1 / (1 + 3 distance²)"),
            RewardTerm(
                name="upright", text="p / (1 + 10 (1 − up)²); up is the vertical component of the body's z axis"
            ),
            RewardTerm(name="spin", text="p / (1 + 0.001 yaw rate²)"),
            RewardTerm(name="spin_cost", text="−p · yaw rate² / 400"),
        ),
        reward_notes="The reward is clamped to at least 0.",
        endings=(
            Ending(text="the vehicle is farther than 3 m from the target"),
            Ending(text="it is lower than 0.3 m"),
        ),
        randomization=(
            Randomization(text="position of the vehicle: x, y ±1.5 m, z 0.8 to 2.5 m"),
            Randomization(text="positions of the gimbals: ±0.2 rad"),
        ),
    )
