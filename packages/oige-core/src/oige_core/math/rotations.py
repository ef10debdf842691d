"""Rotations on torch tensors. Quaternions are w, x, y, z and of unit length."""

import functools
import math

import torch

from oige_core.math import fused
from oige_core.math.products import matmul

__all__ = [
    "euler_xyz_from_quat",
    "heading_roll_up",
    "quat_apply",
    "quat_apply_inverse",
    "quat_conjugate",
    "quat_from_angle_axis",
    "quat_from_euler_xyz",
    "quat_from_rotation_vector",
    "quat_mul",
    "quat_to_matrix",
    "rotate_inverse",
    "rotation_vector_from_quat",
]


def quat_mul(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the product ``a · b``, the rotation ``b`` followed by ``a``; shapes ``(…, 4)``."""
    if fused.fuses(a, b):
        return fused.quat_mul(a, b)
    aw, ax, ay, az = a.unbind(-1)
    bw, bx, by, bz = b.unbind(-1)
    return torch.stack(
        (
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ),
        dim=-1,
    )


def quat_conjugate(q: torch.Tensor) -> torch.Tensor:
    """Return the inverse rotation; shape ``(…, 4)``."""
    return torch.cat((q[..., :1], -q[..., 1:]), dim=-1)


def quat_apply(q: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Rotate vectors ``(…, 3)`` by quaternions ``(…, 4)``."""
    if fused.fuses(q, v):
        return fused.rotate(q, v, 1.0)
    axis = q[..., 1:].expand(v.shape)
    t = torch.linalg.cross(axis, v)
    t += t  # twice as fast as multiplying by a number
    return torch.addcmul(v, q[..., :1], t) + torch.linalg.cross(axis, t)


def quat_apply_inverse(q: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Rotate vectors ``(…, 3)`` by the inverse of quaternions ``(…, 4)``: from the world to a body's frame."""
    if fused.fuses(q, v):
        return fused.rotate(q, v, -1.0)
    return rotate_inverse(q[..., :1], q[..., 1:].expand(v.shape), v)


def rotate_inverse(real: torch.Tensor, axis: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Compute :func:`quat_apply_inverse` from the components ``(…, 1)`` and ``(…, 3)`` of the quaternions."""
    t = torch.linalg.cross(axis, v)
    t += t  # twice as fast as multiplying by a number
    return torch.addcmul(v, real, t, value=-1.0) + torch.linalg.cross(axis, t)


# Entries of a rotation matrix, row by row, as sums of products of two entries of the quaternion; a 1 is their sum of
# squares. One matrix product is many times faster than one operation per term.
_MATRIX_ENTRIES = (
    {"ww": 1, "xx": 1, "yy": -1, "zz": -1},
    {"xy": 2, "wz": -2},
    {"xz": 2, "wy": 2},
    {"xy": 2, "wz": 2},
    {"ww": 1, "xx": -1, "yy": 1, "zz": -1},
    {"yz": 2, "wx": -2},
    {"xz": 2, "wy": -2},
    {"yz": 2, "wx": 2},
    {"ww": 1, "xx": -1, "yy": -1, "zz": 1},
)


@functools.cache
def _matrix_from_products(dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    products = [a + b for a in "wxyz" for b in "wxyz"]
    rows = [[float(entry.get(product, 0)) for entry in _MATRIX_ENTRIES] for product in products]
    return torch.tensor(rows, dtype=dtype, device=device)


def quat_to_matrix(q: torch.Tensor) -> torch.Tensor:
    """Return rotation matrices ``(…, 3, 3)`` of quaternions ``(…, 4)``."""
    if fused.fuses(q):
        return fused.quat_to_matrix(q)
    products = (q.unsqueeze(-1) * q.unsqueeze(-2)).flatten(-2)
    table = _matrix_from_products(q.dtype, q.device)
    return matmul(products, table).unflatten(-1, (3, 3))


def quat_from_angle_axis(angle: torch.Tensor, axis: torch.Tensor) -> torch.Tensor:
    """Return quaternions ``(…, 4)`` of rotations by ``angle`` ``(…,)`` rad about unit ``axis`` ``(…, 3)``."""
    half = 0.5 * angle.unsqueeze(-1)
    return torch.cat((half.cos(), half.sin() * axis), dim=-1)


def quat_from_euler_xyz(angles: torch.Tensor) -> torch.Tensor:
    """Return quaternions ``(…, 4)`` of rotations about the fixed axes x, then y, then z.

    Args:
        angles: ``(…, 3)``: roll, pitch and yaw, in rad.
    """
    half = 0.5 * angles
    (cx, cy, cz), (sx, sy, sz) = half.cos().unbind(-1), half.sin().unbind(-1)
    return torch.stack(
        (
            cx * cy * cz + sx * sy * sz,
            sx * cy * cz - cx * sy * sz,
            cx * sy * cz + sx * cy * sz,
            cx * cy * sz - sx * sy * cz,
        ),
        dim=-1,
    )


def quat_from_rotation_vector(vector: torch.Tensor) -> torch.Tensor:
    """Return quaternions ``(…, 4)`` of rotations about vectors ``(…, 3)`` by their lengths, in rad; also by zero."""
    if fused.fuses(vector):
        return fused.quat_from_rotation_vector(vector)
    half = 0.5 * torch.linalg.vector_norm(vector, dim=-1, keepdim=True)
    return torch.cat((half.cos(), 0.5 * torch.sinc(half / math.pi) * vector), dim=-1)


def rotation_vector_from_quat(q: torch.Tensor) -> torch.Tensor:
    """Return rotation vectors ``(…, 3)`` of quaternions ``(…, 4)``: axes times angles, in rad, at most π long.

    q and −q are the same rotation and give the same vector, that of the shorter way; zero for no rotation.
    """
    if fused.fuses(q):
        return fused.rotation_vector_from_quat(q)
    q = torch.where(q[..., :1] < 0.0, -q, q)
    sine = torch.linalg.vector_norm(q[..., 1:], dim=-1, keepdim=True)
    half = torch.atan2(sine, q[..., :1])
    return 2.0 * q[..., 1:] / torch.sinc(half / math.pi)


def euler_xyz_from_quat(q: torch.Tensor) -> torch.Tensor:
    """Return roll, pitch and yaw ``(…, 3)`` in rad, the inverse of :func:`quat_from_euler_xyz`.

    Roll and yaw are between −π and π, pitch between −π/2 and π/2.
    """
    w, x, y, z = q.unbind(-1)
    roll = torch.atan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
    pitch = (2 * (w * y - z * x)).clamp(-1.0, 1.0).asin()
    yaw = torch.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return torch.stack((roll, pitch, yaw), dim=-1)


def heading_roll_up(quaternions: torch.Tensor, to_target: torch.Tensor, distance: torch.Tensor) -> torch.Tensor:
    """Return the attitude of bodies in the world and relative to a target.

    With R the rotation matrix of a body, its forward axis is (R_xx, R_yx, R_zx), and its left and upward axes have the
    vertical components R_zy and R_zz. Yaw is the angle of R_xx + i R_yx, roll that of R_zz + i R_zy.

    Args:
        quaternions: ``(n, 4)`` orientations, w, x, y, z, of length 1.
        to_target: ``(n, 2)`` horizontal vector to the target, in m.
        distance: ``(n,)`` length of that vector, in m.

    Returns:
        ``(n, 5)``: yaw and roll (rad, −π … π); the angle (rad, −π … π) by which a body must turn left to face the
        target; the vertical component of its upward axis, 1 when upright; the component of its forward axis that points
        towards the target, 1 when facing it.
    """
    if fused.fuses(quaternions, to_target, distance):
        return fused.heading_roll_up(quaternions, to_target, distance)
    w, x, y, z = quaternions.unbind(-1)
    # In complex numbers, R_xx + i R_yx = (w + i z)² + (x + i y)², and R_zz + i R_zy = (w + i x)² + (z + i y)².
    parts = torch.view_as_complex(torch.stack((w, z, x, y, w, x, z, y), dim=-1).unflatten(-1, (4, 2)))
    axes = (parts * parts).unflatten(-1, (2, 2)).sum(dim=-1)
    to_face = axes[:, 0].conj() * torch.view_as_complex(to_target.contiguous())
    angles = torch.cat((axes, to_face.unsqueeze(-1)), dim=-1).angle()
    return torch.cat((angles, axes[:, 1:].real, (to_face.real / distance).unsqueeze(-1)), dim=-1)
