"""Humanoid: a humanoid with 21 joints runs on two legs; see :mod:`oige_tasks_locomotion.ant_humanoid.task`."""

from pathlib import Path

import torch
from oige_core import ArticulationAsset

from oige_tasks_locomotion.ant_humanoid.task import Locomotion, LocomotionTask
from oige_tasks_locomotion.humanoid.description import FEET, GEARS

__all__ = ["HUMANOID_ASSET", "Humanoid", "HumanoidTask"]

HUMANOID_ASSET = ArticulationAsset(
    mjcf=Path(__file__).parent / "assets" / "humanoid.xml",
    usd="Robots/Humanoid/humanoid_instanceable.usd",
)

NEAR_LIMIT = 0.98  # fraction of half the range of a joint; the penalty grows from here to the limit


class Humanoid(Locomotion):
    """The robot."""

    robot_name = "Humanoid"
    asset = HUMANOID_ASSET
    spawn_height = 1.34
    feet = FEET
    gears = GEARS


class HumanoidTask(Humanoid, LocomotionTask):
    """See the module."""

    def post_reset(self) -> None:
        """Compute constants."""
        super().post_reset()
        self.limit_scale = self.gear_ratio / (1.0 - NEAR_LIMIT)

    def limit_cost(self, positions: torch.Tensor) -> torch.Tensor:
        """Sum how close joints are to a limit, weighted by their gears."""
        excess = (positions.abs() - NEAR_LIMIT).clamp_(min=0.0)
        return (excess * self.limit_scale).sum(dim=-1)
