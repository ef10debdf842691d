"""Bodies of a world that one view of a script shows together, and prims that are no bodies."""

from collections.abc import Sequence
from typing import Any

import torch

from oige_compat.errors import CompatError

__all__ = ["BodyGroup", "PrimPoses"]


class BodyGroup:
    """Views of bodies as one view of several bodies per world, like a view of links.

    Args:
        views: views of the engine, and the number of bodies per world of each.
    """

    def __init__(self, views: Sequence[tuple[Any, int]]) -> None:
        self._views = tuple(view for view, _ in views)
        self._counts = [count for _, count in views]

    def _joined(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        rows = [part if count > 1 else part.unsqueeze(1) for part, count in zip(parts, self._counts, strict=True)]
        return torch.cat(rows, dim=1)

    def _split(self, values: torch.Tensor | None) -> list[torch.Tensor | None]:
        """Return the values of each view; None for each, if there are none."""
        if values is None:
            return [None] * len(self._views)
        parts = values.split(self._counts, dim=1)
        return [part if count > 1 else part.squeeze(1) for part, count in zip(parts, self._counts, strict=True)]

    def _stack(self, name: str) -> torch.Tensor:
        return self._joined([getattr(view, name)() for view in self._views])

    def _spread(self, name: str, values: torch.Tensor) -> None:
        for view, rows in zip(self._views, self._split(values), strict=True):
            getattr(view, name)(rows)

    def get_world_poses(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return positions ``(N, b, 3)`` in m in the worlds and orientations ``(N, b, 4)``."""
        poses = [view.get_world_poses() for view in self._views]
        return self._joined([each[0] for each in poses]), self._joined([each[1] for each in poses])

    def set_world_poses(self, positions: torch.Tensor | None, orientations: torch.Tensor | None) -> None:
        """Set positions ``(N, b, 3)`` in m in the worlds and orientations ``(N, b, 4)``; None keeps what they are."""
        for view, *rows in zip(self._views, self._split(positions), self._split(orientations), strict=True):
            view.set_world_poses(*rows)

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
        given = (self._split(rows) for rows in (forces, torques, positions))
        for view, *rows in zip(self._views, *given, strict=True):
            view.apply_forces_and_torques_at_pos(*rows, is_global=is_global)

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

    def get_coms(self, indices: None = None) -> torch.Tensor:
        """Return centres of mass ``(N, b, 3)`` in m."""
        return self._stack("get_coms")

    def get_densities(self, indices: None = None) -> torch.Tensor:
        """Return densities ``(N, b)`` in kg/m³."""
        return self._stack("get_densities")

    def set_densities(self, densities: torch.Tensor) -> None:
        """Set densities ``(N, b)`` in kg/m³."""
        self._spread("set_densities", densities)

    def set_local_scales(self, scales: torch.Tensor) -> None:
        """Set sizes ``(N, b, 3)``."""
        self._spread("set_local_scales", scales)

    def enable_gravities(self, indices: torch.Tensor | None = None) -> None:
        """Let gravity act on the bodies of worlds."""
        for view in self._views:
            view.enable_gravities(indices)

    def disable_gravities(self, indices: torch.Tensor | None = None) -> None:
        """Let gravity not act on the bodies of worlds."""
        for view in self._views:
            view.disable_gravities(indices)


class PrimPoses:
    """Poses of prims that are no bodies, such as targets and empty groups; physics and cameras do not see them.

    Args:
        positions: of the prims in each world ``(num_envs, b, 3)`` in m.
        orientations: of the prims ``(num_envs, b, 4)``.
        below: path of a body below one of the prims, which would have to move with it.
    """

    def __init__(self, positions: torch.Tensor, orientations: torch.Tensor, below: str | None) -> None:
        self._poses, self._below = (positions, orientations), below

    def get_world_poses(self, indices: Any = None, clone: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
        """Return positions ``(n, b, 3)`` in m and orientations ``(n, b, 4)``; without ``b`` if it is 1."""
        chosen = [rows.clone() if indices is None else rows[indices] for rows in self._poses]
        positions, orientations = (rows.squeeze(1) if rows.shape[1] == 1 else rows for rows in chosen)
        return positions, orientations

    def set_world_poses(
        self, positions: torch.Tensor | None, orientations: torch.Tensor | None, indices: torch.Tensor | None = None
    ) -> None:
        """Set poses, of the shapes that :meth:`get_world_poses` returns; None keeps what they are.

        Raises:
            CompatError: a body is below one of the prims.
        """
        if self._below is not None:
            raise CompatError(f"set_world_poses: {self._below} is below a prim of the view; view it, and place it.")
        for kept, rows in zip(self._poses, (positions, orientations), strict=True):
            if rows is not None:
                selected = slice(None) if indices is None else indices
                kept[selected] = rows.unsqueeze(1) if kept.shape[1] == 1 else rows
