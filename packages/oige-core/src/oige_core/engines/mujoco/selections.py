"""Selections of worlds, and rows of tensors ``(num_envs, …)`` in them.

A selection of worlds is int64 indices ``(n,)``, a bool mask ``(num_envs,)``, or None for all. With a mask, values have
a row for each world: reading returns all of them, and writing changes those of the mask without asking the device how
many they are. The rows of other worlds may hold anything.
"""

import contextlib
from collections.abc import Iterator
from typing import TypeGuard

import torch

__all__ = ["as_on_gpu", "can_look_at", "is_indices", "is_mask", "read_rows", "write_rows"]

_pretends_gpu = False


def can_look_at(values: torch.Tensor) -> bool:
    """Return whether the host can read what a tensor holds at once; a GPU would have to be waited for."""
    return values.device.type == "cpu" and not _pretends_gpu


@contextlib.contextmanager
def as_on_gpu() -> Iterator[None]:
    """Let :func:`can_look_at` say no, so that code runs as on a GPU where there is none; for tests."""
    global _pretends_gpu
    before, _pretends_gpu = _pretends_gpu, True
    try:
        yield
    finally:
        _pretends_gpu = before


def is_indices(worlds: torch.Tensor | None) -> TypeGuard[torch.Tensor]:
    """Return whether a selection is indices."""
    return worlds is not None and worlds.dtype != torch.bool


def is_mask(worlds: torch.Tensor | None) -> TypeGuard[torch.Tensor]:
    """Return whether a selection is a mask."""
    return worlds is not None and worlds.dtype == torch.bool


def read_rows(values: torch.Tensor, worlds: torch.Tensor | None, clone: bool = False) -> torch.Tensor:
    """Return the rows of indexed worlds, else all; a copy where that is asked for."""
    if is_indices(worlds):
        return values.index_select(0, worlds)
    return values.clone() if clone else values


def write_rows(target: torch.Tensor, values: torch.Tensor, worlds: torch.Tensor | None) -> None:
    """Set rows of ``target`` to values of its shape; of indexed worlds, to values ``(n, …)``."""
    if worlds is None:
        target.copy_(values)
    elif is_mask(worlds):
        mask = worlds.view(-1, *[1] * (target.ndim - 1))
        torch.where(mask, values.to(target.dtype), target, out=target)
    else:
        target.index_copy_(0, worlds, values.to(target.dtype))
