"""FactoryTaskNutBoltPick.

Task: a Franka moves its open gripper to a nut that lies on a table. Then it closes the gripper and lifts, whatever the
actions are.
Randomisation: poses of the gripper, positions of nut and bolt.
Success: at the end, the origin of the nut, which is the height of a bolt's head below it, is more than three heights of
the nut above the table.
"""

import torch
from oige_core.math import quat_mul

from oige_tasks_manipulation.factory import NutBoltPickConfig
from oige_tasks_manipulation.factory.base import (
    DOWNWARDS,
    FRANKA_ORIENTATION,
    FRANKA_POSITION,
    OPEN,
    TABLE_HEIGHT,
    FactoryTask,
)
from oige_tasks_manipulation.factory.frames import keypoint_distance, points_along_z, upright
from oige_tasks_manipulation.factory.starts import solve_starts
from oige_tasks_manipulation.franka.kinematics import ArmKinematics

__all__ = ["FINGER_SPEED", "LIFT", "LIFTED", "FactoryTaskNutBoltPick"]

LIFT = 0.3  # m
FINGER_SPEED = 0.2  # m/s; the velocity limit of the fingers in OmniIsaacGymEnvs' robot
LIFTED = 3.0  # heights of the nut


class FactoryTaskNutBoltPick(FactoryTask[NutBoltPickConfig]):
    """See the module.

    With ``task.env.compat=upstream``, episodes end one control step earlier, and the penalty of actions is scaled
    twice.
    """

    @property
    def time_limit(self) -> int:
        """Number of control steps of an episode: those of the policy, and those that close and lift."""
        return self.policy_steps + self.close_steps + self.lift_steps

    def post_reset(self) -> None:
        """Solve the start poses and create the tensors that change from step to step."""
        super().post_reset()
        cfg, n, device = self.cfg, self.num_envs, self.device
        self.policy_steps = cfg.episodeLength - self.upstream
        self.close_steps = self.lift_steps = 0
        if cfg.close_and_lift:
            self.close_steps = self.control_steps(cfg.num_gripper_close_sim_steps)
            self.lift_steps = self.control_steps(cfg.num_gripper_lift_sim_steps)
        kinematics = ArmKinematics(FRANKA_POSITION, FRANKA_ORIENTATION, device)
        self.starts = solve_starts(cfg.randomize, TABLE_HEIGHT, kinematics, self.generator)
        self.keypoint_heights = cfg.rl.keypoint_scale * torch.linspace(-0.5, 0.5, cfg.rl.num_keypoints, device=device)
        self.grasp = torch.tensor(DOWNWARDS, device=device)
        self.reward_weights = self.weights_of(cfg.rl)
        self.actions = torch.zeros(n, self.spec.num_actions, device=device)
        self.distance = torch.zeros(n, device=device)
        self.final_distance = torch.zeros(n, device=device)
        self.lifted = torch.zeros(n, dtype=torch.bool, device=device)
        self.held = torch.zeros(n, 3, device=device), upright(self.distance).clone()

    def reset_idx(self, worlds: torch.Tensor) -> None:
        """Open the gripper at a random pose, and put nut and bolt in random places on the table."""
        super().reset_idx(worlds)
        self.start_above_nut(worlds, self.cfg.randomize, self.starts)

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        """Move the open gripper; or, after the policy's steps, close it where it is and lift it."""
        self.actions = actions
        tips = self.get_fingertips()
        position, orientation, wrench = self.read_actions(actions, tips)
        acts = self.progress_buf < self.policy_steps
        begins = self.progress_buf <= self.policy_steps
        self.held = (
            torch.where(begins.unsqueeze(-1), tips.position, self.held[0]),
            torch.where(begins.unsqueeze(-1), tips.orientation, self.held[1]),
        )
        closing = (self.progress_buf - self.policy_steps + 1).clamp_min(0)  # control steps
        lifts = self.progress_buf >= self.policy_steps + self.close_steps
        lift = torch.nn.functional.pad((LIFT * lifts).unsqueeze(-1), (2, 0))
        self.control(
            tips,
            torch.where(acts.unsqueeze(-1), position, self.held[0] + lift),
            torch.where(acts.unsqueeze(-1), orientation, self.held[1]),
            (OPEN - FINGER_SPEED * self.control_dt * closing).clamp_min(0.0),
            None if wrench is None else wrench * acts.unsqueeze(-1),
        )

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Return position, orientation and velocities of the fingertips' midpoint, and the pose that grasps the nut, in
        m, rad/s and m/s.
        """
        tips = self.get_fingertips(worlds)
        nut, orientation = self.get_nut_centres(worlds)
        grasp = quat_mul(orientation, self.grasp.expand_as(orientation))
        if worlds is None:
            heights = self.keypoint_heights
            gripper = points_along_z(tips.position, tips.orientation, heights)
            self.distance = keypoint_distance(points_along_z(nut, grasp, heights), gripper)
            height = self.nuts.get_world_poses(clone=False)[0][:, 2] - TABLE_HEIGHT
            self.lifted = (self.progress_buf >= self.time_limit) & (height > LIFTED * self.nut_height)
            ends = self.progress_buf == self.policy_steps
            self.final_distance = torch.where(ends, self.distance, self.final_distance)
        return torch.cat((*tips, nut, grasp), dim=-1)

    def is_done(self) -> torch.Tensor:
        """Terminate nothing: only time ends episodes."""
        return torch.zeros_like(self.terminated_buf)

    def calculate_metrics(self) -> torch.Tensor:
        """Reward a gripper at the nut, in the policy's steps."""
        acted = self.progress_buf <= self.policy_steps
        terms = {
            "keypoints": self.distance * acted,
            "action": torch.linalg.vector_norm(self.actions, dim=-1) * acted,
            "success": self.lifted.float(),
        }
        return self.sum_reward_terms(terms)

    def get_extras(self) -> None:
        """Report in which worlds the nut has been lifted at the end of the episode, if the gripper lifts."""
        if self.cfg.close_and_lift:
            self.extras["success"] = self.lifted

    def finish_episodes(self, worlds: torch.Tensor) -> dict[str, torch.Tensor]:
        """Add the fraction of episodes that lift the nut, if the gripper lifts, and the mean sum of distances of
        keypoints at the end of the policy's steps, in m.
        """
        means = super().finish_episodes(worlds)
        if self.cfg.close_and_lift:
            means["success"] = self.mean(self.lifted.float(), worlds)
        return means | {"keypoint_distance": self.mean(self.final_distance, worlds)}
