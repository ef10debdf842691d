"""Views of soft bodies."""

from functools import partial
from typing import Any

import numpy as np
import torch

from oige_core.engines.checks import fail, part_numbers
from oige_core.engines.mujoco.worlds import Worlds
from oige_core.engines.world_view import WorldView
from oige_core.modes import plain_tensors
from oige_core.selections import host_can_read, read_rows, write_rows
from oige_core.views import Indices

__all__ = ["MujocoDeformableView"]

_TOLERANCE = 1e-4  # of positions that a body cannot take, relative to its size


class MujocoDeformableView(WorldView):
    """A soft body; see :class:`~oige_core.views.DeformablePrimView`.

    The nodes of the surface are linear functions of the corners of the lattice, whose displacements are the positions
    of joints. Both are therefore read from the state, and setting inverts this function.
    """

    _worlds: Worlds

    def bind(self, worlds: Worlds) -> None:
        """Look up the soft body in the built model."""
        layout, executor, device = worlds.compiled.deformables[self.name], worlds.executor, worlds.device
        self._worlds = worlds
        follow = np.kron(layout.weights.T, np.eye(3))  # (3·c, 3·k), for flat rows of corners
        self._follow = torch.tensor(follow, device=device).unflatten(-1, (-1, 3))
        self._inverse = torch.tensor(np.linalg.pinv(follow), device=device)
        self._reference = torch.tensor(layout.reference, device=device)
        self._rest = torch.tensor(layout.rest, dtype=torch.float32, device=device)
        self._triangles = torch.tensor(layout.triangles, device=device)
        self._tolerance = _TOLERANCE * layout.diagonal
        self._qpos, self._qvel = executor.field("qpos")[:, layout.qpos], executor.field("qvel")[:, layout.dofs]
        positions, velocities = executor.joint_state()
        self._displacements, self._velocities = positions[:, layout.qpos], velocities[:, layout.dofs]
        self._of_nodes: dict[tuple[int, ...], tuple[torch.Tensor, torch.Tensor]] = {}

    @property
    def max_simulation_mesh_vertices_per_body(self) -> int:
        """See :class:`~oige_core.views.DeformablePrimView`."""
        return len(self._rest)

    @property
    def max_simulation_mesh_elements_per_body(self) -> int:
        """See :class:`~oige_core.views.DeformablePrimView`."""
        return len(self._triangles)

    def get_simulation_mesh_indices(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.DeformablePrimView`."""
        return self._same_everywhere(self._triangles, indices, clone)

    def get_simulation_mesh_rest_points(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.DeformablePrimView`."""
        return self._same_everywhere(self._rest, indices, clone)

    def get_simulation_mesh_nodal_positions(
        self, indices: Indices = None, node_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.DeformablePrimView`."""
        follow, reference = self._select(node_indices)
        return (self._read(self._displacements, follow, indices) + reference).float()

    def get_simulation_mesh_nodal_velocities(
        self, indices: Indices = None, node_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.DeformablePrimView`."""
        return self._read(self._velocities, self._select(node_indices)[0], indices).float()

    def set_simulation_mesh_nodal_positions(self, positions: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.DeformablePrimView`."""
        self._write("positions", self._qpos, positions, self._reference, indices)

    def set_simulation_mesh_nodal_velocities(self, velocities: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.DeformablePrimView`."""
        self._write("velocities", self._qvel, velocities, torch.zeros_like(self._reference), indices)

    def reset(self, worlds: torch.Tensor | None) -> None:
        """Do nothing, because the executor restores everything."""

    def state_dict(self) -> dict[str, Any]:
        """Return nothing, because the executor saves everything."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Do nothing, because the executor restores everything."""

    def _same_everywhere(self, values: torch.Tensor, indices: Indices, clone: bool) -> torch.Tensor:
        return read_rows(values.expand(self.count, *values.shape), self._index(indices), clone)

    def _select(self, nodes: Indices) -> tuple[torch.Tensor, torch.Tensor]:
        """Return how nodes follow the corners, ``(3·c, m, 3)``, and their reference positions ``(m, 3)``."""
        if nodes is None:
            return self._follow, self._reference
        if isinstance(nodes, torch.Tensor) and not host_can_read(nodes):
            return self._follow.index_select(1, nodes), self._reference.index_select(0, nodes)
        numbers = part_numbers(nodes, len(self._rest), "node_indices")
        return self._of_nodes[numbers] if numbers in self._of_nodes else self._look_up(numbers)

    @plain_tensors
    def _look_up(self, numbers: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
        chosen = torch.tensor(numbers, dtype=torch.int64, device=self._worlds.device)
        self._of_nodes[numbers] = self._follow.index_select(1, chosen), self._reference.index_select(0, chosen)
        return self._of_nodes[numbers]

    def _read(self, corners: torch.Tensor, follow: torch.Tensor, indices: Indices) -> torch.Tensor:
        """Return what nodes ``(n, m, 3)`` have from numbers ``(num_envs, 3·c)`` of the corners.

        Products are in double precision, because training programs let GPUs round the factors of others.
        """
        worlds = self._index(indices)
        self._worlds.update_joint_state()
        return (read_rows(corners, worlds).double() @ follow.flatten(1)).unflatten(-1, (-1, 3))

    def _write(
        self, what: str, target: torch.Tensor, values: torch.Tensor, reference: torch.Tensor, indices: Indices
    ) -> None:
        worlds = self._index(indices)
        check = partial(self._check, what, reference)
        values = self._values(what, values, worlds, len(self._rest), 3, check=check)
        write_rows(target, (values.double() - reference).flatten(1) @ self._inverse, worlds)
        self._worlds.mark_stale(worlds)

    def _check(self, what: str, reference: torch.Tensor, values: torch.Tensor) -> None:
        """Raise if the cells cannot take values ``(n, k, 3)`` on the CPU; numbers that are not finite diverge later."""
        given = (values.double() - reference.cpu()).flatten(1)
        misses = (given @ self._inverse.cpu() @ self._follow.cpu().flatten(1) - given).abs().nan_to_num(0.0, 0.0)
        if misses.numel() and misses.max() > self._tolerance:
            unit = "m" if what == "positions" else "m/s"
            fail(
                f"{what} that the cells of the body cannot take: the nearest differ by {float(misses.max()):.3g} "
                f"{unit}; expected such as the getter returns, or these rotated, moved, stretched or sheared."
            )
