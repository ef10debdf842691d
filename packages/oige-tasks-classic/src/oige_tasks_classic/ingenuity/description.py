"""What Ingenuity observes, does and rewards."""

from oige_core import EnvConfig, RunConfig
from oige_core.description import Command, Ending, Randomization, RewardTerm, TaskDescription

from oige_tasks_classic.hover_description import SCALED_FLIGHT

__all__ = ["MAX_LATERAL", "MAX_THRUST", "UPSTREAM_THRUST_RATE", "describe_ingenuity"]

MAX_THRUST = 20.0  # N, of a rotor
UPSTREAM_THRUST_RATE = 2000.0  # N/s; upstream, the maximum thrust is this times task.sim.dt
MAX_LATERAL = 0.2  # lateral force as a fraction of the thrust


def describe_ingenuity(env: EnvConfig, config: RunConfig) -> TaskDescription:
    """Return the description of Ingenuity."""
    upstream = env.compat == "upstream"
    thrust = UPSTREAM_THRUST_RATE * config.task.sim.dt if upstream else MAX_THRUST
    axes = "world" if upstream else "helicopter"
    return TaskDescription(
        summary="NASA's coaxial helicopter flies to a target on Mars and hovers there.",
        observations=SCALED_FLIGHT,
        actions=tuple(
            command
            for rotor in ("lower", "upper")
            for command in (
                Command(
                    name=f"{rotor}_lateral",
                    text=f"lateral force of the {rotor} rotor along x and y of the {axes}, a fraction of its thrust",
                    kind="force",
                    components=("x", "y"),
                    scale=MAX_LATERAL,
                ),
                Command(
                    name=f"{rotor}_thrust",
                    text=f"thrust of the {rotor} rotor along z of the {axes}",
                    kind="force",
                    unit="N",
                    scale=thrust,
                ),
            )
        ),
        rewards=(
            RewardTerm(name="position", text="p = 1 / (1 + 2.5 distance²)"),
            RewardTerm(
                name="upright", text="p / (1 + 30 (1 − up)²); up is the vertical component of the body's z axis"
            ),
            RewardTerm(name="spin", text="p / (1 + 10 yaw rate²)"),
        ),
        endings=(
            Ending(text="the helicopter is farther than 20 m from the target"),
            Ending(text="it is lower than 0.5 m"),
        ),
        randomization=(
            Randomization(text="position of the helicopter: x, y ±0.5 m, z 0.5 to 1.5 m"),
            Randomization(text="angles of the blades: ±0.2 rad"),
            Randomization(text="position of the target: x, y ±1 m, z 1 to 2 m"),
            Randomization(text="position of the target again", when="5 s"),
        ),
    )
