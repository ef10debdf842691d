"""CartpoleCamera.

Task: keep the pole of Cartpole upright, with camera images as observations.
Randomisation: that of Cartpole.
Success: that of Cartpole; rewards and terminations are computed from the true motion.
"""

import math
from typing import cast

import torch
from oige_core import Scene

from oige_tasks_classic.cartpole.task import FAILURE_REWARD, CartpoleTask, has_failed, reward_terms
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
        """Create the ring buffer of images of the last steps, ``(steps, N, rows, columns, 3)``."""
        super().post_reset()
        self.symmetries = ()  # those of Cartpole do not apply to images
        cfg = self.camera_cfg
        depth = 1 + (cfg.frames - 1) * cfg.frameInterval
        shape = (depth, self.num_envs, cfg.cameraHeight, cfg.cameraWidth, 3)
        self.history = torch.zeros(shape, dtype=torch.uint8, device=self.device)
        self.newest = torch.zeros(1, dtype=torch.int64, device=self.device)  # position in the ring buffer
        self.ages = torch.arange(depth - 1, -1, -cfg.frameInterval, device=self.device)  # of the images observed
        # Age of the first image of each episode, in steps.
        self.oldest = torch.zeros(self.num_envs, dtype=torch.int64, device=self.device)
        self.restarted = torch.zeros(self.num_envs, dtype=torch.bool, device=self.device)
        self.worlds = torch.arange(self.num_envs, device=self.device)

    def reset_idx(self, worlds: torch.Tensor) -> None:
        """Start episodes as Cartpole does."""
        super().reset_idx(worlds)
        self.restarted = self.assign(self.restarted, worlds, True)

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        """Push the cart; the next images replace the oldest ones."""
        super().pre_physics_step(actions)
        self.newest = (self.newest + 1) % len(self.history)
        self.oldest = self.oldest + 1

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Return images ``(n, rows, columns, 3 · frames)``, oldest first, none from before the episode."""
        self.history.index_copy_(0, self.newest, self.camera.get_rgb(clone=False).unsqueeze(0))
        self.oldest = self.oldest.masked_fill(self.restarted, 0)
        self.restarted = torch.zeros_like(self.restarted)
        ages = torch.minimum(self.ages.unsqueeze(1), self.rows(self.oldest, worlds))
        places = (self.newest - ages) % len(self.history) * self.num_envs + self.rows(self.worlds, worlds)
        images = self.history.flatten(0, 1)
        # index_select copies whole images; indexing with two tensors would copy byte by byte.
        return torch.stack([images.index_select(0, frame) for frame in places], dim=-2).flatten(3)

    def is_done(self) -> torch.Tensor:
        """Terminate when the cart leaves its range or the pole falls."""
        self.motion = self.observe_motion()
        return has_failed(self.motion, self.cfg.resetDist)

    def calculate_metrics(self) -> torch.Tensor:
        """Reward an upright pole and little motion, and penalise failure."""
        reward = self.sum_reward_terms(reward_terms(self.motion))
        return reward.masked_fill(self.terminated_buf, FAILURE_REWARD)
