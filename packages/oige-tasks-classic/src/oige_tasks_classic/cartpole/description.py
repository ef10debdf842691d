"""What Cartpole observes, does and rewards."""

from oige_core import RunConfig
from oige_core.description import Command, Ending, Quantity, Randomization, RewardTerm, TaskDescription

from oige_tasks_classic.cartpole import CartpoleConfig

__all__ = ["ACTIONS", "FAILURE_NOTE", "OBSERVATIONS", "RANDOMIZATION", "REWARDS", "describe_cartpole", "endings"]

OBSERVATIONS = (
    Quantity(name="cart_position", text="position of the cart", unit="m"),
    Quantity(name="cart_velocity", text="velocity of the cart", unit="m/s"),
    Quantity(name="pole_angle", text="angle of the pole from the vertical", unit="rad"),
    Quantity(name="pole_velocity", text="angular velocity of the pole", unit="rad/s"),
)
ACTIONS = (Command(name="cart_force", text="force on the cart", kind="effort", unit="N", key="maxEffort"),)
REWARDS = (
    RewardTerm(name="upright", text="1 − angle²"),
    RewardTerm(name="cart_velocity", text="|velocity of the cart|", weight=-0.01),
    RewardTerm(name="pole_velocity", text="|angular velocity of the pole|", weight=-0.005),
)
FAILURE_NOTE = "The reward of a step that terminates the episode is −2 instead."
RANDOMIZATION = (
    Randomization(text="cart position ±1 m and velocity ±0.5 m/s"),
    Randomization(text="pole angle ±22.5° and angular velocity ±45°/s"),
)


def endings(env: CartpoleConfig) -> tuple[Ending, ...]:
    """Return what terminates an episode."""
    return (
        Ending(text=f"the cart is more than {env.resetDist:g} m from the middle", key="resetDist"),
        Ending(text="the pole is more than 90° from the vertical"),
    )


def describe_cartpole(env: CartpoleConfig, _: RunConfig) -> TaskDescription:
    """Return the description of Cartpole."""
    return TaskDescription(
        summary="A cart on a rail balances a pole.",
        observations=OBSERVATIONS,
        actions=ACTIONS,
        rewards=REWARDS,
        reward_notes=FAILURE_NOTE,
        endings=endings(env),
        randomization=RANDOMIZATION,
    )
