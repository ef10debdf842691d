"""``omni.isaac.core.utils.warp``: functions on Warp arrays; quaternions are w, x, y, z."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import warp as wp

from oige_compat.torch_utils import rotations, transformations
from oige_compat.warp_arrays import to_torch, to_warp

__all__ = [
    "PI",
    "arange",
    "assign",
    "clone_tensor",
    "convert",
    "create_tensor_from_list",
    "create_zeros_tensor",
    "deg2rad",
    "euler_angles_to_quats",
    "get_local_from_world",
    "get_pose",
    "get_type",
    "get_world_from_local",
    "move_data",
    "ones",
    "rad2deg",
    "resolve_indices",
    "tensor_cat",
    "to_list",
    "to_numpy",
    "wp",
    "wxyz2xyzw",
    "xyzw2wxyz",
]

PI = wp.constant(math.pi)

TYPES = {
    "float32": wp.float32,
    "bool": wp.bool,
    "int32": wp.int32,
    "int64": wp.int64,
    "long": wp.int64,
    "uint8": wp.uint8,
}


def get_type(dtype: Any) -> Any:
    """Return the type of Warp of that name."""
    return TYPES[dtype] if isinstance(dtype, str) else dtype


def ones(n: int, device: str = "cpu", dtype: Any = wp.float32) -> wp.array:
    """Return ``n`` ones."""
    return wp.full(n, 1, dtype=dtype, device=device)


def arange(n: int, device: str = "cpu") -> wp.array:
    """Return the int32 numbers from 0 to ``n - 1``."""
    return wp.array(np.arange(n), dtype=wp.int32, device=device)


def convert(data: Any, device: str, dtype: str = "float32", indexed: bool = False) -> Any:
    """Return an array on a device."""
    array = data.to(device) if isinstance(data, wp.array | wp.indexedarray) else None
    if array is None:
        array = wp.array(data, dtype=get_type(dtype), device=device)
    return wp.indexedarray(array, [None]) if indexed and isinstance(array, wp.array) else array


def create_zeros_tensor(shape: Sequence[int], dtype: Any, device: str | None = None) -> wp.array:
    """Return zeros."""
    return wp.zeros(tuple(shape), dtype=get_type(dtype), device=device)


def create_tensor_from_list(data: Sequence[Any], dtype: Any, device: str | None = None) -> wp.array:
    """Return the numbers as an array."""
    return wp.array(data, dtype=get_type(dtype), device=device)


def clone_tensor(data: Any, device: str) -> wp.array:
    """Return a copy on a device."""
    return wp.clone(data, device=device)


def resolve_indices(indices: Any, count: int, device: str) -> wp.array:
    """Return indices as int32; None stands for all."""
    if indices is None:
        return arange(count, device)
    return wp.array(indices, dtype=wp.int32, device=device) if isinstance(indices, list) else indices.to(device)


def move_data(data: Any, device: str) -> Any:
    """Return the data on a device."""
    return data.to(device)


def to_numpy(data: Any) -> np.ndarray:
    """Return a NumPy array."""
    return data.numpy()


def to_list(data: Any) -> list:
    """Return nested lists."""
    return data if isinstance(data, list) else data.numpy().tolist()


def assign(src: Any, dst: Any, indices: Any) -> Any:
    """Write ``src`` to the given places of ``dst``, which is returned."""
    rows = [to_torch(part).long() for part in (indices if isinstance(indices, list) else [indices])]
    to_torch(dst)[tuple(rows)] = to_torch(src)
    return dst


def tensor_cat(data: Sequence[Any], device: str | None = None, dim: int = -1) -> wp.array:
    """Join arrays along a dimension."""
    import torch

    return to_warp(torch.cat([to_torch(part) for part in data], dim=dim), indexed=False)


def _on_arrays(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function on Warp arrays that does what one on tensors does."""

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        result = function(*map(to_torch, arguments), **{key: to_torch(value) for key, value in named.items()})
        return to_warp(result, indexed=False)

    return call


deg2rad = _on_arrays(rotations.deg2rad)
rad2deg = _on_arrays(rotations.rad2deg)
euler_angles_to_quats = _on_arrays(rotations.euler_angles_to_quats)
xyzw2wxyz = _on_arrays(rotations.xyzw2wxyz)
wxyz2xyzw = _on_arrays(rotations.wxyz2xyzw)
get_local_from_world = _on_arrays(transformations.get_local_from_world)
get_world_from_local = _on_arrays(transformations.get_world_from_local)
get_pose = _on_arrays(transformations.get_pose)
