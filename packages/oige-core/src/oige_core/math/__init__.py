"""Rotations, transforms and sampling on torch tensors."""

from oige_core.math.grid import grid_positions
from oige_core.math.rotations import (
    euler_xyz_from_quat,
    heading_roll_up,
    quat_apply,
    quat_apply_inverse,
    quat_conjugate,
    quat_from_angle_axis,
    quat_from_euler_xyz,
    quat_from_rotation_vector,
    quat_mul,
    quat_to_matrix,
    rotation_vector_from_quat,
)

__all__ = [
    "euler_xyz_from_quat",
    "grid_positions",
    "heading_roll_up",
    "quat_apply",
    "quat_apply_inverse",
    "quat_conjugate",
    "quat_from_angle_axis",
    "quat_from_euler_xyz",
    "quat_from_rotation_vector",
    "quat_mul",
    "quat_to_matrix",
    "rotation_vector_from_quat",
]
