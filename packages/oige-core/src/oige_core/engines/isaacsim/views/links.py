"""Views of links of an articulation as rigid bodies."""

from typing import Any

import torch

from oige_core.engines.isaacsim.views.articulation_state import ArticulationState
from oige_core.engines.isaacsim.views.bodies import BodyProperty, BodyPropertyView, check_gravity_switch
from oige_core.engines.isaacsim.views.contacts import ContactForces
from oige_core.engines.isaacsim.worlds import IsaacWorlds
from oige_core.engines.joints import select_names
from oige_core.errors import CapabilityError
from oige_core.math import quat_apply_inverse
from oige_core.scene.elements import LinkSet
from oige_core.selections import read_rows
from oige_core.views import Indices

__all__ = ["IsaacLinkView"]

_JOINTS_MOVE = "links are moved by their joints; set joint positions instead."
_NO_SIZE = "links have no size or density of their own; scale the articulation, or set masses."


class IsaacLinkView(BodyPropertyView):
    """Links of an articulation in each world; see :class:`~oige_core.views.RigidPrimView`.

    Args:
        link_set: the links.
        num_envs: number of worlds.

    Attributes:
        articulation: name of the articulation.
    """

    def __init__(self, link_set: LinkSet, num_envs: int) -> None:
        super().__init__(link_set.name, num_envs)
        self._link_set = link_set
        self.articulation = link_set.articulation

    def bind(self, worlds: IsaacWorlds, state: ArticulationState) -> None:
        """Look up the links of an articulation in running physics."""
        self._worlds, self._articulation = worlds, state
        known = state.description.body_names
        names = select_names(self._link_set.links, known, f"links of '{self._link_set.articulation}'")
        self._numbers = [known.index(name) for name in names]
        self._columns = state.shown[self._numbers]
        self._single = len(names) == 1
        self._masses = BodyProperty(state.masses, self._columns)
        self._inertias = BodyProperty(state.inertias, self._columns)
        self._centers = BodyProperty(state.coms, self._columns)
        self._surfaces, self._bodies, self._colors = state.surfaces, self._numbers, state.colors
        self._contacts = None
        if self._link_set.track_contact_forces:
            self._contacts = ContactForces(worlds, [state.prims.link_paths[name] for name in names])
            worlds.parts.append(self._contacts)

    def _frames(self, worlds: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        positions, orientations = self._articulation.link_poses()
        return read_rows(positions[:, self._columns], worlds), read_rows(orientations[:, self._columns], worlds)

    def _add_wrenches(self, forces: torch.Tensor, torques: torch.Tensor, worlds: torch.Tensor | None) -> None:
        size = (len(forces), len(self._articulation.description.body_names), 3)
        everywhere = [values.new_zeros(size) for values in (forces, torques)]
        for target, values in zip(everywhere, (forces, torques), strict=True):
            target[:, self._numbers] = values
        self._articulation.add_wrenches(everywhere[0], everywhere[1], worlds)

    def _set_centers(self, positions: torch.Tensor, worlds: torch.Tensor | None) -> None:
        with self._articulation.keep_velocities():
            super()._set_centers(positions, worlds)

    # Frames

    def get_world_poses(self, indices: Indices = None, clone: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
        """See :class:`~oige_core.views.RigidPrimView`."""
        positions, orientations = self._frames(self._index(indices))
        return self._squeeze(positions), self._squeeze(orientations)

    def set_world_poses(
        self, positions: torch.Tensor | None = None, orientations: torch.Tensor | None = None, indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        raise CapabilityError(f"'{self.name}': {_JOINTS_MOVE}")

    def get_velocities(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        return self._squeeze(read_rows(self._articulation.link_velocities()[:, self._columns], worlds))

    def get_linear_velocities(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        return self.get_velocities(indices)[..., :3]

    def get_angular_velocities(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        return self.get_velocities(indices)[..., 3:]

    def get_body_frame_velocities(self, indices: Indices = None) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        orientations = self.get_world_poses(indices)[1].unsqueeze(-2)
        velocities = self.get_velocities(indices).unflatten(-1, (2, 3))
        return quat_apply_inverse(orientations, velocities).flatten(-2)

    def set_velocities(self, velocities: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        raise self._cannot_set_velocity()

    def set_linear_velocities(self, velocities: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        raise self._cannot_set_velocity()

    def set_angular_velocities(self, velocities: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        raise self._cannot_set_velocity()

    def _cannot_set_velocity(self) -> CapabilityError:
        return CapabilityError(f"'{self.name}': only free bodies and floating roots have a velocity to set.")

    # Saved states

    def state_dict(self) -> dict[str, Any]:
        """Return contact forces; the rest of the state is that of the articulation."""
        return {} if self._contacts is None else {"contacts": self._contacts.read(None)}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        if self._contacts is not None:
            self._contacts.load(saved["contacts"])

    # Colours, offsets and gravity

    def get_rest_offsets(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        return self._squeeze(self._surfaces.rest_offsets(self._index(indices), self._bodies))

    def set_rest_offsets(self, offsets: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        offsets = self._properties_of_bodies("offsets", offsets, worlds, low=0.0)
        self._surfaces.set_rest_offsets(offsets, worlds, self._bodies)

    def enable_gravities(self, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        self._disable_gravities(0.0, indices)

    def disable_gravities(self, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        self._disable_gravities(1.0, indices)

    def _disable_gravities(self, value: float, indices: Indices) -> None:
        worlds, state = self._index(indices), self._articulation
        check_gravity_switch(self.name, state.element)
        count = self.count if worlds is None else len(worlds)
        values = torch.full((count, len(self._numbers)), value, device=self._worlds.device)
        BodyProperty(state.gravity_disabled, self._columns).write(values, worlds)

    # Sizes

    def get_local_scales(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        raise CapabilityError(f"'{self.name}': {_NO_SIZE}")

    def set_local_scales(self, scales: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        raise CapabilityError(f"'{self.name}': {_NO_SIZE}")

    def get_shapes(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        raise CapabilityError(f"'{self.name}': {_NO_SIZE}")

    def set_shapes(self, values: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        raise CapabilityError(f"'{self.name}': {_NO_SIZE}")

    def get_densities(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        raise CapabilityError(f"'{self.name}': {_NO_SIZE}")

    def set_densities(self, densities: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        raise CapabilityError(f"'{self.name}': {_NO_SIZE}")
