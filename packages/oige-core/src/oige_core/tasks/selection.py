"""Selections of worlds, for which a reset is written once: indices on the CPU, a mask on a GPU.

A step must not wait for a GPU, so it cannot ask how many worlds have to be reset. On a GPU, a selection is therefore a
mask over all worlds: values are computed for all worlds, then kept for the selected ones. In both forms ``len(worlds)``
is the number of rows to compute and to pass to setters of views.
"""

import torch

from oige_core.errors import OigeError

__all__ = ["as_mask", "assign", "clear", "mean_of", "rows"]


def as_mask(worlds: torch.Tensor, num_envs: int) -> torch.Tensor:
    """Return a selection as a mask ``(num_envs,)`` of bool."""
    if worlds.dtype == torch.bool:
        return worlds
    return torch.zeros(num_envs, dtype=torch.bool, device=worlds.device).index_fill_(0, worlds, True)


def rows(values: torch.Tensor, worlds: torch.Tensor | None) -> torch.Tensor:
    """Return the rows of a selection: those of its indices, or all rows for a mask or None.

    Args:
        values: ``(N, …)``.
        worlds: indices ``(n,)`` int64, a mask ``(N,)`` bool, or None for all worlds.

    Returns:
        ``(len(worlds), …)``.
    """
    return values if worlds is None or worlds.dtype == torch.bool else values.index_select(0, worlds)


def assign(target: torch.Tensor, worlds: torch.Tensor, values: torch.Tensor | float) -> torch.Tensor:
    """Return a copy of ``target`` in which the rows of the selected worlds are ``values``.

    Args:
        target: ``(N, …)``.
        worlds: indices ``(n,)`` int64, or a mask ``(N,)`` bool.
        values: ``(len(worlds), …)``, a tensor that can be expanded to that shape, or a number.

    Raises:
        OigeError: the values have another shape.
    """
    if isinstance(values, torch.Tensor):
        values = _expand(values, (len(worlds), *target.shape[1:]))
    if worlds.dtype == torch.bool:
        mask = worlds.view(-1, *[1] * (target.ndim - 1))
        if not isinstance(values, torch.Tensor):
            return target.masked_fill(mask, values)
        return torch.where(mask, values.to(target.dtype), target)
    if not isinstance(values, torch.Tensor):
        return target.index_fill(0, worlds, values)
    return target.index_copy(0, worlds, values.to(target.dtype))


def clear(target: torch.Tensor, worlds: torch.Tensor) -> None:
    """Set the rows of the selected worlds to 0, in place.

    Args:
        target: ``(N, …)``.
        worlds: indices ``(n,)`` int64, or a mask ``(N,)`` bool.
    """
    if worlds.dtype == torch.bool:
        target.masked_fill_(worlds.view(-1, *[1] * (target.ndim - 1)), 0)
    else:
        target.index_fill_(0, worlds, 0)


def mean_of(values: torch.Tensor, worlds: torch.Tensor) -> torch.Tensor:
    """Return the mean over the selected worlds, 0 if there are none.

    Args:
        values: ``(…, N)``, with the worlds as last dimension.
        worlds: indices ``(n,)`` int64, or a mask ``(N,)`` bool.

    Returns:
        ``(…)`` float32.
    """
    if worlds.dtype == torch.bool:
        # Not a product: what is left out may be NaN.
        return torch.where(worlds, values.float(), 0.0).sum(-1) / worlds.sum().clamp(min=1)
    return values.float().index_select(-1, worlds).sum(-1) / max(1, worlds.shape[0])


def _expand(values: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    if values.shape == shape:
        return values
    try:
        return values.expand(shape)
    except RuntimeError:
        raise OigeError(
            f"assign: values of shape {tuple(values.shape)}: expected {shape}, with a row for each entry of worlds."
        ) from None
