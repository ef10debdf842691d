"""What Crazyflie observes, does and rewards."""

from oige_core import EnvConfig, RunConfig
from oige_core.description import (
    Command,
    Ending,
    Quantity,
    Randomization,
    RewardTerm,
    TaskDescription,
    component_names,
)

from oige_tasks_classic.hover_description import flight

__all__ = ["PROPELLERS", "describe_crazyflie", "max_thrust"]

PROPELLERS = ("m1_prop", "m2_prop", "m3_prop", "m4_prop")
MASS = 0.028  # kg
THRUST_TO_WEIGHT = 1.9  # maximum thrust of all propellers


def max_thrust(gravity: float) -> float:
    """Return the largest thrust of a propeller in N, for a gravity in m/s²."""
    return THRUST_TO_WEIGHT * MASS * gravity / len(PROPELLERS)


def describe_crazyflie(env: EnvConfig, config: RunConfig) -> TaskDescription:
    """Return the description of Crazyflie."""
    upstream = env.compat == "upstream"
    half = 0.5 * max_thrust(-config.task.sim.gravity[2])
    start, target = (
        ("always (0, 0, 1) m", "always (0, 0, 2) m")
        if upstream
        else (
            "x, y ±0.5 m, z 0.7 to 1.3 m",
            "x, y ±0.5 m, z 1.5 to 2.5 m",
        )
    )
    return TaskDescription(
        summary="A nano quadcopter flies to a target and hovers there.",
        observations=flight(
            to_target=1.0,
            linear=1.0,
            angular=1.0,
            attitude=Quantity(
                name="body_axis",
                text="x, y and z axes of the body, in the world",
                components=component_names(("x_axis", "y_axis", "z_axis")),
            ),
        ),
        actions=(
            Command(
                name="thrust",
                text="thrusts of the propellers, from 0 at −1 to the largest at 1; propellers follow with a time "
                "constant of 0.0375 s",
                kind="force",
                unit="N",
                components=PROPELLERS,
                scale=half,
                offset=half,
            ),
        ),
        rewards=(
            RewardTerm(name="position", text="p = 1 / (1 + distance)"),
            RewardTerm(name="upright", text="p · up, at least 0; up is the vertical component of the body's z axis"),
            RewardTerm(name="spin", text="0.01 p · exp(−|angular velocity|²)"),
            RewardTerm(name="effort", text=f"{'−' if upstream else ''}0.05 exp(−|actions|² / 2)"),
        ),
        endings=(
            Ending(text="the vehicle is farther than 5 m from the target"),
            Ending(text="it is lower than 0.5 m or higher than 5 m"),
            Ending(text="it is upside down"),
        ),
        randomization=(
            Randomization(text=f"position of the vehicle: {start}"),
            Randomization(text=f"position of the target: {target}"),
            Randomization(text="position of the target again", when="5 s"),
            Randomization(text="thrusts, by 1 % of their command (Gaussian)", when="step"),
        ),
    )
