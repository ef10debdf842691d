"""FrankaDeformable: a robot arm puts one end of a soft tube into a beaker."""

from dataclasses import dataclass, field

from oige_core import EnvConfig, TaskSpec, check_positive, unread

__all__ = ["FRANKA_DEFORMABLE", "FrankaDeformableConfig"]

NO_CUBES = "a key of FrankaCabinet, which OmniIsaacGymEnvs does not use here; leave it out"


@dataclass(kw_only=True)
class FrankaDeformableConfig(EnvConfig):
    """The ``task.env`` section of FrankaDeformable.

    Attributes:
        actionScale: speed of the position targets of the arm at action 1, in rad/s; a tenth of it, in m/s, is that of
            the fingers.
        dofVelocityScale: scale of observed joint velocities.
        goalDistanceRewardScale: weight of the horizontal distance from the back of the tube to its goal.
        liftRewardScale: weight of the error of its height.
        depthRewardScale: weight of how deep it is in the beaker, from 0 to 1; 0 in OmniIsaacGymEnvs.
        inBeakerRewardScale: weight of steps with success; 0 in OmniIsaacGymEnvs.
        startPositionNoise: the tube is moved by up to this along x and y at the start, in m. OmniIsaacGymEnvs has the
            key, but starts every episode in the same state.
        startRotationNoise: the tube is turned by up to this about the vertical axis through its front at the start, in
            rad.
        numProps: key in files of OmniIsaacGymEnvs, which does not use it.
        aggregateMode: key in files of OmniIsaacGymEnvs, which does not use it.
        distRewardScale: key in files of OmniIsaacGymEnvs, which does not use it.
        rotRewardScale: key in files of OmniIsaacGymEnvs, which does not use it.
        aroundHandleRewardScale: key in files of OmniIsaacGymEnvs, which does not use it.
        openRewardScale: key in files of OmniIsaacGymEnvs, which does not use it.
        fingerDistRewardScale: key in files of OmniIsaacGymEnvs, which does not use it.
        actionPenaltyScale: key in files of OmniIsaacGymEnvs, which does not use it.
        fingerCloseRewardScale: key in files of OmniIsaacGymEnvs, which does not use it.
    """

    actionScale: float
    dofVelocityScale: float
    goalDistanceRewardScale: float
    liftRewardScale: float
    depthRewardScale: float
    inBeakerRewardScale: float
    startPositionNoise: float
    startRotationNoise: float
    numProps: int = field(default=4, metadata=unread(NO_CUBES))
    aggregateMode: int = field(default=3, metadata=unread("OmniIsaacGymEnvs does not use it; leave it out"))
    distRewardScale: float = field(default=2.0, metadata=unread(NO_CUBES))
    rotRewardScale: float = field(default=0.5, metadata=unread(NO_CUBES))
    aroundHandleRewardScale: float = field(default=10.0, metadata=unread(NO_CUBES))
    openRewardScale: float = field(default=7.5, metadata=unread(NO_CUBES))
    fingerDistRewardScale: float = field(default=100.0, metadata=unread(NO_CUBES))
    actionPenaltyScale: float = field(default=0.01, metadata=unread(NO_CUBES))
    fingerCloseRewardScale: float = field(default=10.0, metadata=unread(NO_CUBES))

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("startPositionNoise", "startRotationNoise"):
            check_positive(f"task.env.{key}", getattr(self, key), zero=True)


FRANKA_DEFORMABLE = TaskSpec(
    task="oige_tasks_manipulation.franka_deformable.task:FrankaDeformableTask",
    description="oige_tasks_manipulation.franka_deformable.description:describe_franka_deformable",
    env=FrankaDeformableConfig,
    observation_shape=(39,),
    num_actions=9,
    original_ends_early=True,
    unsupported={"sim.cube": "the scene has no cube, and that of OmniIsaacGymEnvs has none either"},
)
