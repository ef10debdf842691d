"""TargetFollowing: a wheeled robot drives to a cube that its camera sees."""

from dataclasses import dataclass
from typing import Any

from oige_core.config import EnvConfig
from oige_core.config.schema import check_choice, check_positive, check_range
from oige_core.registry import TaskSpec

__all__ = ["TARGET_FOLLOWING", "TargetFollowingConfig"]


@dataclass(kw_only=True)
class TargetFollowingConfig(EnvConfig):
    """The ``task.env`` section of TargetFollowing.

    Attributes:
        observe: kind of images: ``segmentation``, which is white where the target is, or ``rgb``.
        imageSize: width and height of the images, in pixels.
        maxWheelSpeed: speed of a driven wheel at action 1, in rad/s.
        targetDistance: minimum and maximum distance of targets, in m.
    """

    observe: str
    imageSize: int
    maxWheelSpeed: float
    targetDistance: tuple[float, float]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("task.env.observe", self.observe, ("segmentation", "rgb"))
        for key in ("imageSize", "maxWheelSpeed"):
            check_positive(f"task.env.{key}", getattr(self, key))
        check_range("task.env.targetDistance", self.targetDistance)


def _sizes(env: TargetFollowingConfig) -> dict[str, Any]:
    return {"observation_shape": (env.imageSize, env.imageSize, 3)}


TARGET_FOLLOWING = TaskSpec(
    task="oige_tasks_locomotion.target_following.task:TargetFollowingTask",
    env=TargetFollowingConfig,
    observation_shape=(256, 256, 3),
    num_actions=2,
    images=True,
    sizes=_sizes,
)
