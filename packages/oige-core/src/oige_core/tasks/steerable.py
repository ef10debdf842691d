"""Tasks whose robots a user can drive."""

from typing import Protocol, runtime_checkable

import torch

__all__ = ["Steerable"]


@runtime_checkable
class Steerable(Protocol):
    """Members of a torch task, besides those of :class:`~oige_core.tasks.RLTask`, that ``oige-demo`` needs.

    Attributes:
        commands: ``(N, 3)``: velocity along x and y of the robot (m/s), yaw rate (rad/s); the demo writes them to drive
            a robot.
        manual_control: ``(N,)`` bool; robots whose commands the task does not change.
        no_timeout: ``(N,)`` bool; worlds whose episodes do not end; None: no world.
        progress_buf: ``(N,)`` control steps since the last reset.
    """

    commands: torch.Tensor
    manual_control: torch.Tensor
    no_timeout: torch.Tensor | None
    progress_buf: torch.Tensor

    def draw_commands(self, worlds: torch.Tensor) -> None:
        """Give the robots of a selection of worlds new random commands."""
        ...
