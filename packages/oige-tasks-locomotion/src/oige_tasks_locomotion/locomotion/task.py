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

__all__ = ["Locomotion", "LocomotionTask", "has_fallen", "posture", "reward_terms", "reward_weights"]

TARGET = (1000.0, 0.0)  # x, y in m
POTENTIAL_DT = 1.0 / 60.0  # s; the original's constant, where a control step takes 0.0166 s
POSITION_NOISE = 0.2  # rad
VELOCITY_NOISE = 0.1  # rad/s

# Columns of the observation; joint positions and velocities begin at JOINTS.
HEIGHT, UP, HEADING, JOINTS = 0, 10, 11, 12

UPRIGHT = 0.93  # of the vertical part of the upward axis; above it the robot is upright
FACING = 0.8  # of the part of the forward axis that points towards the target; above it the robot faces it


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
            self.robot_name, self.asset, position=(0.0, 0.0, self.spawn_height), track_joint_forces=self.feet
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
        self.foot_links = [robots.get_link_index(name) for name in self.feet]
        self.target = torch.tensor([TARGET], device=device).expand(n, 2)
        if cfg.compat == "oige":
            # There, the target is a point of the stage, so that each world sees it from another place.
            self.target = self.target - grid_positions(n, cfg.envSpacing, device)[:, :2]
        self.initial_distance = torch.linalg.vector_norm(self.target, dim=-1)


class LocomotionTask(Locomotion, RLTask[LocomotionConfig]):
    """Run; see the module."""

    @abstractmethod
    def limit_cost(self, positions: torch.Tensor) -> torch.Tensor:
        """Return by how much joints ``(N,)`` are at limits, from positions ``(N, d)`` that limits bound to −1 … 1."""

    def post_reset(self) -> None:
        """Remember what changes from step to step."""
        super().post_reset()
        cfg, joints = self.cfg, self.robots.num_dof
        # What is observed, in order: how much of it, and its scale. See get_observations.
        scales = [(4, 1.0), (3, cfg.angularVelocityScale), (5, 1.0), (joints, 1.0), (joints, cfg.dofVelocityScale)]
        scales += [(6 * len(self.feet), cfg.contactForceScale), (joints, 1.0)]
        columns = [scale for count, scale in scales for _ in range(count)]
        self.observation_scale = torch.tensor(columns, device=self.device)
        self.observation_scale[JOINTS : JOINTS + joints] = self.position_scale
        self.observation_offset = torch.zeros_like(self.observation_scale)
        self.observation_offset[JOINTS : JOINTS + joints] = self.position_offset
        self.reward_weights = reward_weights(cfg)
        self.actions = torch.zeros(self.num_envs, joints, device=self.device)
        self.alive = torch.ones(self.num_envs, device=self.device)
        self.distance, self.last_distance = self.initial_distance, self.initial_distance.clone()

    def reset_idx(self, env_ids: torch.Tensor) -> None:
        """Drop robots from their spawn height, joints near the default pose."""
        super().reset_idx(env_ids)
        noise, velocities = self.uniform(-1.0, 1.0, 2, len(env_ids), self.robots.num_dof).unbind()
        positions = torch.add(self.default_positions, noise, alpha=POSITION_NOISE)
        positions = torch.clamp(positions, self.lower_limits, self.upper_limits)
        self.robots.set_joint_positions(positions, indices=env_ids)
        self.robots.set_joint_velocities(VELOCITY_NOISE * velocities, indices=env_ids)
        self.last_distance.index_copy_(0, env_ids, self.initial_distance.index_select(0, env_ids))
        self.actions.index_fill_(0, env_ids, 0.0)

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
        self.obs_buf, self.distance = self._observe_robots(None)
        return self.obs_buf

    def observe_again(self, env_ids: torch.Tensor) -> None:
        """Observe the robots ``(n,)`` that were reset, and no others."""
        self.obs_buf = self.obs_buf.index_copy(0, env_ids, self._observe_robots(env_ids)[0])

    def _observe_robots(self, env_ids: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return observations of these robots, of all if None, and their distances ``(n,)`` to the target, in m."""
        robots, target, actions = self.robots, self.target, self.actions
        if env_ids is not None:
            target, actions = target.index_select(0, env_ids), actions.index_select(0, env_ids)
        position, rotation = robots.get_world_poses(env_ids, clone=False)
        to_target = target - position[:, :2]
        distance = torch.linalg.vector_norm(to_target, dim=-1)
        forces = robots.get_measured_joint_forces(env_ids, joint_indices=self.foot_links, clone=False)
        parts = (
            position[:, 2:],
            robots.get_body_frame_velocities(env_ids),
            posture(rotation, to_target, distance),
            robots.get_joint_positions(env_ids, clone=False),
            robots.get_joint_velocities(env_ids, clone=False),
            forces.flatten(1),
            actions,
        )
        row = torch.cat(parts, dim=-1)
        return torch.addcmul(self.observation_offset, row, self.observation_scale), distance

    def calculate_metrics(self) -> None:
        """Reward progress, life, an upright torso that faces the target, and thrift; a fall costs."""
        terms = {"progress": self.last_distance - self.distance, "alive": self.alive}
        self.last_distance = self.distance
        terms |= reward_terms(self.obs_buf, self.actions, self.gear_ratio)
        terms["joint_limits"] = self.limit_cost(self.obs_buf[:, JOINTS : JOINTS + self.robots.num_dof])
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
    # Forward axis, horizontal; vertical parts of the left and upward axes. Few operations, none of them with a number,
    # take a third of the time. The four squares add up to one.
    a, b = torch.addcmul(w * w, y, y, value=-1.0), torch.addcmul(x * x, z, z, value=-1.0)
    w2, y2 = w + w, y + y
    forward_x, forward_y = a + b, torch.addcmul(x * y2, w2, z)
    left_z, up_z = torch.addcmul(x * w2, y2, z), a - b
    along = torch.addcmul(forward_x * target_x, forward_y, target_y)
    across = torch.addcmul(forward_x * target_y, forward_y, target_x, value=-1.0)
    heading = along / distance
    yaw = torch.atan2(forward_y, forward_x)
    return torch.stack((yaw, torch.atan2(left_z, up_z), torch.atan2(across, along), up_z, heading), dim=-1)


def reward_weights(cfg: LocomotionConfig) -> dict[str, float]:
    """Return the weights of the parts of the reward of a step without a fall."""
    return {
        "progress": 1.0 / POTENTIAL_DT,  # of m; makes it a speed
        "alive": cfg.alive_reward_scale,
        "upright": cfg.upWeight,
        "heading": cfg.headingWeight / FACING,  # full above FACING, in proportion below
        "actions": -cfg.actionsCost,
        "energy": -cfg.energyCost,
        "joint_limits": -cfg.jointsAtLimitCost,
    }


def reward_terms(
    observations: torch.Tensor, actions: torch.Tensor, gear_ratio: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Return those parts of the reward, before weights, that posture and joints decide.

    Args:
        observations: ``(N, …)``; see :meth:`LocomotionTask.get_observations`.
        actions: ``(N, d)``.
        gear_ratio: ``(d,)`` gears of the joints as parts of the largest.

    Returns:
        ``(N,)`` each: ``upright``, 1 where up > 0.93; ``heading``, at most 0.8; ``actions`` = Σ a²; ``energy`` =
        Σ |a · scaled q̇| · gear ratio.
    """
    dofs = actions.shape[1]
    velocities = observations[:, JOINTS + dofs : JOINTS + 2 * dofs]
    return {
        "upright": (observations[:, UP] > UPRIGHT).float(),
        "heading": observations[:, HEADING].clamp(max=FACING),
        "actions": (actions * actions).sum(dim=-1),
        "energy": (actions * velocities * gear_ratio).abs().sum(dim=-1),
    }


def has_fallen(observations: torch.Tensor, termination_height: float) -> torch.Tensor:
    """Return whether the torso is below ``termination_height`` m, ``(N,)`` bool."""
    return observations[:, HEIGHT] < termination_height
