"""Rewards of AnymalTerrain, per second of simulated time."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch

from oige_tasks_locomotion.anymal.robot import HAA_JOINTS
from oige_tasks_locomotion.anymal_terrain import LearnConfig

__all__ = ["Motion", "reward_terms", "reward_weights"]

TARGET_BASE_HEIGHT = 0.52  # m
SWING_TIME = 0.5  # s; shorter swings of a foot are penalised
TRACKING_WIDTH = 0.25  # m²/s² and rad²/s²; the squared error at which the reward is 1/e


class Motion(NamedTuple):
    """Inputs of the rewards of N robots.

    Attributes:
        linear_velocity: ``(N, 3)`` velocity of the base in its own frame, in m/s.
        angular_velocity: ``(N, 3)`` angular velocity of the base in its own frame, in rad/s.
        gravity: ``(N, 3)`` unit vector downwards, in the base's frame.
        height: ``(N,)`` height of the base, in m.
        ground: ``(N, points)`` height of the ground around the robot, in m.
        commands: ``(N, 3)`` velocity along x and y in m/s, yaw rate in rad/s.
        efforts: ``(N, 12)`` joint efforts, in N·m.
        joint_offsets: ``(N, 12)`` joint positions relative to the default pose, in rad.
        velocity_change: ``(N, 12)`` change of joint velocities during the step, in rad/s.
        action_change: ``(N, 12)`` change of actions since the last step.
        swings: ``(N, 4)`` time in the air of feet that have just touched the ground, in s; 0 for other feet.
        knees_down: ``(N,)`` number of knees that touch the ground.
        fallen: ``(N,)`` bool; base or knees touch the ground.
    """

    linear_velocity: torch.Tensor
    angular_velocity: torch.Tensor
    gravity: torch.Tensor
    height: torch.Tensor
    ground: torch.Tensor
    commands: torch.Tensor
    efforts: torch.Tensor
    joint_offsets: torch.Tensor
    velocity_change: torch.Tensor
    action_change: torch.Tensor
    swings: torch.Tensor
    knees_down: torch.Tensor
    fallen: torch.Tensor


def reward_weights(scales: LearnConfig, dt: float) -> dict[str, float]:
    """Return the nonzero weights of the reward terms of a step of ``dt`` seconds."""
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
    return {name: weight * dt for name, weight in per_second.items() if weight}


def reward_terms(motion: Motion, names: Iterable[str]) -> dict[str, torch.Tensor]:
    """Return the reward terms of a step, before weights, ``(N,)`` each; the task clamps their sum to at least 0.

    Tracking terms are exp(−error² / 0.25). ``hip`` sums magnitudes. ``feet_air_time`` is the time of swings that end,
    minus 0.5 s each, unless the robot is commanded to stand. ``knee_collision`` counts knees on the ground. The other
    terms sum squares.

    Args:
        motion: inputs of the terms.
        names: names of the terms to compute.
    """
    return {name: _TERMS[name](motion) for name in names}


def _track_planar_velocity(motion: Motion) -> torch.Tensor:
    error = _squares(motion.commands[:, :2] - motion.linear_velocity[:, :2])
    return (error / -TRACKING_WIDTH).exp()


def _track_yaw_rate(motion: Motion) -> torch.Tensor:
    error = (motion.commands[:, 2] - motion.angular_velocity[:, 2]).square()
    return (error / -TRACKING_WIDTH).exp()


def _base_height(motion: Motion) -> torch.Tensor:
    return (motion.height - motion.ground.mean(dim=-1) - TARGET_BASE_HEIGHT).square()


def _long_swings(motion: Motion) -> torch.Tensor:
    swings = ((motion.swings > 0.0) * (motion.swings - SWING_TIME)).sum(dim=-1)
    return swings * motion.commands[:, :2].any(dim=-1)


def _squares(values: torch.Tensor) -> torch.Tensor:
    return values.square().sum(dim=-1)


_TERMS: dict[str, Callable[[Motion], torch.Tensor]] = {
    "linear_velocity_xy": _track_planar_velocity,
    "angular_velocity_z": _track_yaw_rate,
    "linear_velocity_z": lambda motion: motion.linear_velocity[:, 2].square(),
    "angular_velocity_xy": lambda motion: _squares(motion.angular_velocity[:, :2]),
    "orientation": lambda motion: _squares(motion.gravity[:, :2]),
    "base_height": _base_height,
    "torque": lambda motion: _squares(motion.efforts),
    "joint_acceleration": lambda motion: _squares(motion.velocity_change),
    "action_rate": lambda motion: _squares(motion.action_change),
    "hip": lambda motion: motion.joint_offsets[:, HAA_JOINTS].abs().sum(dim=-1),
    "feet_air_time": _long_swings,
    "knee_collision": lambda motion: motion.knees_down.float(),
    "fallen_over": lambda motion: motion.fallen.float(),
}
