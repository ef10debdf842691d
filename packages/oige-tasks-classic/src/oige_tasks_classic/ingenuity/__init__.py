"""Ingenuity: NASA's helicopter flies to targets on Mars."""

from oige_core import EnvConfig, Renamed, TaskSpec

__all__ = ["INGENUITY"]

INGENUITY = TaskSpec(
    task="oige_tasks_classic.ingenuity.task:IngenuityTask",
    description="oige_tasks_classic.ingenuity.description:describe_ingenuity",
    env=EnvConfig,
    observation_shape=(13,),
    num_actions=6,
    original_ends_early=True,
    renamed={"env.maxEpisodeLength": Renamed("env.episodeLength")},
)
