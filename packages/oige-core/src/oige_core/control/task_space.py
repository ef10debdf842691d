"""Wrenches in task space, and the efforts of joints that exert them."""

import torch

from oige_core.math.linear import solve_positive_definite
from oige_core.math.products import matmul

__all__ = ["contact_wrench", "inertial_wrench", "joint_efforts"]


def inertial_wrench(acceleration: torch.Tensor, jacobian: torch.Tensor, mass_matrix: torch.Tensor) -> torch.Tensor:
    """Return the wrench ``(n, 6)`` that gives an arm at rest an acceleration: Λ a with Λ = (J M⁻¹ Jᵀ)⁻¹.

    Λ is the inertia that the end of the arm has in task space (Khatib, A unified approach for motion and force control
    of robot manipulators: the operational space formulation, 1987).

    Args:
        acceleration: ``(n, 6)``, a, in m/s² and rad/s².
        jacobian: ``(n, 6, joints)``, J.
        mass_matrix: ``(n, joints, joints)``, M, in kg, kg·m and kg·m².
    """
    rows = jacobian.double()
    mobility = matmul(rows, solve_positive_definite(mass_matrix.double(), rows.mT))
    wrench = solve_positive_definite(mobility, acceleration.double().unsqueeze(-1))
    return wrench.squeeze(-1).to(acceleration.dtype)


def contact_wrench(target: torch.Tensor, contact_force: torch.Tensor, prop_gains: torch.Tensor) -> torch.Tensor:
    """Return the wrench ``(n, 6)`` that a robot exerts to press with a target wrench: F* + k_p (F* − F).

    Args:
        target: ``(n, 6)``, F*: force in N and torque in N·m that the robot exerts on what it touches.
        contact_force: ``(n, 3)``: measured force on the robot, in N; F is its opposite. Torques are not measured and
            count as zero.
        prop_gains: ``(6,)``, k_p.
    """
    measured = torch.nn.functional.pad(-contact_force, (0, 3))
    return torch.addcmul(target, prop_gains, target - measured)


def joint_efforts(jacobian: torch.Tensor, wrench: torch.Tensor) -> torch.Tensor:
    """Return the efforts ``(n, joints)`` of joints that exert a wrench: Jᵀ F.

    Args:
        jacobian: ``(n, 6, joints)``.
        wrench: ``(n, 6)``, in N and N·m.
    """
    return matmul(jacobian.mT, wrench.unsqueeze(-1)).squeeze(-1)
