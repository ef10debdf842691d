"""Ingenuity: NASA's helicopter flies to targets on Mars."""

from oige_core.config import EnvConfig
from oige_core.registry import TaskSpec

__all__ = ["INGENUITY"]

INGENUITY = TaskSpec(
    task="oige_tasks_classic.ingenuity.task:IngenuityTask",
    env=EnvConfig,
    observation_shape=(13,),
    num_actions=6,
)
