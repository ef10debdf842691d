"""Methods that views of rigid bodies and of links share: wrenches, contacts, properties of bodies."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from oige_core.capabilities import missing
from oige_core.engines.isaacsim.views.colors import BodyColors
from oige_core.engines.isaacsim.views.contacts import ContactForces
from oige_core.engines.isaacsim.views.properties import Property
from oige_core.engines.isaacsim.views.surfaces import Surfaces, check_materials
from oige_core.engines.isaacsim.views.wrenches import resolve_wrench
from oige_core.engines.isaacsim.worlds import IsaacWorlds
from oige_core.engines.world_view import Check, WorldView
from oige_core.errors import CapabilityError
from oige_core.scene.elements import ArticulationElement, BodyElement
from oige_core.selections import read_rows, write_rows
from oige_core.views import Indices

__all__ = ["BodyProperty", "BodyPropertyView", "check_gravity_switch"]


class BodyProperty:
    """A property of some bodies ``(num_envs, b, …)``: columns of one of physics, or its only body.

    Args:
        source: the property.
        columns: numbers of the bodies; None: physics has one, without a dimension of bodies.
    """

    def __init__(self, source: Property, columns: torch.Tensor | None = None) -> None:
        self._source, self._columns = source, columns

    def read(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Return a copy of the values ``(n, b, …)``."""
        values = self._source.values
        values = values.unsqueeze(1) if self._columns is None else values.index_select(1, self._columns)
        return read_rows(values, worlds, clone=True)

    def write(self, values: torch.Tensor, worlds: torch.Tensor | None) -> None:
        """Set values ``(n, b, …)``, and send them to physics."""
        source = self._source.values
        if self._columns is None:
            write_rows(source, values.reshape(len(values), *source.shape[1:]), worlds)
        else:
            chosen = source.index_select(1, self._columns)
            write_rows(chosen, values, worlds)
            source.index_copy_(1, self._columns, chosen)
        self._source.send(worlds)


def check_gravity_switch(name: str, element: BodyElement | ArticulationElement) -> None:
    """Raise unless the scene says that gravity of an element may be switched.

    Raises:
        CapabilityError: it does not.
    """
    if element.disable_gravity is None:
        raise CapabilityError(
            f"'{name}': gravity cannot be switched; add it to the scene with disable_gravity=False (or True)."
        )


class BodyPropertyView(WorldView, ABC):
    """Wrenches, contacts and properties of ``b`` bodies of each world; a subclass sets the attributes below.

    Attributes:
        _single: whether tensors have no dimension of bodies.
        _masses: ``(num_envs, b, 1)``, or ``(num_envs, b)`` of links.
        _inertias: ``(num_envs, b, 9)``.
        _centers: centres of mass ``(num_envs, b, 3)``.
        _surfaces: materials and offsets of shapes.
        _bodies: numbers of the bodies in it, and in the colours; None: all.
        _colors: colours of bodies.
        _contacts: contact forces, if the scene tracks them.
    """

    _worlds: IsaacWorlds
    _single: bool
    _masses: BodyProperty
    _inertias: BodyProperty
    _centers: BodyProperty
    _surfaces: Surfaces
    _bodies: Sequence[int] | None = None
    _colors: BodyColors
    _contacts: ContactForces | None

    @abstractmethod
    def _frames(self, worlds: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return positions ``(n, b, 3)`` and orientations ``(n, b, 4)`` of the bodies."""

    @abstractmethod
    def _add_wrenches(self, forces: torch.Tensor, torques: torch.Tensor, worlds: torch.Tensor | None) -> None:
        """Add forces at centres of mass and torques ``(n, b, 3)`` in the world frame to the next control step."""

    @property
    def _links(self) -> tuple[int, ...]:
        """The dimension of bodies in tensors of this view; a single one has none."""
        return () if self._single else (self._masses.read().shape[1],)

    @property
    def num_variants(self) -> int:
        """See :class:`~oige_core.views.RigidPrimView`."""
        return 1

    def get_variants(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        return torch.zeros(self.count if worlds is None else len(worlds), dtype=torch.int64, device=self._worlds.device)

    def set_variants(self, values: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        raise missing(self._worlds.engine, "variants", f"'{self.name}'")

    def _squeeze(self, values: torch.Tensor) -> torch.Tensor:
        return values.squeeze(1) if self._single else values

    def _by_body(self, values: torch.Tensor) -> torch.Tensor:
        return (values.unsqueeze(1) if self._single else values).to(torch.float32)

    def _of_bodies(self, what: str, values: Any, worlds: torch.Tensor | None, *shape: int) -> torch.Tensor:
        """Return values ``(n, *shape)``, of several links ``(n, b, *shape)``, as ``(n, b, *shape)`` in float32."""
        return self._by_body(self._values(what, values, worlds, *self._links, *shape))

    def _properties_of_bodies(
        self,
        what: str,
        values: Any,
        worlds: torch.Tensor | None,
        *shape: int,
        low: float = -math.inf,
        check: Check | None = None,
    ) -> torch.Tensor:
        return self._by_body(self._properties(what, values, worlds, *self._links, *shape, low=low, check=check))

    # Wrenches and contacts

    def apply_forces(self, forces: torch.Tensor, indices: Indices = None, is_global: bool = True) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        self.apply_forces_and_torques_at_pos(forces=forces, indices=indices, is_global=is_global)

    def apply_forces_and_torques_at_pos(
        self,
        forces: torch.Tensor | None = None,
        torques: torch.Tensor | None = None,
        positions: torch.Tensor | None = None,
        indices: Indices = None,
        is_global: bool = True,
    ) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        wrench = resolve_wrench(
            None if forces is None else self._of_bodies("forces", forces, worlds, 3),
            None if torques is None else self._of_bodies("torques", torques, worlds, 3),
            None if positions is None else self._of_bodies("positions", positions, worlds, 3),
            partial(self._frames, worlds),
            partial(self._centers.read, worlds),
            is_global=is_global,
        )
        if wrench is not None:
            self._add_wrenches(*wrench, worlds)

    def get_net_contact_forces(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`. PhysX reports normal forces only."""
        worlds = self._index(indices)
        if self._contacts is None:
            raise CapabilityError(
                f"'{self.name}': contact forces are not measured; add it to the scene with track_contact_forces=True."
            )
        return self._squeeze(self._contacts.read(worlds))

    # Properties of bodies

    def get_masses(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        values = self._masses.read(self._index(indices))
        return self._squeeze(values.flatten(1))

    def set_masses(self, masses: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        self._masses.write(self._properties_of_bodies("masses", masses, worlds, low=0.0), worlds)

    def get_inertias(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        return self._squeeze(self._inertias.read(self._index(indices)))

    def set_inertias(self, values: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        values = self._properties_of_bodies("values", values, worlds, 9, check=self._check_inertias)
        self._inertias.write(values, worlds)

    def get_coms(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        return self._squeeze(self._centers.read(self._index(indices)))

    def set_coms(self, positions: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        self._set_centers(self._properties_of_bodies("positions", positions, worlds, 3), worlds)

    def _set_centers(self, positions: torch.Tensor, worlds: torch.Tensor | None) -> None:
        self._centers.write(positions, worlds)

    # Colours and surfaces

    def get_colors(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        return self._squeeze(self._colors.read(self._index(indices), self._bodies))

    def set_colors(self, values: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        self._colors.write(self._properties_of_bodies("values", values, worlds, 3), worlds, self._bodies)

    def get_material_properties(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        return self._squeeze(self._surfaces.materials(self._index(indices), self._bodies))

    def set_material_properties(self, values: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        values = self._properties_of_bodies("values", values, worlds, 3, low=0.0, check=check_materials)
        self._surfaces.set_materials(values, worlds, self._bodies)

    def get_contact_offsets(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        return self._squeeze(self._surfaces.contact_offsets(self._index(indices), self._bodies))

    def set_contact_offsets(self, offsets: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        offsets = self._properties_of_bodies("offsets", offsets, worlds, low=0.0)
        self._surfaces.set_contact_offsets(offsets, worlds, self._bodies)
