"""Drives of joints: targets, efforts, gains and bounds."""

from typing import Literal

import torch

from oige_core.engines.mujoco.layout import NO_LIMIT
from oige_core.engines.mujoco.views.columns import Joints, as_columns
from oige_core.engines.mujoco.views.joints import JointView
from oige_core.engines.mujoco.worlds import Worlds
from oige_core.errors import OigeError
from oige_core.views import Indices

__all__ = ["DriveView"]


class DriveView(JointView):
    """The drives of an articulation."""

    def bind(self, worlds: Worlds) -> None:
        """Find the drives in the built model."""
        super().bind(worlds)
        layout, device = self._layout, worlds.device
        self._ctrl = Joints(worlds.executor.field("ctrl"), [[i] for i in layout.actuators])
        self._u = as_columns(layout.actuators, device)
        self._effort_bounds: tuple[torch.Tensor, torch.Tensor] | None = None  # of all joints, once asked for
        self._default_gains = torch.tensor(
            [[drive.stiffness for drive in layout.drives], [drive.damping for drive in layout.drives]], device=device
        )
        shape = (worlds.num_envs, self.num_dof)
        self._gains = [row.expand(shape).clone() for row in self._default_gains]
        # Without gains ``ctrl`` is the effort, and nothing else need be kept.
        self._driven = bool((self._default_gains != 0).any())
        self._targets = torch.zeros(3, *shape, device=device)  # position, velocity, effort
        self._targets[0] = self._qpos.of(None).read(None, clone=False)
        self._initial_targets = self._targets.clone()
        self._target_joints = [Joints(targets, [[i] for i in range(self.num_dof)]) for targets in self._targets]
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
        efforts = self._target_joints[2] if self._driven else self._ctrl
        return efforts.of(joint_indices).read(self._index(indices), clone)

    def get_measured_joint_efforts(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        effort = self.get_applied_joint_efforts(clone=False)
        if self._driven:
            position, velocity = self.get_joint_positions(clone=False), self.get_joint_velocities(clone=False)
            effort = torch.addcmul(effort, self._gains[0], self._targets[0] - position)
            effort = torch.addcmul(effort, self._gains[1], self._targets[1] - velocity)
        if self._effort_bounds is None:
            bounds = self.get_max_efforts()
            self._effort_bounds = (-bounds, bounds)
        effort = torch.clamp(effort, *self._effort_bounds)
        return self._read(effort, self._own_columns(joint_indices), self._index(indices), clone)

    def _set_target(self, kind: int, values: torch.Tensor, indices: Indices, joint_indices: Indices) -> None:
        worlds, what = self._index(indices), ("positions", "velocities", "efforts")[kind]
        if not self._driven:
            if kind == 2:
                joints = self._ctrl.of(joint_indices)
                joints.write(self._values(what, values, worlds, self._joint_count(joint_indices), column=True), worlds)
                return
            raise OigeError(f"'{self.name}': its drives have no gains, so targets have no effect; set_gains first.")
        joints = self._target_joints[kind].of(joint_indices)
        joints.write(self._values(what, values, worlds, self._joint_count(joint_indices), column=True), worlds)
        self._update_ctrl(worlds)

    def _update_ctrl(self, worlds: torch.Tensor | None = None) -> None:
        """Write ``effort + stiffness · position target + damping · velocity target``; the model has the other terms."""
        targets = self._targets if worlds is None else self._targets.index_select(1, worlds)
        position, velocity, effort = targets.unbind()
        stiffness, damping = self._gains if worlds is None else (gains.index_select(0, worlds) for gains in self._gains)
        pushed = torch.addcmul(effort, stiffness, position)
        self._ctrl.of(None).write(torch.addcmul(pushed, damping, velocity), worlds)

    def _keep_targets(self) -> None:
        """Let ``_targets`` decide ``ctrl``, which without gains is the effort itself."""
        if not self._driven:
            self._driven = True
            self._targets[2] = self._ctrl.of(None).read(None, clone=False)

    # Gains and bounds

    def get_gains(
        self, indices: Indices = None, joint_indices: Indices = None, clone: bool = True
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See :class:`~oige_core.views.ArticulationView`."""
        columns, worlds = self._own_columns(joint_indices), self._index(indices)
        return self._read(self._gains[0], columns, worlds, clone), self._read(self._gains[1], columns, worlds, clone)

    def set_gains(
        self,
        kps: torch.Tensor | None = None,
        kds: torch.Tensor | None = None,
        indices: Indices = None,
        joint_indices: Indices = None,
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        columns, worlds = self._own_columns(joint_indices), self._index(indices)
        given: list[torch.Tensor | None] = []
        for what, values in (("kps", kps), ("kds", kds)):
            if values is not None:
                values = self._properties(what, values, worlds, self._joint_count(joint_indices), low=0.0, column=True)
            given.append(values)
        for gains, values in zip(self._gains, given, strict=True):
            if values is not None:
                self._write(gains, columns, values, worlds)
        self._keep_targets()
        bias = self._worlds.own_model_field("actuator_biasprm")
        for column, gains in enumerate(self._gains, start=1):
            bias[:, self._u, column] = -gains.to(bias.dtype)
        self._worlds.model_changed(["actuator_biasprm"], worlds)
        self._update_ctrl()
        self._update_initial_ctrl()

    def switch_control_mode(
        self, mode: Literal["position", "velocity", "effort"], joint_indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        if mode not in ("position", "velocity", "effort"):
            raise OigeError(f"control mode '{mode}': expected position, velocity or effort.")
        columns = self._own_columns(joint_indices)
        stiffness, damping = (row[columns].expand(self.count, -1) for row in self._default_gains)
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
        columns = self._joint_columns(self._layout.actuators, self._u, joint_indices)
        bounds = self._read_model("actuator_forcerange", columns, self._index(indices))[..., 1]
        return torch.where(bounds >= 0.5 * NO_LIMIT, torch.inf, bounds)

    def set_max_efforts(self, values: torch.Tensor, indices: Indices = None, joint_indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        columns = self._joint_columns(self._layout.actuators, self._u, joint_indices)
        worlds = self._index(indices)
        values = self._properties(
            "values", values, worlds, self._joint_count(joint_indices), low=0.0, infinite=True, column=True
        )
        bounds = values.clamp(0.0, NO_LIMIT)
        self._effort_bounds = None
        self._write_model({"actuator_forcerange": torch.stack((-bounds, bounds), -1)}, columns, worlds)

    # Resets and saved states

    def set_joints_default_state(
        self, positions: torch.Tensor | None = None, velocities: torch.Tensor | None = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        if positions is not None:
            positions = self._properties("positions", positions, None, self.num_dof)
        if velocities is not None:
            velocities = self._properties("velocities", velocities, None, self.num_dof)
        self._worlds.set_initial_joint_state(self._q, self._d, positions, velocities)
        if positions is not None:
            self._initial_targets[0] = positions
            self._update_initial_ctrl()

    def _update_initial_ctrl(self) -> None:
        """Let a reset restore the ``ctrl`` of the initial targets under the present gains."""
        position, velocity, effort = self._initial_targets.unbind()
        values = effort + self._gains[0] * position + self._gains[1] * velocity
        self._write(self._worlds.executor.initial_field("ctrl"), self._u, values, None)

    def drives(self) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        """Return, live: targets ``(3, N, d)``, those of a reset, and gains, two of ``(N, d)``.

        Targets are of position, velocity and effort; gains are stiffness and damping. From now on the targets decide,
        even where there are no gains.
        """
        self._keep_targets()
        return self._targets, self._initial_targets, self._gains
