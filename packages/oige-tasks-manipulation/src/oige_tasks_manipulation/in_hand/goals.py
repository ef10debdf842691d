"""Rewards and goals of in-hand tasks, as functions of tensors."""

import math

import torch
from oige_core.math import quat_conjugate, quat_mul

from oige_tasks_manipulation.in_hand import InHandConfig

__all__ = ["average_successes", "random_orientations", "reward_terms", "reward_weights", "rotation_angles"]


def rotation_angles(orientations: torch.Tensor, goals: torch.Tensor) -> torch.Tensor:
    """Return the angles ``(N,)`` of the rotations between orientations and goals ``(N, 4)``, in rad, 0 to π.

    With the vector part v of the rotation's quaternion, the angle is 2 · asin(min(|v|, 1)).
    """
    difference = quat_mul(orientations, quat_conjugate(goals))
    return 2.0 * torch.asin(torch.linalg.vector_norm(difference[:, 1:], dim=-1).clamp(max=1.0))


def random_orientations(turns: torch.Tensor) -> torch.Tensor:
    """Return orientations ``(n, 4)``: a rotation about y, then one about x.

    Args:
        turns: ``(n, 2)``, angles about x and y as fractions of π.
    """
    halves = 0.5 * math.pi * turns
    (cos_x, cos_y), (sin_x, sin_y) = halves.cos().unbind(-1), halves.sin().unbind(-1)
    return torch.stack((cos_x * cos_y, sin_x * cos_y, cos_x * sin_y, sin_x * sin_y), dim=-1)


def reward_weights(cfg: InHandConfig) -> dict[str, float]:
    """Return the weights of the reward terms; those of falls and time-outs only if there is a penalty."""
    weights = {
        "distance": cfg.distRewardScale,
        "rotation": cfg.rotRewardScale,
        "actions": cfg.actionPenaltyScale,
        "goal_reached": cfg.reachGoalBonus,
    }
    if cfg.fallPenalty:
        weights["fall"] = cfg.fallPenalty
        if cfg.maxConsecutiveSuccesses:
            weights["time_out"] = 0.5 * cfg.fallPenalty
    return weights


def reward_terms(
    *,
    distances: torch.Tensor,
    angles: torch.Tensor,
    actions: torch.Tensor,
    reached: torch.Tensor,
    angle_bound: float,
) -> dict[str, torch.Tensor]:
    """Return the reward terms of a step, before weights.

    Args:
        distances: ``(N,)``, from the object to the goal, in m.
        angles: ``(N,)``, between the object and the goal, in rad.
        actions: ``(N, actions)``.
        reached: ``(N,)`` bool, whether the goal is reached.
        angle_bound: ``rotEps``, in rad.

    Returns:
        ``(N,)`` each: ``distance`` in m, ``rotation`` = 1 / (angle + angle_bound), ``actions`` = Σ a²,
        ``goal_reached`` = 1 where it is reached.
    """
    return {
        "distance": distances,
        "rotation": 1.0 / (angles + angle_bound),
        "actions": actions.square().sum(dim=-1),
        "goal_reached": reached.float(),
    }


def average_successes(
    average: torch.Tensor, successes: torch.Tensor, ended: torch.Tensor, factor: float
) -> torch.Tensor:
    """Return the moving average of successes per episode ``()``; the same as before if no episode ended.

    Args:
        average: ``()``, the average so far.
        successes: ``(N,)``, goals reached in the current episodes.
        ended: ``(N,)`` bool, whether they ended in this step.
        factor: weight of their mean.
    """
    count = ended.count_nonzero()
    mean = torch.where(ended, successes, 0.0).sum() / count.clamp(min=1)
    return torch.where(count > 0, factor * mean + (1.0 - factor) * average, average)
