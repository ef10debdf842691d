"""Materials, colours and sizes of articulations."""

from typing import Any

import torch

from oige_core.capabilities import require
from oige_core.engines.isaacsim.views.link_properties import LinkPropertyView
from oige_core.engines.isaacsim.views.surfaces import check_materials
from oige_core.selections import read_rows
from oige_core.views import Indices

__all__ = ["LinkSurfaceView"]


class LinkSurfaceView(LinkPropertyView):
    """Surfaces and colours of the links of an articulation, which views of its links share."""

    def get_material_properties(
        self, indices: Indices = None, body_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, links = self._index(indices), self._bodies.select(body_indices)
        return links.read(self._state.surfaces.materials(None), worlds, clone=True)

    def set_material_properties(
        self, values: torch.Tensor, indices: Indices = None, body_indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, links = self._index(indices), self._bodies.select(body_indices)
        values = self._properties("values", values, worlds, links.count, 3, low=0.0, check=check_materials)
        surfaces = self._state.surfaces
        materials = surfaces.materials(None)
        links.write(materials, values.to(torch.float32), worlds)
        # Others keep PhysX's coefficients, which may differ from those of the scene.
        bodies = range(self.num_bodies) if links.joints is None else links.joints
        surfaces.set_materials(read_rows(materials, worlds)[:, list(bodies)], worlds, list(bodies))

    def get_body_colors(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._state.colors.read(self._index(indices))

    def set_body_colors(self, values: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds = self._index(indices)
        values = self._properties("values", values, worlds, self.num_bodies, 3)
        self._state.colors.write(values.to(torch.float32), worlds)

    def get_local_scales(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return read_rows(torch.ones(self.count, 3, device=self._worlds.device), self._index(indices))

    def set_local_scales(self, scales: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`. Shapes of running physics cannot change their size."""
        worlds = self._index(indices)
        if bool((self._properties("scales", scales, worlds, 3) != 1.0).any()):
            require(self._worlds.engine, "scales", f"'{self.name}'", "Scale the asset.")

    def _surface_state(self) -> dict[str, Any]:
        return {"surfaces": self._state.surfaces.state_dict(), "colors": self._state.colors.state_dict()}

    def _load_surfaces(self, state: dict[str, Any]) -> None:
        self._state.surfaces.load_state_dict(state["surfaces"])
        self._state.colors.load_state_dict(state["colors"])
