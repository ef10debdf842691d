"""Errors of poses."""

import math

import torch

from oige_core.config.control_schema import JacobianType
from oige_core.math import quat_conjugate, quat_mul, rotation_vector_from_quat

__all__ = ["pose_error"]


def pose_error(
    position: torch.Tensor,
    orientation: torch.Tensor,
    target_position: torch.Tensor,
    target_orientation: torch.Tensor,
    jacobian_type: JacobianType = "geometric",
) -> torch.Tensor:
    """Return by how much poses must change to reach their targets, along the shortest rotation.

    Args:
        position: ``(n, 3)``, in m.
        orientation: ``(n, 4)`` quaternions w, x, y, z of length 1.
        target_position: ``(n, 3)``, in m.
        target_orientation: ``(n, 4)``; q and −q are the same target.
        jacobian_type: ``geometric``: the rotation is a rotation vector in the world frame, at most π rad long;
            ``analytic``: the difference of the rotation vectors of the target and of the pose, where the target's is
            the nearer one of φ and φ (1 − 2π / \\|φ\\|), which are the same rotation.

    Returns:
        ``(n, 6)``: translation in m and rotation in rad.
    """
    translation = target_position - position
    if jacobian_type == "geometric":
        rotation = rotation_vector_from_quat(quat_mul(target_orientation, quat_conjugate(orientation)))
    else:
        rotation = _rotation_vector_difference(orientation, target_orientation)
    return torch.cat((translation, rotation), dim=-1)


def _rotation_vector_difference(orientation: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    current, goal = rotation_vector_from_quat(torch.stack((orientation, target))).unbind()
    angle = torch.linalg.vector_norm(goal, dim=-1, keepdim=True)
    other = goal * (1.0 - 2.0 * math.pi / angle.clamp_min(1e-6))
    near, far = goal - current, other - current
    return torch.where(near.square().sum(-1, keepdim=True) <= far.square().sum(-1, keepdim=True), near, far)
