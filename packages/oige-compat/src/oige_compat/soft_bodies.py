"""``omni.isaac.core.prims.soft``: soft bodies."""

from typing import Any

import torch

from oige_compat.errors import CompatError
from oige_compat.session import session
from oige_compat.startup import POSITIONAL
from oige_compat.views import PrimView

__all__ = ["DeformablePrimView", "SoftBody"]


class SoftBody:
    """A soft body of the engine with the numbers of nodes that tasks for Isaac Sim use.

    Args:
        view: view of the engine.
        numbers: numbers of nodes in the engine by those in Isaac Sim; each takes the number that the other had.
    """

    def __init__(self, view: Any, numbers: dict[int, int]) -> None:
        self.view, self._numbers = view, numbers

    def order(self) -> list[int]:
        """Return the node of the engine for each number."""
        count = self.view.max_simulation_mesh_vertices_per_body
        order = list(range(count))
        for number, node in self._numbers.items():
            place = number % count
            other = order.index(node)
            order[place], order[other] = order[other], order[place]
        return order


class DeformablePrimView(PrimView):
    """Soft bodies, one per world.

    Args:
        prim_paths_expr: path whose names are regular expressions.
        name: name in the scene.
        further: options without effect here.
    """

    _bodies = 1
    _engine_view: Any = None
    _device: Any = None  # scripts set it; views use that of the engine

    def __init__(
        self, prim_paths_expr: str, name: str = "deformable_prim_view", *positional: Any, **further: Any
    ) -> None:
        super().__init__(prim_paths_expr, name, **{key: further.pop(key) for key in POSITIONAL if key in further})
        if further:
            session().note(f"DeformablePrimView({', '.join(further)}) '{name}': settings of soft bodies; no effect.")

    def post_reset(self) -> None:
        """Do nothing: a reset of the world restores the nodes."""

    def _invalidate_physics_handle_callback(self, event: Any) -> None:
        """Do nothing: the simulation does not stop."""

    def bind(self, engine_view: Any, bodies: int = 1) -> None:
        """Take the soft body.

        Raises:
            CompatError: the prims are no soft bodies.
        """
        if not isinstance(engine_view, SoftBody):
            raise CompatError(f"view '{self.name}' of {self._regex_prim_paths}: expected soft bodies.")
        engine = session().engine
        assert engine is not None
        self._device = engine.device
        self._engine_view = engine_view.view
        order = torch.tensor(engine_view.order())
        self._order, self._inverse = order.to(engine.device), torch.argsort(order).to(engine.device)

    @property
    def max_simulation_mesh_vertices_per_body(self) -> int:
        """Number of nodes, ``k``."""
        return self._bound().max_simulation_mesh_vertices_per_body

    @property
    def max_simulation_mesh_elements_per_body(self) -> int:
        """Number of triangles of the surface."""
        return self._bound().max_simulation_mesh_elements_per_body

    def get_simulation_mesh_nodal_positions(self, indices: Any = None, clone: bool = True) -> torch.Tensor:
        """Return positions ``(n, k, 3)`` of the nodes on the stage, in m."""
        positions = self._bound().get_simulation_mesh_nodal_positions(self._select(indices))
        return positions[:, self._order] + self._offsets(indices).unsqueeze(1)

    def set_simulation_mesh_nodal_positions(self, positions: Any, indices: Any = None) -> None:
        """Set positions ``(n, k, 3)`` of the nodes on the stage, in m."""
        local = self._rows(positions) - self._offsets(indices).unsqueeze(1)
        self._bound().set_simulation_mesh_nodal_positions(local[:, self._inverse], self._select(indices))

    def get_simulation_mesh_nodal_velocities(self, indices: Any = None, clone: bool = True) -> torch.Tensor:
        """Return velocities ``(n, k, 3)`` of the nodes, in m/s."""
        return self._bound().get_simulation_mesh_nodal_velocities(self._select(indices))[:, self._order]

    def set_simulation_mesh_nodal_velocities(self, velocities: Any, indices: Any = None) -> None:
        """Set velocities ``(n, k, 3)`` of the nodes, in m/s."""
        rows = self._rows(velocities)[:, self._inverse]
        self._bound().set_simulation_mesh_nodal_velocities(rows, self._select(indices))
