"""Ant: a four-legged walker runs; see :mod:`oige_tasks_locomotion.ant_humanoid.task`."""

import math
from pathlib import Path

import torch
from oige_core import ArticulationAsset

from oige_tasks_locomotion.ant.description import FEET, GEARS
from oige_tasks_locomotion.ant_humanoid.task import Locomotion, LocomotionTask

__all__ = ["ANT_ASSET", "Ant", "AntTask"]

ANT_ASSET = ArticulationAsset(
    mjcf=Path(__file__).parent / "assets" / "ant.xml",
    usd="Robots/Ant/ant_instanceable.usd",
    # Legs are stretched to their limits.
    joint_positions={"ankle_[14]": math.radians(30.0), "ankle_[23]": math.radians(-30.0)},
)

AT_LIMIT = 0.99  # fraction of half the range of a joint


class Ant(Locomotion):
    """The robot."""

    robot_name = "Ant"
    asset = ANT_ASSET
    spawn_height = 0.5
    feet = FEET
    gears = GEARS


class AntTask(Ant, LocomotionTask):
    """See the module."""

    def post_reset(self) -> None:
        """Penalise each joint at a limit; upstream, the penalty is always 1."""
        super().post_reset()
        if self.upstream:
            self.reward_weights = {**self.reward_weights, "joint_limits": -1.0}

    def limit_cost(self, positions: torch.Tensor) -> torch.Tensor:
        """Count the joints at a limit; upstream, only upper limits count."""
        reach = positions if self.upstream else positions.abs()
        return (reach > AT_LIMIT).sum(dim=-1, dtype=positions.dtype)
