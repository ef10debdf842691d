"""``omni.isaac.core.utils.torch.tensor``."""

from collections.abc import Sequence

import numpy as np
import torch

__all__ = [
    "as_type",
    "assign",
    "clone_tensor",
    "convert",
    "create_tensor_from_list",
    "create_zeros_tensor",
    "expand_dims",
    "move_data",
    "pad",
    "resolve_indices",
    "tensor_cat",
    "tensor_stack",
    "to_list",
    "to_numpy",
    "torch",
]

Data = torch.Tensor | np.ndarray | Sequence[float]


def _dtype(name: str | torch.dtype) -> torch.dtype:
    return getattr(torch, name) if isinstance(name, str) else name


def as_type(data: torch.Tensor, dtype: str) -> torch.Tensor:
    """Convert to the type of that name."""
    return data.to(_dtype(dtype))


def convert(data: Data, device: str, dtype: str = "float32", indexed: bool | None = None) -> torch.Tensor:
    """Return a tensor on a device."""
    return torch.as_tensor(data, dtype=_dtype(dtype), device=device)


def create_zeros_tensor(shape: Sequence[int], dtype: str, device: str | None = None) -> torch.Tensor:
    """Return zeros."""
    return torch.zeros(tuple(shape), dtype=_dtype(dtype), device=device)


def create_tensor_from_list(data: Sequence[float], dtype: str, device: str | None = None) -> torch.Tensor:
    """Return the numbers as a tensor."""
    return torch.tensor(data, dtype=_dtype(dtype), device=device)


def clone_tensor(data: torch.Tensor, device: str | None) -> torch.Tensor:
    """Return a copy on a device."""
    return torch.clone(data).to(device)


def resolve_indices(indices: Data | None, count: int, device: str) -> torch.Tensor:
    """Return indices as int64; None stands for all."""
    if indices is None:
        return torch.arange(count, device=device)
    return torch.as_tensor(indices, device=device).long()


def move_data(data: torch.Tensor, device: str) -> torch.Tensor:
    """Return the data on a device."""
    return data.to(device)


def tensor_cat(data: Sequence[torch.Tensor], device: str | None = None, dim: int = -1) -> torch.Tensor:
    """Join tensors along a dimension."""
    return torch.cat(tuple(data), dim=dim)


def expand_dims(data: torch.Tensor, axis: int) -> torch.Tensor:
    """Insert a dimension of size 1."""
    return torch.unsqueeze(data, axis)


def pad(
    data: torch.Tensor, pad_width: Sequence[int], mode: str = "constant", value: float | None = None
) -> torch.Tensor:
    """Pad as ``torch.nn.functional.pad`` does."""
    return torch.nn.functional.pad(data, list(pad_width), mode, value)


def tensor_stack(data: Sequence[torch.Tensor], dim: int = 0) -> torch.Tensor:
    """Join tensors along a new dimension."""
    return torch.stack(tuple(data), dim=dim)


def to_list(data: torch.Tensor) -> list:
    """Return nested lists."""
    return data.cpu().numpy().tolist()


def to_numpy(data: torch.Tensor) -> np.ndarray:
    """Return a NumPy array."""
    return data.cpu().numpy()


def assign(src: torch.Tensor, dst: torch.Tensor, indices: torch.Tensor | Sequence[torch.Tensor]) -> torch.Tensor:
    """Write ``src`` to the given places of ``dst``, which is returned."""
    dst[tuple(indices) if isinstance(indices, list | tuple) else indices] = src
    return dst
