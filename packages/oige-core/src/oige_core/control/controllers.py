"""The controllers of OmniIsaacGymEnvs' Factory tasks, for an arm with a gripper."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from oige_core.config.control_schema import (
    ClosedLoopForceConfig,
    ControlConfig,
    GymDefaultConfig,
    IkMethod,
    JacobianType,
    JointSpaceConfig,
    OpenLoopForceConfig,
    TaskSpaceMotionConfig,
)
from oige_core.control.errors import pose_error
from oige_core.control.feedback import proportional_derivative
from oige_core.control.inverse_kinematics import ik_step
from oige_core.control.jacobians import analytic_jacobian
from oige_core.control.task_space import contact_wrench, inertial_wrench, joint_efforts
from oige_core.errors import ConfigError, OigeError
from oige_core.math.products import matmul

__all__ = ["MAX_EFFORT", "ControlState", "ControlTarget", "Controller"]

MAX_EFFORT = 100.0
"""Highest effort that a controller commands, in N·m or N, as in OmniIsaacGymEnvs."""

WITH_INERTIA = ("joint_space_id", "operational_space_motion", "hybrid_force_motion")


@dataclass(frozen=True, kw_only=True)
class ControlState:
    """What a controller measures in n worlds.

    Attributes:
        joint_positions: ``(n, arm + fingers)``, in rad and m: the joints of the arm, then those of the gripper.
        joint_velocities: ``(n, arm + fingers)``, in rad/s and m/s.
        position: ``(n, 3)``: of the point that is controlled, in m.
        orientation: ``(n, 4)``: quaternions w, x, y, z of length 1.
        linear_velocity: ``(n, 3)``: of that point in the world frame, in m/s.
        angular_velocity: ``(n, 3)``: in the world frame, in rad/s.
        jacobian: ``(n, 6, arm)``: linear and angular velocity of that point in the world frame per velocity of each
            joint of the arm (geometric Jacobian).
        mass_matrix: ``(n, arm, arm)``: of the joints of the arm; for ``joint_space_id``, ``operational_space_motion``
            and ``hybrid_force_motion``.
        contact_force: ``(n, 3)``: net contact force on all fingers, in N; for ``closed_loop_force`` and
            ``hybrid_force_motion``.
    """

    joint_positions: torch.Tensor
    joint_velocities: torch.Tensor
    position: torch.Tensor
    orientation: torch.Tensor
    linear_velocity: torch.Tensor
    angular_velocity: torch.Tensor
    jacobian: torch.Tensor
    mass_matrix: torch.Tensor | None = None
    contact_force: torch.Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class ControlTarget:
    """What a controller aims at in n worlds.

    Attributes:
        position: ``(n, 3)``: of the point that is controlled, in m.
        orientation: ``(n, 4)``: quaternions w, x, y, z of length 1.
        gripper_positions: ``(n, fingers)``: joint positions of the gripper, in m.
        wrench: ``(n, 6)``: force and torque that the robot shall exert on what it touches, in N and N·m; for
            controllers of force.
    """

    position: torch.Tensor
    orientation: torch.Tensor
    gripper_positions: torch.Tensor
    wrench: torch.Tensor | None = None


class Controller:
    """The controller that a configuration chooses. Its methods raise OigeError if a tensor is missing that they need.

    Args:
        config: its settings.
        device: of all tensors.
        arm_joints: number of joints of the arm.
        captured: whether a CUDA graph contains the computation.

    Attributes:
        drives_positions: whether the joints have drives (``gym_default``), so that :meth:`compute_position_targets`
            applies instead of :meth:`compute_efforts`.
        needs_mass_matrix: whether :attr:`ControlState.mass_matrix` is needed.
        needs_contact_force: whether :attr:`ControlState.contact_force` is needed.
        needs_wrench: whether :attr:`ControlTarget.wrench` is needed.

    Raises:
        ConfigError: the number of gains is not that of the joints, or the method cannot be captured.
    """

    def __init__(
        self, config: ControlConfig, device: torch.device | str, *, arm_joints: int = 7, captured: bool = False
    ) -> None:
        self._tensor: Callable[[list[float] | list[int]], torch.Tensor] = lambda values: torch.tensor(
            values, dtype=torch.float32, device=device
        )
        self._name = name = config.ctrl_type
        section = getattr(config, name)
        self._jacobian_type: JacobianType = config.all.jacobian_type
        self._joint_gains = None
        if isinstance(section, JointSpaceConfig):
            _check_joint_space(section, f"{config.section}.{name}", arm_joints, captured=captured)
            self._ik_method: IkMethod = section.ik_method
            self._joint_gains = self._pair(section.joint_prop_gains, section.joint_deriv_gains)
        self._motion = None
        if isinstance(section, TaskSpaceMotionConfig):
            self._motion = self._pair(section.task_prop_gains, section.task_deriv_gains)
            self._motion_axes = self._tensor(section.motion_ctrl_axes)
        self._force_axes = None
        if isinstance(section, OpenLoopForceConfig):
            self._force_axes = self._tensor(section.force_ctrl_axes)
        self._wrench_gains = None
        if isinstance(section, ClosedLoopForceConfig):
            self._wrench_gains = self._tensor(section.wrench_prop_gains)
        self._with_inertia = name in WITH_INERTIA
        gripper = section if isinstance(section, GymDefaultConfig) else config.all
        self._gripper_gains = self._pair(gripper.gripper_prop_gains, gripper.gripper_deriv_gains)
        self.drives_positions = name == "gym_default"
        self.needs_mass_matrix = self._with_inertia
        self.needs_contact_force = self._wrench_gains is not None
        self.needs_wrench = self._force_axes is not None

    def _pair(self, prop_gains: list[float], deriv_gains: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
        return self._tensor(prop_gains), self._tensor(deriv_gains)

    def _required(self, value: torch.Tensor | None, name: str) -> torch.Tensor:
        if value is None:
            raise OigeError(f"{name}=None: {self._name} needs a value.")
        return value

    @property
    def drive_gains(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Stiffnesses and dampings ``(arm + fingers,)`` of the joints' drives for ``gym_default``."""
        assert self._joint_gains is not None
        arm, gripper = self._joint_gains, self._gripper_gains
        return torch.cat((arm[0], gripper[0])), torch.cat((arm[1], gripper[1]))

    def compute_position_targets(self, state: ControlState, target: ControlTarget) -> torch.Tensor:
        """Return position targets ``(n, arm + fingers)`` of the joints' drives for ``gym_default``, in rad and m."""
        delta = self._joint_errors(state, target)
        arm = state.joint_positions[:, : delta.shape[1]] + delta
        return torch.cat((arm, target.gripper_positions), dim=-1)

    def compute_efforts(self, state: ControlState, target: ControlTarget) -> torch.Tensor:
        """Return efforts ``(n, arm + fingers)`` of the joints, in N·m and N, at most 100 either way."""
        if self.drives_positions:
            raise OigeError(
                "gym_default: joints have drives; call compute_position_targets instead of compute_efforts."
            )
        arm = self._task_space(state, target) if self._joint_gains is None else self._joint_space(state, target)
        joints = arm.shape[1]
        error = target.gripper_positions - state.joint_positions[:, joints:]
        gripper = proportional_derivative(error, state.joint_velocities[:, joints:], *self._gripper_gains)
        return torch.cat((arm, gripper), dim=-1).clamp(-MAX_EFFORT, MAX_EFFORT)

    def _joint_space(self, state: ControlState, target: ControlTarget) -> torch.Tensor:
        """Return k_p Δq − k_d dq/dt, times the mass matrix for ``joint_space_id``, ``(n, arm)``."""
        assert self._joint_gains is not None
        delta = self._joint_errors(state, target)
        velocities = state.joint_velocities[:, : delta.shape[1]]
        efforts = proportional_derivative(delta, velocities, *self._joint_gains)
        if not self._with_inertia:
            return efforts
        mass_matrix = self._required(state.mass_matrix, "ControlState.mass_matrix")
        return matmul(mass_matrix, efforts.unsqueeze(-1)).squeeze(-1)

    def _joint_errors(self, state: ControlState, target: ControlTarget) -> torch.Tensor:
        jacobian = state.jacobian
        if self._jacobian_type == "analytic":
            jacobian = analytic_jacobian(jacobian, state.orientation)
        return ik_step(self._pose_error(state, target), jacobian, self._ik_method)

    def _pose_error(self, state: ControlState, target: ControlTarget) -> torch.Tensor:
        return pose_error(state.position, state.orientation, target.position, target.orientation, self._jacobian_type)

    def _task_space(self, state: ControlState, target: ControlTarget) -> torch.Tensor:
        """Return Jᵀ (S_m F_m + S_f F_f), ``(n, arm)``: motion and force along the axes that are controlled."""
        efforts = []
        if self._motion is not None:
            efforts.append(self._motion_efforts(state, target, *self._motion))
        if self._force_axes is not None:
            wrench = self._required(target.wrench, "ControlTarget.wrench")
            if self._wrench_gains is not None:
                contact_force = self._required(state.contact_force, "ControlState.contact_force")
                wrench = contact_wrench(wrench, contact_force, self._wrench_gains)
            efforts.append(joint_efforts(state.jacobian, self._force_axes * wrench))
        return efforts[0] if len(efforts) == 1 else efforts[0] + efforts[1]

    def _motion_efforts(
        self, state: ControlState, target: ControlTarget, prop_gains: torch.Tensor, deriv_gains: torch.Tensor
    ) -> torch.Tensor:
        jacobian, velocity = state.jacobian, torch.cat((state.linear_velocity, state.angular_velocity), dim=-1)
        if self._jacobian_type == "analytic":
            columns = torch.cat((jacobian, velocity.unsqueeze(-1)), dim=-1)
            jacobian, velocity = analytic_jacobian(columns, state.orientation).split((jacobian.shape[-1], 1), dim=-1)
            velocity = velocity.squeeze(-1)
        wrench = proportional_derivative(self._pose_error(state, target), velocity, prop_gains, deriv_gains)
        if self._with_inertia:
            wrench = inertial_wrench(wrench, jacobian, self._required(state.mass_matrix, "ControlState.mass_matrix"))
        return joint_efforts(jacobian, self._motion_axes * wrench)


def _check_joint_space(section: JointSpaceConfig, path: str, arm_joints: int, *, captured: bool) -> None:
    if len(section.joint_prop_gains) != arm_joints:
        raise ConfigError(
            f"{path}.joint_prop_gains={section.joint_prop_gains}: expected {arm_joints} values, one per joint of "
            "the arm."
        )
    if captured and section.ik_method == "svd":
        raise ConfigError(
            f"{path}.ik_method=svd: expected pinv, trans or dls, because CUDA graphs cannot contain a singular "
            "value decomposition; or set task.env.captureStep=False."
        )
