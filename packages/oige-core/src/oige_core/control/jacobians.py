"""Jacobians of other parametrisations of rotations."""

import torch

from oige_core.math import rotation_vector_from_quat
from oige_core.math.products import matmul

__all__ = ["analytic_jacobian", "rotation_vector_rates"]

SMALL_ANGLE = 0.05  # rad; below it a series is exact in float32


def analytic_jacobian(jacobian: torch.Tensor, orientation: torch.Tensor) -> torch.Tensor:
    """Return Jacobians whose last three rows give rates of rotation vectors instead of angular velocities.

    Args:
        jacobian: ``(n, 6, columns)``: linear and angular velocity in the world frame, per joint velocity.
        orientation: ``(n, 4)`` quaternions w, x, y, z of length 1.
    """
    return torch.cat((jacobian[:, :3], matmul(rotation_vector_rates(orientation), jacobian[:, 3:])), dim=1)


def rotation_vector_rates(orientation: torch.Tensor) -> torch.Tensor:
    """Return the matrices ``(n, 3, 3)`` E with dφ/dt = E ω, for rotation vectors φ and angular velocities ω.

    E = 1 − ½ [φ] + (1 − ½ θ cot(½ θ)) / θ² [φ]², where [φ] is the matrix of the cross product with φ and θ = \\|φ\\|
    (Robot Dynamics lecture notes, ETH Zürich, 2018, eq. 2.107). θ is at most π, where E still exists.

    Args:
        orientation: ``(n, 4)`` quaternions w, x, y, z of length 1.
    """
    vector = rotation_vector_from_quat(orientation)
    squared = vector.square().sum(dim=-1)[:, None, None]
    half = 0.5 * squared.sqrt()
    small = half < 0.5 * SMALL_ANGLE
    safe = torch.where(small, torch.ones_like(half), half)
    factor = torch.where(small, 1.0 / 12.0 + squared / 720.0, 0.25 * (1.0 - safe / safe.tan()) / (safe * safe))
    outer = vector.unsqueeze(-1) * vector.unsqueeze(-2)
    identity = torch.eye(3, dtype=vector.dtype, device=vector.device)
    cross = torch.linalg.cross(vector.unsqueeze(-2).expand(-1, 3, 3), -identity.expand(len(vector), 3, 3))
    return identity - 0.5 * cross + factor * (outer - squared * identity)
