"""FrankaCabinet: a robot arm opens the drawer of a kitchen cabinet."""

from dataclasses import dataclass, field

from oige_core import ConfigError, EnvConfig, TaskSpec, unread

__all__ = ["FRANKA_CABINET", "FrankaCabinetConfig"]

MAX_PROPS = 25  # 5 × 5 of them fit into the drawer
NO_NOISE = "OmniIsaacGymEnvs does not use it; resets change joint positions by up to ±0.125 rad or m"


@dataclass(kw_only=True)
class FrankaCabinetConfig(EnvConfig):
    """The ``task.env`` section of FrankaCabinet.

    Attributes:
        numProps: number of cubes in the drawer, 0 to 25.
        actionScale: speed of the position targets of the arm at action 1, in rad/s; a tenth of it, in m/s, is that of
            the fingers.
        dofVelocityScale: scale of observed joint velocities.
        distRewardScale: weight of the distance between the gripper and the handle.
        rotRewardScale: weight of the orientation of the gripper.
        aroundHandleRewardScale: weight of one finger above and one below the handle.
        openRewardScale: weight of the opening of the drawer, in 1/m.
        fingerDistRewardScale: weight of the heights of the fingers above and below the handle, in 1/m.
        actionPenaltyScale: weight of the squared actions, which are a cost.
        fingerCloseRewardScale: weight of closed fingers at the handle, in 1/m.
        startPositionNoise: key in files of OmniIsaacGymEnvs, which does not use it.
        startRotationNoise: key in files of OmniIsaacGymEnvs, which does not use it.
        aggregateMode: key in files of OmniIsaacGymEnvs, which does not use it.
    """

    numProps: int
    actionScale: float
    dofVelocityScale: float
    distRewardScale: float
    rotRewardScale: float
    aroundHandleRewardScale: float
    openRewardScale: float
    fingerDistRewardScale: float
    actionPenaltyScale: float
    fingerCloseRewardScale: float
    startPositionNoise: float = field(default=0.0, metadata=unread(NO_NOISE))
    startRotationNoise: float = field(default=0.0, metadata=unread(NO_NOISE))
    aggregateMode: int = field(default=3, metadata=unread("OmniIsaacGymEnvs does not use it; leave it out"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.numProps <= MAX_PROPS:
            raise ConfigError(f"task.env.numProps={self.numProps}: expected 0 to {MAX_PROPS}, which fit into a drawer.")


FRANKA_CABINET = TaskSpec(
    task="oige_tasks_manipulation.franka_cabinet.task:FrankaCabinetTask",
    description="oige_tasks_manipulation.franka_cabinet.description:describe_franka_cabinet",
    env=FrankaCabinetConfig,
    observation_shape=(23,),
    num_actions=9,
    original_ends_early=True,
)
