"""Policies of Pick and Place that follow what they observe."""

import math
from collections.abc import Callable
from typing import Any

import torch
from oige_core.math import quat_apply

__all__ = ["pick_actions", "place_actions", "play", "z_axis"]

TIP = torch.tensor([0.0, 0.0, 0.041])  # m; of an M16 bolt: 16 mm of head and 25 mm of shank
HEAD = 0.016  # m


def z_axis(orientation: torch.Tensor) -> torch.Tensor:
    """Return the z axes ``(n, 3)`` of frames ``(n, 4)``."""
    return quat_apply(orientation, torch.tensor([0.0, 0.0, 1.0]).expand(len(orientation), 3))


def pick_actions(observed: torch.Tensor) -> torch.Tensor:
    """Return actions ``(n, 12)`` that move the fingertips to the nut, with the hand pointing down."""
    tips, hand, nut, grasp = observed[:, :3], observed[:, 3:7], observed[:, 13:16], observed[:, 16:20]
    turn = torch.linalg.cross(z_axis(hand), z_axis(grasp))
    return torch.cat((20.0 * (nut - tips), 20.0 * turn, torch.zeros(len(tips), 6)), dim=-1).clamp(-1.0, 1.0)


def place_actions(observed: torch.Tensor) -> torch.Tensor:
    """Return actions ``(n, 12)`` that move the nut above the bolt and turn it upright, then move it down.

    A nut that arrives askew or off the axis hooks itself to the cone of the bolt's tip.
    """
    nut, turned, bolt = observed[:, 13:16], observed[:, 16:20], observed[:, 20:23]
    up = z_axis(turned)
    missing = bolt + TIP - nut - HEAD * up
    waits = (torch.linalg.vector_norm(missing[:, :2], dim=-1) > 0.002) | (up[:, 2] < math.cos(0.04))
    missing = missing + torch.nn.functional.pad(0.02 * waits.unsqueeze(-1), (2, 0))
    upright = torch.tensor([0.0, 0.0, 1.0]).expand_as(up)
    turn = torch.linalg.cross(up, upright)
    return torch.cat((20.0 * missing, 40.0 * turn, torch.zeros(len(nut), 6)), dim=-1).clamp(-1.0, 1.0)


def play(env: Any, observed: torch.Tensor, policy: Callable[[torch.Tensor], torch.Tensor], steps: int) -> Any:
    """Step an environment with a policy and return the results of the last step."""
    results: Any = (observed,)
    for _ in range(steps):
        results = env.step(policy(results[0]))
    return results
