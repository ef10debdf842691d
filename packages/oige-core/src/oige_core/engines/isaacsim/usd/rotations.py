"""Quaternions w, x, y, z and poses as NumPy arrays, for the writers of stages."""

from collections.abc import Sequence

import numpy as np

from oige_core.engines.isaacsim.usd.description import Pose

__all__ = ["compose", "from_axis_angle", "inverse", "multiply", "rotate"]


def multiply(first: Sequence[float], second: Sequence[float]) -> np.ndarray:
    """Return the rotation ``(4,)`` that applies ``second``, then ``first``."""
    w, s = first[0], second[0]
    v, u = np.array(first[1:]), np.array(second[1:])
    return np.array([w * s - v @ u, *(w * u + s * v + np.cross(v, u))])


def rotate(orientation: Sequence[float], vector: Sequence[float]) -> np.ndarray:
    """Return a vector ``(3,)``, rotated."""
    axis, turned = np.array(orientation[1:]), np.array(vector)
    double = 2.0 * np.cross(axis, turned)
    return turned + orientation[0] * double + np.cross(axis, double)


def from_axis_angle(axis: Sequence[float], angle: float) -> np.ndarray:
    """Return the rotation ``(4,)`` about an axis of length 1 by an angle in rad."""
    return np.array([np.cos(0.5 * angle), *(np.sin(0.5 * angle) * np.asarray(axis, float))])


def compose(first: Pose, second: Pose) -> Pose:
    """Return the pose of ``second``, which is given in the frame of ``first``, in the frame in which ``first`` is."""
    position = np.asarray(first.position, float) + rotate(first.orientation, second.position)
    orientation = multiply(first.orientation, second.orientation)
    unit = orientation / np.linalg.norm(orientation)
    return Pose(position=tuple(position.tolist()), orientation=tuple(unit.tolist()))


def inverse(pose: Pose) -> Pose:
    """Return the pose of the frame in which ``pose`` is given, in the frame of ``pose``."""
    w, x, y, z = pose.orientation
    orientation = (w, -x, -y, -z)
    position = -rotate(orientation, pose.position)
    return Pose(position=tuple(position.tolist()), orientation=orientation)
