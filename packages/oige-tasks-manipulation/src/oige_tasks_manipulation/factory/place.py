"""FactoryTaskNutBoltPlace.

Task: a Franka moves a nut, which it holds in its gripper, onto the tip of a bolt that stands on a table.
Randomisation: poses of the gripper, positions of the nut in it and of the bolt.
Success: at the end, the sum of the distances of keypoints, of the nut's base from those of the bolt's tip, is less than
0.1 m. The chain with Screw needs more: see the statistic ``lateral_error``.
"""

import math

import torch
from oige_core.math import quat_apply, quat_mul

from oige_tasks_manipulation.factory import NutBoltPlaceConfig
from oige_tasks_manipulation.factory.base import (
    FRANKA_ORIENTATION,
    FRANKA_POSITION,
    TABLE_HEIGHT,
    FactoryTask,
)
from oige_tasks_manipulation.factory.frames import flipped, keypoint_distance, points_along_z, turn_about_z
from oige_tasks_manipulation.factory.starts import solve_starts
from oige_tasks_manipulation.franka.kinematics import ArmKinematics

__all__ = ["FactoryTaskNutBoltPlace", "half_extent"]

YAW = 0.5 * math.pi  # of the nut in the gripper: fingers touch flats
LOWEST = 0.8  # heights of the nut, by which its base is below the fingertips at most


class FactoryTaskNutBoltPlace(FactoryTask[NutBoltPlaceConfig]):
    """See the module.

    With ``task.env.compat=upstream``, episodes end one control step earlier, and the penalty of actions is scaled
    twice.
    """

    def post_reset(self) -> None:
        """Solve the start poses and create the tensors that change from step to step."""
        super().post_reset()
        rl, n, device = self.cfg.rl, self.num_envs, self.device
        kinematics = ArmKinematics(FRANKA_POSITION, FRANKA_ORIENTATION, device)
        self.starts = solve_starts(self.cfg.randomize, TABLE_HEIGHT, kinematics, self.generator)
        heights = rl.keypoint_scale * torch.linspace(-0.5, 0.5, rl.num_keypoints, device=device)
        self.nut_keypoints = self.head_height.unsqueeze(-1) + heights
        self.bolt_keypoints = self.nut_keypoints + self.shank_length.unsqueeze(-1)
        self.reward_weights = self.weights_of(rl)
        self.closed = torch.zeros(n, device=device)
        self.actions = torch.zeros(n, self.spec.num_actions, device=device)
        self.distance = torch.zeros(n, device=device)
        self.lateral_error = torch.zeros(n, device=device)
        self.placed = torch.zeros(n, dtype=torch.bool, device=device)

    def reset_idx(self, worlds: torch.Tensor) -> None:
        """Put the nut between the fingers, at a random pose of the gripper, and the bolt in a random place."""
        super().reset_idx(worlds)
        cfg = self.cfg.randomize
        start = self.starts.rows(self.sample_rows(len(self.starts.arm), worlds))
        x, y, z = self.sample(worlds, (0.0, 0.0, 0.0), cfg.nut_noise_pos_in_gripper).unbind(-1)
        noise = max(cfg.nut_noise_pos_in_gripper[2], 1e-6)
        below = (LOWEST / noise * self.rows(self.nut_height, worlds)).clamp_max(1.0)
        z = torch.where(z < 0.0, below * z, z)
        yaw = YAW + self.sample(worlds, (0.0,), (cfg.nut_noise_rot_in_gripper,)).squeeze(-1)
        half_width = half_extent(self.rows(self.nut_width, worlds), yaw)
        fingers = torch.stack((half_width + y, half_width - y), dim=-1)
        self.frankas.set_joint_positions(torch.cat((start.arm, fingers), dim=-1), worlds)
        stands = flipped(start.orientation)
        offset = torch.stack((x, y, z - self.rows(self.head_height, worlds)), dim=-1)
        nut = start.position + quat_apply(stands, offset), quat_mul(stands, turn_about_z(yaw))
        self.place_bodies(worlds, nut, self.sample(worlds, cfg.bolt_pos_xy_initial, cfg.bolt_pos_xy_noise))

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        """Move the closed gripper."""
        self.actions = actions
        tips = self.get_fingertips()
        position, orientation, wrench = self.read_actions(actions, tips)
        self.control(tips, position, orientation, self.closed, wrench)

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Return position, orientation and velocities of the fingertips' midpoint, and the poses of nut and bolt, in m,
        m/s and rad/s; with ``add_obs_bolt_tip_pos`` the bolt's tip in its frame, in m.
        """
        tips = self.get_fingertips(worlds)
        nut, bolt = self.nuts.get_world_poses(worlds, clone=False), self.bolts.get_world_poses(worlds, clone=False)
        if worlds is None:
            base, tip = points_along_z(*nut, self.nut_keypoints), points_along_z(*bolt, self.bolt_keypoints)
            self.distance = keypoint_distance(base, tip)
            off_axis = 0.5 * (base[:, 0] + base[:, -1] - tip[:, 0] - tip[:, -1])[:, :2]
            self.lateral_error = torch.linalg.vector_norm(off_axis, dim=-1)
            at_end = self.progress_buf >= self.time_limit
            self.placed = at_end & (self.distance < self.cfg.rl.close_error_thresh)
        observed = [*tips, *nut, *bolt]
        if self.cfg.rl.add_obs_bolt_tip_pos:
            height = self.rows(self.head_height + self.shank_length, worlds)
            observed.append(torch.nn.functional.pad(height.unsqueeze(-1), (2, 0)))
        return torch.cat(observed, dim=-1)

    def is_done(self) -> torch.Tensor:
        """Terminate nothing: only time ends episodes."""
        return torch.zeros_like(self.terminated_buf)

    def calculate_metrics(self) -> torch.Tensor:
        """Reward a nut at the tip of the bolt."""
        terms = {
            "keypoints": self.distance,
            "action": torch.linalg.vector_norm(self.actions, dim=-1),
            "success": self.placed.float(),
        }
        return self.sum_reward_terms(terms)

    def get_extras(self) -> None:
        """Report in which worlds the nut is at the bolt's tip at the end of the episode."""
        self.extras["success"] = self.placed

    def finish_episodes(self, worlds: torch.Tensor) -> dict[str, torch.Tensor]:
        """Add the fraction of episodes that end with a placed nut, and means at their end: the sum of the distances of
        keypoints, and the distance of the middle of the nut's base from the bolt's axis, in m.
        """
        means = {
            "success": self.mean(self.placed.float(), worlds),
            "keypoint_distance": self.mean(self.distance, worlds),
            "lateral_error": self.mean(self.lateral_error, worlds),
        }
        return super().finish_episodes(worlds) | means


def half_extent(width: torch.Tensor, yaw: torch.Tensor) -> torch.Tensor:
    """Return half of the extent of hexagons along y ``(n,)``, in m.

    Args:
        width: between opposite flats ``(n,)``, in m.
        yaw: rotation about z ``(n,)``, in rad; at 0, two flats are across x, and corners point along y.
    """
    from_corner = torch.remainder(yaw + math.pi / 6.0, math.pi / 3.0) - math.pi / 6.0
    return width / math.sqrt(3.0) * from_corner.cos()
