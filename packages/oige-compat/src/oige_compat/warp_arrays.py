"""Lets views take and return Warp arrays in tasks with ``warp=True``."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch

from oige_compat.session import session

__all__ = ["serves_warp", "to_torch", "to_warp"]

Kind = TypeVar("Kind", bound=type)

UNINDEXED = {"get_dof_limits"}
"""Methods that return arrays; others return indexed arrays, which kernels of tasks expect, as of Isaac Sim's views."""

PLAIN = {"bind", "initialize", "is_physics_handle_valid", "post_reset"}
"""Methods without tensors."""

_inside = False


def to_torch(value: Any) -> Any:
    """Return a tensor for a Warp array, and anything else as it is."""
    if not type(value).__module__.startswith("warp"):
        return value
    import warp as wp

    if isinstance(value, wp.indexedarray):
        value = value.contiguous()
    return wp.to_torch(value) if isinstance(value, wp.array) else value


def to_warp(value: Any, *, indexed: bool = True) -> Any:
    """Return a Warp array for a tensor, also in tuples, and anything else as it is.

    Args:
        value: what a method of a view returns.
        indexed: whether the arrays are of the type ``wp.indexedarray``.
    """
    if isinstance(value, tuple):
        return tuple(to_warp(part, indexed=indexed) for part in value)
    if not isinstance(value, torch.Tensor):
        return value
    import warp as wp

    wp.init()
    array = wp.from_torch(value)
    return wp.indexedarray(array, [None] * array.ndim) if indexed else array


def serves_warp(kind: Kind) -> Kind:
    """Let the public methods of a class of views convert Warp arrays if the task uses them.

    Only the call of a script is converted, not those within it.
    """
    for name, method in list(vars(kind).items()):
        if not name.startswith("_") and name not in PLAIN and callable(method):
            setattr(kind, name, _converting(name, method))
    return kind


def _converting(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:
        global _inside
        if _inside or session().backend != "warp":
            return method(*arguments, **named)
        _inside = True
        try:
            result = method(*map(to_torch, arguments), **{key: to_torch(value) for key, value in named.items()})
        finally:
            _inside = False
        return to_warp(result, indexed=name not in UNINDEXED)

    return call
