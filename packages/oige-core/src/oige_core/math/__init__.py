"""Rotations, transforms and sampling on torch tensors."""

from oige_core.math.grid import grid_positions
from oige_core.math.rotations import (
    heading_roll_up,
    quat_apply,
    quat_apply_inverse,
    quat_conjugate,
    quat_from_angle_axis,
    quat_mul,
    quat_to_matrix,
)

__all__ = [
    "grid_positions",
    "heading_roll_up",
    "quat_apply",
    "quat_apply_inverse",
    "quat_conjugate",
    "quat_from_angle_axis",
    "quat_mul",
    "quat_to_matrix",
]
