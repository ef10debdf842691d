"""Frames of joints, along whose axes joint wrenches are measured."""

from collections.abc import Sequence

import mujoco
import numpy as np

__all__ = ["joint_frame"]


def joint_frame(axes: Sequence[np.ndarray]) -> np.ndarray:
    """Return the orientation (w, x, y, z) of the frame of the joints that move a link, relative to the link.

    USD files that Isaac Sim imports from MJCF have the same frames. The x axis is that of the first joint. The frame of
    a single joint is the link's, turned by the smallest angle that does this. A second joint lies in the plane of x and
    y or of x and z, whichever that frame is closer to.

    Args:
        axes: ``(3,)``, of hinges and slides in the link's frame, in the order of the asset. Without any, the frame is
            the link's.
    """
    if not len(axes):
        return np.array([1.0, 0.0, 0.0, 0.0])
    x = axes[0] / np.linalg.norm(axes[0])
    frame = np.array([1.0 + x[0], 0.0, -x[2], x[1]])
    if np.linalg.norm(frame) < 1e-6:  # the axis is −x
        frame = np.array([0.0, 0.0, 0.0, 1.0])
    frame /= np.linalg.norm(frame)
    if len(axes) == 1:
        return frame
    turned = np.empty(9)
    mujoco.mju_quat2Mat(turned, frame)
    _, y, z = turned.reshape(3, 3).T
    second = axes[1] - (axes[1] @ x) * x
    z = np.cross(x, second) if abs(second @ y) > abs(second @ z) else second
    z /= np.linalg.norm(z)
    mujoco.mju_mat2Quat(frame, np.stack((x, np.cross(z, x), z), axis=1).ravel())
    return frame
