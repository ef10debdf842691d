"""AnymalTerrain: ANYmal C follows commanded velocities over slopes, stairs and obstacles."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from oige_core import ConfigError, EnvConfig, TaskSpec, check_positive

from oige_tasks_locomotion.anymal import AnymalCommandRanges, AnymalControlConfig

__all__ = ["ANYMAL_TERRAIN", "AnymalTerrainConfig", "CommandConfig", "ControlConfig", "LearnConfig", "TerrainConfig"]


@dataclass(kw_only=True)
class TerrainConfig:
    """The ground.

    Attributes:
        dynamicFriction: coefficient of friction.
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

    def __post_init__(self) -> None:
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
    """The ``task.env`` section of AnymalTerrain."""

    autoreset_of_original: ClassVar[Literal["same_step", "upstream"]] = "same_step"

    terrain: TerrainConfig
    randomCommandVelocityRanges: CommandConfig
    control: ControlConfig
    learn: LearnConfig


ANYMAL_TERRAIN = TaskSpec(
    task="oige_tasks_locomotion.anymal_terrain.task:AnymalTerrainTask",
    env=AnymalTerrainConfig,
    observation_shape=(188,),
    num_actions=12,
    original_ends_early=True,
    demo={"task.env.episodeLength": 6000, "task.env.learn.addNoise": False},  # 120 s, as in the upstream demo
)
