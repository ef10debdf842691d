"""Dynamics of an articulation: joint forces, Jacobians, inertias and generalised forces."""

import torch

from oige_core.engines.columns import Columns, ColumnSet
from oige_core.engines.mujoco.views.tendons import TendonView
from oige_core.engines.mujoco.worlds import Worlds
from oige_core.errors import CapabilityError
from oige_core.math import quat_apply, quat_apply_inverse, quat_mul, quat_to_matrix
from oige_core.math.products import matmul
from oige_core.selections import read_rows
from oige_core.views import Indices

__all__ = ["DynamicsView"]


class DynamicsView(TendonView):
    """The dynamics of an articulation."""

    def bind(self, worlds: Worlds) -> None:
        """Look up the degrees of freedom and force sensors in the built model."""
        super().bind(worlds)
        layout, device = self._layout, worlds.device
        motion = [layout.root_dof + axis for axis in range(6)] if layout.floating else []
        self._motion = Columns([*motion, *layout.dofs], device)
        # Whether a degree of freedom moves a link.
        moves = torch.from_numpy(layout.subtrees[layout.joint_links].T).to(device)
        self._moves = torch.cat((moves.new_ones(self.num_bodies, len(motion)), moves), dim=1)
        self._subtrees = torch.from_numpy(layout.subtrees).to(device, torch.float32)
        self._links = ColumnSet([[link] for link in range(self.num_bodies)], device)
        self._wrenches: ColumnSet | None = None
        if layout.force_sensors:
            sensors = [layout.force_sensors.get(link, ()) for link in range(self.num_bodies)]
            columns = [[address + axis for address in pair for axis in range(3)] for pair in sensors]
            self._wrenches = ColumnSet(columns, device)
            self._anchors = Columns(list(layout.force_sites.values()), device)
            self._anchored = torch.tensor(list(layout.force_sites), device=device)
            self._joint_frames = torch.zeros(self.num_bodies, 4, device=device)
            for link, site in layout.force_sites.items():
                self._joint_frames[link] = torch.from_numpy(worlds.compiled.model.site_quat[site])
            worlds.force("sensordata")  # the first access makes the executor compute it

    # Joint forces

    def get_measured_joint_forces(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        if self._wrenches is None:
            raise CapabilityError(
                f"'{self.name}': joint forces are not measured; add it to the scene with track_joint_forces=True."
            )
        worlds = self._index(indices)
        try:
            wrenches = self._wrenches.select(joint_indices)
        except KeyError as error:
            missing, names = self.body_names[error.args[0]], self.body_names
            measured = ", ".join(names[link] for link in self._layout.force_sensors)
            raise CapabilityError(
                f"'{self.name}': joint forces of link '{missing}' are not measured, only those of {measured}; add it "
                "to track_joint_forces."
            ) from None
        values = wrenches.read(self._worlds.force("sensordata"), worlds, clone)
        values = values.view(values.shape[0], -1, 6)
        if self._worlds.compiled.model.ngravcomp:
            links = self._links.select(joint_indices)
            values = values - links.read(self._joint_forces_of_compensated_weight(), worlds)
        return values

    def _joint_forces_of_compensated_weight(self) -> torch.Tensor:
        """Excess of MuJoCo's force sensors ``(num_envs, b, 6)`` for links without gravity."""
        links = self._bodies.select()
        force = -self._worlds.get_gravity().unsqueeze(1) * self._compensated_masses(None).unsqueeze(-1)
        moment = torch.linalg.cross(links.read(self._worlds.fresh("xipos")), force)  # about the origin
        force, moment = matmul(self._subtrees, force), matmul(self._subtrees, moment)
        orientation = links.read(self._worlds.fresh("xquat"))
        places = self._anchors.read(self._worlds.model_values("site_pos"))
        anchor = torch.zeros_like(force).index_copy_(1, self._anchored, places)
        anchor = quat_apply(orientation, anchor) + links.read(self._worlds.fresh("xpos"))
        moment = moment - torch.linalg.cross(anchor, force)
        orientation = quat_mul(orientation, self._joint_frames.expand_as(orientation))
        return torch.cat((quat_apply_inverse(orientation, force), quat_apply_inverse(orientation, moment)), dim=-1)

    def _compensated_masses(self, worlds: torch.Tensor | None) -> torch.Tensor:
        """Masses ``(n, b)`` on which gravity does not act."""
        links = self._bodies.select()
        return self._read_model("body_gravcomp", links, worlds) * self._read_model("body_mass", links, worlds)

    # Jacobians, inertias, generalised forces

    def get_jacobians(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._jacobians_at("xpos", self._index(indices))

    def _jacobians_at(self, points: str, worlds: torch.Tensor | None) -> torch.Tensor:
        """Jacobians of the links at their origins (``xpos``) or centres of mass (``xipos``)."""
        motion = self._motion.read(self._worlds.fresh("cdof"), worlds)
        arm = self._bodies.select().read(self._worlds.fresh(points), worlds) - self._tree_centre(worlds)
        angular = motion[:, None, :, :3].expand(-1, self.num_bodies, -1, -1)
        linear = motion[:, None, :, 3:] + torch.linalg.cross(angular, arm[:, :, None].expand_as(angular))
        jacobian = torch.cat((linear, angular), dim=-1).transpose(-1, -2)
        return self._in_world_frame(jacobian * self._moves[:, None, :], worlds)

    def _in_world_frame(self, values: torch.Tensor, worlds: torch.Tensor | None) -> torch.Tensor:
        """Rotate entries 3 to 5 of the last dimension from the root's frame, as in MuJoCo, to the world frame."""
        if self._free is None:
            return values
        rotation = quat_to_matrix(self._free.poses(worlds, clone=False)[1])
        rotation = rotation.reshape(-1, *[1] * (values.ndim - 2), 3, 3)
        rotated = matmul(rotation, values[..., 3:6].unsqueeze(-1)).squeeze(-1)
        return torch.cat((values[..., :3], rotated, values[..., 6:]), dim=-1)

    def get_mass_matrices(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds = self._index(indices)
        rows = self._motion.read(self._worlds.fresh_mass_matrix(), worlds)
        matrix = self._motion.read(rows.transpose(1, 2), clone=True)  # symmetric
        half_rotated = self._in_world_frame(matrix, worlds)
        return self._in_world_frame(half_rotated.transpose(-1, -2), worlds).transpose(-1, -2)

    def get_generalized_gravity_forces(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds = self._index(indices)
        return self._gravity_forces(self.get_body_masses(worlds) - self._compensated_masses(worlds), worlds)

    def _gravity_forces(self, masses: torch.Tensor, worlds: torch.Tensor | None) -> torch.Tensor:
        """Generalised forces that hold masses ``(n, b)`` at the links' centres of mass against gravity."""
        gravity = self._worlds.get_gravity()
        weight = masses.unsqueeze(-1) * read_rows(gravity, worlds).unsqueeze(1)
        return -(self._jacobians_at("xipos", worlds)[:, :, :3] * weight.unsqueeze(-1)).sum(dim=(1, 2))

    def get_coriolis_and_centrifugal_forces(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds = self._index(indices)
        bias = self._motion.read(self._worlds.fresh("qfrc_bias"), worlds)
        return self._in_world_frame(bias, worlds) - self._gravity_forces(self.get_body_masses(worlds), worlds)
