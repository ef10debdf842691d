"""Views of rigid bodies, and of links of an articulation."""

import math
from typing import Any

import numpy as np
import torch

from oige_core.capabilities import require
from oige_core.engines.mujoco.views.colors import BodyColors
from oige_core.engines.mujoco.views.columns import Columns
from oige_core.engines.mujoco.views.frames import BodyView, Check
from oige_core.engines.mujoco.worlds import Worlds
from oige_core.errors import CapabilityError
from oige_core.math import quat_apply
from oige_core.views import Indices

__all__ = ["MujocoRigidView"]


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
        # The geoms of all bodies, and for each the index of its body.
        owners = [(geom, i) for i, body in enumerate(bodies) for geom in np.flatnonzero(model.geom_bodyid == body)]
        self._geoms = Columns([int(geom) for geom, _ in owners], worlds.device)
        first = {i: int(geom) for geom, i in reversed(owners)}
        self._first_geoms = Columns(list(first.values())[::-1], worlds.device)
        self._geom_bodies = torch.tensor([i for _, i in owners], dtype=torch.int64, device=worlds.device)

    def reset(self, worlds: torch.Tensor | None) -> None:
        """Do nothing, because the executor restores everything."""

    def state_dict(self) -> dict[str, Any]:
        """Rigid bodies have no state besides that of the executor."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Rigid bodies have no state besides that of the executor."""

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
        positions, orientations = self._poses(positions, orientations, worlds)
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
        self._set_body_inertias(self._properties_of_bodies("values", values, worlds, 9), self._bodies.select(), worlds)

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
        values = self._read_model("geom_friction", self._first_geoms, self._index(indices))
        friction = self._squeeze(values[..., 0])
        return torch.stack((friction, friction, torch.zeros_like(friction)), dim=-1)

    def set_material_properties(self, values: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`. MuJoCo has one coefficient of friction, and no restitution."""
        worlds = self._index(indices)
        values = self._properties_of_bodies("values", values, worlds, 3, low=0.0, check=self._check_material)
        friction = self._read_model("geom_friction", self._geoms, worlds)
        friction[..., 0] = values[..., 1][:, self._geom_bodies]
        self._write_model({"geom_friction": friction}, self._geoms, worlds)

    def _check_material(self, values: torch.Tensor) -> None:
        if bool((values[..., 2] != 0).any()):
            require(self._worlds.engine, "restitution", f"'{self.name}'", "Set it to 0.")
        if bool((values[..., 0] != values[..., 1]).any()):
            require(self._worlds.engine, "static_friction", f"'{self.name}'", "Set both to one value.")

    def enable_gravities(self, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        self._switch_gravities(indices, disabled=False)

    def disable_gravities(self, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        self._switch_gravities(indices, disabled=True)

    def _switch_gravities(self, indices: Indices, *, disabled: bool) -> None:
        value = torch.full((), float(disabled), device=self._worlds.device)
        self._set_gravity_disabled(value, self._bodies.select(), self._index(indices))
