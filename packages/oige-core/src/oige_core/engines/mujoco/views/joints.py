"""Names, order and state of the joints of an articulation."""

import torch

from oige_core.engines.mujoco.checks import part_numbers
from oige_core.engines.mujoco.layout import ArticulationLayout
from oige_core.engines.mujoco.views.columns import Columns, Joints, as_columns
from oige_core.engines.mujoco.views.frames import BodyView
from oige_core.engines.mujoco.worlds import Worlds
from oige_core.errors import OigeError, nearest
from oige_core.views import Indices

__all__ = ["JointView"]


class JointView(BodyView):
    """The joints of an articulation."""

    def bind(self, worlds: Worlds) -> None:
        """Find the joints and links in the built model."""
        self._layout: ArticulationLayout = worlds.compiled.articulations[self.name]
        layout, executor, device = self._layout, worlds.executor, worlds.device
        self._bind(worlds, layout.body_ids, layout.body_ids[:1])
        positions, velocities = executor.joint_state()
        qpos, dofs = ([[i] for i in ids] for ids in (layout.qpos, layout.dofs))
        self._positions, self._velocities = Joints(positions, qpos), Joints(velocities, dofs)
        self._qpos, self._qvel = Joints(executor.field("qpos"), qpos), Joints(executor.field("qvel"), dofs)
        self._q = as_columns(layout.qpos, device)
        self._d = as_columns(layout.dofs, device)

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

    # Columns

    def _joint_columns(
        self, addresses: list[int], everything: Columns, joint_indices: Indices, what: str = "joint_indices"
    ) -> Columns:
        if joint_indices is None:
            return everything
        if isinstance(joint_indices, torch.Tensor) and joint_indices.device.type == "cuda":  # not to be waited for
            return torch.tensor(addresses, device=self._worlds.device)[joint_indices]
        joints = part_numbers(joint_indices, len(addresses), what)
        return as_columns([addresses[joint] for joint in joints], self._worlds.device)

    def _own_columns(self, joint_indices: Indices, count: int | None = None) -> Columns:
        """Columns of tensors that hold exactly this articulation's joints, or ``count`` links."""
        if joint_indices is None:
            return slice(None)
        if isinstance(joint_indices, torch.Tensor) and joint_indices.device.type == "cuda":
            return joint_indices.to(torch.int64)
        joints = part_numbers(joint_indices, count or self.num_dof, "joint_indices")
        return torch.tensor(joints, dtype=torch.int64, device=self._worlds.device)

    def _joint_count(self, joint_indices: Indices) -> int:
        return self.num_dof if joint_indices is None else len(joint_indices)

    # State

    def get_joint_positions(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        joints = self._positions.of(joint_indices)
        self._worlds.update_joint_state()
        return joints.read(self._index(indices), clone)

    def set_joint_positions(
        self, positions: torch.Tensor, indices: Indices = None, joint_indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, joints = self._index(indices), self._qpos.of(joint_indices)
        joints.write(
            self._values("positions", positions, worlds, self._joint_count(joint_indices), column=True), worlds
        )
        self._worlds.mark_stale(worlds)

    def get_joint_velocities(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        joints = self._velocities.of(joint_indices)
        self._worlds.update_joint_state()
        return joints.read(self._index(indices), clone)

    def set_joint_velocities(
        self, velocities: torch.Tensor, indices: Indices = None, joint_indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, joints = self._index(indices), self._qvel.of(joint_indices)
        joints.write(
            self._values("velocities", velocities, worlds, self._joint_count(joint_indices), column=True), worlds
        )
        self._worlds.mark_stale(worlds)
