"""FactoryTaskNutBoltScrew.

Task: a Franka holds a nut on the tip of a bolt, and turns it onto the bolt. It holds the nut by friction alone.
Randomisation: how far the nut is on the bolt at first in training; with ``test=True`` it is on the tip.
Success: the middle of the nut is within five pitches of where it is when the nut touches the bolt's head.
"""

import math
from typing import NamedTuple

import torch
from oige_core.math import quat_from_rotation_vector

from oige_tasks_manipulation.factory import NutBoltScrewConfig
from oige_tasks_manipulation.factory.base import (
    FRANKA_ORIENTATION,
    FRANKA_POSITION,
    TABLE_HEIGHT,
    Fingertips,
)
from oige_tasks_manipulation.factory.frames import keypoint_distance, pad_z, points_along_z
from oige_tasks_manipulation.factory.helix import ThreadTask
from oige_tasks_manipulation.factory.sizes import SIZES
from oige_tasks_manipulation.franka.factory import FINGER_LENGTH, FINGERPAD_LENGTH, HAND_LENGTH
from oige_tasks_manipulation.franka.kinematics import ArmKinematics

__all__ = ["CLOSE", "FactoryTaskNutBoltScrew", "Failures", "find_failures", "make_unidirectional"]

KEYPOINTS = 4
AXIS_LENGTH = HAND_LENGTH + FINGER_LENGTH  # m; of the lines of keypoints
CLOSE = 5.0  # pitches

ARMS = 512  # heights of the fingertips for which the arm's joint positions are solved
LEAST_DEPTH = 1.5  # pitches; nuts that would be less far on the bolt begin on its tip
SIXTH = math.pi / 3.0  # of a turn


class Failures(NamedTuple):
    """How the nut was lost, ``(n,)`` bool each.

    Attributes:
        far: it is far from its target.
        slipped: it is not between the pads of the fingers, and not close to its target.
        fallen: it is beside the bolt, below its tip.
    """

    far: torch.Tensor
    slipped: torch.Tensor
    fallen: torch.Tensor

    def any(self) -> torch.Tensor:
        """Return in which worlds the nut was lost in any way, ``(n,)``."""
        return self.far | self.slipped | self.fallen


class FactoryTaskNutBoltScrew(ThreadTask[NutBoltScrewConfig]):
    """See the module. Bolts are never reset.

    With ``task.env.compat=upstream``, the penalty of actions is that of the displacements and rotations that
    unidirectional actions stand for.
    """

    @property
    def observes_finger_forces(self) -> bool:
        """Whether observations contain the contact forces of the fingers."""
        return self.cfg.rl.add_obs_finger_force

    def post_reset(self) -> None:
        """Compute the nut's target and create the tensors that change from step to step."""
        super().post_reset()
        cfg, n, device = self.cfg, self.num_envs, self.device
        self.target = pad_z(TABLE_HEIGHT + self.head_height + 0.5 * self.nut_height)
        self.lengths = torch.linspace(0.0, AXIS_LENGTH, KEYPOINTS, device=device)
        self.tip_height = self.head_height + self.shank_length - SIZES["M16"].bolt_height  # of bolts above that of M16
        self.arms, self.arm_heights = self._solve_arms()
        self.unidirectional = torch.zeros(self.spec.num_actions, device=device)
        for column, chosen in (
            (2, cfg.rl.unidirectional_pos),
            (5, cfg.rl.unidirectional_rot),
            (8, cfg.rl.unidirectional_force and self.controller.needs_wrench),
        ):
            self.unidirectional[column] = float(chosen)
        self.reward_weights = {
            "nut_keypoints": -cfg.rl.keypoint_reward_scale,
            "finger_keypoints": -cfg.rl.keypoint_reward_scale,
            "action": -cfg.rl.action_penalty_scale,
            "success": cfg.rl.success_bonus,
            "failure": -cfg.rl.failure_penalty,
        }
        self.actions = torch.zeros(n, self.spec.num_actions, device=device)
        self.nut_keypoints, self.finger_keypoints = torch.zeros(2, n, device=device)
        self.height = torch.zeros(n, device=device)
        self.succeeded = torch.zeros(n, dtype=torch.bool, device=device)
        self.failures = Failures(self.succeeded, self.succeeded, self.succeeded)

    def _solve_arms(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return joint positions of the arm ``(ARMS, 7)``, in rad, for heights of the fingertips ``(ARMS,)``, in m.

        Heights increase, and are relative to that of ``franka_arm_initial_dof_pos``.
        """
        depth = self.shank_length if self.cfg.randomize.start_along_bolt else 0.0
        lowest, highest = (self.tip_height - depth).min().item(), self.tip_height.max().item()
        heights = torch.linspace(lowest, highest, ARMS, device=self.device)
        kinematics = ArmKinematics(FRANKA_POSITION, FRANKA_ORIENTATION, self.device)
        start = torch.tensor([self.cfg.randomize.franka_arm_initial_dof_pos], device=self.device).expand(ARMS, -1)
        position, orientation = kinematics.poses(start)
        arms, _ = kinematics.solve(start, position + pad_z(heights), orientation)
        return arms, heights

    def reset_idx(self, worlds: torch.Tensor) -> None:
        """Put the nut on the bolt, and the fingers at two of its flats.

        OmniIsaacGymEnvs opens the fingers by 10 % more than the distance of two corners. Until they close, the nut
        would fall askew onto the thread.
        """
        super().reset_idx(worlds)
        cfg = self.cfg.randomize
        shank, pitch = self.rows(self.shank_length, worlds), self.rows(self.thread_pitch, worlds)
        yaw = torch.full_like(shank, math.radians(cfg.nut_rot_initial))
        height = shank
        if cfg.start_along_bolt:
            # The gripper holds two of the nut's flats in sixths of a turn.
            drawn = shank * (1.0 - self.uniform(0.0, cfg.start_along_bolt, len(worlds)))
            turn = 2.0 * math.pi / pitch
            height = (yaw + SIXTH * torch.floor((drawn * turn - yaw) / SIXTH)) / turn
            on_tip = drawn > shank - LEAST_DEPTH * pitch
            height, yaw = torch.where(on_tip, shank, height), torch.where(on_tip, yaw, height * turn)
        orientation = quat_from_rotation_vector(pad_z(yaw))
        self.nuts.set_world_poses(pad_z(TABLE_HEIGHT + height), orientation, worlds)
        fingers = 0.5 * self.rows(self.nut_width, worlds)
        raised = self.rows(self.tip_height, worlds) + height - shank
        between = 0.5 * (self.arm_heights[1:] + self.arm_heights[:-1])
        arm = self.arms.index_select(0, torch.bucketize(raised, between))
        self.frankas.set_joint_positions(torch.cat((arm, fingers.unsqueeze(-1).expand(-1, 2)), dim=-1), worlds)

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        """Move the closed gripper."""
        used = make_unidirectional(actions, self.unidirectional)
        self.actions = used if self.upstream else actions
        tips = self.get_fingertips()
        position, orientation, wrench = self.read_actions(used, tips)
        self.control(tips, position, orientation, torch.zeros_like(self.height), wrench)

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Return position, orientation and velocities of the fingertips' midpoint and of the nut's middle, in m, m/s
        and rad/s, and, if chosen, the contact forces of the left and the right finger, in N.
        """
        tips = self.get_fingertips(worlds)
        nut, orientation = self.get_nut_centres(worlds)
        linear, angular = self.get_nut_velocities(worlds)
        forces = nut.new_zeros(len(nut), 6)
        if self.observes_finger_forces:
            forces = self.fingers.get_net_contact_forces(worlds).reshape(-1, 6)
        if worlds is None:
            self._measure(tips, nut, orientation)
            self.follow_thread(nut, orientation)
        return torch.cat((*tips, nut, orientation, linear, angular, forces), dim=-1)

    def _measure(self, tips: Fingertips, nut: torch.Tensor, orientation: torch.Tensor) -> None:
        """Compute distances of keypoints, success and failures in all worlds."""
        beside_tips = torch.full_like(self.height, -0.5 * FINGERPAD_LENGTH).unsqueeze(-1)
        pads = points_along_z(tips.position, tips.orientation, beside_tips).squeeze(1)
        on_nut = points_along_z(nut, orientation, self.lengths)
        self.nut_keypoints = keypoint_distance(on_nut, self.target.unsqueeze(1) + pad_z(self.lengths))
        self.finger_keypoints = keypoint_distance(on_nut, points_along_z(pads, tips.orientation, -self.lengths))
        distance = torch.linalg.vector_norm(self.target - nut, dim=-1)
        self.succeeded = distance < CLOSE * self.thread_pitch
        self.failures = find_failures(
            nut=nut,
            distance=distance,
            distance_from_pads=torch.linalg.vector_norm(pads - nut, dim=-1),
            succeeded=self.succeeded,
            nut_height=self.nut_height,
            bolt_radius=0.5 * self.bolt_diameter,
            tip_height=TABLE_HEIGHT + self.head_height + self.shank_length,
            far=self.cfg.rl.far_error_thresh,
        )
        self.height = nut[:, 2] - self.target[:, 2]

    def is_done(self) -> torch.Tensor:
        """Terminate nothing; if chosen, terminate when the nut is lost."""
        return self.failures.any() if self.cfg.rl.end_failed_episodes else torch.zeros_like(self.terminated_buf)

    def calculate_metrics(self) -> torch.Tensor:
        """Reward a nut close to its target, in the gripper."""
        terms = {
            "nut_keypoints": self.nut_keypoints,
            "finger_keypoints": self.finger_keypoints,
            "action": torch.linalg.vector_norm(self.actions, dim=-1),
            "success": self.succeeded.float(),
            "failure": self.failures.any().float(),
        }
        return self.sum_reward_terms(terms)

    def get_extras(self) -> None:
        """Report in which worlds the nut is close to its target."""
        self.extras["success"] = self.succeeded

    def finish_episodes(self, worlds: torch.Tensor) -> dict[str, torch.Tensor]:
        """Add fractions of episodes that end with a nut close to its target, far from it, slipped or fallen, and how
        far the nut is above its target at the end, in m.
        """
        outcomes = {"success": self.succeeded, **self.failures._asdict()}
        means = {name: self.mean(values.float(), worlds) for name, values in outcomes.items()}
        return super().finish_episodes(worlds) | means | {"height": self.mean(self.height, worlds)}


def make_unidirectional(actions: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Return actions ``(n, k)`` with −½ (a + 1) in place of a where ``chosen`` ``(k,)`` is 1."""
    return actions - chosen * (1.5 * actions + 0.5)


def find_failures(
    *,
    nut: torch.Tensor,
    distance: torch.Tensor,
    distance_from_pads: torch.Tensor,
    succeeded: torch.Tensor,
    nut_height: torch.Tensor,
    bolt_radius: torch.Tensor,
    tip_height: torch.Tensor,
    far: float,
) -> Failures:
    """Return how nuts were lost.

    Args:
        nut: ``(n, 3)``: middle of the nut relative to the bolt's axis and the floor, in m.
        distance: ``(n,)``: of the nut from its target, in m.
        distance_from_pads: ``(n,)``: of the nut from the point between the middles of the pads, in m.
        succeeded: ``(n,)`` bool: the nut is close to its target, where slipping is no failure.
        nut_height: ``(n,)``, in m.
        bolt_radius: ``(n,)``, in m.
        tip_height: ``(n,)``: of the bolt's tip above the floor, in m.
        far: distance from the target beyond which the nut is far, in m.
    """
    lateral = torch.linalg.vector_norm(nut[:, :2], dim=-1)
    return Failures(
        far=distance > far,
        slipped=(distance_from_pads > 0.5 * (FINGERPAD_LENGTH + nut_height)) & ~succeeded,
        fallen=(lateral > bolt_radius) & (nut[:, 2] < tip_height + 0.5 * nut_height),
    )
