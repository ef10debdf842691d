"""Cartpole: balance a pole on a cart by pushing the cart."""

from dataclasses import dataclass

from oige_core import EnvConfig, TaskSpec, check_positive

__all__ = ["CARTPOLE", "CartpoleConfig"]


@dataclass(kw_only=True)
class CartpoleConfig(EnvConfig):
    """The ``task.env`` section of Cartpole.

    Attributes:
        resetDist: distance of the cart from the middle at which an episode ends, in metres.
        maxEffort: force on the cart at action 1, in newtons.
    """

    resetDist: float
    maxEffort: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("task.env.resetDist", self.resetDist)


CARTPOLE = TaskSpec(
    task="oige_tasks_classic.cartpole.task:CartpoleTask",
    warp_task="oige_tasks_classic.cartpole.warp_task:CartpoleWarpTask",
    description="oige_tasks_classic.cartpole.description:describe_cartpole",
    env=CartpoleConfig,
    observation_shape=(4,),
    num_actions=1,
)
