"""TargetFollowing: a wheeled robot drives to a cube that its camera sees."""

from dataclasses import dataclass, field
from typing import Literal

from oige_core import EnvConfig, Renamed, TaskSpec, check_positive, check_range, unread

__all__ = ["TARGET_FOLLOWING", "TargetFollowingConfig"]


@dataclass(kw_only=True)
class TargetFollowingConfig(EnvConfig):
    """The ``task.env`` section of TargetFollowing.

    Attributes:
        observe: kind of images: ``segmentation``, which is white where the target is, or ``rgb``.
        imageSize: width and height of the images, in pixels.
        maxWheelSpeed: speed of a driven wheel at action 1, in rad/s.
        targetDistance: minimum and maximum distance of targets, in m.
        exportImages: key in files of OmniIsaacGymEnvs; it writes images to files there.
    """

    observe: Literal["segmentation", "rgb"]
    imageSize: int
    maxWheelSpeed: float
    targetDistance: tuple[float, float]
    exportImages: bool = field(default=False, metadata=unread("set enable_recording=True instead"))

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("imageSize", "maxWheelSpeed"):
            check_positive(f"task.env.{key}", getattr(self, key))
        check_range("task.env.targetDistance", self.targetDistance)


TARGET_FOLLOWING = TaskSpec(
    task="oige_tasks_locomotion.target_following.task:TargetFollowingTask",
    description="oige_tasks_locomotion.target_following.description:describe_target_following",
    env=TargetFollowingConfig,
    observation_shape=lambda env: (env.imageSize, env.imageSize, 3),
    num_actions=2,
    images=True,
    renamed={
        "env.cameraWidth": Renamed("env.imageSize"),
        "env.cameraHeight": Renamed("env.imageSize"),
        "env.nearestDistance": Renamed("env.targetDistance.0"),
        "env.farthestDistance": Renamed("env.targetDistance.1"),
        "sim.CarterV2": Renamed("sim.carter"),
    },
)
