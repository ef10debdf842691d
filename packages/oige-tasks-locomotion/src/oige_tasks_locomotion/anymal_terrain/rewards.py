"""Rewards of AnymalTerrain, per second of simulated time."""

from dataclasses import dataclass

import torch

from oige_tasks_locomotion.anymal_terrain import LearnConfig

__all__ = ["Motion", "reward_terms", "reward_weights"]

TARGET_BASE_HEIGHT = 0.52  # m
SWING_TIME = 0.5  # s; a foot that was in the air for less before it touches the ground costs
TRACKING_WIDTH = 0.25  # m²/s² and rad²/s²; a squared error this large leaves 1/e of the reward


@dataclass(frozen=True, kw_only=True)
class Motion:
    """What rewards depend on, for N robots.

    Attributes:
        linear_velocity: ``(N, 3)`` of the base, in its own frame, in m/s.
        angular_velocity: ``(N, 3)`` of the base, in its own frame, in rad/s.
        gravity: ``(N, 3)`` unit vector downwards, in the base's frame.
        base_height: ``(N,)`` above the ground, in m.
        commands: ``(N, 3)`` velocity along x and y in m/s, yaw rate in rad/s.
        efforts: ``(N, 12)`` of the joints, in N·m.
        hip_offsets: ``(N, 4)`` abduction from the default pose, in rad.
        velocity_change: ``(N, 12)`` of the joints during the step, in rad/s.
        action_change: ``(N, 12)`` from the last step's actions.
        swings: ``(N, 4)`` time for which feet were in the air that have just touched the ground, in s; 0 for others.
        knees_down: ``(N,)`` knees that touch the ground.
        fallen: ``(N,)`` bool; base or knees touch the ground.
    """

    linear_velocity: torch.Tensor
    angular_velocity: torch.Tensor
    gravity: torch.Tensor
    base_height: torch.Tensor
    commands: torch.Tensor
    efforts: torch.Tensor
    hip_offsets: torch.Tensor
    velocity_change: torch.Tensor
    action_change: torch.Tensor
    swings: torch.Tensor
    knees_down: torch.Tensor
    fallen: torch.Tensor


def reward_weights(scales: LearnConfig, dt: float) -> dict[str, float]:
    """Return the weights of the parts of the reward of a step of ``dt`` seconds."""
    per_second = {
        "linear_velocity_xy": scales.linearVelocityXYRewardScale,
        "angular_velocity_z": scales.angularVelocityZRewardScale,
        "linear_velocity_z": scales.linearVelocityZRewardScale,
        "angular_velocity_xy": scales.angularVelocityXYRewardScale,
        "orientation": scales.orientationRewardScale,
        "base_height": scales.baseHeightRewardScale,
        "torque": scales.torqueRewardScale,
        "joint_acceleration": scales.jointAccRewardScale,
        "action_rate": scales.actionRateRewardScale,
        "hip": scales.hipRewardScale,
        "feet_air_time": scales.feetAirTimeRewardScale,
        "knee_collision": scales.kneeCollisionRewardScale,
        "fallen_over": scales.fallenOverRewardScale,
    }
    return {name: weight * dt for name, weight in per_second.items()}


def reward_terms(motion: Motion) -> dict[str, torch.Tensor]:
    """Return the parts of the reward of a step before weights, ``(N,)`` each; their sum is not let below zero.

    Tracking terms are exp(−error² / 0.25), ``hip`` sums magnitudes, ``feet_air_time`` is the time of swings that end
    less 0.5 s each, unless the robot is told to stand, ``knee_collision`` counts knees on the ground, the others sum
    squares.
    """
    velocity, rate = motion.linear_velocity, motion.angular_velocity
    error_xy = _squares(motion.commands[:, :2] - velocity[:, :2])
    error_yaw = (motion.commands[:, 2] - rate[:, 2]).square()
    long_swings = ((motion.swings > 0.0) * (motion.swings - SWING_TIME)).sum(dim=-1)
    long_swings *= motion.commands[:, :2].any(dim=-1)
    return {
        "linear_velocity_xy": (error_xy / -TRACKING_WIDTH).exp(),
        "angular_velocity_z": (error_yaw / -TRACKING_WIDTH).exp(),
        "linear_velocity_z": velocity[:, 2].square(),
        "angular_velocity_xy": _squares(rate[:, :2]),
        "orientation": _squares(motion.gravity[:, :2]),
        "base_height": (motion.base_height - TARGET_BASE_HEIGHT).square(),
        "torque": _squares(motion.efforts),
        "joint_acceleration": _squares(motion.velocity_change),
        "action_rate": _squares(motion.action_change),
        "hip": motion.hip_offsets.abs().sum(dim=-1),
        "feet_air_time": long_swings,
        "knee_collision": motion.knees_down.float(),
        "fallen_over": motion.fallen.float(),
    }


def _squares(values: torch.Tensor) -> torch.Tensor:
    return values.square().sum(dim=-1)
