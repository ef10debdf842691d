"""Ant: a four-legged walker that learns to run."""

from oige_core import TaskSpec

from oige_tasks_locomotion.ant_humanoid import LocomotionConfig

__all__ = ["ANT"]

ANT = TaskSpec(
    task="oige_tasks_locomotion.ant.task:AntTask",
    warp_task="oige_tasks_locomotion.ant.warp_task:AntWarpTask",
    description="oige_tasks_locomotion.ant.description:describe_ant",
    env=LocomotionConfig,
    observation_shape=(60,),  # 12 of the torso, 3 · 8 of the joints, 6 · 4 of the feet
    num_actions=8,
    original_ends_early=True,
    idle_upstream=("env.jointsAtLimitCost",),
)
