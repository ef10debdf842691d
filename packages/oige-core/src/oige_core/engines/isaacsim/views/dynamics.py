"""Dynamics of an articulation: joint forces, Jacobians, inertias and generalised forces."""

import torch

from oige_core.capabilities import require
from oige_core.engines.columns import ColumnSet
from oige_core.engines.isaacsim.usd.description import Joint, RobotDescription
from oige_core.engines.isaacsim.views.articulation_state import ArticulationState
from oige_core.engines.isaacsim.views.body_state import com_offset
from oige_core.engines.isaacsim.views.tendons import TendonView
from oige_core.engines.isaacsim.worlds import IsaacWorlds
from oige_core.engines.joints import links_with_joint_forces
from oige_core.errors import CapabilityError
from oige_core.math import quat_apply, quat_apply_inverse, quat_mul, quat_to_matrix
from oige_core.math.products import matmul
from oige_core.selections import read_rows
from oige_core.views import Indices

__all__ = ["DynamicsView"]


class DynamicsView(TendonView):
    """The dynamics of an articulation."""

    def bind(self, worlds: IsaacWorlds, state: ArticulationState) -> None:
        """Look up the frames of joints."""
        super().bind(worlds, state)
        names, device = self.body_names, worlds.device
        tracked = [names.index(name) for name in links_with_joint_forces(state.element, names)]
        self._tracked = ColumnSet([[link] if link in tracked else [] for link in range(self.num_bodies)], device)
        self._tracked_names = [names[link] for link in sorted(tracked)]
        self._measured = _Frames(state.description, names, device)

    # Joint forces

    def get_measured_joint_forces(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        if not self._tracked_names:
            raise CapabilityError(
                f"'{self.name}': joint forces are not measured; add it to the scene with track_joint_forces=True."
            )
        worlds = self._index(indices)
        try:
            links = self._tracked.select(joint_indices)
        except KeyError as error:
            missing = self.body_names[error.args[0]]
            raise CapabilityError(
                f"'{self.name}': joint forces of link '{missing}' are not measured, only those of "
                f"{', '.join(self._tracked_names)}; add it to track_joint_forces."
            ) from None
        return links.read(self._joint_forces(), worlds)

    def _joint_forces(self) -> torch.Tensor:
        """Wrenches ``(num_envs, b, 6)`` of the last physics step."""
        state, frames = self._state, self._measured
        state.read_joint_wrenches()
        raw = state.joint_wrenches.index_select(1, state.shown).unflatten(-1, (2, 3))
        turned = quat_apply(frames.turns.unsqueeze(-2).expand(*raw.shape[:-1], 4), raw)
        if not state.floating:
            turned[:, 0] = self._root_wrench(raw) * state.stepped[:, None, None]
        return turned.flatten(-2)

    def _root_wrench(self, raw: torch.Tensor) -> torch.Tensor:
        """Wrenches ``(num_envs, 2, 3)`` on a fixed root about its origin, which PhysX does not report."""
        state = self._state
        positions, orientations = state.link_poses()
        positions, orientations = (each.index_select(1, state.shown) for each in (positions, orientations))
        origin, own = positions[:, 0], orientations[:, 0]
        gravity = self._worlds.get_gravity() * (1.0 - state.gravity_disabled.values[:, :1])
        force = -gravity * state.masses.values[:, :1]
        moment = torch.linalg.cross(com_offset(own, state.coms.values[:, 0]), force)
        for link in self._measured.children_of_root:
            orientation = quat_mul(orientations[:, link], self._measured.orientations[link].expand_as(own))
            anchor = positions[:, link] + quat_apply(
                orientations[:, link], self._measured.positions[link].expand_as(origin)
            )
            child_force = quat_apply(orientation, raw[:, link, 0])
            force = force + child_force
            moment = moment + quat_apply(orientation, raw[:, link, 1])
            moment = moment + torch.linalg.cross(anchor - origin, child_force)
        wrench = torch.stack((force, moment), dim=1)
        return quat_apply_inverse(own.unsqueeze(1).expand(-1, 2, -1), wrench)

    # Jacobians, inertias, generalised forces

    def get_jacobians(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        at_coms = self._jacobians()
        arms = -com_offset(self._state.link_poses()[1], self._state.coms.values)
        linear = at_coms[:, :, :3] + torch.linalg.cross(at_coms[:, :, 3:], arms.unsqueeze(-1), dim=2)
        jacobians = torch.cat((linear, at_coms[:, :, 3:]), dim=2)
        return read_rows(jacobians.index_select(1, self._state.shown), self._index(indices))

    def _jacobians(self) -> torch.Tensor:
        """Jacobians of centres of mass ``(num_envs, links, 6, m)`` of every link, helpers included.

        Their columns are the velocity of the root's origin, if it floats, and then those of joints.
        """
        state = self._state
        require(self._worlds.engine, "jacobians", f"'{self.name}'")
        self._worlds.update_kinematics()
        found = state.rows.read("get_jacobians")
        root = 6 if state.floating else 0
        found = found.reshape(len(found), -1, 6, root + self.num_dof)
        if not state.floating:  # physics has no row for a fixed root
            number = int(state.every_link.numbers(torch.device("cpu"))[0])
            row = torch.zeros_like(found[:, :1]) if found.shape[1] else found.new_zeros(len(found), 1, 6, self.num_dof)
            found = torch.cat((found[:, :number], row, found[:, number:]), dim=1)
        found = state.every_link.pick(found, dim=1)
        joints = state.dofs.pick(found[..., root:], dim=-1)
        if not state.floating:
            return joints
        # Physics has the velocity of the root's centre of mass: v_com = v + ω × r.
        lever = com_offset(state.link_poses()[1][:, 0], state.coms.values[:, 0])[:, None, None, :]
        linear, angular = found[..., :3], found[..., 3:6]
        angular = angular + torch.linalg.cross(lever.expand_as(linear), linear)
        return torch.cat((linear, angular, joints), dim=-1)

    def get_mass_matrices(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        state, jacobians = self._state, self._jacobians()
        rotations = quat_to_matrix(state.link_poses()[1])
        inertias = matmul(matmul(rotations, state.inertias.values.unflatten(-1, (3, 3))), rotations.transpose(-1, -2))
        momenta = torch.cat(
            (jacobians[:, :, :3] * state.masses.values[..., None, None], matmul(inertias, jacobians[:, :, 3:])), dim=2
        )
        matrices = matmul(jacobians.flatten(1, 2).transpose(-1, -2), momenta.flatten(1, 2))
        root = 6 if state.floating else 0
        matrices.diagonal(dim1=-2, dim2=-1)[:, root:] += self._armatures.values
        return read_rows(matrices, self._index(indices))

    def get_generalized_gravity_forces(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        state = self._state
        masses = state.masses.values * (1.0 - state.gravity_disabled.values)
        weights = masses.unsqueeze(-1) * self._worlds.get_gravity().unsqueeze(1)
        forces = -(self._jacobians()[:, :, :3] * weights.unsqueeze(-1)).sum(dim=(1, 2))
        return read_rows(forces, self._index(indices))

    def get_coriolis_and_centrifugal_forces(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        state = self._state
        worlds = self._index(indices)
        self._worlds.update_kinematics()
        found = state.rows.read("get_coriolis_and_centrifugal_compensation_forces")
        root = found.shape[1] - self.num_dof
        forces = torch.cat((found[:, :root], state.dofs.pick(found[:, root:], dim=1)), dim=1)
        if not state.floating:
            return read_rows(forces, worlds, clone)
        if root == 0:
            raise CapabilityError(
                f"'{self.name}': this release of Isaac Sim has no Coriolis forces of a floating base; use a later one."
            )
        # In coordinates with the velocity of the root's centre of mass, which accelerates if that of its origin is
        # constant: dv_com/dt = ω × (ω × r).
        state.root.read()
        lever = com_offset(state.root.poses[:, 3:], state.coms.values[:, 0])
        angular = state.root.velocities[:, 3:]
        force, moment = forces[:, :3], forces[:, 3:6] + torch.linalg.cross(lever, forces[:, :3])
        forces = torch.cat((force, moment, forces[:, 6:]), dim=1)
        accelerating = torch.linalg.cross(angular, torch.linalg.cross(angular, lever))
        matrices = self.get_mass_matrices()
        forces = forces + matmul(matrices[:, :, :3], accelerating.unsqueeze(-1)).squeeze(-1)
        return read_rows(forces, worlds)


class _Frames:
    """Frames of the joints that move links without helpers, in the frames of these links.

    Args:
        robot: the robot.
        names: of the links.
        device: of states.

    Attributes:
        positions: ``(b, 3)`` of the frames of PhysX.
        orientations: ``(b, 4)`` of the frames of PhysX.
        turns: ``(b, 4)`` that turn vectors from those frames to the ones in which views report them.
        children_of_root: links that the root's joints move.
    """

    def __init__(self, robot: RobotDescription, names: list[str], device: torch.device) -> None:
        moving = {joint.child: joint for joint in robot.joints}
        self.positions = torch.zeros(len(names), 3, device=device)
        self.orientations = torch.zeros(len(names), 4, device=device)
        self.orientations[:, 0] = 1.0
        wanted = self.orientations.clone()
        for number, name in enumerate(names):
            link = next(link for link in robot.links if link.name == name)
            wanted[number] = torch.tensor(link.force_frame.orientation)
            joint = moving.get(name)
            if joint is not None and number:
                self.positions[number] = torch.tensor(joint.child_frame.position)
                self.orientations[number] = torch.tensor(joint.child_frame.orientation)
        inverse = wanted * torch.tensor([1.0, -1.0, -1.0, -1.0], device=device)
        self.turns = quat_mul(inverse, self.orientations)
        self.children_of_root = [
            number for number, name in enumerate(names) if number and _body_parent(robot, moving, name) == names[0]
        ]


def _body_parent(robot: RobotDescription, moving: dict[str, Joint], name: str) -> str | None:
    """Return the closest link towards the root that is no helper."""
    helpers = {link.name for link in robot.links if link.helper}
    parent = moving[name].parent
    while parent in helpers:
        parent = moving[parent].parent
    return parent
