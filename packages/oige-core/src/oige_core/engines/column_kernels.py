"""Warp kernels that write columns of tensors ``(N, k)``; one thread per number."""

import warp as wp

__all__ = ["write_columns", "write_columns_of_worlds"]


@wp.kernel(enable_backward=False)
def write_columns(values: wp.array2d[float], columns: wp.array[wp.int64], target: wp.array2d[float]):
    """Write values ``(N, m)`` to columns ``(m,)`` of the target."""
    world, i = wp.tid()
    target[world, int(columns[i])] = values[world, i]


@wp.kernel(enable_backward=False)
def write_columns_of_worlds(
    worlds: wp.array[bool], values: wp.array2d[float], columns: wp.array[wp.int64], target: wp.array2d[float]
):
    """Write values ``(N, m)`` to columns ``(m,)`` of the target in the worlds of a mask ``(N,)``."""
    world, i = wp.tid()
    if worlds[world]:
        target[world, int(columns[i])] = values[world, i]
