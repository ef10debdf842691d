"""Forces and torques on bodies during the next control step."""

from collections.abc import Callable

import torch

from oige_core.engines.isaacsim.views.body_state import com_offset
from oige_core.math import quat_apply
from oige_core.selections import read_rows, write_rows

__all__ = ["Wrenches", "resolve_wrench"]


class Wrenches:
    """Sums of forces at centres of mass and of torques, in the world frame.

    Args:
        num_envs: number of worlds.
        bodies: number of bodies of each.
        device: device of states.

    Attributes:
        forces: ``(num_envs, b, 3)`` in N.
        torques: ``(num_envs, b, 3)`` in N·m.
        pending: whether there may be any.
    """

    def __init__(self, num_envs: int, bodies: int, device: torch.device) -> None:
        self.forces = torch.zeros(num_envs, bodies, 3, device=device)
        self.torques = torch.zeros_like(self.forces)
        self.pending = False

    def add(self, forces: torch.Tensor, torques: torch.Tensor, worlds: torch.Tensor | None) -> None:
        """Add wrenches ``(n, b, 3)`` of a selection of worlds."""
        for target, values in ((self.forces, forces), (self.torques, torques)):
            write_rows(target, read_rows(target, worlds) + values, worlds)
        self.pending = True

    def clear(self, worlds: torch.Tensor | None = None) -> None:
        """Forget the wrenches of a selection of worlds."""
        if not self.pending:
            return
        for target in (self.forces, self.torques):
            write_rows(target, torch.zeros_like(read_rows(target, worlds)), worlds)
        self.pending = worlds is not None


def resolve_wrench(
    forces: torch.Tensor | None,
    torques: torch.Tensor | None,
    points: torch.Tensor | None,
    frames: Callable[[], tuple[torch.Tensor, torch.Tensor]],
    coms: Callable[[], torch.Tensor],
    *,
    is_global: bool,
) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return forces at centres of mass and torques ``(n, b, 3)`` in the world frame; None if there are none.

    Args:
        forces: ``(n, b, 3)`` in N.
        torques: ``(n, b, 3)`` in N·m.
        points: ``(n, b, 3)`` at which the forces act, in m; None: the centres of mass.
        frames: returns positions ``(n, b, 3)`` and orientations ``(n, b, 4)`` of the bodies.
        coms: returns their centres of mass ``(n, b, 3)`` in their frames.
        is_global: whether forces, torques and points are in the world frame, not in the bodies'.
    """
    if forces is None and torques is None:
        return None
    if not is_global or (forces is not None and points is not None):
        positions, orientations = frames()
        if not is_global:
            forces = None if forces is None else quat_apply(orientations, forces)
            torques = None if torques is None else quat_apply(orientations, torques)
            points = None if points is None else positions + quat_apply(orientations, points)
        if forces is not None and points is not None:
            arm = points - positions - com_offset(orientations, coms())
            moment = torch.linalg.cross(arm, forces)
            torques = moment if torques is None else torques + moment
    if forces is None:
        forces = torch.zeros_like(torques)  # type: ignore[arg-type]
    return forces, torch.zeros_like(forces) if torques is None else torques
