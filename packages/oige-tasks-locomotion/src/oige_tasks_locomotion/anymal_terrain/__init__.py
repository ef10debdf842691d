"""AnymalTerrain: ANYmal C follows commanded velocities over slopes, stairs and obstacles."""

from dataclasses import dataclass

from oige_core.config import EnvConfig
from oige_core.config.schema import check_positive
from oige_core.errors import ConfigError
from oige_core.registry import TaskSpec

from oige_tasks_locomotion.anymal import AnymalCommandRanges, AnymalControlConfig

__all__ = ["ANYMAL_TERRAIN", "AnymalTerrainConfig", "CommandConfig", "ControlConfig", "LearnConfig", "TerrainConfig"]


@dataclass(kw_only=True)
class TerrainConfig:
    """The ground.

    Attributes:
        dynamicFriction: coefficient of friction.
        curriculum: robots move up and down levels of difficulty; without it, tiles are of random kind.
        maxInitMapLevel: highest level on which robots start.
        mapLength: of a tile, along x, in metres.
        mapWidth: of a tile, along y, in metres.
        numLevels: tiles along x.
        numTerrains: tiles along y.
        terrainProportions: fractions of smooth slopes, rough slopes, stairs up, stairs down, obstacles; the
            remainder (up to 1) is stepping stones.
        borderSize: width of the flat border, in metres.
        horizontalScale: distance of neighbouring heights, in metres.
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
                f"{self.numLevels - 1}."
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
        stiffness: of the drives, in N·m/rad.
        damping: of the drives, in N·m·s/rad.
        actionScale: offset of the position targets from the default pose at action 1, in rad.
    """


@dataclass(kw_only=True)
class LearnConfig:
    """Reward scales (per second), observation scales, noise and pushes.

    The terms of the reward are described in :mod:`oige_tasks_locomotion.anymal_terrain.rewards`. Noise is uniform
    between plus and minus the figure given, in the quantity's own unit.

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
        kneeCollisionRewardScale: weight of each knee on the ground.
        linearVelocityScale: of linear velocities observed.
        angularVelocityScale: of angular velocities observed.
        dofPositionScale: of joint positions observed.
        dofVelocityScale: of joint velocities observed.
        heightMeasurementScale: of heights observed.
        addNoise: add noise to observations.
        noiseLevel: factor of all noise.
        dofPositionNoise: of joint positions, in rad.
        dofVelocityNoise: of joint velocities, in rad/s.
        linearVelocityNoise: of linear velocities, in m/s.
        angularVelocityNoise: of angular velocities, in rad/s.
        gravityNoise: of the direction of gravity, a unit vector.
        heightMeasurementNoise: of heights, in m.
        pushRobots: push robots: their horizontal velocity jumps to a random one.
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

    terrain: TerrainConfig
    randomCommandVelocityRanges: CommandConfig
    control: ControlConfig
    learn: LearnConfig


ANYMAL_TERRAIN = TaskSpec(
    task="oige_tasks_locomotion.anymal_terrain.task:AnymalTerrainTask",
    env=AnymalTerrainConfig,
    observation_shape=(188,),
    num_actions=12,
    demo=("task.env.episodeLength=6000", "task.env.learn.addNoise=False"),  # 120 s, as the original's demo
)
