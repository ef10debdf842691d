"""Crazyflie: a nano quadcopter flies to targets."""

from oige_core import EnvConfig, Renamed, TaskSpec

__all__ = ["CRAZYFLIE"]

CRAZYFLIE = TaskSpec(
    task="oige_tasks_classic.crazyflie.task:CrazyflieTask",
    description="oige_tasks_classic.crazyflie.description:describe_crazyflie",
    env=EnvConfig,
    observation_shape=(18,),
    num_actions=4,
    original_ends_early=True,
    renamed={"env.maxEpisodeLength": Renamed("env.episodeLength")},
)
