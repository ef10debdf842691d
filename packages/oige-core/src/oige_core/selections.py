"""Selections of worlds, and rows of tensors ``(num_envs, …)`` in them.

A selection of worlds is int64 indices ``(n,)``, a bool mask ``(num_envs,)``, or None for all. With a mask, values have
a row for each world: reading returns all rows, and writing changes only those of the mask, without waiting for the
device to count them. The rows of other worlds may contain any value.
"""

import contextlib
from collections.abc import Iterator
from typing import TypeGuard

import torch

__all__ = ["as_on_gpu", "host_can_read", "is_indices", "is_mask", "read_rows", "write_rows"]

_pretend_gpu = False


def host_can_read(values: torch.Tensor) -> bool:
    """Return whether the host can read a tensor without waiting for a GPU."""
    return values.device.type == "cpu" and not _pretend_gpu


@contextlib.contextmanager
def as_on_gpu() -> Iterator[None]:
    """Context in which :func:`host_can_read` returns False, so that tests without a GPU run the code of a GPU."""
    global _pretend_gpu
    before, _pretend_gpu = _pretend_gpu, True
    try:
        yield
    finally:
        _pretend_gpu = before


def is_indices(worlds: torch.Tensor | None) -> TypeGuard[torch.Tensor]:
    """Return whether a selection is indices."""
    return worlds is not None and worlds.dtype != torch.bool


def is_mask(worlds: torch.Tensor | None) -> TypeGuard[torch.Tensor]:
    """Return whether a selection is a mask."""
    return worlds is not None and worlds.dtype == torch.bool


def read_rows(values: torch.Tensor, worlds: torch.Tensor | None, clone: bool = False) -> torch.Tensor:
    """Return the rows of indexed worlds, or all rows for a mask or None; as a copy if requested."""
    if is_indices(worlds):
        return values.index_select(0, worlds)
    return values.clone() if clone else values


def write_rows(target: torch.Tensor, values: torch.Tensor, worlds: torch.Tensor | None) -> None:
    """Set the rows of the selected worlds.

    Args:
        target: ``(num_envs, …)``.
        values: of the shape of ``target``, or ``(n, …)`` for indices.
        worlds: the selection.
    """
    if worlds is None:
        target.copy_(values)
    elif is_mask(worlds):
        mask = worlds.view(-1, *[1] * (target.ndim - 1))
        torch.where(mask, values.to(target.dtype), target, out=target)
    else:
        target.index_copy_(0, worlds, values.to(target.dtype))
