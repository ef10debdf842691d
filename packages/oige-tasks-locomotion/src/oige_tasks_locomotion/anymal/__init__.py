"""Anymal: ANYmal C follows commanded velocities on flat ground."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from oige_core import ConfigError, EnvConfig, Renamed, TaskSpec, check_positive, check_range, control_steps

__all__ = [
    "ANYMAL",
    "AnymalCommandRanges",
    "AnymalConfig",
    "AnymalControlConfig",
    "AnymalInitStateConfig",
    "AnymalLearnConfig",
    "check_joint_angles",
]

GAINS = "the drives have the gains of this version, which overrides change"


@dataclass(kw_only=True)
class AnymalInitStateConfig:
    """Initial state of the base.

    Attributes:
        pos: position, in m.
        rot: orientation x, y, z, w, with the scalar last as in OmniIsaacGymEnvs.
        vLinear: linear velocity, in m/s.
        vAngular: angular velocity, in rad/s.
    """

    pos: tuple[float, float, float]
    rot: tuple[float, float, float, float]
    vLinear: tuple[float, float, float]
    vAngular: tuple[float, float, float]

    def __post_init__(self) -> None:
        for key in ("pos", "rot", "vLinear", "vAngular"):
            setattr(self, key, tuple(getattr(self, key)))  # values of files are lists
        if not any(self.rot):
            raise ConfigError(f"task.env.baseInitState.rot={list(self.rot)}: expected a quaternion x, y, z, w.")


@dataclass(kw_only=True)
class AnymalCommandRanges:
    """Ranges of the commanded velocities, which stay the same during an episode.

    Attributes:
        linear_x: forward velocity, in m/s.
        linear_y: velocity to the left, in m/s.
        yaw: yaw rate, in rad/s.
    """

    linear_x: tuple[float, float]
    linear_y: tuple[float, float]
    yaw: tuple[float, float]

    def __post_init__(self) -> None:
        for key in ("linear_x", "linear_y", "yaw"):
            check_range(f"task.env.randomCommandVelocityRanges.{key}", getattr(self, key))


@dataclass(kw_only=True)
class AnymalControlConfig:
    """Drives of the joints.

    Attributes:
        stiffness: stiffness of the drives, in N·m/rad.
        damping: damping of the drives, in N·m·s/rad.
        actionScale: speed of the position targets at action 1, in rad/s.
    """

    stiffness: float
    damping: float
    actionScale: float

    def __post_init__(self) -> None:
        for key in ("stiffness", "damping"):
            check_positive(f"task.env.control.{key}", getattr(self, key), zero=True)


@dataclass(kw_only=True)
class AnymalLearnConfig:
    """Weights of the reward terms, per second, and scales of the observations.

    Attributes:
        linearVelocityXYRewardScale: weight of following the commanded horizontal velocity.
        angularVelocityZRewardScale: weight of following the commanded yaw rate.
        linearVelocityZRewardScale: weight of the vertical velocity squared.
        jointAccRewardScale: weight of the squared change of joint velocities in a control step.
        actionRateRewardScale: weight of the squared change of actions.
        cosmeticRewardScale: weight of the hip abduction away from the default pose.
        linearVelocityScale: scale of observed linear velocities.
        angularVelocityScale: scale of observed angular velocities.
        dofPositionScale: scale of observed joint positions.
        dofVelocityScale: scale of observed joint velocities.
    """

    linearVelocityXYRewardScale: float
    angularVelocityZRewardScale: float
    linearVelocityZRewardScale: float
    jointAccRewardScale: float
    actionRateRewardScale: float
    cosmeticRewardScale: float
    linearVelocityScale: float
    angularVelocityScale: float
    dofPositionScale: float
    dofVelocityScale: float


@dataclass(kw_only=True)
class AnymalConfig(EnvConfig):
    """The ``task.env`` section of Anymal.

    Attributes:
        minBaseHeight: height of the base below which the robot has fallen, in m.
        defaultJointAngles: joint positions at action 0, in rad, by the name of the joint; others are those of the
            standing pose.
    """

    minBaseHeight: float
    baseInitState: AnymalInitStateConfig
    randomCommandVelocityRanges: AnymalCommandRanges
    control: AnymalControlConfig
    learn: AnymalLearnConfig
    defaultJointAngles: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_joint_angles(self.defaultJointAngles)


def check_joint_angles(angles: Mapping[str, float]) -> None:
    """Raise ConfigError unless all keys of ``task.env.defaultJointAngles`` are names of joints."""
    for name, angle in angles.items():
        if not re.fullmatch("[LR][FH]_(HAA|HFE|KFE)", name):
            raise ConfigError(
                f"task.env.defaultJointAngles.{name}={angle}: unknown joint; expected a name such as LF_HAA, for the "
                "left (L) or right (R), fore (F) or hind (H) leg and HAA, HFE or KFE."
            )


def _episode_length(seconds: Any, task: Mapping[str, Any]) -> int:
    """Return the number of control steps of an episode; OmniIsaacGymEnvs takes control steps for 1/60 s long."""
    if task["env"].get("compat") in ("upstream", "oige"):
        return int(float(seconds) * 60.0 + 0.5)
    return control_steps(seconds, task)


ANYMAL = TaskSpec(
    task="oige_tasks_locomotion.anymal.task:AnymalTask",
    description="oige_tasks_locomotion.anymal.description:describe_anymal",
    env=AnymalConfig,
    observation_shape=(48,),
    num_actions=12,
    original_ends_early=True,
    renamed={
        "env.learn.episodeLength_s": Renamed("env.episodeLength", convert=_episode_length, meaning="in control steps"),
        "sim.Anymal": Renamed("sim.anymal"),
    },
    ignored_by_original={f"env.control.{key}": GAINS for key in ("stiffness", "damping")},
    idle_upstream=("env.baseInitState", "env.control.stiffness", "env.control.damping"),
)
