"""Names, order and state of the joints of an articulation."""

import torch

from oige_core.engines.columns import Columns, ColumnSet
from oige_core.engines.mujoco.layout import ArticulationLayout
from oige_core.engines.mujoco.views.frames import BodyView
from oige_core.engines.mujoco.worlds import Worlds
from oige_core.errors import OigeError, nearest
from oige_core.views import Indices

__all__ = ["JointView"]


class JointView(BodyView):
    """The joints of an articulation."""

    def bind(self, worlds: Worlds) -> None:
        """Look up the joints and links in the built model."""
        self._layout: ArticulationLayout = worlds.compiled.articulations[self.name]
        layout, executor, device = self._layout, worlds.executor, worlds.device
        self._bind(worlds, layout.body_ids, layout.body_ids[:1])
        self._positions, self._velocities = executor.joint_state()
        self._qpos, self._qvel = executor.field("qpos"), executor.field("qvel")
        self._qpos_columns = ColumnSet([[i] for i in layout.qpos], device)
        self._dof_columns = ColumnSet([[i] for i in layout.dofs], device)
        # For tensors with exactly this articulation's joints.
        self._joints = ColumnSet([[i] for i in range(self.num_dof)], device)
        self._encoder_biases = torch.zeros(worlds.num_envs, self.num_dof, device=device)
        self._has_encoder_biases = False

    # Names

    @property
    def num_dof(self) -> int:
        """See :class:`~oige_core.views.ArticulationView`."""
        return len(self._layout.dof_names)

    @property
    def num_bodies(self) -> int:
        """See :class:`~oige_core.views.ArticulationView`."""
        return len(self._layout.body_names)

    @property
    def num_fixed_tendons(self) -> int:
        """See :class:`~oige_core.views.ArticulationView`."""
        return len(self._layout.tendon_ids)

    @property
    def dof_names(self) -> list[str]:
        """See :class:`~oige_core.views.ArticulationView`."""
        return list(self._layout.dof_names)

    @property
    def body_names(self) -> list[str]:
        """See :class:`~oige_core.views.ArticulationView`."""
        return list(self._layout.body_names)

    def get_dof_index(self, dof_name: str) -> int:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._named(dof_name, self._layout.dof_names, "joint")

    def get_link_index(self, link_name: str) -> int:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._named(link_name, self._layout.body_names, "link")

    def _named(self, name: str, names: list[str], kind: str) -> int:
        if name not in names:
            raise OigeError(f"{kind} '{name}' of '{self.name}': unknown. {nearest(name, names)}")
        return names.index(name)

    # State

    def get_joint_positions(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        positions = self._read_joints(self._positions, self._qpos_columns.select(joint_indices), indices, clone)
        if not self._has_encoder_biases:
            return positions
        return positions + self.get_encoder_biases(indices, joint_indices, clone=False)

    def set_joint_positions(
        self, positions: torch.Tensor, indices: Indices = None, joint_indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, joints = self._index(indices), self._qpos_columns.select(joint_indices)
        joints.write(self._qpos, self._values("positions", positions, worlds, joints.count, column=True), worlds)
        self._worlds.mark_stale(worlds)

    def get_joint_velocities(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._read_joints(self._velocities, self._dof_columns.select(joint_indices), indices, clone)

    def set_joint_velocities(
        self, velocities: torch.Tensor, indices: Indices = None, joint_indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, joints = self._index(indices), self._dof_columns.select(joint_indices)
        joints.write(self._qvel, self._values("velocities", velocities, worlds, joints.count, column=True), worlds)
        self._worlds.mark_stale(worlds)

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
        self._use_encoder_biases(worlds)

    def _use_encoder_biases(self, worlds: torch.Tensor | None) -> None:
        """Let reads of joint positions contain biases from now on."""
        if not self._has_encoder_biases:
            self._has_encoder_biases = True
            self._worlds.drop_graphs()

    def _read_joints(self, values: torch.Tensor, joints: Columns, indices: Indices, clone: bool) -> torch.Tensor:
        worlds = self._index(indices)
        self._worlds.update_joint_state()
        return joints.read(values, worlds, clone)
