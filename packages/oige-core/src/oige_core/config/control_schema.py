"""Typed schema of a robot controller's configuration, in the words of OmniIsaacGymEnvs' Factory tasks.

Nothing here imports torch.
"""

import typing
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from oige_core.config.schema import check_choice, check_positive
from oige_core.errors import ConfigError

__all__ = [
    "ClosedLoopForceConfig",
    "ControlConfig",
    "ControlType",
    "GymDefaultConfig",
    "HybridForceMotionConfig",
    "IkMethod",
    "JacobianType",
    "JointSpaceConfig",
    "OpenLoopForceConfig",
    "SharedControlConfig",
    "TaskSpaceMotionConfig",
]

ControlType = Literal[
    "gym_default",
    "joint_space_ik",
    "joint_space_id",
    "task_space_impedance",
    "operational_space_motion",
    "open_loop_force",
    "closed_loop_force",
    "hybrid_force_motion",
]
IkMethod = Literal["pinv", "trans", "dls", "svd"]
JacobianType = Literal["geometric", "analytic"]

TASK_AXES = 6  # x, y, z, and rotations about them, in the world frame


@dataclass(kw_only=True)
class SharedControlConfig:
    """Settings of all controllers.

    Attributes:
        jacobian_type: ``geometric``: rotation errors are the rotation vector from the pose to its target, and the
            Jacobian gives angular velocities. ``analytic``: they are the difference of both poses' rotation vectors,
            and the Jacobian gives rates of rotation vectors.
        gripper_prop_gains: stiffness of each finger, in N/m.
        gripper_deriv_gains: damping of each finger, in N·s/m.
    """

    jacobian_type: JacobianType = "geometric"
    gripper_prop_gains: list[float] = field(default_factory=lambda: [100.0, 100.0])
    gripper_deriv_gains: list[float] = field(default_factory=lambda: [2.0, 2.0])


@dataclass(kw_only=True)
class JointSpaceConfig:
    """A controller with gains of joints.

    Attributes:
        ik_method: how an error of the pose becomes one of joint positions: ``pinv``: pseudoinverse of the Jacobian;
            ``trans``: its transpose; ``dls``: damped least squares; ``svd``: pseudoinverse without small singular
            values.
        joint_prop_gains: stiffness of each joint of the arm, in N·m/rad; in 1/s² for ``joint_space_id``.
        joint_deriv_gains: damping of each joint of the arm, in N·m·s/rad; in 1/s for ``joint_space_id``.
    """

    ik_method: IkMethod = "dls"
    joint_prop_gains: list[float] = field(default_factory=lambda: [40.0] * 7)
    joint_deriv_gains: list[float] = field(default_factory=lambda: [8.0] * 7)


@dataclass(kw_only=True)
class GymDefaultConfig(JointSpaceConfig):
    """Position targets of joint drives.

    Attributes:
        gripper_prop_gains: stiffness of each finger's drive, in N/m, instead of that of ``all``.
        gripper_deriv_gains: damping of each finger's drive, in N·s/m, instead of that of ``all``.
    """

    gripper_prop_gains: list[float] = field(default_factory=lambda: [500.0, 500.0])
    gripper_deriv_gains: list[float] = field(default_factory=lambda: [20.0, 20.0])


@dataclass(kw_only=True)
class TaskSpaceMotionConfig:
    """A controller with gains of the fingertips' pose.

    Attributes:
        motion_ctrl_axes: 1 for axes along (x, y, z) and about (x, y, z) which motion is controlled, 0 for others.
        task_prop_gains: stiffness of each axis, in N/m and N·m/rad; in 1/s² for controllers with inertia.
        task_deriv_gains: damping of each axis, in N·s/m and N·m·s/rad; in 1/s for controllers with inertia.
    """

    motion_ctrl_axes: list[int] = field(default_factory=lambda: [1] * TASK_AXES)
    task_prop_gains: list[float] = field(default_factory=lambda: [40.0] * TASK_AXES)
    task_deriv_gains: list[float] = field(default_factory=lambda: [8.0] * TASK_AXES)


@dataclass(kw_only=True)
class OpenLoopForceConfig:
    """A controller that exerts the target wrench.

    Attributes:
        force_ctrl_axes: 1 for axes along and about (x, y, z) which the wrench is controlled, 0 for others.
    """

    force_ctrl_axes: list[int] = field(default_factory=lambda: [0, 0, 1, 0, 0, 0])


@dataclass(kw_only=True)
class ClosedLoopForceConfig(OpenLoopForceConfig):
    """A controller that corrects the wrench by the measured force.

    Attributes:
        wrench_prop_gains: gain of the error of each axis, without unit. At 1 or more, forces on a stiff surface
            oscillate, because a measured force is that of the control step before.
    """

    wrench_prop_gains: list[float] = field(default_factory=lambda: [0.1] * TASK_AXES)


@dataclass(kw_only=True)
class HybridForceMotionConfig(TaskSpaceMotionConfig, ClosedLoopForceConfig):
    """A controller of motion along some axes and of force along others."""

    motion_ctrl_axes: list[int] = field(default_factory=lambda: [1, 1, 0, 1, 1, 1])


@dataclass(kw_only=True)
class ControlConfig:
    """The ``task.env.ctrl`` section. Only ``all`` and the section of ``ctrl_type`` have an effect.

    A task with a second controller derives a schema from this one, with the key of its section as ``section``.

    Attributes:
        ctrl_type: the controller; ``docs/controllers.md`` has the formulas.
    """

    section: ClassVar[str] = "task.env.ctrl"

    ctrl_type: ControlType
    all: SharedControlConfig = field(default_factory=SharedControlConfig)
    gym_default: GymDefaultConfig = field(default_factory=GymDefaultConfig)
    joint_space_ik: JointSpaceConfig = field(
        default_factory=lambda: JointSpaceConfig(joint_prop_gains=[1.0] * 7, joint_deriv_gains=[0.1] * 7)
    )
    joint_space_id: JointSpaceConfig = field(default_factory=JointSpaceConfig)
    task_space_impedance: TaskSpaceMotionConfig = field(default_factory=TaskSpaceMotionConfig)
    operational_space_motion: TaskSpaceMotionConfig = field(
        default_factory=lambda: TaskSpaceMotionConfig(
            task_prop_gains=[1.0] * TASK_AXES, task_deriv_gains=[1.0] * TASK_AXES
        )
    )
    open_loop_force: OpenLoopForceConfig = field(default_factory=OpenLoopForceConfig)
    closed_loop_force: ClosedLoopForceConfig = field(default_factory=ClosedLoopForceConfig)
    hybrid_force_motion: HybridForceMotionConfig = field(default_factory=HybridForceMotionConfig)

    def __post_init__(self) -> None:
        check_choice(f"{self.section}.ctrl_type", self.ctrl_type, typing.get_args(ControlType))
        for name in ("all", *typing.get_args(ControlType)):
            _check_section(f"{self.section}.{name}", vars(getattr(self, name)))

    def idle_keys(self) -> dict[str, str]:
        """Return the keys and sections without effect, with the reason."""
        reason = f"with {self.section}.ctrl_type={self.ctrl_type}"
        idle = [name for name in typing.get_args(ControlType) if name != self.ctrl_type]
        if self.ctrl_type == "gym_default":
            idle += ["all.gripper_prop_gains", "all.gripper_deriv_gains"]
        if self.ctrl_type in ("open_loop_force", "closed_loop_force"):
            idle += ["all.jacobian_type"]
        return dict.fromkeys(idle, reason)


def _check_section(path: str, values: dict[str, str | Sequence[float]]) -> None:
    """Raise ConfigError unless axes are 0 or 1, gains at least 0, and their numbers fit."""
    for name, value in values.items():
        key = f"{path}.{name}"
        if isinstance(value, str):
            check_choice(key, value, typing.get_args(IkMethod if name == "ik_method" else JacobianType))
            continue
        like = name.replace("_deriv_", "_prop_")
        expected, reason = len(values[like]), f", as {like} has"
        if name.startswith(("task", "wrench", "motion", "force")):
            expected, reason = TASK_AXES, ""
        if len(value) != expected:
            raise ConfigError(f"{key}={value}: expected {expected} values{reason}, but there are {len(value)}.")
        for number in value:
            if name.endswith("_axes") and number not in (0, 1):
                raise ConfigError(f"{key}={value}: expected 1 for axes that are controlled and 0 for others.")
            check_positive(key, number, zero=True)
