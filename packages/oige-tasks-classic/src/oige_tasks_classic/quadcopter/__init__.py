"""Quadcopter: four rotors on gimbals carry a disc to its target."""

from oige_core.config import EnvConfig
from oige_core.registry import TaskSpec

__all__ = ["QUADCOPTER"]

QUADCOPTER = TaskSpec(
    task="oige_tasks_classic.quadcopter.task:QuadcopterTask",
    env=EnvConfig,
    observation_shape=(21,),
    num_actions=12,
)
