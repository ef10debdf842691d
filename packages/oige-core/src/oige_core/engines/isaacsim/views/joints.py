"""Names, order and state of the joints of an articulation."""

import torch

from oige_core.engines.columns import ColumnSet
from oige_core.engines.isaacsim.views.articulation_state import ArticulationState
from oige_core.engines.isaacsim.views.framed import BodyFrameView
from oige_core.engines.isaacsim.worlds import IsaacWorlds
from oige_core.errors import OigeError, nearest
from oige_core.views import Indices

__all__ = ["JointView"]


class JointView(BodyFrameView):
    """The joints of an articulation."""

    def bind(self, worlds: IsaacWorlds, state: ArticulationState) -> None:
        """Look up the joints and links in physics."""
        self._state, self._description = state, state.description
        self._bind_frame(worlds, state.root, free=state.floating)
        device = worlds.device
        self._joints = ColumnSet([[i] for i in range(self.num_dof)], device)
        self._bodies = ColumnSet([[i] for i in range(self.num_bodies)], device, "body_indices")
        self._encoder_biases = torch.zeros(worlds.num_envs, self.num_dof, device=device)
        self._has_encoder_biases = False

    # Names

    @property
    def num_dof(self) -> int:
        """See :class:`~oige_core.views.ArticulationView`."""
        return len(self._description.dof_names)

    @property
    def num_bodies(self) -> int:
        """See :class:`~oige_core.views.ArticulationView`."""
        return len(self._description.body_names)

    @property
    def num_fixed_tendons(self) -> int:
        """See :class:`~oige_core.views.ArticulationView`."""
        return len(self._description.tendons)

    @property
    def dof_names(self) -> list[str]:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._description.dof_names

    @property
    def body_names(self) -> list[str]:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._description.body_names

    def get_dof_index(self, dof_name: str) -> int:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._named(dof_name, self.dof_names, "joint")

    def get_link_index(self, link_name: str) -> int:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._named(link_name, self.body_names, "link")

    def _named(self, name: str, names: list[str], kind: str) -> int:
        if name not in names:
            raise OigeError(f"{kind} '{name}' of '{self.name}': unknown. {nearest(name, names)}")
        return names.index(name)

    # State

    def get_joint_positions(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, joints = self._index(indices), self._joints.select(joint_indices)
        self._state.read_joints()
        positions = joints.read(self._state.positions, worlds, clone)
        if not self._has_encoder_biases:
            return positions
        return positions + joints.read(self._encoder_biases, worlds)

    def set_joint_positions(
        self, positions: torch.Tensor, indices: Indices = None, joint_indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, joints = self._index(indices), self._joints.select(joint_indices)
        values = self._values("positions", positions, worlds, joints.count, column=True)
        self._state.read_joints()
        joints.write(self._state.positions, values, worlds)
        self._state.wrote_joints(worlds)

    def get_joint_velocities(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, joints = self._index(indices), self._joints.select(joint_indices)
        self._state.read_joints()
        return joints.read(self._state.velocities, worlds, clone)

    def set_joint_velocities(
        self, velocities: torch.Tensor, indices: Indices = None, joint_indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, joints = self._index(indices), self._joints.select(joint_indices)
        values = self._values("velocities", velocities, worlds, joints.count, column=True)
        self._state.read_joints()
        joints.write(self._state.velocities, values, worlds)
        self._state.wrote_joints(worlds)

    def get_encoder_biases(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._joints.select(joint_indices).read(self._encoder_biases, self._index(indices), clone)

    def set_encoder_biases(self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, joints = self._index(indices), self._joints.select(joint_indices)
        values = self._properties("values", values, worlds, joints.count, column=True)
        joints.write(self._encoder_biases, values, worlds)
        self._has_encoder_biases = True
