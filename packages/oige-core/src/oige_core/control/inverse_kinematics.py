"""Differential inverse kinematics."""

import torch

from oige_core.config.control_schema import IkMethod
from oige_core.control.task_space import joint_efforts
from oige_core.math.linear import solve_positive_definite
from oige_core.math.products import matmul

__all__ = ["DAMPING", "SMALLEST_SINGULAR_VALUE", "ik_step"]

DAMPING = 0.1  # λ of damped least squares, as in OmniIsaacGymEnvs
SMALLEST_SINGULAR_VALUE = 1e-5  # that svd inverts, as in OmniIsaacGymEnvs


def ik_step(delta_pose: torch.Tensor, jacobian: torch.Tensor, method: IkMethod = "dls") -> torch.Tensor:
    """Return the changes of joint positions ``(n, joints)`` for changes of the pose.

    Args:
        delta_pose: ``(n, rows)``, for example from :func:`~oige_core.control.pose_error`.
        jacobian: ``(n, rows, joints)``, J, with at least as many joints as rows.
        method: ``pinv``: Jᵀ (J Jᵀ)⁻¹, the pseudoinverse of a Jacobian of full rank. At a singular pose, where singular
            values are below 1e-6 of the largest, it is not: choose ``dls``.
            ``trans``: Jᵀ. ``dls``: Jᵀ (J Jᵀ + λ² 1)⁻¹ with λ = 0.1. ``svd``: pseudoinverse by singular values, without
            those of at most 1e-5; CUDA graphs cannot contain it.
    """
    if method == "svd":
        return _by_singular_values(delta_pose, jacobian)
    if method == "trans":
        return joint_efforts(jacobian, delta_pose)
    damping = DAMPING**2 if method == "dls" else 0.0
    rows = jacobian.double()
    weights = solve_positive_definite(matmul(rows, rows.mT), delta_pose.double().unsqueeze(-1), damping)
    return joint_efforts(rows, weights.squeeze(-1)).to(jacobian.dtype)


def _by_singular_values(delta_pose: torch.Tensor, jacobian: torch.Tensor) -> torch.Tensor:
    left, values, right = torch.linalg.svd(jacobian, full_matrices=False)
    inverses = torch.where(values > SMALLEST_SINGULAR_VALUE, 1.0 / values, torch.zeros_like(values))
    weights = inverses.unsqueeze(-1) * matmul(left.mT, delta_pose.unsqueeze(-1))
    return matmul(right.mT, weights).squeeze(-1)
