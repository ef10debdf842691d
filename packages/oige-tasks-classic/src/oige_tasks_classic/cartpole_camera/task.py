"""CartpoleCamera.

Task: keep the pole of Cartpole upright, seeing nothing but images.
Randomisation: that of Cartpole.
Success: that of Cartpole; rewards and ends of episodes are worked out from the true motion.
"""

import math
from typing import cast

import torch
from oige_core.scene import Scene

from oige_tasks_classic.cartpole.task import CartpoleTask
from oige_tasks_classic.cartpole_camera import CartpoleCameraConfig

__all__ = ["CartpoleCameraTask"]

CAMERA_POSITION = (-4.2, 0.0, 3.0)  # m
CAMERA_PITCH = math.radians(6.1155)  # downwards
CAMERA_FOV = 2.0 * math.atan(20.955 / (2.0 * 24.0))  # USD's default sensor, 20.955 mm wide, and a lens of 24 mm
CAMERA_FAR = 20.0  # m


class CartpoleCameraTask(CartpoleTask):
    """See the module."""

    def set_up_scene(self, scene: Scene) -> None:
        """Add the cartpole and a camera that looks along x."""
        super().set_up_scene(scene)
        cfg = self.camera_cfg = cast(CartpoleCameraConfig, self.cfg)
        self.camera = scene.add_camera(
            "camera",
            width=cfg.cameraWidth,
            height=cfg.cameraHeight,
            horizontal_fov=CAMERA_FOV,
            position=CAMERA_POSITION,
            orientation=(math.cos(CAMERA_PITCH / 2), 0.0, math.sin(CAMERA_PITCH / 2), 0.0),
            far=CAMERA_FAR,
        )

    def post_reset(self) -> None:
        """Make room for the images of the last steps, ``(steps, N, rows, columns, 3)``, a ring."""
        super().post_reset()
        self.mirrors = ()  # those of Cartpole are of what is not observed here
        cfg = self.camera_cfg
        depth = 1 + (cfg.frames - 1) * cfg.frameInterval
        shape = (depth, self.num_envs, cfg.cameraHeight, cfg.cameraWidth, 3)
        self.history = torch.zeros(shape, dtype=torch.uint8, device=self.device)
        self.newest = 0
        self.restarted: list[torch.Tensor] = []

    def reset_idx(self, env_ids: torch.Tensor) -> None:
        """Start episodes as Cartpole does."""
        super().reset_idx(env_ids)
        self.restarted.append(env_ids)

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        """Push the cart; the next images take the place of the oldest."""
        super().pre_physics_step(actions)
        self.newest = (self.newest + 1) % len(self.history)

    def get_observations(self) -> torch.Tensor:
        """Observe images, ``(N, rows, columns, 3 · frames)``, oldest first; an episode's first image fills them all."""
        super().get_observations()
        images = self.camera.get_rgb(clone=False)
        self.history[self.newest] = images
        for env_ids in self.restarted:
            self.history[:, env_ids] = images[env_ids]
        self.restarted.clear()
        depth = len(self.history)
        self.obs_buf = images.new_empty(self.num_envs, *self.spec.observation_shape)
        for index, age in enumerate(range(depth - 1, -1, -self.camera_cfg.frameInterval)):
            self.obs_buf[..., 3 * index : 3 * index + 3] = self.history[(self.newest - age) % depth]
        return self.obs_buf
