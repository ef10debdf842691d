"""The free joint of a body, straight from the state."""

import torch

from oige_core.engines.mujoco.worlds import Worlds
from oige_core.math import quat_apply, quat_apply_inverse
from oige_core.math.rotations import rotate_inverse

__all__ = ["FreeJoint"]


class FreeJoint:
    """Pose and velocity of a body with a free joint, straight from the state.

    MuJoCo keeps the linear velocity in the world frame and the angular velocity in the body frame. Methods take worlds
    ``(n,)``, all if None.

    Args:
        worlds: the built worlds.
        qpos: the joint's address in ``qpos``.
        dof: the joint's address in ``qvel``.
    """

    def __init__(self, worlds: Worlds, qpos: int, dof: int) -> None:
        self._worlds = worlds
        self._qpos = worlds.executor.field("qpos")[:, qpos : qpos + 7]
        self._qvel = worlds.executor.field("qvel")[:, dof : dof + 6]
        positions, velocities = worlds.executor.joint_state()
        self._position, self._orientation = positions[:, qpos : qpos + 3], positions[:, qpos + 3 : qpos + 7]
        self._real, self._axis = positions[:, qpos + 3 : qpos + 4], positions[:, qpos + 4 : qpos + 7]
        self._linear, self._angular = velocities[:, dof : dof + 3], velocities[:, dof + 3 : dof + 6]

    def _read(self, values: torch.Tensor, worlds: torch.Tensor | None, clone: bool) -> torch.Tensor:
        self._worlds.update_joint_state()
        if worlds is not None:
            return values.index_select(0, worlds)
        return values.clone() if clone else values

    def poses(self, worlds: torch.Tensor | None, clone: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Return positions ``(n, 3)`` and orientations ``(n, 4)``."""
        return self._read(self._position, worlds, clone), self._read(self._orientation, worlds, clone)

    def set_poses(
        self, positions: torch.Tensor | None, orientations: torch.Tensor | None, worlds: torch.Tensor | None
    ) -> None:
        """Set positions ``(n, 3)`` and orientations ``(n, 4)`` of length 1; velocities in the world frame stay."""
        rows = slice(None) if worlds is None else worlds
        if orientations is not None:
            # The world angular velocity stays when the body is turned.
            angular = self.angular_velocities(worlds)
            self._qpos[rows, 3:] = orientations.to(self._qpos.dtype)
            self._qvel[rows, 3:] = quat_apply_inverse(orientations.to(angular), angular).to(self._qvel.dtype)
        if positions is not None:
            self._qpos[rows, :3] = positions.to(self._qpos.dtype)

    def velocities(self, worlds: torch.Tensor | None) -> torch.Tensor:
        """Return linear and angular velocities ``(n, 6)`` in the world frame."""
        return torch.cat((self.linear_velocities(worlds, clone=False), self.angular_velocities(worlds)), dim=-1)

    def linear_velocities(self, worlds: torch.Tensor | None, clone: bool) -> torch.Tensor:
        """Return linear velocities ``(n, 3)`` in the world frame."""
        return self._read(self._linear, worlds, clone)

    def angular_velocities(self, worlds: torch.Tensor | None) -> torch.Tensor:
        """Return angular velocities ``(n, 3)`` in the world frame."""
        orientation = self._read(self._orientation, worlds, clone=False)
        return quat_apply(orientation, self._read(self._angular, worlds, clone=False))

    def body_frame_velocities(self, worlds: torch.Tensor | None) -> torch.Tensor:
        """Return linear and angular velocities ``(n, 6)`` in the body frame."""
        self._worlds.update_joint_state()
        parts = (self._real, self._axis, self._linear, self._angular)
        if worlds is not None:
            parts = tuple(part.index_select(0, worlds) for part in parts)
        real, axis, linear, angular = parts
        return torch.cat((rotate_inverse(real, axis, linear), angular), dim=-1)

    def set_linear_velocities(self, values: torch.Tensor, worlds: torch.Tensor | None) -> None:
        """Set linear velocities ``(n, 3)`` in the world frame."""
        self._qvel[slice(None) if worlds is None else worlds, :3] = values.to(self._qvel.dtype)

    def set_angular_velocities(self, values: torch.Tensor, worlds: torch.Tensor | None) -> None:
        """Set angular velocities ``(n, 3)`` in the world frame."""
        rows = slice(None) if worlds is None else worlds
        orientations = self._qpos[rows, 3:]
        self._qvel[rows, 3:] = quat_apply_inverse(orientations, values.to(orientations.dtype))
