"""Bodies of a world that one view of a script shows together."""

from collections.abc import Sequence
from typing import Any

import torch

__all__ = ["BodyGroup"]


class BodyGroup:
    """Views of single bodies as one view of several bodies per world, like a view of links.

    Args:
        views: views of the engine, with one body per world each.
    """

    def __init__(self, views: Sequence[Any]) -> None:
        self._views = tuple(views)

    def _stack(self, name: str) -> torch.Tensor:
        return torch.stack([getattr(view, name)() for view in self._views], dim=1)

    def _spread(self, name: str, values: torch.Tensor) -> None:
        for view, rows in zip(self._views, values.unbind(dim=1), strict=True):
            getattr(view, name)(rows)

    def get_world_poses(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return positions ``(N, b, 3)`` in m in the worlds and orientations ``(N, b, 4)``."""
        poses = [view.get_world_poses() for view in self._views]
        return torch.stack([each[0] for each in poses], dim=1), torch.stack([each[1] for each in poses], dim=1)

    def set_world_poses(self, positions: torch.Tensor | None, orientations: torch.Tensor | None) -> None:
        """Set positions ``(N, b, 3)`` in m in the worlds and orientations ``(N, b, 4)``; None keeps what they are."""
        for number, view in enumerate(self._views):
            view.set_world_poses(*(None if rows is None else rows[:, number] for rows in (positions, orientations)))

    def get_velocities(self, indices: None = None, clone: bool = True) -> torch.Tensor:
        """Return linear and angular velocities ``(N, b, 6)`` in m/s and rad/s."""
        return self._stack("get_velocities")

    def set_velocities(self, velocities: torch.Tensor) -> None:
        """Set linear and angular velocities ``(N, b, 6)`` in m/s and rad/s."""
        self._spread("set_velocities", velocities)

    def get_net_contact_forces(self, indices: None = None) -> torch.Tensor:
        """Return contact forces ``(N, b, 3)`` in N."""
        return self._stack("get_net_contact_forces")

    def apply_forces_and_torques_at_pos(
        self,
        forces: torch.Tensor | None = None,
        torques: torch.Tensor | None = None,
        positions: torch.Tensor | None = None,
        is_global: bool = True,
    ) -> None:
        """Apply wrenches during the next physics step: in N and N·m, at positions in m, ``(N, b, 3)`` each."""
        for number, view in enumerate(self._views):
            given = (None if rows is None else rows[:, number] for rows in (forces, torques, positions))
            view.apply_forces_and_torques_at_pos(*given, is_global=is_global)

    def get_masses(self, indices: None = None) -> torch.Tensor:
        """Return masses ``(N, b)`` in kg."""
        return self._stack("get_masses")

    def set_masses(self, masses: torch.Tensor) -> None:
        """Set masses ``(N, b)`` in kg."""
        self._spread("set_masses", masses)

    def get_inertias(self, indices: None = None) -> torch.Tensor:
        """Return inertia matrices ``(N, b, 9)`` in kg·m²."""
        return self._stack("get_inertias")

    def set_inertias(self, values: torch.Tensor) -> None:
        """Set inertia matrices ``(N, b, 9)`` in kg·m²."""
        self._spread("set_inertias", values)

    def enable_gravities(self, indices: None = None) -> None:
        """Let gravity act on the bodies."""
        for view in self._views:
            view.enable_gravities()

    def disable_gravities(self, indices: None = None) -> None:
        """Let gravity not act on the bodies."""
        for view in self._views:
            view.disable_gravities()
