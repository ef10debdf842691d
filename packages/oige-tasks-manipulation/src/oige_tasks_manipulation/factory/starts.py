"""Banks of start poses: random poses of the fingertips, and joint positions of the arm that reach them."""

from typing import NamedTuple

import torch
from oige_core import OigeError
from oige_core.math import quat_from_euler_xyz

from oige_tasks_manipulation.factory import FingertipRandomizeConfig
from oige_tasks_manipulation.franka.kinematics import ArmKinematics

__all__ = ["StartPoses", "solve_starts"]

BANK = 4096
"""Poses that a bank holds, and those that are drawn for it, of which it keeps the ones that are reached."""

FEWEST = 256
"""Poses that must be reached; a bank then repeats them."""

LARGEST_ERROR = 1e-3
"""Of a pose that is reached, in m and rad together."""

MARGIN = 0.05
"""From the joints' limits, in rad."""


class StartPoses(NamedTuple):
    """Poses of the arm.

    Attributes:
        arm: joint positions of the arm ``(n, 7)``, in rad.
        position: of the fingertips' midpoint ``(n, 3)``, in m.
        orientation: of the hand ``(n, 4)``.
    """

    arm: torch.Tensor
    position: torch.Tensor
    orientation: torch.Tensor

    def rows(self, indices: torch.Tensor) -> "StartPoses":
        """Return the poses with indices ``(n,)``."""
        return StartPoses(*(values.index_select(0, indices) for values in self))


def solve_starts(
    cfg: FingertipRandomizeConfig, table_height: float, kinematics: ArmKinematics, generator: torch.Generator
) -> StartPoses:
    """Draw poses of the fingertips above the table, and return those that the arm reaches.

    Args:
        cfg: their distribution.
        table_height: in m.
        kinematics: of the arm.
        generator: the random stream.

    Raises:
        OigeError: too few of them are reached within the limits of the joints.
    """
    device = kinematics.limits.device
    noise = torch.empty(BANK, 6, device=device).uniform_(-1.0, 1.0, generator=generator)
    x, y, z = cfg.fingertip_midpoint_pos_initial
    position = torch.addcmul(
        noise.new_tensor([x, y, z + table_height]), noise[:, :3], noise.new_tensor(cfg.fingertip_midpoint_pos_noise)
    )
    angles = torch.addcmul(
        noise.new_tensor(cfg.fingertip_midpoint_rot_initial),
        noise[:, 3:],
        noise.new_tensor(cfg.fingertip_midpoint_rot_noise),
    )
    begin = noise.new_tensor(cfg.franka_arm_initial_dof_pos).expand(BANK, -1)
    arm, errors = kinematics.solve(begin, position, quat_from_euler_xyz(angles))
    lower, upper = kinematics.limits.unbind(-1)
    inside = ((arm > lower + MARGIN) & (arm < upper - MARGIN)).all(dim=-1)
    reached = ((errors < LARGEST_ERROR) & inside).nonzero().squeeze(-1)
    if len(reached) < FEWEST:
        raise OigeError(
            f"task.env.randomize: the arm reaches {len(reached)} of {BANK} random poses of the fingertips, expected at "
            f"least {FEWEST}; move fingertip_midpoint_pos_initial={list(cfg.fingertip_midpoint_pos_initial)} closer to "
            "the robot, or correct franka_arm_initial_dof_pos."
        )
    arm = arm[reached[torch.arange(BANK, device=device) % len(reached)]]
    return StartPoses(arm, *kinematics.poses(arm))
