"""The base of Ant and Humanoid.

Task: run along x as fast as possible, upright and without waste, towards a target 1 km away.
Randomisation: joint positions ±0.2 rad around the default pose, within limits, and velocities ±0.1 rad/s at each reset.
Success: the torso stays up for the whole episode; the return is then mainly the distance covered.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from oige_core.math import grid_positions
from oige_core.scene import ArticulationAsset, Scene
from oige_core.tasks import RLTask, Task

from oige_tasks_locomotion.locomotion import LocomotionConfig

__all__ = ["Locomotion", "LocomotionTask", "has_fallen", "posture", "reward_terms"]

TARGET = (1000.0, 0.0)  # x, y in m
POTENTIAL_DT = 1.0 / 60.0  # s; the original's constant, where a control step takes 0.0166 s
POSITION_NOISE = 0.2  # rad
VELOCITY_NOISE = 0.1  # rad/s

# Columns of the observation; joint positions and velocities begin at JOINTS.
HEIGHT, UP, HEADING, JOINTS = 0, 10, 11, 12


class Locomotion(Task[LocomotionConfig]):
    """The scene and its constants, on torch tensors and on Warp arrays alike. A subclass gives the robot.

    Attributes:
        robot_name: name of the robot in the scene.
        asset: the robot, in its default pose.
        spawn_height: height of its torso at a reset, in metres.
        feet: links whose joint forces are observed.
        gears: torque in N·m at action 1 and ``powerScale`` 1, by joint name.
    """

    robot_name: ClassVar[str]
    asset: ClassVar[ArticulationAsset]
    spawn_height: ClassVar[float]
    feet: ClassVar[Sequence[str]]
    gears: ClassVar[Mapping[str, float]]

    def set_up_scene(self, scene: Scene) -> None:
        """Add a ground plane and the robot above it."""
        scene.add_ground_plane()
        self.robots = scene.add_articulation(
            self.robot_name, self.asset, position=(0.0, 0.0, self.spawn_height), track_joint_forces=True
        )

    def post_reset(self) -> None:
        """Compute what stays the same: limits, gears, scales of the observation, the target."""
        robots, cfg, n, device = self.robots, self.cfg, self.num_envs, self.device
        self.lower_limits, self.upper_limits = robots.get_dof_limits()[0].unbind(-1)
        self.default_positions = robots.get_joint_positions()[0]
        # Normalised position = scale · q + offset.
        self.position_scale = 2.0 / (self.upper_limits - self.lower_limits)
        self.position_offset = -0.5 * self.position_scale * (self.lower_limits + self.upper_limits)
        gears = torch.tensor([self.gears[name] for name in robots.dof_names], device=device)
        self.gear_ratio = gears / gears.max()
        self.torque_scale = gears * cfg.powerScale
        self.foot_links = torch.tensor([robots.get_link_index(name) for name in self.feet], device=device)
        self.target = torch.tensor([TARGET], device=device)
        if cfg.compat == "oige":
            # There, the target is a point of the stage, so that each world sees it from another place.
            self.target = self.target - grid_positions(n, cfg.envSpacing, device)[:, :2]
        self.initial_distance = torch.linalg.vector_norm(self.target.expand(n, 2), dim=-1)


class LocomotionTask(Locomotion, RLTask[LocomotionConfig]):
    """Run; see the module."""

    @abstractmethod
    def limit_cost(self, positions: torch.Tensor) -> torch.Tensor:
        """Return the cost ``(N,)`` of joints at limits, from positions ``(N, d)`` that limits bound to −1 … 1."""

    def post_reset(self) -> None:
        """Remember what changes from step to step."""
        super().post_reset()
        self.twist_scale = torch.tensor([1.0, self.cfg.angularVelocityScale], device=self.device).repeat_interleave(3)
        self.actions = torch.zeros(self.num_envs, self.robots.num_dof, device=self.device)
        self.distance, self.last_distance = self.initial_distance, self.initial_distance.clone()

    def reset_idx(self, env_ids: torch.Tensor) -> None:
        """Drop robots from their spawn height, joints near the default pose."""
        super().reset_idx(env_ids)
        noise = self.uniform(-1.0, 1.0, 2, len(env_ids), self.robots.num_dof)
        positions = self.default_positions + POSITION_NOISE * noise[0]
        positions = torch.clamp(positions, self.lower_limits, self.upper_limits)
        self.robots.set_joint_positions(positions, indices=env_ids)
        self.robots.set_joint_velocities(VELOCITY_NOISE * noise[1], indices=env_ids)
        self.last_distance[env_ids] = self.initial_distance[env_ids]
        self.actions[env_ids] = 0.0

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        """Drive the joints by torque."""
        self.actions = actions
        self.robots.set_joint_efforts(actions * self.torque_scale)

    def get_observations(self) -> torch.Tensor:
        """Observe, all in one row:

        height of the torso (m); its linear velocity (3, m/s) and angular velocity (3, rad/s, scaled) along its axes;
        yaw, roll, angle to the target, up, heading (see :func:`posture`); joint positions (d, −1 and 1 at limits);
        joint velocities (d, rad/s, scaled); wrenches that the feet feel through their joints (6 each, N and N·m,
        scaled); last actions (d).
        """
        robots, cfg = self.robots, self.cfg
        position, rotation = robots.get_world_poses(clone=False)
        to_target = self.target - position[:, :2]
        self.distance = torch.linalg.vector_norm(to_target, dim=-1)
        forces = robots.get_measured_joint_forces(joint_indices=self.foot_links, clone=False)
        self.obs_buf = torch.cat(
            (
                position[:, 2:],
                robots.get_body_frame_velocities() * self.twist_scale,
                posture(rotation, to_target, self.distance),
                torch.addcmul(self.position_offset, robots.get_joint_positions(clone=False), self.position_scale),
                robots.get_joint_velocities(clone=False) * cfg.dofVelocityScale,
                forces.flatten(1) * cfg.contactForceScale,
                self.actions,
            ),
            dim=-1,
        )
        return self.obs_buf

    def calculate_metrics(self) -> None:
        """Reward progress, life, an upright torso that faces the target, and thrift; a fall costs."""
        progress = (self.last_distance - self.distance) / POTENTIAL_DT
        self.last_distance = self.distance.clone()
        positions = self.obs_buf[:, JOINTS : JOINTS + self.robots.num_dof]
        terms = reward_terms(self.obs_buf, self.actions, progress, self.gear_ratio, self.cfg)
        terms["joint_limits"] = -self.limit_cost(positions)
        self.rew_buf = self.sum_reward_terms(terms).masked_fill(self.terminated_buf, self.cfg.deathCost)

    def is_done(self) -> None:
        """End the episode when the robot falls."""
        self.terminated_buf = has_fallen(self.obs_buf, self.cfg.terminationHeight)


def posture(rotation: torch.Tensor, to_target: torch.Tensor, distance: torch.Tensor) -> torch.Tensor:
    """Return how the torso is turned.

    Args:
        rotation: ``(N, 4)`` orientation of the torso, w, x, y, z.
        to_target: ``(N, 2)`` horizontal vector to the target, in m.
        distance: ``(N,)`` its length, in m.

    Returns:
        ``(N, 5)``: yaw and roll (rad, −π … π); the angle (rad, −π … π) by which the torso must turn left to face the
        target; the vertical part of its upward axis, 1 when upright; the part of its forward axis that points towards
        the target, 1 when facing it.
    """
    w, x, y, z = rotation.unbind(-1)
    target_x, target_y = to_target.unbind(-1)
    # Forward axis, horizontal; vertical parts of the left and upward axes.
    forward_x = 1.0 - 2.0 * (y * y + z * z)
    forward_y = 2.0 * (x * y + w * z)
    left_z = 2.0 * (y * z + w * x)
    up_z = 1.0 - 2.0 * (x * x + y * y)
    along = forward_x * target_x + forward_y * target_y
    across = forward_x * target_y - forward_y * target_x
    heading = along / distance
    yaw = torch.atan2(forward_y, forward_x)
    return torch.stack((yaw, torch.atan2(left_z, up_z), torch.atan2(across, along), up_z, heading), dim=-1)


def reward_terms(
    observations: torch.Tensor,
    actions: torch.Tensor,
    progress: torch.Tensor,
    gear_ratio: torch.Tensor,
    cfg: LocomotionConfig,
) -> dict[str, torch.Tensor]:
    """Return the parts of the reward of a step without a fall, limits of joints apart.

    Args:
        observations: ``(N, …)``; see :meth:`LocomotionTask.get_observations`.
        actions: ``(N, d)``.
        progress: ``(N,)`` speed towards the target, in m/s.
        gear_ratio: ``(d,)`` gears of the joints as parts of the largest.
        cfg: weights.

    Returns:
        ``(N,)`` each: ``progress`` as given; ``alive``; ``upright`` where up > 0.93; ``heading``, full above 0.8 and in
        proportion below; ``actions`` = −cost · Σ a²; ``energy`` = −cost · Σ |a · scaled q̇| · gear ratio.
    """
    dofs = actions.shape[1]
    up, heading = observations[:, UP], observations[:, HEADING]
    velocities = observations[:, JOINTS + dofs : JOINTS + 2 * dofs]
    return {
        "progress": progress,
        "alive": torch.full_like(progress, cfg.alive_reward_scale),
        "upright": (up > 0.93) * cfg.upWeight,
        "heading": (heading / 0.8).clamp(max=1.0) * cfg.headingWeight,
        "actions": -cfg.actionsCost * (actions * actions).sum(dim=-1),
        "energy": -cfg.energyCost * ((actions * velocities).abs() @ gear_ratio),
    }


def has_fallen(observations: torch.Tensor, termination_height: float) -> torch.Tensor:
    """Return whether the torso is below ``termination_height`` m, ``(N,)`` bool."""
    return observations[:, HEIGHT] < termination_height
