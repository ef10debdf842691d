"""Warp kernels of small systems of linear equations; one thread per system.

On a GPU, torch may solve them one after another, or with a library whose calls a CUDA graph cannot contain.
"""

import warp as wp

__all__ = ["solve_positive_definite"]


class Matrix(wp.types.matrix(shape=(7, 7), dtype=wp.float64)):
    """The largest matrix."""


class Vector(wp.types.vector(length=7, dtype=wp.float64)):
    """The largest right-hand side."""


@wp.kernel(enable_backward=False)
def solve_positive_definite(
    a: wp.array3d[wp.float64],
    b: wp.array3d[wp.float64],
    damping: wp.float64,
    diagonal_factor: wp.float64,
    rows: int,
    columns: int,
    x: wp.array3d[wp.float64],
):
    """Solve (A + damping · 1) x = b by a Cholesky factorisation A = L Lᵀ.

    Args:
        a: ``(n, rows, rows)`` symmetric matrices; their diagonals are multiplied by ``diagonal_factor``.
        b: ``(n, rows, columns)``.
        damping: added to the diagonals.
        diagonal_factor: see above.
        rows: at most 7.
        columns: number of right-hand sides.
        x: ``(n, rows, columns)``.
    """
    world = wp.tid()
    factor = Matrix()
    for j in range(rows):
        pivot = a[world, j, j] * diagonal_factor + damping
        for k in range(j):
            pivot -= factor[j, k] * factor[j, k]
        factor[j, j] = wp.sqrt(pivot)
        for i in range(j + 1, rows):
            value = a[world, i, j]
            for k in range(j):
                value -= factor[i, k] * factor[j, k]
            factor[i, j] = value / factor[j, j]
    for column in range(columns):
        solution = Vector()
        for i in range(rows):
            value = b[world, i, column]
            for k in range(i):
                value -= factor[i, k] * solution[k]
            solution[i] = value / factor[i, i]
        for step in range(rows):
            i = rows - 1 - step
            value = solution[i]
            for k in range(i + 1, rows):
                value -= factor[k, i] * solution[k]
            solution[i] = value / factor[i, i]
        for i in range(rows):
            x[world, i, column] = solution[i]
