"""BallBalance: keep a ball in the middle of a tray on three legs."""

from dataclasses import dataclass

from oige_core import EnvConfig, Renamed, TaskSpec

__all__ = ["BALL_BALANCE", "BallBalanceConfig"]


@dataclass(kw_only=True)
class BallBalanceConfig(EnvConfig):
    """The ``task.env`` section of BallBalance.

    Attributes:
        actionSpeedScale: speed of the legs' position targets at action 1, in rad/s.
    """

    actionSpeedScale: float


BALL_BALANCE = TaskSpec(
    task="oige_tasks_classic.ball_balance.task:BallBalanceTask",
    description="oige_tasks_classic.ball_balance.description:describe_ball_balance",
    env=BallBalanceConfig,
    observation_shape=(24,),
    num_actions=3,
    original_ends_early=True,
    renamed={"env.maxEpisodeLength": Renamed("env.episodeLength")},
)
