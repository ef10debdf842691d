"""Warp kernels that reset worlds of the C engine, for Warp variants of tasks."""

import warp as wp

__all__ = ["clear_rows", "restore_rows"]


@wp.kernel(enable_backward=False)
def restore_rows(mask: wp.array[bool], live: wp.array2d[wp.float64], initial: wp.array2d[wp.float64]):
    """Copy rows of worlds of the mask; one thread per world."""
    world = wp.tid()
    if mask[world]:
        for i in range(live.shape[1]):
            live[world, i] = initial[world, i]


@wp.kernel(enable_backward=False)
def clear_rows(mask: wp.array[bool], values: wp.array2d[float]):
    """Zero rows of worlds of the mask; one thread per world."""
    world = wp.tid()
    if mask[world]:
        for i in range(values.shape[1]):
            values[world, i] = 0.0
