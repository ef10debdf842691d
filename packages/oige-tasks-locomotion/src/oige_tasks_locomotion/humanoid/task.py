"""Humanoid: a humanoid with 21 joints runs on two legs; see :mod:`oige_tasks_locomotion.ant_humanoid.task`."""

from pathlib import Path

import torch
from oige_core import ArticulationAsset

from oige_tasks_locomotion.ant_humanoid.task import Locomotion, LocomotionTask

__all__ = ["HUMANOID_ASSET", "Humanoid", "HumanoidTask"]

HUMANOID_ASSET = ArticulationAsset(
    mjcf=Path(__file__).parent / "assets" / "humanoid.xml",
    usd="Robots/Humanoid/humanoid_instanceable.usd",
)

_GEARS = {"hip_x": 45.0, "hip_y": 135.0, "hip_z": 45.0, "knee": 90.0, "ankle_y": 22.5, "ankle_x": 22.5}
_GEARS |= {"shoulder1": 67.5, "shoulder2": 67.5, "elbow": 45.0}
NEAR_LIMIT = 0.98  # fraction of half the range of a joint; the penalty grows from here to the limit


class Humanoid(Locomotion):
    """The robot."""

    robot_name = "Humanoid"
    asset = HUMANOID_ASSET
    spawn_height = 1.34
    feet = ("left_foot", "right_foot")
    gears = {f"abdomen_{axis}": 67.5 for axis in "xyz"} | {
        f"{side}_{joint}": gear for side in ("right", "left") for joint, gear in _GEARS.items()
    }


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
