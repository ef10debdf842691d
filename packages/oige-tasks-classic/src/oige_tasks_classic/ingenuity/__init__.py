"""Ingenuity: NASA's helicopter flies to targets on Mars."""

from oige_core import EnvConfig, TaskSpec

__all__ = ["INGENUITY"]

INGENUITY = TaskSpec(
    task="oige_tasks_classic.ingenuity.task:IngenuityTask",
    env=EnvConfig,
    observation_shape=(13,),
    num_actions=6,
    original_ends_early=True,
)
