"""Rotations on torch tensors. Quaternions are w, x, y, z and of unit length."""

import torch

__all__ = ["quat_apply", "quat_apply_inverse", "quat_conjugate", "quat_from_angle_axis", "quat_mul", "quat_to_matrix"]


def quat_mul(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the product ``a · b``, the rotation ``b`` followed by ``a``; shapes ``(…, 4)``."""
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
    axis = q[..., 1:].expand(v.shape)
    t = 2.0 * torch.linalg.cross(axis, v)
    return v + q[..., :1] * t + torch.linalg.cross(axis, t)


def quat_apply_inverse(q: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Rotate vectors ``(…, 3)`` by the inverse of quaternions ``(…, 4)``: from the world to a body's frame."""
    axis = q[..., 1:].expand(v.shape)
    t = 2.0 * torch.linalg.cross(axis, v)
    return v - q[..., :1] * t + torch.linalg.cross(axis, t)


def quat_to_matrix(q: torch.Tensor) -> torch.Tensor:
    """Return rotation matrices ``(…, 3, 3)`` of quaternions ``(…, 4)``."""
    w, x, y, z = q.unbind(-1)
    rows = (
        1 - 2 * (y * y + z * z),
        2 * (x * y - w * z),
        2 * (x * z + w * y),
        2 * (x * y + w * z),
        1 - 2 * (x * x + z * z),
        2 * (y * z - w * x),
        2 * (x * z - w * y),
        2 * (y * z + w * x),
        1 - 2 * (x * x + y * y),
    )
    return torch.stack(rows, dim=-1).reshape(*q.shape[:-1], 3, 3)


def quat_from_angle_axis(angle: torch.Tensor, axis: torch.Tensor) -> torch.Tensor:
    """Return quaternions ``(…, 4)`` of rotations by ``angle`` ``(…,)`` rad about unit ``axis`` ``(…, 3)``."""
    half = 0.5 * angle.unsqueeze(-1)
    return torch.cat((half.cos(), half.sin() * axis), dim=-1)
