"""Quadcopter: four rotors on gimbals carry a disc to its target."""

from oige_core import EnvConfig, Renamed, TaskSpec

__all__ = ["QUADCOPTER"]

QUADCOPTER = TaskSpec(
    task="oige_tasks_classic.quadcopter.task:QuadcopterTask",
    description="oige_tasks_classic.quadcopter.description:describe_quadcopter",
    env=EnvConfig,
    observation_shape=(21,),
    num_actions=12,
    original_ends_early=True,
    renamed={"env.maxEpisodeLength": Renamed("env.episodeLength")},
)
