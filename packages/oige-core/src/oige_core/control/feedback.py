"""Feedback of position and velocity."""

import torch

__all__ = ["proportional_derivative"]


def proportional_derivative(
    error: torch.Tensor, velocity: torch.Tensor, prop_gains: torch.Tensor, deriv_gains: torch.Tensor
) -> torch.Tensor:
    """Return k_p · error − k_d · velocity ``(n, k)``: a spring to the target and a damper, per joint or axis.

    Args:
        error: ``(n, k)``: target less position, in m and rad.
        velocity: ``(n, k)``, in m/s and rad/s.
        prop_gains: ``(k,)``, in N/m and N·m/rad, or in 1/s² if the result is an acceleration.
        deriv_gains: ``(k,)``, in N·s/m and N·m·s/rad, or in 1/s.
    """
    return torch.addcmul(prop_gains * error, deriv_gains, velocity, value=-1.0)
