"""Views of rigid bodies, and of links of an articulation."""

import math
from functools import partial
from typing import Any

import torch

from oige_core.capabilities import missing
from oige_core.engines.columns import Columns
from oige_core.engines.mujoco.views.colors import BodyColors
from oige_core.engines.mujoco.views.frames import BodyView
from oige_core.engines.mujoco.views.scaling import BodyScaling, check_scales
from oige_core.engines.mujoco.views.shapes import Shapes, as_materials, check_materials
from oige_core.engines.mujoco.views.variants import BodyVariants
from oige_core.engines.mujoco.worlds import Worlds
from oige_core.engines.world_view import Check
from oige_core.errors import CapabilityError
from oige_core.math import quat_apply
from oige_core.selections import read_rows
from oige_core.views import Indices

__all__ = ["MujocoRigidView"]

_REST_OFFSETS_INSTEAD = "Set rest offsets, which move the surface itself."
_LOWEST_DENSITY = 1e-6  # kg/m³


class MujocoRigidView(BodyView):
    """Rigid bodies, or links of an articulation; see :class:`~oige_core.views.RigidPrimView`."""

    def bind(self, worlds: Worlds) -> None:
        """Look up the bodies in the built model."""
        compiled, model = worlds.compiled, worlds.compiled.model
        bodies = compiled.bodies[self.name]
        self._bind(worlds, bodies, bodies)
        self._colors = BodyColors(worlds, bodies)
        mocap = int(model.body_mocapid[bodies[0]])
        self._mocap = Columns([mocap], worlds.device) if mocap >= 0 else None
        sensors = compiled.contact_sensors
        self._contacts: Columns | None = None
        if all(body in sensors for body in bodies):
            addresses = [sensors[body] + axis for body in bodies for axis in range(3)]
            self._contacts = Columns(addresses, worlds.device)
            worlds.force("sensordata")  # the first access makes the executor compute it
        self._shapes = Shapes(worlds, bodies)
        self._scaling: BodyScaling | None = None
        if self.name in compiled.shapes:
            keeps_mass = self.name in compiled.stated_masses
            self._scaling = BodyScaling(worlds, bodies[0], compiled.shapes[self.name], keeps_mass=keeps_mass)
        self._variants = BodyVariants(worlds, self.name) if self.name in compiled.variants else None

    def reset(self, worlds: torch.Tensor | None) -> None:
        """Do nothing, because the executor restores everything."""

    def state_dict(self) -> dict[str, Any]:
        """Return scales and variants; the executor saves the rest."""
        parts = (self._scaling, self._variants)
        return {key: value for part in parts if part is not None for key, value in part.state_dict().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore scales and variants; the executor restores the rest."""
        for part in (self._scaling, self._variants):
            if part is not None:
                part.load_state_dict(state)

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

    @property
    def _links(self) -> tuple[int, ...]:
        """The dimension of the links in tensors of this view; a single one has none."""
        return () if self._single else (len(self._body_ids),)

    def _by_body(self, values: torch.Tensor) -> torch.Tensor:
        return (values.unsqueeze(1) if self._single else values).to(torch.float32)

    def get_world_poses(self, indices: Indices = None, clone: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
        """See :class:`~oige_core.views.RigidPrimView`."""
        if self._mocap is None:
            return super().get_world_poses(indices, clone)
        worlds, executor = self._index(indices), self._worlds.executor
        fields = executor.field("mocap_pos"), executor.field("mocap_quat")
        positions, orientations = (self._mocap.read(field, worlds, clone).squeeze(1) for field in fields)
        return positions, orientations

    def set_world_poses(
        self, positions: torch.Tensor | None = None, orientations: torch.Tensor | None = None, indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        if self._free is None and self._mocap is None:
            raise CapabilityError(f"'{self.name}': links are moved by their joints; set joint positions instead.")
        positions, orientations = self._poses(positions, orientations, worlds, free=self._free is not None)
        if self._free is not None:
            self._free.set_poses(positions, orientations, worlds)
        elif self._mocap is not None:
            for name, values in (("mocap_pos", positions), ("mocap_quat", orientations)):
                if values is not None:
                    self._mocap.write(self._worlds.executor.field(name), values.unsqueeze(-2), worlds)
        self._worlds.mark_stale(worlds)

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
        force = None if forces is None else self._of_bodies("forces", forces, worlds, 3)
        torque = None if torques is None else self._of_bodies("torques", torques, worlds, 3)
        point = None if positions is None else self._of_bodies("positions", positions, worlds, 3)
        bodies = self._bodies.select()
        if not is_global:
            orientation = bodies.read(self._worlds.fresh("xquat"), worlds)
            force = None if force is None else quat_apply(orientation, force)
            torque = None if torque is None else quat_apply(orientation, torque)
            if point is not None:
                point = quat_apply(orientation, point) + bodies.read(self._worlds.fresh("xpos"), worlds)
        if force is not None and point is not None:
            moment = torch.linalg.cross(point - bodies.read(self._worlds.fresh("xipos"), worlds), force)
            torque = moment if torque is None else torque + moment
        applied = self._worlds.executor.field("xfrc_applied")
        for part, values in ((applied[..., :3], force), (applied[..., 3:], torque)):
            if values is not None:
                bodies.write(part, bodies.read(part, worlds) + values, worlds)
        self._worlds.mark_wrenches()

    def get_net_contact_forces(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        if self._contacts is None:
            raise CapabilityError(
                f"'{self.name}': contact forces are not measured; add it to the scene with track_contact_forces=True."
            )
        # The sensor measures the force that the body exerts.
        values = self._contacts.read(self._worlds.force("sensordata"), self._index(indices))
        return self._squeeze(-values.view(values.shape[0], -1, 3))

    def get_masses(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        return self._squeeze(self._read_model("body_mass", self._bodies.select(), self._index(indices)))

    def set_masses(self, masses: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        masses = self._properties_of_bodies("masses", masses, worlds, low=0.0)
        self._write_model({"body_mass": masses}, self._bodies.select(), worlds)

    def get_inertias(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        return self._squeeze(self._body_inertias(self._bodies.select(), self._index(indices)))

    def set_inertias(self, values: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        values = self._properties_of_bodies("values", values, worlds, 9, check=self._check_inertias)
        self._set_body_inertias(values, self._bodies.select(), worlds)

    def get_coms(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        return self._squeeze(self._read_model("body_ipos", self._bodies.select(), self._index(indices)))

    def set_coms(self, positions: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        positions = self._properties_of_bodies("positions", positions, worlds, 3)
        self._write_model({"body_ipos": positions}, self._bodies.select(), worlds)

    def get_colors(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        return self._squeeze(self._colors.read(self._index(indices)))

    def set_colors(self, values: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        self._colors.write(self._properties_of_bodies("values", values, worlds, 3), worlds)

    def get_material_properties(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        return self._squeeze(as_materials(self._shapes.read("geom_friction", self._index(indices))))

    def set_material_properties(self, values: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`. MuJoCo has one coefficient of friction, and no restitution."""
        worlds = self._index(indices)
        check = partial(check_materials, self.name, self._worlds.engine)
        values = self._properties_of_bodies("values", values, worlds, 3, low=0.0, check=check)
        self._shapes.set_friction(values[..., 1], worlds)

    def get_contact_offsets(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        raise missing(self._worlds.engine, "contact_offsets", f"'{self.name}'", _REST_OFFSETS_INSTEAD)

    def set_contact_offsets(self, offsets: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        raise missing(self._worlds.engine, "contact_offsets", f"'{self.name}'", _REST_OFFSETS_INSTEAD)

    def get_rest_offsets(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        return self._squeeze(self._shapes.read("geom_margin", self._index(indices)))

    def set_rest_offsets(self, offsets: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        self._shapes.write("geom_margin", self._properties_of_bodies("offsets", offsets, worlds, low=0.0), worlds)

    # Sizes

    def get_local_scales(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        return read_rows(self._sizes.values, self._index(indices), clone)

    def set_local_scales(self, scales: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds, equal = self._index(indices), self._sizes.equal_axes
        check = partial(check_scales, equal_axes=equal)
        scales = self._properties("scales", scales, worlds, 3, check=check).to(torch.float32)
        self._sizes.set(scales, worlds)

    def get_shapes(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        return read_rows(self._sizes.shapes, self._index(indices))

    def set_shapes(self, values: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        values = self._properties("values", values, worlds, check=self._sizes.check_shapes)
        self._sizes.set_shapes(values, worlds)

    @property
    def num_variants(self) -> int:
        """See :class:`~oige_core.views.RigidPrimView`."""
        return 1 if self._variants is None else self._variants.count

    def get_variants(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        if self._variants is None:
            return torch.zeros(
                self.count if worlds is None else len(worlds), dtype=torch.int64, device=self._worlds.device
            )
        return read_rows(self._variants.numbers, worlds, clone)

    def set_variants(self, values: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds, variants = self._index(indices), self._variants
        if variants is None:
            raise CapabilityError(f"'{self.name}': has no variants; give add_rigid_body several assets.")
        variants.set(self._properties("values", values, worlds, check=variants.check), worlds)

    def get_densities(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        return self.get_masses(worlds) / self._sizes.volumes(worlds)

    def set_densities(self, densities: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        densities = self._properties("densities", densities, worlds, low=_LOWEST_DENSITY).to(torch.float32)
        self._sizes.scale_mass(densities / self.get_densities(worlds), worlds)

    @property
    def _sizes(self) -> BodyScaling:
        if self._scaling is None:
            reason = "links have no size or density of their own; scale the articulation, or set masses."
            if self._free is not None or self._mocap is not None:
                reason = "a body from a file cannot be scaled; give add_rigid_body several assets, or set masses."
            raise CapabilityError(f"'{self.name}': {reason}")
        return self._scaling

    def enable_gravities(self, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        self._switch_gravities(indices, disabled=False)

    def disable_gravities(self, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        self._switch_gravities(indices, disabled=True)

    def _switch_gravities(self, indices: Indices, *, disabled: bool) -> None:
        value = torch.full((), float(disabled), device=self._worlds.device)
        self._set_gravity_disabled(value, self._bodies.select(), self._index(indices))
