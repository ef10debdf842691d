"""Humanoid: a two-legged walker with arms that learns to run."""

from oige_core import TaskSpec

from oige_tasks_locomotion.ant_humanoid import LocomotionConfig

__all__ = ["HUMANOID"]

HUMANOID = TaskSpec(
    task="oige_tasks_locomotion.humanoid.task:HumanoidTask",
    warp_task="oige_tasks_locomotion.humanoid.warp_task:HumanoidWarpTask",
    description="oige_tasks_locomotion.humanoid.description:describe_humanoid",
    env=LocomotionConfig,
    observation_shape=(87,),  # 12 of the torso, 3 · 21 of the joints, 6 · 2 of the feet
    num_actions=21,
    original_ends_early=True,
)
