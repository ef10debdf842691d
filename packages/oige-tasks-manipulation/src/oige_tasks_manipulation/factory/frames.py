"""Frames of hands, nuts and bolts, and points on their axes. Nothing here makes tensors from numbers of Python, because
CUDA graphs cannot contain that.
"""

import math

import torch
from oige_core.math import quat_conjugate, quat_from_rotation_vector, quat_mul

__all__ = [
    "axis_z",
    "flipped",
    "hexagon_yaw",
    "keypoint_distance",
    "level",
    "pad_z",
    "points_along_z",
    "tilt_back",
    "turn_about_z",
    "upright",
]


def pad_z(heights: torch.Tensor) -> torch.Tensor:
    """Return vectors ``(n, 3)`` along z for lengths ``(n,)``."""
    return torch.nn.functional.pad(heights.unsqueeze(-1), (2, 0))


def turn_about_z(yaw: torch.Tensor) -> torch.Tensor:
    """Return rotations ``(n, 4)`` about z by angles ``(n,)``, in rad."""
    return quat_from_rotation_vector(pad_z(yaw))


def upright(like: torch.Tensor) -> torch.Tensor:
    """Return orientations ``(n, 4)`` of bodies that stand upright, for ``(n, …)`` values."""
    return torch.nn.functional.pad(like.new_ones(len(like), 1), (0, 3))


def axis_z(orientation: torch.Tensor) -> torch.Tensor:
    """Return the z axes ``(n, 3)`` of frames with orientations ``(n, 4)``."""
    w, x, y, z = orientation.unbind(-1)
    return torch.stack((2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y)), dim=-1)


def flipped(hand: torch.Tensor) -> torch.Tensor:
    """Return orientations ``(n, 4)`` of hands, turned by −180° about their y axis: upright if a hand points down."""
    w, x, y, z = hand.unbind(-1)
    return torch.stack((y, z, -w, -x), dim=-1)


def points_along_z(position: torch.Tensor, orientation: torch.Tensor, heights: torch.Tensor) -> torch.Tensor:
    """Return points on the z axes of frames.

    Args:
        position: of the frames ``(n, 3)``, in m.
        orientation: of the frames ``(n, 4)``.
        heights: along their z axes ``(n, k)`` or ``(k,)``, in m.

    Returns:
        ``(n, k, 3)``, in m.
    """
    return position.unsqueeze(1) + axis_z(orientation).unsqueeze(1) * heights.unsqueeze(-1)


def keypoint_distance(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the sums ``(n,)`` of the distances between keypoints ``(n, k, 3)`` of two lines, in m."""
    return torch.linalg.vector_norm(first - second, dim=-1).sum(dim=-1)


def tilt_back(orientation: torch.Tensor) -> torch.Tensor:
    """Return the shortest rotations ``(n, 4)`` in the world that turn the z axes of frames ``(n, 4)`` upwards."""
    x, y, z = axis_z(orientation).unbind(-1)
    rotation = torch.stack((1.0 + z, y, -x, torch.zeros_like(z)), dim=-1)
    return rotation / torch.linalg.vector_norm(rotation, dim=-1, keepdim=True).clamp_min(1e-6)


def level(hand: torch.Tensor) -> torch.Tensor:
    """Return orientations ``(n, 4)`` of hands that are turned by the shortest rotation until they point down."""
    return quat_mul(tilt_back(flipped(hand)), hand)


def hexagon_yaw(hand: torch.Tensor, nut: torch.Tensor, expected: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the orientation of a nut in which its yaw in the gripper is closest to an expected one.

    Args:
        hand: orientations ``(n, 4)``; hands point down.
        nut: orientations ``(n, 4)``.
        expected: yaw in the gripper, in rad.

    Returns:
        Orientations ``(n, 4)``, turned by a multiple of 60° about the nut's z axis, with the sign that they have where
        these tasks start; and the difference of the yaw from the expected one ``(n,)``, −30° to 30° in rad.
    """
    in_gripper = quat_mul(quat_conjugate(flipped(hand)), nut)
    yaw = 2.0 * torch.atan2(in_gripper[:, 3], in_gripper[:, 0])
    turns = torch.round((expected - yaw) * (3.0 / math.pi))
    turn = turn_about_z(turns * (math.pi / 3.0))
    usual = turn_about_z(torch.full_like(yaw, expected))
    sign = (quat_mul(in_gripper, turn) * usual).sum(dim=-1, keepdim=True).sign()
    return sign * quat_mul(nut, turn), yaw + turns * (math.pi / 3.0) - expected
