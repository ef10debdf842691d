"""Small systems of linear equations."""

import torch

from oige_core.math import fused

__all__ = ["solve_positive_definite"]

LARGEST = 7  # rows that the Warp kernel keeps in registers
RELATIVE_DAMPING = 1e-12  # of the diagonal, so that rounding of float64 leaves singular matrices positive definite


def solve_positive_definite(a: torch.Tensor, b: torch.Tensor, damping: float = 0.0) -> torch.Tensor:
    """Solve (A + damping · 1) x = b without synchronising with the host, so that CUDA graphs can contain it.

    Args:
        a: ``(n, k, k)`` symmetric, positive definite matrices A in float64. Their diagonals are increased by 10⁻¹².
        b: ``(n, k, m)`` in float64.
        damping: added to the diagonals.

    Returns:
        ``(n, k, m)``.
    """
    if a.shape[-1] <= LARGEST and fused.fuses(a, b, dtype=torch.float64):
        return fused.solve_positive_definite(a, b, damping, RELATIVE_DAMPING)
    diagonal = a.diagonal(dim1=-2, dim2=-1)
    regular = a + torch.diag_embed(RELATIVE_DAMPING * diagonal + damping)
    factor, _ = torch.linalg.cholesky_ex(regular, check_errors=False)
    return torch.cholesky_solve(b, factor)
