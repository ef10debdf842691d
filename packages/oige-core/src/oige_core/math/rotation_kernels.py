"""Warp kernels of rotations; one thread per quaternion. Quaternions are w, x, y, z and of unit length."""

import warp as wp

__all__ = [
    "from_rotation_vector",
    "heading_roll_up",
    "multiply",
    "rotate",
    "rotate_part",
    "to_matrix",
    "to_rotation_vector",
]


@wp.func
def _axis(q: wp.array2d[float], i: int) -> wp.vec3:
    return wp.vec3(q[i, 1], q[i, 2], q[i, 3])


@wp.func
def _rotate(q: wp.array2d[float], v: wp.array2d[float], sign: float, i: int) -> wp.vec3:
    axis, vector = _axis(q, i), wp.vec3(v[i, 0], v[i, 1], v[i, 2])
    twice = 2.0 * wp.cross(axis, vector)
    return vector + sign * q[i, 0] * twice + wp.cross(axis, twice)


@wp.kernel(enable_backward=False)
def rotate(q: wp.array2d[float], v: wp.array2d[float], sign: float, rotated: wp.array2d[float]):
    """Rotate a vector by a quaternion, for a sign of 1, or by its inverse, for -1.

    Args:
        q: ``(n, 4)``.
        v: ``(n, 3)``.
        sign: see above.
        rotated: ``(n, 3)``.
    """
    i = wp.tid()
    result = _rotate(q, v, sign, i)
    for k in range(3):
        rotated[i, k] = result[k]


@wp.kernel(enable_backward=False)
def rotate_part(
    q: wp.array2d[float],
    v: wp.array2d[float],
    sign: float,
    other: wp.array2d[float],
    first: int,
    joined: wp.array2d[float],
):
    """Join a rotated vector, which begins at column ``first`` (0 or 3), and another vector.

    Args:
        q: ``(n, 4)``.
        v: ``(n, 3)``.
        sign: see :func:`rotate`.
        other: ``(n, 3)``.
        first: see above.
        joined: ``(n, 6)``.
    """
    i = wp.tid()
    result = _rotate(q, v, sign, i)
    for k in range(3):
        joined[i, first + k] = result[k]
        joined[i, 3 - first + k] = other[i, k]


@wp.kernel(enable_backward=False)
def multiply(a: wp.array2d[float], b: wp.array2d[float], product: wp.array2d[float]):
    """Compute ``a · b``, the rotation ``b`` followed by ``a``; all ``(n, 4)``."""
    i = wp.tid()
    u, v = _axis(a, i), _axis(b, i)
    axis = a[i, 0] * v + b[i, 0] * u + wp.cross(u, v)
    product[i, 0] = a[i, 0] * b[i, 0] - wp.dot(u, v)
    for k in range(3):
        product[i, 1 + k] = axis[k]


@wp.kernel(enable_backward=False)
def from_rotation_vector(vector: wp.array2d[float], q: wp.array2d[float]):
    """Compute the quaternion ``(n, 4)`` of a rotation vector ``(n, 3)``."""
    i = wp.tid()
    v = wp.vec3(vector[i, 0], vector[i, 1], vector[i, 2])
    half = 0.5 * wp.length(v)
    factor = 0.5
    if half > 0.0:
        factor = 0.5 * wp.sin(half) / half
    q[i, 0] = wp.cos(half)
    for k in range(3):
        q[i, 1 + k] = factor * v[k]


@wp.kernel(enable_backward=False)
def to_rotation_vector(q: wp.array2d[float], vector: wp.array2d[float]):
    """Compute the rotation vector ``(n, 3)`` of a quaternion ``(n, 4)``, that of the shorter way."""
    i = wp.tid()
    v = _axis(q, i)
    sine = wp.length(v)
    factor = 2.0
    if sine > 0.0:
        factor = 2.0 * wp.atan2(sine, wp.abs(q[i, 0])) / sine
    if q[i, 0] < 0.0:
        factor = -factor
    for k in range(3):
        vector[i, k] = factor * v[k]


@wp.kernel(enable_backward=False)
def to_matrix(q: wp.array2d[float], matrix: wp.array2d[float]):
    """Compute the rotation matrix, row by row ``(n, 9)``, of a quaternion ``(n, 4)``."""
    i = wp.tid()
    w, x, y, z = q[i, 0], q[i, 1], q[i, 2], q[i, 3]
    matrix[i, 0] = w * w + x * x - y * y - z * z
    matrix[i, 1] = 2.0 * (x * y - w * z)
    matrix[i, 2] = 2.0 * (x * z + w * y)
    matrix[i, 3] = 2.0 * (x * y + w * z)
    matrix[i, 4] = w * w - x * x + y * y - z * z
    matrix[i, 5] = 2.0 * (y * z - w * x)
    matrix[i, 6] = 2.0 * (x * z - w * y)
    matrix[i, 7] = 2.0 * (y * z + w * x)
    matrix[i, 8] = w * w - x * x - y * y + z * z


@wp.kernel(enable_backward=False)
def heading_roll_up(
    q: wp.array2d[float], to_target: wp.array2d[float], distance: wp.array[float], attitude: wp.array2d[float]
):
    """Compute the attitude of a body; see :func:`oige_core.math.heading_roll_up`.

    Args:
        q: ``(n, 4)``.
        to_target: ``(n, 2)``.
        distance: ``(n,)``.
        attitude: ``(n, 5)``.
    """
    i = wp.tid()
    w, x, y, z = q[i, 0], q[i, 1], q[i, 2], q[i, 3]
    forward_x, forward_y = w * w - z * z + x * x - y * y, 2.0 * (w * z + x * y)
    up, left_z = w * w - x * x + z * z - y * y, 2.0 * (w * x + z * y)
    target_x, target_y = to_target[i, 0], to_target[i, 1]
    facing = forward_x * target_x + forward_y * target_y
    attitude[i, 0] = wp.atan2(forward_y, forward_x)
    attitude[i, 1] = wp.atan2(left_z, up)
    attitude[i, 2] = wp.atan2(forward_x * target_y - forward_y * target_x, facing)
    attitude[i, 3] = up
    attitude[i, 4] = facing / distance[i]
