"""Rotations in one Warp kernel each, for tensors on a GPU, where torch would launch a kernel per operation."""

import torch

from oige_core.warp_version import has_warp

__all__ = [
    "fuses",
    "heading_roll_up",
    "quat_from_rotation_vector",
    "quat_mul",
    "quat_to_matrix",
    "rotate",
    "rotate_part",
    "rotation_vector_from_quat",
    "solve_positive_definite",
]


def fuses(*values: torch.Tensor, dtype: torch.dtype = torch.float32) -> bool:
    """Whether a function of these tensors of a type is computed by a Warp kernel, which has no gradient."""
    return (
        _on_gpu(values[0])
        and not torch.is_grad_enabled()
        and all(each.dtype == dtype for each in values)
        and has_warp()
    )


def rotate(q: torch.Tensor, v: torch.Tensor, sign: float) -> torch.Tensor:
    """Rotate vectors ``(…, 3)`` by quaternions ``(…, 4)``, for a sign of 1, or by their inverses, for -1."""
    from oige_core.math import rotation_kernels as kernels

    rotated = torch.empty_like(v, memory_format=torch.contiguous_format)
    _launch(kernels.rotate, rotated, q.expand(*v.shape[:-1], 4), v, sign)
    return rotated


def rotate_part(
    q: torch.Tensor, v: torch.Tensor, sign: float, other: torch.Tensor, *, rotated_first: bool
) -> torch.Tensor:
    """Return vectors that :func:`rotate` rotates, and other vectors ``(n, 3)``, beside each other ``(n, 6)``."""
    from oige_core.math import rotation_kernels as kernels

    joined = v.new_empty(len(v), 6)
    _launch(kernels.rotate_part, joined, q, v, sign, other, 0 if rotated_first else 3)
    return joined


def quat_mul(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """See :func:`oige_core.math.quat_mul`."""
    from oige_core.math import rotation_kernels as kernels

    a, b = torch.broadcast_tensors(a, b)
    product = torch.empty_like(a, memory_format=torch.contiguous_format)
    _launch(kernels.multiply, product, a, b)
    return product


def quat_to_matrix(q: torch.Tensor) -> torch.Tensor:
    """See :func:`oige_core.math.quat_to_matrix`."""
    from oige_core.math import rotation_kernels as kernels

    matrix = q.new_empty(*q.shape[:-1], 9)
    _launch(kernels.to_matrix, matrix, q)
    return matrix.unflatten(-1, (3, 3))


def quat_from_rotation_vector(vector: torch.Tensor) -> torch.Tensor:
    """See :func:`oige_core.math.quat_from_rotation_vector`."""
    from oige_core.math import rotation_kernels as kernels

    q = vector.new_empty(*vector.shape[:-1], 4)
    _launch(kernels.from_rotation_vector, q, vector)
    return q


def rotation_vector_from_quat(q: torch.Tensor) -> torch.Tensor:
    """See :func:`oige_core.math.rotation_vector_from_quat`."""
    from oige_core.math import rotation_kernels as kernels

    vector = q.new_empty(*q.shape[:-1], 3)
    _launch(kernels.to_rotation_vector, vector, q)
    return vector


def heading_roll_up(quaternions: torch.Tensor, to_target: torch.Tensor, distance: torch.Tensor) -> torch.Tensor:
    """See :func:`oige_core.math.heading_roll_up`."""
    from oige_core.math import rotation_kernels as kernels

    attitude = quaternions.new_empty(len(quaternions), 5)
    _launch(kernels.heading_roll_up, attitude, quaternions, to_target, distance)
    return attitude


def solve_positive_definite(a: torch.Tensor, b: torch.Tensor, damping: float, relative_damping: float) -> torch.Tensor:
    """See :func:`oige_core.math.linear.solve_positive_definite`; ``relative_damping`` of the diagonal is added, too."""
    from oige_core.kernel_launch import launch
    from oige_core.math import linear_kernels as kernels

    x = torch.empty_like(b, memory_format=torch.contiguous_format)
    if len(b):
        launch(kernels.solve_positive_definite, len(b), a, b, damping, 1.0 + relative_damping, *b.shape[1:], x)
    return x


def _launch(kernel: object, result: torch.Tensor, *arguments: torch.Tensor | float) -> None:
    """Launch a kernel with a thread per row; tensors of more than two dimensions are flattened to rows."""
    from oige_core.kernel_launch import launch

    rows = [
        each.reshape(-1, each.shape[-1]) if isinstance(each, torch.Tensor) and each.ndim != 1 else each
        for each in (*arguments, result)
    ]
    count = result.numel() // result.shape[-1]
    if count:
        launch(kernel, count, *rows)


def _on_gpu(values: torch.Tensor) -> bool:
    return values.is_cuda
