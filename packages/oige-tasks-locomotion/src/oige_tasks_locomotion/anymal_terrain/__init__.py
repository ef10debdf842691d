"""AnymalTerrain: ANYmal C follows commanded velocities over slopes, stairs and obstacles."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from oige_core import ConfigError, EnvConfig, Renamed, TaskSpec, check_positive, control_steps, unread

from oige_tasks_locomotion.anymal import (
    AnymalCommandRanges,
    AnymalControlConfig,
    AnymalInitStateConfig,
    check_joint_angles,
)

__all__ = ["ANYMAL_TERRAIN", "AnymalTerrainConfig", "CommandConfig", "ControlConfig", "LearnConfig", "TerrainConfig"]

FIXED = unread("the task sets it; leave it out")


@dataclass(kw_only=True)
class TerrainConfig:
    """The ground.

    Attributes:
        dynamicFriction: coefficient of friction.
        staticFriction: the same, if set; the engine has a single coefficient.
        restitution: must be 0; nothing bounces.
        slopeTreshold: key in files of OmniIsaacGymEnvs: slope beyond which a mesh has vertical walls. The ground is a
            height field, whose walls are one cell thick.
        curriculum: robots move between levels of difficulty; without it, the kind of each tile is random.
        maxInitMapLevel: highest level on which robots start.
        mapLength: length of a tile along x, in metres.
        mapWidth: width of a tile along y, in metres.
        numLevels: number of tiles along x, one per level.
        numTerrains: number of tiles along y.
        terrainProportions: fractions of smooth slopes, rough slopes, stairs up, stairs down, obstacles; the
            remainder (up to 1) is stepping stones.
        borderSize: width of the flat border, in metres.
        horizontalScale: distance between neighbouring height samples, in metres.
    """

    dynamicFriction: float
    curriculum: bool
    maxInitMapLevel: int
    mapLength: float
    mapWidth: float
    numLevels: int
    numTerrains: int
    terrainProportions: list[float]
    borderSize: float
    horizontalScale: float
    staticFriction: float | None = None
    restitution: float = 0.0
    slopeTreshold: float = field(default=0.5, metadata=unread("the ground is no mesh but a height field; leave it out"))

    def __post_init__(self) -> None:
        if self.staticFriction not in (None, self.dynamicFriction):
            raise ConfigError(
                f"task.env.terrain.staticFriction={self.staticFriction}: expected dynamicFriction, which is "
                f"{self.dynamicFriction}; the engine has a single coefficient."
            )
        if self.restitution:
            raise ConfigError(f"task.env.terrain.restitution={self.restitution}: expected 0; nothing bounces.")
        for key in ("mapLength", "mapWidth", "numLevels", "numTerrains", "horizontalScale"):
            check_positive(f"task.env.terrain.{key}", getattr(self, key))
        for key in ("borderSize", "dynamicFriction"):
            check_positive(f"task.env.terrain.{key}", getattr(self, key), zero=True)
        if not 0 <= self.maxInitMapLevel < self.numLevels:
            raise ConfigError(
                f"task.env.terrain.maxInitMapLevel={self.maxInitMapLevel}: expected 0 to numLevels - 1, "
                f"which is {self.numLevels - 1}."
            )


@dataclass(kw_only=True)
class InitStateConfig(AnymalInitStateConfig):
    """Initial state of the base.

    Attributes:
        pos: position relative to the robot's tile, in m.
        rot: orientation w, x, y, z, unlike that of Anymal.
        vLinear: linear velocity, in m/s.
        vAngular: angular velocity, in rad/s.
    """

    pos: tuple[float, float, float] = (0.0, 0.0, 0.62)
    rot: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
    vLinear: tuple[float, float, float] = (0.0, 0.0, 0.0)
    vAngular: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if not any(self.rot):
            raise ConfigError(f"task.env.baseInitState.rot={list(self.rot)}: expected a quaternion w, x, y, z.")
        super().__post_init__()


@dataclass(kw_only=True)
class CommandConfig(AnymalCommandRanges):
    """Ranges ``[low, high]`` of random commands.

    Attributes:
        linear_x: forward velocity, in m/s.
        linear_y: velocity to the left, in m/s.
        yaw: heading, in rad.
    """


@dataclass(kw_only=True)
class ControlConfig(AnymalControlConfig):
    """Drives of the joints.

    Attributes:
        stiffness: stiffness of the drives, in N·m/rad.
        damping: damping of the drives, in N·m·s/rad.
        actionScale: offset of the position targets from the default pose at action 1, in rad.
    """


@dataclass(kw_only=True)
class LearnConfig:
    """Reward scales (per second), observation scales, noise and pushes.

    The module :mod:`oige_tasks_locomotion.anymal_terrain.rewards` describes the reward terms. Noise is uniform between
    plus and minus the given number, in the unit of the quantity.

    Attributes:
        terminalReward: reward of a fall.
        linearVelocityXYRewardScale: weight of following the commanded horizontal velocity.
        linearVelocityZRewardScale: weight of the vertical velocity squared.
        angularVelocityXYRewardScale: weight of roll and pitch rates squared.
        angularVelocityZRewardScale: weight of following the commanded yaw rate.
        orientationRewardScale: weight of the tilt squared.
        torqueRewardScale: weight of joint torques squared.
        jointAccRewardScale: weight of the squared change of joint velocities in a control step.
        baseHeightRewardScale: weight of the squared error of the height above the ground.
        actionRateRewardScale: weight of the squared change of actions.
        fallenOverRewardScale: weight of a fall.
        hipRewardScale: weight of the hip abduction away from the default pose.
        feetAirTimeRewardScale: weight of the time for which feet swing, beyond 0.5 s.
        kneeCollisionRewardScale: weight of the number of knees on the ground.
        linearVelocityScale: scale of observed linear velocities.
        angularVelocityScale: scale of observed angular velocities.
        dofPositionScale: scale of observed joint positions.
        dofVelocityScale: scale of observed joint velocities.
        heightMeasurementScale: scale of observed heights.
        addNoise: add noise to observations.
        noiseLevel: factor of all noise.
        dofPositionNoise: noise of joint positions, in rad.
        dofVelocityNoise: noise of joint velocities, in rad/s.
        linearVelocityNoise: noise of linear velocities, in m/s.
        angularVelocityNoise: noise of angular velocities, in rad/s.
        gravityNoise: noise of the direction of gravity, a unit vector.
        heightMeasurementNoise: noise of heights, in m.
        pushRobots: push robots by setting their horizontal velocity to a random one.
        pushInterval_s: time between pushes, in seconds.
    """

    terminalReward: float
    linearVelocityXYRewardScale: float
    linearVelocityZRewardScale: float
    angularVelocityXYRewardScale: float
    angularVelocityZRewardScale: float
    orientationRewardScale: float
    torqueRewardScale: float
    jointAccRewardScale: float
    baseHeightRewardScale: float
    actionRateRewardScale: float
    fallenOverRewardScale: float
    hipRewardScale: float
    feetAirTimeRewardScale: float
    kneeCollisionRewardScale: float
    linearVelocityScale: float
    angularVelocityScale: float
    dofPositionScale: float
    dofVelocityScale: float
    heightMeasurementScale: float
    addNoise: bool
    noiseLevel: float
    dofPositionNoise: float
    dofVelocityNoise: float
    linearVelocityNoise: float
    angularVelocityNoise: float
    gravityNoise: float
    heightMeasurementNoise: float
    pushRobots: bool
    pushInterval_s: float

    def __post_init__(self) -> None:
        check_positive("task.env.learn.pushInterval_s", self.pushInterval_s)


@dataclass(kw_only=True)
class AnymalTerrainConfig(EnvConfig):
    """The ``task.env`` section of AnymalTerrain.

    Attributes:
        defaultJointAngles: joint positions at action 0, in rad, by the name of the joint; others are those of the
            standing pose.
        numObservations: key in files of OmniIsaacGymEnvs, 188.
        numActions: key in files of OmniIsaacGymEnvs, 12.
    """

    autoreset_of_original: ClassVar[Literal["same_step", "upstream"]] = "same_step"

    terrain: TerrainConfig
    randomCommandVelocityRanges: CommandConfig
    control: ControlConfig
    learn: LearnConfig
    baseInitState: InitStateConfig = field(default_factory=InitStateConfig)
    defaultJointAngles: dict[str, float] = field(default_factory=dict)
    numObservations: int = field(default=188, metadata=FIXED)
    numActions: int = field(default=12, metadata=FIXED)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_joint_angles(self.defaultJointAngles)
        for key, size in (("numObservations", 188), ("numActions", 12)):
            if getattr(self, key) != size:
                raise ConfigError(f"task.env.{key}={getattr(self, key)}: expected {size}; the task sets it.")


ANYMAL_TERRAIN = TaskSpec(
    task="oige_tasks_locomotion.anymal_terrain.task:AnymalTerrainTask",
    description="oige_tasks_locomotion.anymal_terrain.description:describe_anymal_terrain",
    env=AnymalTerrainConfig,
    observation_shape=(188,),
    num_actions=12,
    original_ends_early=True,
    renamed={
        "env.control.decimation": Renamed("env.controlFrequencyInv"),
        "env.learn.episodeLength_s": Renamed("env.episodeLength", convert=control_steps, meaning="in control steps"),
    },
    ignored_by_original={"env.envSpacing": "all robots are drawn on one terrain"},
    idle_upstream=("env.terrain.staticFriction", "env.terrain.dynamicFriction"),
    demo={"task.env.episodeLength": 6000, "task.env.learn.addNoise": False},  # 120 s, as in the upstream demo
)
