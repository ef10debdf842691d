"""Masses, inertias and gravity of links."""

import torch

from oige_core.engines.columns import Columns
from oige_core.engines.isaacsim.views.joint_properties import JointPropertyView
from oige_core.engines.isaacsim.views.properties import Property
from oige_core.errors import CapabilityError
from oige_core.views import Indices

__all__ = ["LinkPropertyView"]


class LinkPropertyView(JointPropertyView):
    """Properties of the links of an articulation."""

    def get_body_masses(
        self, indices: Indices = None, body_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._read_links(self._state.masses, indices, body_indices)

    def set_body_masses(self, values: torch.Tensor, indices: Indices = None, body_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, links = self._index(indices), self._bodies.select(body_indices)
        values = self._properties("values", values, worlds, links.count, low=0.0, column=True)
        self._write_links(self._state.masses, links, values, worlds)

    def get_body_inertias(
        self, indices: Indices = None, body_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._read_links(self._state.inertias, indices, body_indices)

    def set_body_inertias(self, values: torch.Tensor, indices: Indices = None, body_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, links = self._index(indices), self._bodies.select(body_indices)
        values = self._properties("values", values, worlds, links.count, 9, check=self._check_inertias)
        self._write_links(self._state.inertias, links, values, worlds)

    def get_body_coms(self, indices: Indices = None, body_indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._read_links(self._state.coms, indices, body_indices)

    def set_body_coms(self, positions: torch.Tensor, indices: Indices = None, body_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, links = self._index(indices), self._bodies.select(body_indices)
        positions = self._properties("positions", positions, worlds, links.count, 3)
        with self._state.keep_velocities():
            self._write_links(self._state.coms, links, positions, worlds)

    def get_body_disable_gravity(
        self, indices: Indices = None, body_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._read_links(self._state.gravity_disabled, indices, body_indices) > 0.5

    def set_body_disable_gravity(
        self, values: torch.Tensor, indices: Indices = None, body_indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, links = self._index(indices), self._bodies.select(body_indices)
        values = self._values("values", values, worlds, links.count, column=True)
        if self._state.element.disable_gravity is None:
            raise CapabilityError(
                f"'{self.name}': gravity cannot be switched; add it to the scene with disable_gravity=False (or True)."
            )
        self._write_links(self._state.gravity_disabled, links, values.to(torch.float32), worlds)

    def _read_links(self, one: Property, indices: Indices, body_indices: Indices) -> torch.Tensor:
        """Return values of links ``(n, b, …)`` as a copy."""
        worlds, links = self._index(indices), self._bodies.select(body_indices)
        return links.read(one.values.index_select(1, self._state.shown), worlds, clone=True)

    def _write_links(self, one: Property, links: Columns, values: torch.Tensor, worlds: torch.Tensor | None) -> None:
        """Write values of links ``(n, b, …)`` to physics."""
        shown = one.values.index_select(1, self._state.shown)
        links.write(shown, values, worlds)
        one.values.index_copy_(1, self._state.shown, shown)
        one.send(worlds)
