"""``omni.isaac.core.utils.torch.rotations``: quaternions are w, x, y, z.

TorchScript compiles these functions when scripted code calls them, so they use nothing but tensors.
"""

import math

import numpy as np
import torch
from pxr import Gf

from oige_compat.torch_utils.maths import copysign, normalize, torch_rand_float

__all__ = [
    "Gf",
    "compute_heading_and_up",
    "compute_rot",
    "copysign",
    "deg2rad",
    "euler_angles_to_quats",
    "get_basis_vector",
    "get_euler_xyz",
    "gf_quat_to_tensor",
    "matrices_to_euler_angles",
    "normalise_quat_in_pose",
    "normalize",
    "normalize_angle",
    "np",
    "quat_apply",
    "quat_axis",
    "quat_conjugate",
    "quat_diff_rad",
    "quat_from_angle_axis",
    "quat_from_euler_xyz",
    "quat_mul",
    "quat_rotate",
    "quat_rotate_inverse",
    "quat_unit",
    "quats_to_rot_matrices",
    "rad2deg",
    "rot_matrices_to_quats",
    "torch",
    "torch_rand_float",
    "wxyz2xyzw",
    "xyzw2wxyz",
]


def quat_mul(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the product ``a · b``; shapes ``(…, 4)``."""
    assert a.shape == b.shape
    w1, x1, y1, z1 = a.unbind(-1)
    w2, x2, y2, z2 = b.unbind(-1)
    return torch.stack(
        [
            w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2,
            w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2,
            w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2,
            w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2,
        ],
        dim=-1,
    )


def quat_conjugate(a: torch.Tensor) -> torch.Tensor:
    """Return conjugates; shape ``(…, 4)``."""
    return torch.cat((a[..., 0:1], -a[..., 1:]), dim=-1)


def quat_apply(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Rotate vectors ``b`` ``(…, 3)`` by quaternions ``a``, whose numbers are read four by four, in any shape."""
    rows, vectors = a.reshape(-1, 4), b.reshape(-1, 3)
    axis = rows[:, 1:]
    across = torch.cross(axis, vectors, dim=-1) * 2
    return (vectors + rows[:, 0:1] * across + torch.cross(axis, across, dim=-1)).view(b.shape)


def quat_rotate(q: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Rotate vectors ``(n, 3)`` by quaternions ``(n, 4)``."""
    return quat_apply(q, v)


def quat_rotate_inverse(q: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Rotate vectors ``(n, 3)`` by the inverse of quaternions ``(n, 4)``."""
    return quat_apply(quat_conjugate(q), v)


def quat_unit(a: torch.Tensor) -> torch.Tensor:
    """Return normalised quaternions."""
    return normalize(a)


def quat_from_angle_axis(angle: torch.Tensor, axis: torch.Tensor) -> torch.Tensor:
    """Return quaternions ``(n, 4)`` of rotations by ``angle`` ``(n,)`` rad about ``axis`` ``(n, 3)``."""
    half = (angle / 2).unsqueeze(-1)
    return quat_unit(torch.cat([half.cos(), normalize(axis) * half.sin()], dim=-1))


def quat_axis(q: torch.Tensor, axis: int = 0) -> torch.Tensor:
    """Return axes ``(n, 3)`` of the frames ``(n, 4)``: 0 is x, 1 is y, 2 is z."""
    basis = torch.zeros(q.shape[0], 3, device=q.device)
    basis[:, axis] = 1
    return quat_rotate(q, basis)


def normalize_angle(x: torch.Tensor) -> torch.Tensor:
    """Return angles in rad between −π and π."""
    return torch.atan2(torch.sin(x), torch.cos(x))


def get_basis_vector(q: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Rotate vectors ``(n, 3)`` by quaternions ``(n, 4)``."""
    return quat_rotate(q, v)


def quats_to_rot_matrices(quats: torch.Tensor) -> torch.Tensor:
    """Return rotation matrices ``(…, 3, 3)``."""
    q = normalize(quats)
    w, x, y, z = q.unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z),
        2 * (x * y - w * z),
        2 * (x * z + w * y),
        2 * (x * y + w * z),
        1 - 2 * (x * x + z * z),
        2 * (y * z - w * x),
        2 * (x * z - w * y),
        2 * (y * z + w * x),
        1 - 2 * (x * x + y * y),
    ]
    return torch.stack(rows, dim=-1).reshape(list(q.shape[:-1]) + [3, 3])  # noqa: RUF005


def rot_matrices_to_quats(rotation_matrices: torch.Tensor, device: str | None = None) -> torch.Tensor:
    """Return quaternions ``(…, 4)`` of rotation matrices ``(…, 3, 3)``."""
    m = rotation_matrices
    trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    squares = [
        1 + trace,
        1 + 2 * m[..., 0, 0] - trace,
        1 + 2 * m[..., 1, 1] - trace,
        1 + 2 * m[..., 2, 2] - trace,
    ]
    d = [
        m[..., 2, 1] - m[..., 1, 2],
        m[..., 0, 2] - m[..., 2, 0],
        m[..., 1, 0] - m[..., 0, 1],
        m[..., 1, 0] + m[..., 0, 1],
        m[..., 2, 0] + m[..., 0, 2],
        m[..., 2, 1] + m[..., 1, 2],
    ]
    candidates = torch.stack(
        [
            torch.stack([squares[0], d[0], d[1], d[2]], dim=-1),
            torch.stack([d[0], squares[1], d[3], d[4]], dim=-1),
            torch.stack([d[1], d[3], squares[2], d[5]], dim=-1),
            torch.stack([d[2], d[4], d[5], squares[3]], dim=-1),
        ],
        dim=-2,
    )
    best = torch.stack(squares, dim=-1).argmax(dim=-1)
    chosen = torch.gather(candidates, -2, best[..., None, None].expand(list(best.shape) + [1, 4]))  # noqa: RUF005
    result = normalize(chosen.squeeze(-2))
    return result if device is None else result.to(device)


def matrices_to_euler_angles(mat: torch.Tensor, extrinsic: bool = True) -> torch.Tensor:
    """Return angles ``(…, 3)`` in rad about x, y and z.

    Args:
        mat: rotation matrices ``(…, 3, 3)``.
        extrinsic: about the fixed axes x, then y, then z; otherwise about the body's.
    """
    if extrinsic:
        roll = torch.atan2(mat[..., 2, 1], mat[..., 2, 2])
        pitch = torch.asin(torch.clamp(-mat[..., 2, 0], -1.0, 1.0))
        yaw = torch.atan2(mat[..., 1, 0], mat[..., 0, 0])
    else:
        roll = torch.atan2(-mat[..., 1, 2], mat[..., 2, 2])
        pitch = torch.asin(torch.clamp(mat[..., 0, 2], -1.0, 1.0))
        yaw = torch.atan2(-mat[..., 0, 1], mat[..., 0, 0])
    return torch.stack((roll, pitch, yaw), dim=-1)


def get_euler_xyz(q: torch.Tensor, extrinsic: bool = True) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the angles ``(n,)`` of quaternions ``(n, 4)`` about x, y and z: of fixed axes between 0 and 2π."""
    w, x, y, z = q.unbind(-1)
    if extrinsic:
        roll = torch.atan2(2.0 * (w * x + y * z), w * w - x * x - y * y + z * z)
        sine = 2.0 * (w * y - z * x)
        pitch = torch.where(torch.abs(sine) >= 1, torch.sign(sine) * (math.pi / 2.0), torch.asin(sine))
        yaw = torch.atan2(2.0 * (w * z + x * y), w * w + x * x - y * y - z * z)
        return roll % (2 * math.pi), pitch % (2 * math.pi), yaw % (2 * math.pi)
    angles = matrices_to_euler_angles(quats_to_rot_matrices(q), False)
    return angles[..., 0], angles[..., 1], angles[..., 2]


def quat_from_euler_xyz(
    roll: torch.Tensor, pitch: torch.Tensor, yaw: torch.Tensor, extrinsic: bool = True
) -> torch.Tensor:
    """Return quaternions ``(…, 4)`` of rotations about x, y and z.

    Args:
        roll: angles about x, in rad.
        pitch: angles about y.
        yaw: angles about z.
        extrinsic: about the fixed axes x, then y, then z; otherwise about the body's.
    """
    cr, sr = torch.cos(roll * 0.5), torch.sin(roll * 0.5)
    cp, sp = torch.cos(pitch * 0.5), torch.sin(pitch * 0.5)
    cy, sy = torch.cos(yaw * 0.5), torch.sin(yaw * 0.5)
    if extrinsic:
        parts = [
            cy * cr * cp + sy * sr * sp,
            cy * sr * cp - sy * cr * sp,
            cy * cr * sp + sy * sr * cp,
            sy * cr * cp - cy * sr * sp,
        ]
    else:
        parts = [
            -sr * sp * sy + cr * cp * cy,
            sr * cp * cy + sp * sy * cr,
            -sr * sy * cp + sp * cr * cy,
            sr * sp * cy + sy * cr * cp,
        ]
    return torch.stack(parts, dim=-1)


def euler_angles_to_quats(
    euler_angles: torch.Tensor, degrees: bool = False, extrinsic: bool = True, device: str | None = None
) -> torch.Tensor:
    """Return quaternions ``(…, 4)`` of angles ``(…, 3)`` about x, y and z; see :func:`quat_from_euler_xyz`."""
    angles = torch.as_tensor(euler_angles, dtype=torch.float32, device=device)
    if degrees:
        angles = torch.deg2rad(angles)
    return quat_from_euler_xyz(angles[..., 0], angles[..., 1], angles[..., 2], extrinsic)


def gf_quat_to_tensor(orientation: object, device: str | None = None) -> torch.Tensor:
    """Return the four numbers of a ``Gf`` quaternion."""
    values = [orientation.GetReal(), *orientation.GetImaginary()]  # pyright: ignore[reportAttributeAccessIssue]
    return torch.tensor(values, dtype=torch.float32, device=device)


def rad2deg(radian_value: torch.Tensor, device: str | None = None) -> torch.Tensor:
    """Convert radians to degrees."""
    return torch.rad2deg(radian_value).float().to(device)


def deg2rad(degree_value: torch.Tensor, device: str | None = None) -> torch.Tensor:
    """Convert degrees to radians."""
    return torch.deg2rad(degree_value).float().to(device)


def quat_diff_rad(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return angles ``(n,)`` in rad between orientations ``(n, 4)``."""
    difference = quat_mul(a, quat_conjugate(b))
    return 2.0 * torch.asin(torch.clamp(torch.norm(difference[:, 1:4], p=2, dim=-1), max=1.0))


def normalise_quat_in_pose(pose: torch.Tensor) -> torch.Tensor:
    """Return poses ``(n, 7)``, positions and quaternions, with normalised quaternions."""
    return torch.cat((pose[..., 0:3], normalize(pose[..., 3:7])), dim=-1)


def compute_heading_and_up(
    torso_rotation: torch.Tensor,
    inv_start_rot: torch.Tensor,
    to_target: torch.Tensor,
    vec0: torch.Tensor,
    vec1: torch.Tensor,
    up_idx: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the attitude of torsos relative to a target.

    Args:
        torso_rotation: orientations ``(n, 4)``.
        inv_start_rot: inverse of the orientations ``(n, 4)`` that count as upright.
        to_target: vectors ``(n, 3)`` to the target.
        vec0: forward axes ``(n, 3)``.
        vec1: upward axes ``(n, 3)``.
        up_idx: index of the upward axis of the world.

    Returns:
        Orientations ``(n, 4)`` relative to upright ones; components of the upward axes along the world's, and of the
        forward axes along the target's direction, ``(n,)``; the axes ``(n, 3)`` upward and forward.
    """
    num_envs = torso_rotation.shape[0]
    torso_quat = quat_mul(torso_rotation, inv_start_rot)
    up_vec = get_basis_vector(torso_quat, vec1).view(num_envs, 3)
    heading_vec = get_basis_vector(torso_quat, vec0).view(num_envs, 3)
    heading_proj = (heading_vec * normalize(to_target)).sum(dim=-1)
    return torso_quat, up_vec[:, up_idx], heading_proj, up_vec, heading_vec


def compute_rot(
    torso_quat: torch.Tensor,
    velocity: torch.Tensor,
    ang_velocity: torch.Tensor,
    targets: torch.Tensor,
    torso_positions: torch.Tensor,
    extrinsic: bool = True,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return velocities ``(n, 3)`` in the torsos' frames, their angles about x, y, z, and those to targets, in rad.

    Args:
        torso_quat: orientations ``(n, 4)``.
        velocity: linear velocities ``(n, 3)`` in the world.
        ang_velocity: angular velocities ``(n, 3)`` in the world.
        targets: positions ``(n, 3)`` of targets.
        torso_positions: positions ``(n, 3)`` of torsos.
        extrinsic: see :func:`get_euler_xyz`.
    """
    vel_loc = quat_rotate_inverse(torso_quat, velocity)
    angvel_loc = quat_rotate_inverse(torso_quat, ang_velocity)
    roll, pitch, yaw = get_euler_xyz(torso_quat, extrinsic)
    walk_target_angle = torch.atan2(targets[:, 2] - torso_positions[:, 2], targets[:, 0] - torso_positions[:, 0])
    return vel_loc, angvel_loc, roll, pitch, yaw, walk_target_angle - yaw


def xyzw2wxyz(q: torch.Tensor) -> torch.Tensor:
    """Reorder quaternions ``(…, 4)`` with w last."""
    return torch.roll(q, 1, -1)


def wxyz2xyzw(q: torch.Tensor) -> torch.Tensor:
    """Reorder quaternions ``(…, 4)`` with w first."""
    return torch.roll(q, -1, -1)
