"""Protocol of soft bodies."""

from typing import Protocol

import torch

from oige_core.views.selections import Indices

__all__ = ["DeformablePrimView"]


class DeformablePrimView(Protocol):
    """One soft body per world, with ``k`` nodes: the vertices of its surface, in the order of its asset.

    A reset restores positions and velocities of the nodes exactly.
    """

    name: str
    count: int

    @property
    def max_simulation_mesh_vertices_per_body(self) -> int:
        """Number ``k`` of nodes."""
        ...

    @property
    def max_simulation_mesh_elements_per_body(self) -> int:
        """Number of triangles of the surface."""
        ...

    def get_simulation_mesh_indices(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return the node indices of each triangle of the surface, ``(n, triangles, 3)`` int64."""
        ...

    def get_simulation_mesh_rest_points(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Return positions of the nodes of the undeformed body in its own frame, ``(n, k, 3)`` in m."""
        ...

    def get_simulation_mesh_nodal_positions(
        self, indices: Indices = None, node_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """Return positions ``(n, k, 3)`` of nodes, in m.

        Args:
            indices: worlds.
            node_indices: the nodes to read, in the desired order; fewer nodes are faster.
            clone: whether the result must not share memory with live buffers.
        """
        ...

    def set_simulation_mesh_nodal_positions(self, positions: torch.Tensor, indices: Indices = None) -> None:
        """Set positions ``(n, k, 3)`` of all nodes, in m.

        A body can take the positions that its cells can: among them, all that getters return, and these rotated, moved,
        stretched and sheared.

        Raises:
            OigeError: the cells of the body cannot take these positions. Numbers in tensors on a GPU are not checked:
                there, the body takes the nearest ones.
        """
        ...

    def get_simulation_mesh_nodal_velocities(
        self, indices: Indices = None, node_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """Return velocities ``(n, k, 3)`` of nodes, in m/s; arguments as for their positions."""
        ...

    def set_simulation_mesh_nodal_velocities(self, velocities: torch.Tensor, indices: Indices = None) -> None:
        """Set velocities ``(n, k, 3)`` of all nodes, in m/s, which the cells must be able to take, like positions."""
        ...
