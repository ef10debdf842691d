"""Drives of joints: targets, efforts, gains and limits."""

from typing import Any, Literal

import torch

from oige_core.engines.columns import ColumnSet
from oige_core.engines.mujoco.layout import NO_LIMIT
from oige_core.engines.mujoco.views.joints import JointView
from oige_core.engines.mujoco.worlds import Worlds
from oige_core.errors import OigeError
from oige_core.selections import is_indices, read_rows
from oige_core.views import Indices

__all__ = ["DriveView"]


class DriveView(JointView):
    """The drives of an articulation."""

    def bind(self, worlds: Worlds) -> None:
        """Look up the drives in the built model."""
        super().bind(worlds)
        layout, device = self._layout, worlds.device
        self._ctrl = worlds.executor.field("ctrl")
        self._ctrl_columns = ColumnSet([[i] for i in layout.actuators], device)
        bounds = self._model_effort_bounds()
        self._effort_bounds = (-bounds, bounds)
        self._strengths = torch.ones(worlds.num_envs, self.num_dof, device=device)
        self._has_strengths = False
        self._default_gains = torch.tensor(
            [[drive.stiffness for drive in layout.drives], [drive.damping for drive in layout.drives]], device=device
        )
        shape = (worlds.num_envs, self.num_dof)
        self._gains = [row.expand(shape).clone() for row in self._default_gains]
        # Without gains ``ctrl`` is the effort, and no targets are stored.
        self._driven = bool((self._default_gains != 0).any())
        self._targets = torch.zeros(3, *shape, device=device)  # position, velocity, effort
        self._targets[0] = self._qpos_columns.select().read(self._qpos)
        self._initial_targets = self._targets.clone()
        if self._driven:
            self._update_ctrl()

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

    def get_applied_joint_efforts(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds = self._index(indices)
        if self._driven:
            return self._joints.select(joint_indices).read(self._targets[2], worlds, clone)
        return self._ctrl_columns.select(joint_indices).read(self._ctrl, worlds, clone)

    def get_measured_joint_efforts(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        effort = self.get_applied_joint_efforts(clone=False)
        if self._driven:
            position, velocity = self.get_joint_positions(clone=False), self.get_joint_velocities(clone=False)
            effort = torch.addcmul(effort, self._gains[0], self._targets[0] - position)
            effort = torch.addcmul(effort, self._gains[1], self._targets[1] - velocity)
        effort = torch.clamp(effort, *self._effort_bounds)
        if self._has_strengths:
            effort = effort * self._strengths
        return self._joints.select(joint_indices).read(effort, self._index(indices))

    def _set_target(self, kind: int, values: torch.Tensor, indices: Indices, joint_indices: Indices) -> None:
        worlds, what = self._index(indices), ("positions", "velocities", "efforts")[kind]
        if not self._driven:
            if kind != 2:
                raise OigeError(f"'{self.name}': its drives have no gains, so targets have no effect; set_gains first.")
            joints = self._ctrl_columns.select(joint_indices)
            joints.write(self._ctrl, self._values(what, values, worlds, joints.count, column=True), worlds)
            return
        joints = self._joints.select(joint_indices)
        joints.write(self._targets[kind], self._values(what, values, worlds, joints.count, column=True), worlds)
        self._update_ctrl(worlds)

    def _update_ctrl(self, worlds: torch.Tensor | None = None) -> None:
        """Write ``effort + stiffness · position target + damping · velocity target``; the model adds the rest."""
        position, velocity, effort = self._targets.unbind()
        stiffness, damping = self._gains
        if is_indices(worlds):
            position, velocity, effort = self._targets.index_select(1, worlds).unbind()
            stiffness, damping = stiffness.index_select(0, worlds), damping.index_select(0, worlds)
        if self._has_encoder_biases:
            position = position - read_rows(self._encoder_biases, worlds)
        pushed = torch.addcmul(effort, stiffness, position)
        self._ctrl_columns.select().write(self._ctrl, torch.addcmul(pushed, damping, velocity), worlds)

    def _keep_targets(self) -> None:
        """Compute ``ctrl`` from ``_targets`` from now on; without gains, ``ctrl`` is the effort itself."""
        if not self._driven:
            self._driven = True
            self._targets[2] = self._ctrl_columns.select().read(self._ctrl)

    # Gains and bounds

    def get_gains(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See :class:`~oige_core.views.ArticulationView`."""
        joints, worlds = self._joints.select(joint_indices), self._index(indices)
        stiffness, damping = (joints.read(gains, worlds, clone) for gains in self._gains)
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
        for gains, values in zip(self._gains, given, strict=True):
            if values is not None:
                joints.write(gains, values, worlds)
        self._keep_targets()
        self._write_gains(worlds)
        self._update_ctrl()
        self._update_initial_ctrl()

    def _write_gains(self, worlds: torch.Tensor | None) -> None:
        """Write gains, times strengths, to the model."""
        bias = self._worlds.own_model_field("actuator_biasprm")
        for column, gains in enumerate(self._gains, start=1):
            gains = gains * self._strengths if self._has_strengths else gains
            self._ctrl_columns.select().write(bias[..., column], -gains)
        self._worlds.model_changed(["actuator_biasprm"], worlds)

    def switch_control_mode(
        self, mode: Literal["position", "velocity", "effort"], joint_indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        if mode not in ("position", "velocity", "effort"):
            raise OigeError(f"control mode '{mode}': expected position, velocity or effort.")
        default = self._joints.select(joint_indices).read(self._default_gains)
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
        return self._joints.select(joint_indices).read(self._effort_bounds[1], self._index(indices), clone)

    def set_max_efforts(self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        joints, worlds = self._joints.select(joint_indices), self._index(indices)
        values = self._properties("values", values, worlds, joints.count, low=0.0, infinite=True, column=True)
        bounds = torch.where(values >= 0.5 * NO_LIMIT, torch.inf, values.clamp(min=0.0))
        joints.write(self._effort_bounds[1], bounds, worlds)
        torch.neg(self._effort_bounds[1], out=self._effort_bounds[0])
        self._write_effort_bounds(worlds)

    def _write_effort_bounds(self, worlds: torch.Tensor | None) -> None:
        """Write maximum efforts, times strengths, to the model."""
        bounds = read_rows(self._effort_bounds[1].clamp(max=NO_LIMIT) * self._strengths, worlds)
        columns = self._ctrl_columns.select()
        self._write_model({"actuator_forcerange": torch.stack((-bounds, bounds), -1)}, columns, worlds)

    def _model_effort_bounds(self) -> torch.Tensor:
        bounds = self._read_model("actuator_forcerange", self._ctrl_columns.select(), None)[..., 1]
        return torch.where(bounds >= 0.5 * NO_LIMIT, torch.inf, bounds).to(torch.float32)

    # Imperfect motors and encoders

    def get_motor_strengths(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._joints.select(joint_indices).read(self._strengths, self._index(indices), clone)

    def set_motor_strengths(self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds, joints = self._index(indices), self._joints.select(joint_indices)
        values = self._properties("values", values, worlds, joints.count, low=0.0, column=True)
        joints.write(self._strengths, values, worlds)
        if not self._has_strengths:
            self._has_strengths = True
            self._worlds.drop_graphs()
        # A drive's effort is gain · ctrl − stiffness · q − damping · q̇, within its bounds: all of them are scaled.
        gain = self._worlds.own_model_field("actuator_gainprm")
        self._ctrl_columns.select().write(gain[..., 0], read_rows(self._strengths, worlds), worlds)
        self._worlds.model_changed(["actuator_gainprm"], worlds)
        self._write_gains(worlds)
        self._write_effort_bounds(worlds)

    def _use_encoder_biases(self, worlds: torch.Tensor | None) -> None:
        """Let drives, which control the positions that their encoders measure, contain biases, too."""
        super()._use_encoder_biases(worlds)
        if self._driven:
            self._update_ctrl(worlds)
            self._update_initial_ctrl()

    # Resets and saved states

    def set_joints_default_state(
        self, positions: torch.Tensor | None = None, velocities: torch.Tensor | None = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        if positions is not None:
            positions = self._properties("positions", positions, None, self.num_dof)
        if velocities is not None:
            velocities = self._properties("velocities", velocities, None, self.num_dof)
        executor = self._worlds.executor
        if velocities is not None:
            self._dof_columns.select().write(executor.initial_field("qvel"), velocities)
        if positions is not None:
            self._qpos_columns.select().write(executor.initial_field("qpos"), positions)
            self._initial_targets[0] = positions
            self._update_initial_ctrl()

    def _update_initial_ctrl(self) -> None:
        """Make a reset restore the ``ctrl`` of the initial targets with the current gains."""
        position, velocity, effort = self._initial_targets.unbind()
        position = position - self._encoder_biases if self._has_encoder_biases else position
        values = effort + self._gains[0] * position + self._gains[1] * velocity
        self._ctrl_columns.select().write(self._worlds.executor.initial_field("ctrl"), values)

    def drives(self) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        """Return live tensors: targets ``(3, N, d)``, targets of a reset, and gains, two of ``(N, d)``.

        Targets are position, velocity and effort; gains are stiffness and damping. From now on ``ctrl`` follows the
        targets, also without gains.
        """
        self._keep_targets()
        return self._targets, self._initial_targets, self._gains

    def state_dict(self) -> dict[str, Any]:
        """Return targets, gains, bounds, strengths and biases."""
        return {
            "driven": self._driven,
            "targets": self._targets.clone(),
            "initial_targets": self._initial_targets.clone(),
            "gains": [gains.clone() for gains in self._gains],
            "max_efforts": self._effort_bounds[1].clone(),
            "motor_strengths": self._strengths.clone(),
            "has_strengths": self._has_strengths,
            "encoder_biases": self._encoder_biases.clone(),
            "has_encoder_biases": self._has_encoder_biases,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`, in place: graphs that were captured read it there."""
        self._driven = state["driven"]
        self._targets.copy_(state["targets"])
        self._initial_targets.copy_(state["initial_targets"])
        for gains, values in zip(self._gains, state["gains"], strict=True):
            gains.copy_(values)
        if "max_efforts" in state:  # states of earlier versions have none of these
            bounds = state["max_efforts"]
            self._strengths.copy_(state["motor_strengths"])
            self._encoder_biases.copy_(state["encoder_biases"])
            self._has_strengths |= state["has_strengths"]
            self._has_encoder_biases |= state["has_encoder_biases"]
        else:
            bounds = self._model_effort_bounds()
        self._effort_bounds[1].copy_(bounds)
        torch.neg(self._effort_bounds[1], out=self._effort_bounds[0])
