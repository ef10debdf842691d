"""Anymal: ANYmal C follows commanded velocities on flat ground."""

from dataclasses import dataclass

from oige_core import ConfigError, EnvConfig, TaskSpec, check_positive, check_range

__all__ = [
    "ANYMAL",
    "AnymalCommandRanges",
    "AnymalConfig",
    "AnymalControlConfig",
    "AnymalInitStateConfig",
    "AnymalLearnConfig",
]


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
    """

    minBaseHeight: float
    baseInitState: AnymalInitStateConfig
    randomCommandVelocityRanges: AnymalCommandRanges
    control: AnymalControlConfig
    learn: AnymalLearnConfig


ANYMAL = TaskSpec(
    task="oige_tasks_locomotion.anymal.task:AnymalTask",
    env=AnymalConfig,
    observation_shape=(48,),
    num_actions=12,
    original_ends_early=True,
)
