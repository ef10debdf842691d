"""Matrix products in full precision."""

import torch

__all__ = ["matmul"]


def matmul(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the matrix product of ``(…, k)`` or ``(…, n, k)`` with ``(k, m)``, or with ``(…, k, m)``.

    Training programs let GPUs round the factors of torch's matrix products to ten bits, which is enough for a network
    but not for physics. On a GPU this is therefore a sum of products.
    """
    if not _rounds_factors(a):
        return a @ b
    return (a.unsqueeze(-1) * (b if b.ndim == 2 else b.unsqueeze(-3))).sum(dim=-2)


def _rounds_factors(values: torch.Tensor) -> bool:
    return values.is_cuda
