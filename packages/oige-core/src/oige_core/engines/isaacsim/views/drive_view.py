"""Targets, efforts, gains and limits of joints."""

from typing import Literal

import torch

from oige_core.engines.isaacsim.views.articulation_state import ArticulationState
from oige_core.engines.isaacsim.views.drives import NO_LIMIT, Drives
from oige_core.engines.isaacsim.views.joints import JointView
from oige_core.engines.isaacsim.worlds import IsaacWorlds
from oige_core.errors import OigeError
from oige_core.selections import read_rows, write_rows
from oige_core.views import Indices

__all__ = ["DriveView"]


class DriveView(JointView):
    """The drives of an articulation."""

    def bind(self, worlds: IsaacWorlds, state: ArticulationState) -> None:
        """Look up the drives in physics."""
        super().bind(worlds, state)
        self._drives = Drives(worlds, state)
        self._encoder_biases = self._drives.encoder_biases
        # Without gains, targets have no effect.
        self._driven = bool((self._drives.default_gains != 0).any())
        state.before_step = self._drives.send_targets

    # Targets and efforts

    def set_joint_position_targets(
        self, positions: torch.Tensor, indices: Indices = None, joint_indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        self._set_target(0, positions, indices, joint_indices)

    def set_joint_velocity_targets(
        self, velocities: torch.Tensor, indices: Indices = None, joint_indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        self._set_target(1, velocities, indices, joint_indices)

    def set_joint_efforts(self, efforts: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        self._set_target(2, efforts, indices, joint_indices)

    def _set_target(self, kind: int, values: torch.Tensor, indices: Indices, joint_indices: Indices) -> None:
        worlds, what = self._index(indices), ("positions", "velocities", "efforts")[kind]
        if kind != 2 and not self._driven:
            raise OigeError(f"'{self.name}': its drives have no gains, so targets have no effect; set_gains first.")
        joints = self._joints.select(joint_indices)
        values = self._values(what, values, worlds, joints.count, column=True)
        joints.write(self._drives.targets[kind], values, worlds)
        self._drives.wrote_targets()

    def get_applied_joint_efforts(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._joints.select(joint_indices).read(self._drives.targets[2], self._index(indices), clone)

    def get_measured_joint_efforts(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds = self._index(indices)
        return self._joints.select(joint_indices).read(self._drives.measured_efforts(), worlds)

    # Gains and limits

    def get_gains(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See :class:`~oige_core.views.ArticulationView`."""
        joints, worlds = self._joints.select(joint_indices), self._index(indices)
        stiffness, damping = (joints.read(gains, worlds, clone) for gains in self._drives.gains)
        return stiffness, damping

    def set_gains(
        self,
        kps: torch.Tensor | None = None,
        kds: torch.Tensor | None = None,
        indices: Indices = None,
        joint_indices: Indices = None,
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        joints, worlds = self._joints.select(joint_indices), self._index(indices)
        given: list[torch.Tensor | None] = []
        for what, values in (("kps", kps), ("kds", kds)):
            if values is not None:
                values = self._properties(what, values, worlds, joints.count, low=0.0, column=True)
            given.append(values)
        for gains, values in zip(self._drives.gains, given, strict=True):
            if values is not None:
                joints.write(gains, values, worlds)
        self._driven = True
        self._drives.send_gains(worlds)

    def switch_control_mode(
        self, mode: Literal["position", "velocity", "effort"], joint_indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        if mode not in ("position", "velocity", "effort"):
            raise OigeError(f"control mode '{mode}': expected position, velocity or effort.")
        joints = self._joints.select(joint_indices)
        default = (joints.read(gains.unsqueeze(0)) for gains in self._drives.default_gains)
        stiffness, damping = (row.expand(self.count, -1) for row in default)
        zero = torch.zeros_like(stiffness)
        self.set_gains(
            stiffness if mode == "position" else zero,
            zero if mode == "effort" else damping,
            joint_indices=joint_indices,
        )

    def get_max_efforts(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._joints.select(joint_indices).read(self._drives.max_efforts, self._index(indices), clone)

    def set_max_efforts(self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        joints, worlds = self._joints.select(joint_indices), self._index(indices)
        values = self._properties("values", values, worlds, joints.count, low=0.0, infinite=True, column=True)
        values = values.to(torch.float32)
        values = torch.where(values >= NO_LIMIT, torch.inf, values.clamp(min=0.0))
        joints.write(self._drives.max_efforts, values, worlds)
        self._drives.send_gains(worlds)

    # Imperfect motors and encoders

    def get_motor_strengths(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._joints.select(joint_indices).read(self._drives.strengths, self._index(indices), clone)

    def set_motor_strengths(self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, joints = self._index(indices), self._joints.select(joint_indices)
        values = self._properties("values", values, worlds, joints.count, low=0.0, column=True)
        joints.write(self._drives.strengths, values, worlds)
        self._drives.send_gains(worlds)

    def set_encoder_biases(self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        super().set_encoder_biases(values, indices, joint_indices)
        self._drives.wrote_targets()

    # Resets

    def set_joints_default_state(
        self, positions: torch.Tensor | None = None, velocities: torch.Tensor | None = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        if positions is not None:
            positions = self._properties("positions", positions, None, self.num_dof)
        if velocities is not None:
            velocities = self._properties("velocities", velocities, None, self.num_dof)
        if velocities is not None:
            self._state.initial_joints[1] = velocities
        if positions is not None:
            self._state.initial_joints[0] = positions
            self._drives.initial_targets[0] = positions

    def reset(self, worlds: torch.Tensor | None) -> None:
        """Restore the initial targets of a selection of worlds; the state restores the rest."""
        for target, values in zip(self._drives.targets, self._drives.initial_targets, strict=True):
            write_rows(target, read_rows(values, worlds), worlds)
        self._drives.wrote_targets()
