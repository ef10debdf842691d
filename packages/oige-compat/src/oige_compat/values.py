"""Numbers that task code passes as tensors, arrays, lists or vectors of ``Gf``."""

from typing import Any

import torch

__all__ = ["as_list", "as_rows"]


def as_list(values: Any) -> list[float]:
    """Return numbers of a tensor, array, Warp array, list or vector."""
    if not hasattr(values, "tolist") and hasattr(values, "numpy"):  # a Warp array
        values = values.numpy()
    return [float(value) for value in (values.tolist() if hasattr(values, "tolist") else values)]


def as_rows(values: Any, device: torch.device) -> torch.Tensor:
    """Return a float32 tensor on a device."""
    return torch.as_tensor(values, dtype=torch.float32, device=device)
