"""The base of Ant and Humanoid.

Task: run along x as fast as possible, upright and with little energy, towards a target 1 km away.
Randomisation: joint positions ±0.2 rad around the default pose, within limits, and velocities ±0.1 rad/s at each reset.
Success: the torso stays up for the whole episode; the return is then mainly the distance covered.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from oige_core import ArticulationAsset, RLTask, Scene, Task
from oige_core.math import grid_positions, heading_roll_up

from oige_tasks_locomotion.ant_humanoid import LocomotionConfig

__all__ = ["Locomotion", "LocomotionTask", "has_fallen", "reward_terms", "reward_weights"]

TARGET = (1000.0, 0.0)  # x, y in m
POTENTIAL_DT = 1.0 / 60.0  # s; the constant of OmniIsaacGymEnvs, although a control step takes 0.0166 s
POSITION_NOISE = 0.2  # rad
VELOCITY_NOISE = 0.1  # rad/s

# Columns of the observation; joint positions and velocities start at JOINTS.
HEIGHT, UP, HEADING, JOINTS = 0, 10, 11, 12

UPRIGHT = 0.93  # vertical component of the upward axis above which the robot is upright
FACING = 0.8  # component of the forward axis towards the target above which the robot faces it


class Locomotion(Task[LocomotionConfig]):
    """The scene and its constants, for torch tasks and Warp variants. A subclass defines the robot.

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
        """Compute constants: limits, gears, observation scales, the target."""
        robots, cfg, device = self.robots, self.cfg, self.device
        self.lower_limits, self.upper_limits = robots.get_dof_limits()[0].unbind(-1)
        self.default_positions = robots.get_joint_positions()[0]
        # Normalised position = scale · q + offset.
        self.position_scale = 2.0 / (self.upper_limits - self.lower_limits)
        self.position_offset = -0.5 * self.position_scale * (self.lower_limits + self.upper_limits)
        gears = torch.tensor([self.gears[name] for name in robots.dof_names], device=device)
        self.gear_ratio = gears / gears.max()
        self.torque_scale = gears * cfg.powerScale
        self.foot_links = [robots.get_link_index(name) for name in self.feet]
        self.target = self.place_target()
        self.initial_distance = torch.linalg.vector_norm(self.target, dim=-1)

    def place_target(self) -> torch.Tensor:
        """Return the target in each world, x and y ``(N, 2)`` in m."""
        return torch.tensor([TARGET], device=self.device).expand(self.num_envs, 2)


class LocomotionTask(Locomotion, RLTask[LocomotionConfig]):
    """See the module.

    With ``task.env.compat=upstream``, the target is one point of the stage, so that its direction depends on the place
    of the world in the grid, and the angle to the target is that of OmniIsaacGymEnvs; see
    :func:`with_upstream_angle`.
    """

    @abstractmethod
    def limit_cost(self, positions: torch.Tensor) -> torch.Tensor:
        """Return the limit cost ``(N,)`` of joints from positions ``(N, d)``, which are −1 and 1 at the limits."""

    def post_reset(self) -> None:
        """Create the tensors that change from step to step."""
        super().post_reset()
        cfg, joints = self.cfg, self.robots.num_dof
        # Observed quantities in order, with their sizes and scales; see get_observations.
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

    def place_target(self) -> torch.Tensor:
        """Return the target in each world; upstream, all worlds share the target of the first."""
        target = super().place_target()
        if self.upstream:
            target = target - grid_positions(self.num_envs, self.cfg.envSpacing, self.device)[:, :2]
        return target

    def reset_idx(self, worlds: torch.Tensor) -> None:
        """Drop robots from their spawn height, with joints near the default pose."""
        super().reset_idx(worlds)
        noise, velocities = self.uniform(-1.0, 1.0, 2, len(worlds), self.robots.num_dof).unbind()
        positions = torch.add(self.default_positions, noise, alpha=POSITION_NOISE)
        positions = torch.clamp(positions, self.lower_limits, self.upper_limits)
        self.robots.set_joint_positions(positions, worlds)
        self.robots.set_joint_velocities(VELOCITY_NOISE * velocities, worlds)
        self.last_distance = self.assign(self.last_distance, worlds, self.rows(self.initial_distance, worlds))
        self.actions = self.assign(self.actions, worlds, 0.0)

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        """Drive the joints by torque."""
        self.actions = actions
        self.robots.set_joint_efforts(actions * self.torque_scale)

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Return the observations, in one row:

        height of the torso (m); its linear velocity (3, m/s) and angular velocity (3, rad/s, scaled) along its axes;
        yaw, roll, angle to the target, up, heading (see :func:`heading_roll_up`); joint positions (d, −1 and 1 at
        limits); joint velocities (d, rad/s, scaled); wrenches on the feet through their joints (6 each, N and
        N·m, scaled); previous actions (d).
        """
        robots = self.robots
        position, rotation = robots.get_world_poses(worlds, clone=False)
        to_target = self.rows(self.target, worlds) - position[:, :2]
        distance = torch.linalg.vector_norm(to_target, dim=-1)
        if worlds is None:
            self.distance = distance
        attitude = heading_roll_up(rotation, to_target, distance)
        if self.upstream:
            attitude = with_upstream_angle(attitude, to_target[:, 0], position[:, 2])
        parts = (
            position[:, 2:],
            robots.get_body_frame_velocities(worlds),
            attitude,
            robots.get_joint_positions(worlds, clone=False),
            robots.get_joint_velocities(worlds, clone=False),
            robots.get_measured_joint_forces(worlds, joint_indices=self.foot_links, clone=False).flatten(1),
            self.rows(self.actions, worlds),
        )
        return torch.addcmul(self.observation_offset, torch.cat(parts, dim=-1), self.observation_scale)

    def is_done(self) -> torch.Tensor:
        """Terminate when the robot falls."""
        return has_fallen(self.obs_buf, self.cfg.terminationHeight)

    def calculate_metrics(self) -> torch.Tensor:
        """Reward progress, survival, an upright torso that faces the target, and low energy, and penalise falls."""
        terms = {"progress": self.last_distance - self.distance, "alive": self.alive}
        self.last_distance = self.distance
        terms |= reward_terms(self.obs_buf, self.actions, self.gear_ratio)
        terms["joint_limits"] = self.limit_cost(self.obs_buf[:, JOINTS : JOINTS + self.robots.num_dof])
        return self.sum_reward_terms(terms).masked_fill(self.terminated_buf, self.cfg.deathCost)


def with_upstream_angle(attitude: torch.Tensor, ahead: torch.Tensor, height: torch.Tensor) -> torch.Tensor:
    """Replace the angle to the target by that of OmniIsaacGymEnvs, which takes the height for the way to the left.

    Args:
        attitude: ``(n, 5)``; see :func:`heading_roll_up`.
        ahead: ``(n,)`` x component of the vector to the target, in m.
        height: ``(n,)`` of the torso above the target, in m.
    """
    angle = torch.atan2(-height, ahead) - attitude[:, 0]
    angle = torch.atan2(torch.sin(angle), torch.cos(angle)).unsqueeze(-1)
    return torch.cat((attitude[:, :2], angle, attitude[:, 3:]), dim=-1)


def reward_weights(cfg: LocomotionConfig) -> dict[str, float]:
    """Return the weights of the reward terms of a step without a fall."""
    return {
        "progress": 1.0 / POTENTIAL_DT,  # converts m per step to a speed
        "alive": cfg.alive_reward_scale,
        "upright": cfg.upWeight,
        "heading": cfg.headingWeight / FACING,  # full above FACING, proportional below
        "actions": -cfg.actionsCost,
        "energy": -cfg.energyCost,
        "joint_limits": -cfg.jointsAtLimitCost,
    }


def reward_terms(
    observations: torch.Tensor, actions: torch.Tensor, gear_ratio: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Return the reward terms, before weights, that depend on posture and joints.

    Args:
        observations: ``(N, …)``; see :meth:`LocomotionTask.get_observations`.
        actions: ``(N, d)``.
        gear_ratio: ``(d,)`` gears of the joints as fractions of the largest.

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
