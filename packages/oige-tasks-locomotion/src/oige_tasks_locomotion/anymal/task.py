"""Anymal.

Task: ANYmal C, a quadruped, follows a commanded forward, sideways and yaw velocity on flat ground.
Randomisation: commands (±2 m/s, ±1 m/s, ±1 rad/s) and joint velocities (±0.1 rad/s) at each reset.
Success: 50 s without a fall at the commanded velocities; the return is then close to 75.
"""

import dataclasses
import math

import torch
from oige_core import Drive, RLTask, Scene
from oige_core.math import quat_apply, quat_apply_inverse

from oige_tasks_locomotion.anymal import AnymalConfig, AnymalInitStateConfig, AnymalLearnConfig
from oige_tasks_locomotion.anymal.description import UPSTREAM_DT
from oige_tasks_locomotion.anymal.robot import ANYMAL_ASSET, HAA_JOINTS, MAX_EFFORT, default_pose

__all__ = ["AnymalTask"]

FALL_REWARD = -1.0
TRACKING_VARIANCE = 0.25  # of the error of a velocity, (m/s)² or (rad/s)²
RESET_JOINT_SPEED = 0.1  # rad/s

# Values of OmniIsaacGymEnvs; see ``task.env.compat``.
# Upstream limits them to 1000 N·m, of which PhysX needs a small part: it limits efforts after it has integrated damping
# implicitly, and the embedded engine does before. With that limit, joints would swing between the limits.
UPSTREAM_DRIVE = Drive(stiffness=math.degrees(400.0), damping=math.degrees(40.0))
UPSTREAM_START = AnymalInitStateConfig(
    pos=(0.0, 0.0, 0.62), rot=(0.0, 0.0, 0.0, 1.0), vLinear=(0.0, 0.0, 0.0), vAngular=(0.0, 0.0, 0.0)
)


class AnymalTask(RLTask[AnymalConfig]):
    """See the module.

    With ``task.env.compat=upstream``, rewards and actions are scaled by 1/60 s although a control step lasts 0.02 s,
    gravity is rotated by the base's orientation instead of into the base's frame, drives ignore ``control``: they
    have 400 N·m and 40 N·m·s per degree, without a limit, and ``baseInitState`` has no effect: robots start at rest and
    level, 0.62 m above the ground. The joint velocities of a reset remain the velocity targets of the episode.
    """

    def set_up_scene(self, scene: Scene) -> None:
        """Add a ground plane and the robot."""
        start, control = self.start, self.cfg.control
        drive = Drive(stiffness=control.stiffness, damping=control.damping, max_effort=MAX_EFFORT)
        asset = dataclasses.replace(
            ANYMAL_ASSET,
            drives={".*": UPSTREAM_DRIVE if self.upstream else drive},
            joint_positions=default_pose(self.cfg.defaultJointAngles),
        )
        x, y, z, w = start.rot
        scene.add_ground_plane()
        self.anymals = scene.add_articulation("anymal", asset, position=start.pos, orientation=(w, x, y, z))

    @property
    def start(self) -> AnymalInitStateConfig:
        """State of the base at a reset."""
        return UPSTREAM_START if self.upstream else self.cfg.baseInitState

    def post_reset(self) -> None:
        """Create constants and the tensors that change from step to step."""
        device, learn, start = self.device, self.cfg.learn, self.start
        n, joints = self.num_envs, self.anymals.num_dof
        self.dt = UPSTREAM_DT if self.upstream else self.control_dt
        self.default_positions = self.anymals.get_joint_positions()[0]
        self.lower_limits, self.upper_limits = self.anymals.get_dof_limits()[0].unbind(-1)
        self.start_velocity = torch.tensor([*start.vLinear, *start.vAngular], device=device)
        self.starts_moving = any((*start.vLinear, *start.vAngular))
        self.down = torch.tensor([0.0, 0.0, -1.0], device=device)
        ranges = self.cfg.randomCommandVelocityRanges
        bounds = torch.tensor([ranges.linear_x, ranges.linear_y, ranges.yaw], device=device)
        self.reward_weights = reward_weights(learn, self.dt)
        self.command_low, self.command_span = bounds[:, 0], bounds[:, 1] - bounds[:, 0]
        scales = [learn.linearVelocityScale] * 3 + [learn.angularVelocityScale] * 3 + [1.0] * 3
        scales += [learn.linearVelocityScale] * 2 + [learn.angularVelocityScale]
        scales += [learn.dofPositionScale] * joints + [learn.dofVelocityScale] * joints + [1.0] * joints
        self.observation_scales = torch.tensor(scales, device=device)
        self.commands = torch.zeros(n, 3, device=device)
        self.targets = self.default_positions.repeat(n, 1)
        self.actions = torch.zeros(n, joints, device=device)
        self.last_actions = torch.zeros(n, joints, device=device)
        self.joint_velocities = torch.zeros(n, joints, device=device)
        self.last_joint_velocities = torch.zeros(n, joints, device=device)

    def reset_idx(self, worlds: torch.Tensor) -> None:
        """Place robots above the ground in the default pose, with new commands."""
        super().reset_idx(worlds)
        n, joints = len(worlds), self.anymals.num_dof
        velocities = self.uniform(-RESET_JOINT_SPEED, RESET_JOINT_SPEED, n, joints)
        self.anymals.set_joint_velocities(velocities, worlds)
        if self.upstream:  # Isaac Sim's setter of joint velocities also sets their targets
            self.anymals.set_joint_velocity_targets(velocities, worlds)
        if self.starts_moving:
            self.anymals.set_velocities(self.start_velocity, worlds)
        commands = torch.addcmul(self.command_low, self.command_span, self.uniform(0.0, 1.0, n, 3))
        self.commands = self.assign(self.commands, worlds, commands)
        self.targets = self.assign(self.targets, worlds, self.default_positions)
        self.actions = self.assign(self.actions, worlds, 0.0)
        # As in OmniIsaacGymEnvs, the first joint acceleration of an episode counts from rest.
        self.last_joint_velocities = self.assign(self.last_joint_velocities, worlds, 0.0)

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        """Move the position targets of the joints."""
        self.last_actions, self.actions = self.actions, actions
        targets = torch.add(self.targets, actions, alpha=self.cfg.control.actionScale * self.dt)
        self.targets = torch.clamp(targets, self.lower_limits, self.upper_limits)
        self.anymals.set_joint_position_targets(self.targets)

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Return the velocities of the base (m/s, rad/s) and the direction of gravity in its frame, commands, joint
        positions relative to the default pose (rad), joint velocities (rad/s) and actions, multiplied by the scales of
        ``learn``.
        """
        anymals = self.anymals
        positions, orientations = anymals.get_world_poses(worlds, clone=False)
        rotate = quat_apply if self.upstream else quat_apply_inverse
        gravity = rotate(orientations, self.down.expand_as(positions))
        base_motion = torch.cat((anymals.get_body_frame_velocities(worlds), gravity), dim=-1)
        joint_offsets = anymals.get_joint_positions(worlds, clone=False) - self.default_positions
        joint_velocities = anymals.get_joint_velocities(worlds)
        if worlds is None:
            self.base_height, self.base_motion = positions[:, 2], base_motion
            self.joint_offsets, self.joint_velocities = joint_offsets, joint_velocities
        commands, actions = self.rows(self.commands, worlds), self.rows(self.actions, worlds)
        parts = (base_motion, commands, joint_offsets, joint_velocities, actions)
        return torch.cat(parts, dim=-1) * self.observation_scales

    def is_done(self) -> torch.Tensor:
        """Terminate when the base is too low."""
        return self.base_height < self.cfg.minBaseHeight

    def calculate_metrics(self) -> torch.Tensor:
        """Reward commanded, smooth motion with upright legs, and penalise falls."""
        terms = reward_terms(
            base_motion=self.base_motion,
            commands=self.commands,
            joint_velocity_changes=self.joint_velocities - self.last_joint_velocities,
            action_changes=self.actions - self.last_actions,
            hip_offsets=self.joint_offsets[:, HAA_JOINTS],
        )
        self.last_joint_velocities = self.joint_velocities
        reward = self.sum_reward_terms(terms).clamp(min=0.0)
        return reward.masked_fill(self.terminated_buf, FALL_REWARD)


def reward_weights(learn: AnymalLearnConfig, dt: float) -> dict[str, float]:
    """Return the weights of the reward terms of a control step of ``dt`` seconds."""
    per_second = {
        "linear_velocity": learn.linearVelocityXYRewardScale,
        "yaw_rate": learn.angularVelocityZRewardScale,
        "vertical_velocity": learn.linearVelocityZRewardScale,
        "joint_acceleration": learn.jointAccRewardScale,
        "action_rate": learn.actionRateRewardScale,
        "hip_abduction": learn.cosmeticRewardScale,
    }
    return {name: weight * dt for name, weight in per_second.items()}


def reward_terms(
    *,
    base_motion: torch.Tensor,
    commands: torch.Tensor,
    joint_velocity_changes: torch.Tensor,
    action_changes: torch.Tensor,
    hip_offsets: torch.Tensor,
) -> dict[str, torch.Tensor]:
    """Return the reward terms of a step without a fall, before weights; the task clamps their sum to at least 0.

    Args:
        base_motion: ``(N, 6 or more)``: linear (m/s) and angular velocity (rad/s) in the base's frame.
        commands: ``(N, 3)``: forward and sideways velocity (m/s), yaw rate (rad/s).
        joint_velocity_changes: ``(N, 12)``: changes since the last control step, in rad/s.
        action_changes: ``(N, 12)``: changes since the last control step.
        hip_offsets: ``(N, 4)``: HAA joint positions relative to the default pose, in rad.

    Returns:
        ``(N,)`` each: ``linear_velocity`` = exp(−|error|² / 0.25), ``yaw_rate`` = exp(−error² / 0.25),
        ``vertical_velocity`` = v_z², ``joint_acceleration`` = Σ Δq̇², ``action_rate`` = Σ Δa², ``hip_abduction`` =
        Σ |offset|.
    """
    planar_error = (commands[:, :2] - base_motion[:, :2]).square().sum(dim=-1)
    yaw_error = (commands[:, 2] - base_motion[:, 5]).square()
    return {
        "linear_velocity": torch.exp(planar_error / -TRACKING_VARIANCE),
        "yaw_rate": torch.exp(yaw_error / -TRACKING_VARIANCE),
        "vertical_velocity": base_motion[:, 2].square(),
        "joint_acceleration": joint_velocity_changes.square().sum(dim=-1),
        "action_rate": action_changes.square().sum(dim=-1),
        "hip_abduction": hip_offsets.abs().sum(dim=-1),
    }
