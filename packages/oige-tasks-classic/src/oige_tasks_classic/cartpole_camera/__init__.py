"""CartpoleCamera: Cartpole with camera images as observations."""

from dataclasses import dataclass, field

from oige_core import TaskSpec, check_positive, unread

from oige_tasks_classic.cartpole import CartpoleConfig

__all__ = ["CARTPOLE_CAMERA", "CartpoleCameraConfig"]


@dataclass(kw_only=True)
class CartpoleCameraConfig(CartpoleConfig):
    """The ``task.env`` section of CartpoleCamera.

    Attributes:
        cameraWidth: width of an image, in pixels.
        cameraHeight: height of an image, in pixels.
        frames: number of images in an observation; 0: 2, or 1 with ``compat=upstream``, as in OmniIsaacGymEnvs. A
            single image does not show velocities.
        frameInterval: control steps between two images of an observation.
        exportImages: key in files of OmniIsaacGymEnvs; it writes images to files there.
    """

    cameraWidth: int
    cameraHeight: int
    frames: int = 0
    frameInterval: int = 3
    exportImages: bool = field(default=False, metadata=unread("set enable_recording=True instead"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frames == 0:
            self.frames = 1 if self.compat == "upstream" else 2
        for key in ("cameraWidth", "cameraHeight", "frames", "frameInterval"):
            check_positive(f"task.env.{key}", getattr(self, key))


CARTPOLE_CAMERA = TaskSpec(
    task="oige_tasks_classic.cartpole_camera.task:CartpoleCameraTask",
    description="oige_tasks_classic.cartpole_camera.description:describe_cartpole_camera",
    env=CartpoleCameraConfig,
    observation_shape=lambda env: (env.cameraHeight, env.cameraWidth, 3 * env.frames),
    num_actions=1,
    images=True,
)
