"""Bounds of the states of worlds."""

import mujoco
import numpy as np

__all__ = ["StateBounds"]


class StateBounds:
    """Bounds of a state; a world beyond them has diverged or exploded.

    Args:
        model: the compiled model.
        max_position: bound of slide joints and of the positions of floating bodies, in m.
        max_velocity: bound of every velocity, in m/s or rad/s.

    Attributes:
        qpos: ``(nq,)`` float64; angles and orientations have MuJoCo's own bound of 1e10.
        qvel: ``(nv,)`` float64.
    """

    def __init__(
        self, model: mujoco.MjModel, max_position: float = mujoco.mjMAXVAL, max_velocity: float = mujoco.mjMAXVAL
    ) -> None:
        self.qpos = np.full(model.nq, mujoco.mjMAXVAL)
        self.qvel = np.full(model.nv, min(max_velocity, mujoco.mjMAXVAL))
        for kind, address in zip(model.jnt_type, model.jnt_qposadr, strict=True):
            if kind == mujoco.mjtJoint.mjJNT_SLIDE:
                self.qpos[address] = min(max_position, mujoco.mjMAXVAL)
            elif kind == mujoco.mjtJoint.mjJNT_FREE:
                self.qpos[address : address + 3] = min(max_position, mujoco.mjMAXVAL)

    def include_positions(self, qpos: np.ndarray) -> bool:
        """Whether positions ``(nq,)`` are finite and within their bounds."""
        return bool((np.abs(qpos) <= self.qpos).all())
