"""A Warp kernel that finds principal axes without waiting for a GPU, as torch's eigenvalues do."""

import warp as wp

__all__ = ["find_principal_axes"]


_SWEEPS = wp.constant(6)  # of Jacobi's method, which converges quadratically


@wp.func
def _jacobi_rotation(matrix: wp.mat33, p: int, q: int) -> wp.mat33:
    """Return the rotation of two axes that zeroes an element of a symmetric matrix (Golub and Van Loan, 8.5.2)."""
    rotation = wp.identity(n=3, dtype=float)
    element = matrix[p, q]
    if element != 0.0:
        ratio = (matrix[q, q] - matrix[p, p]) / (2.0 * element)
        tangent = 1.0 / (wp.abs(ratio) + wp.sqrt(1.0 + ratio * ratio))
        if ratio < 0.0:
            tangent = -tangent
        cosine = 1.0 / wp.sqrt(1.0 + tangent * tangent)
        rotation[p, p] = cosine
        rotation[q, q] = cosine
        rotation[p, q] = tangent * cosine
        rotation[q, p] = -tangent * cosine
    return rotation


@wp.kernel(enable_backward=False)
def find_principal_axes(inertias: wp.array3d[float], moments: wp.array3d[float], orientations: wp.array3d[float]):
    """Write moments ``(n, b, 3)`` and orientations ``(n, b, 4)`` of principal axes of inertias ``(n, b, 9)``."""
    world, body = wp.tid()
    matrix = wp.mat33(0.0)
    for i in range(3):
        for j in range(3):
            matrix[i, j] = 0.5 * (inertias[world, body, 3 * i + j] + inertias[world, body, 3 * j + i])
    axes = wp.identity(n=3, dtype=float)
    for _sweep in range(_SWEEPS):
        for i in range(3):
            rotation = _jacobi_rotation(matrix, i // 2, 1 + (i + 1) // 2)
            matrix = wp.transpose(rotation) * matrix * rotation
            axes = axes * rotation
    orientation = wp.normalize(wp.quat_from_matrix(axes))
    for i in range(3):
        moments[world, body, i] = matrix[i, i]
        orientations[world, body, i + 1] = orientation[i]
    orientations[world, body, 0] = orientation[3]
