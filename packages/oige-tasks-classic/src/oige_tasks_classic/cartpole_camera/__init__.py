"""CartpoleCamera: balance the pole of Cartpole by what a camera sees."""

from dataclasses import dataclass
from typing import Any

from oige_core.config.schema import check_positive
from oige_core.registry import TaskSpec

from oige_tasks_classic.cartpole import CartpoleConfig

__all__ = ["CARTPOLE_CAMERA", "CartpoleCameraConfig"]


@dataclass(kw_only=True)
class CartpoleCameraConfig(CartpoleConfig):
    """The ``task.env`` section of CartpoleCamera.

    Attributes:
        cameraWidth: of an image, in pixels.
        cameraHeight: of an image, in pixels.
        frames: images that an observation holds. One, as in OmniIsaacGymEnvs, shows where cart and pole are and not
            how fast they move.
        frameInterval: control steps between two of them.
    """

    cameraWidth: int
    cameraHeight: int
    frames: int
    frameInterval: int

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("cameraWidth", "cameraHeight", "frames", "frameInterval"):
            check_positive(f"task.env.{key}", getattr(self, key))


def _sizes(env: CartpoleCameraConfig) -> dict[str, Any]:
    return {"observation_shape": (env.cameraHeight, env.cameraWidth, 3 * env.frames)}


CARTPOLE_CAMERA = TaskSpec(
    task="oige_tasks_classic.cartpole_camera.task:CartpoleCameraTask",
    env=CartpoleCameraConfig,
    observation_shape=(160, 240, 6),
    num_actions=1,
    images=True,
    sizes=_sizes,
)
