"""``omni.isaac.core.utils.torch.transformations``: poses are a quaternion w, x, y, z and a translation."""

import torch

from oige_compat.torch_utils.rotations import (
    normalise_quat_in_pose,
    quat_apply,
    quat_conjugate,
    quat_mul,
    quats_to_rot_matrices,
    rot_matrices_to_quats,
)

__all__ = [
    "get_local_from_world",
    "get_pose",
    "get_world_from_local",
    "get_world_from_local_position",
    "normalise_quat_in_pose",
    "tf_apply",
    "tf_combine",
    "tf_inverse",
    "tf_matrices_from_poses",
    "tf_vector",
    "torch",
]


def tf_inverse(q: torch.Tensor, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inverse poses ``(n, 4)`` and ``(n, 3)``."""
    inverse = quat_conjugate(q)
    return inverse, -quat_apply(inverse, t)


def tf_apply(q: torch.Tensor, t: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Return points ``(n, 3)`` of the frames in the world."""
    return quat_apply(q, v) + t


def tf_vector(q: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Return vectors ``(n, 3)`` of the frames in the world."""
    return quat_apply(q, v)


def tf_combine(
    q1: torch.Tensor, t1: torch.Tensor, q2: torch.Tensor, t2: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the second poses, given in the first ones' frames, in the world."""
    return quat_mul(q1, q2), quat_apply(q1, t2) + t1


def get_world_from_local_position(pos_offset_local: torch.Tensor, pose_global: torch.Tensor) -> torch.Tensor:
    """Return points ``(n, 3)`` of the frames ``(n, 7)`` in the world."""
    return quat_apply(pose_global[:, 3:7], pos_offset_local) + pose_global[:, 0:3]


def tf_matrices_from_poses(
    translations: torch.Tensor, orientations: torch.Tensor, device: str | None = None
) -> torch.Tensor:
    """Return homogeneous matrices ``(n, 4, 4)``."""
    result = torch.zeros((orientations.shape[0], 4, 4), dtype=torch.float32, device=device)
    result[:, :3, :3] = quats_to_rot_matrices(orientations)
    result[:, :3, 3] = translations
    result[:, 3, 3] = 1
    return result


def get_local_from_world(
    parent_transforms: torch.Tensor, positions: torch.Tensor, orientations: torch.Tensor, device: str | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return translations and orientations in the parents' frames, whose transposed matrices are ``(n, 4, 4)``."""
    world = tf_matrices_from_poses(positions, orientations, device)
    return _parts(torch.matmul(torch.inverse(torch.transpose(parent_transforms, 1, 2)), world))


def get_world_from_local(
    parent_transforms: torch.Tensor, translations: torch.Tensor, orientations: torch.Tensor, device: str | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return poses in the world of poses in the parents' frames, whose transposed matrices are ``(n, 4, 4)``."""
    local = tf_matrices_from_poses(translations, orientations, device)
    return _parts(torch.matmul(torch.transpose(parent_transforms, 1, 2), local))


def get_pose(positions: torch.Tensor, orientations: torch.Tensor, device: str | None) -> torch.Tensor:
    """Return poses ``(n, 7)``."""
    return torch.cat([positions, orientations], dim=-1).to(device)


def _parts(matrices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return matrices[:, :3, 3], rot_matrices_to_quats(matrices[:, :3, :3])
