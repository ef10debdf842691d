"""The free joint of a body, read directly from the state."""

import torch

from oige_core.engines.mujoco.worlds import Worlds
from oige_core.math import fused, quat_apply, quat_apply_inverse
from oige_core.math.rotations import rotate_inverse
from oige_core.selections import read_rows, write_rows

__all__ = ["FreeJoint"]


class FreeJoint:
    """Pose and velocity of a body with a free joint, read directly from the state.

    MuJoCo stores the linear velocity in the world frame and the angular velocity in the body frame. Methods take a
    selection of worlds, see :mod:`oige_core.selections`.

    Args:
        worlds: the built worlds.
        qpos: the joint's address in ``qpos``.
        dof: the joint's address in ``qvel``.
    """

    def __init__(self, worlds: Worlds, qpos: int, dof: int) -> None:
        self._worlds = worlds
        state, motion = worlds.executor.field("qpos"), worlds.executor.field("qvel")
        self._qpos_position, self._qpos_orientation = state[:, qpos : qpos + 3], state[:, qpos + 3 : qpos + 7]
        self._qvel_linear, self._qvel_angular = motion[:, dof : dof + 3], motion[:, dof + 3 : dof + 6]
        positions, velocities = worlds.executor.joint_state()
        self._position, self._orientation = positions[:, qpos : qpos + 3], positions[:, qpos + 3 : qpos + 7]
        self._real, self._axis = positions[:, qpos + 3 : qpos + 4], positions[:, qpos + 4 : qpos + 7]
        self._linear, self._angular = velocities[:, dof : dof + 3], velocities[:, dof + 3 : dof + 6]

    def _read(self, values: torch.Tensor, worlds: torch.Tensor | None, clone: bool = False) -> torch.Tensor:
        self._worlds.update_joint_state()
        return read_rows(values, worlds, clone)

    def poses(self, worlds: torch.Tensor | None, clone: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Return positions ``(n, 3)`` and orientations ``(n, 4)``."""
        return self._read(self._position, worlds, clone), self._read(self._orientation, worlds, clone)

    def set_poses(
        self, positions: torch.Tensor | None, orientations: torch.Tensor | None, worlds: torch.Tensor | None
    ) -> None:
        """Set positions ``(n, 3)`` and orientations ``(n, 4)`` of length 1; world-frame velocities do not change."""
        if orientations is not None:
            angular = self.angular_velocities(worlds)
            write_rows(self._qpos_orientation, orientations, worlds)
            write_rows(self._qvel_angular, quat_apply_inverse(orientations.to(angular), angular), worlds)
        if positions is not None:
            write_rows(self._qpos_position, positions, worlds)

    def velocities(self, worlds: torch.Tensor | None) -> torch.Tensor:
        """Return linear and angular velocities ``(n, 6)`` in the world frame."""
        linear, angular = self._read(self._linear, worlds), self._read(self._angular, worlds)
        orientation = self._read(self._orientation, worlds)
        if fused.fuses(linear):
            return fused.rotate_part(orientation, angular, 1.0, linear, rotated_first=False)
        return torch.cat((linear, quat_apply(orientation, angular)), dim=-1)

    def linear_velocities(self, worlds: torch.Tensor | None, clone: bool) -> torch.Tensor:
        """Return linear velocities ``(n, 3)`` in the world frame."""
        return self._read(self._linear, worlds, clone)

    def angular_velocities(self, worlds: torch.Tensor | None) -> torch.Tensor:
        """Return angular velocities ``(n, 3)`` in the world frame."""
        return quat_apply(self._read(self._orientation, worlds), self._read(self._angular, worlds))

    def body_frame_velocities(self, worlds: torch.Tensor | None) -> torch.Tensor:
        """Return linear and angular velocities ``(n, 6)`` in the body frame."""
        linear, angular = self._read(self._linear, worlds), self._read(self._angular, worlds)
        if fused.fuses(linear):
            return fused.rotate_part(self._read(self._orientation, worlds), linear, -1.0, angular, rotated_first=True)
        real, axis = self._read(self._real, worlds), self._read(self._axis, worlds)
        return torch.cat((rotate_inverse(real, axis, linear), angular), dim=-1)

    def set_linear_velocities(self, values: torch.Tensor, worlds: torch.Tensor | None) -> None:
        """Set linear velocities ``(n, 3)`` in the world frame."""
        write_rows(self._qvel_linear, values, worlds)

    def set_angular_velocities(self, values: torch.Tensor, worlds: torch.Tensor | None) -> None:
        """Set angular velocities ``(n, 3)`` in the world frame."""
        orientations = read_rows(self._qpos_orientation, worlds)
        write_rows(self._qvel_angular, quat_apply_inverse(orientations, values.to(orientations.dtype)), worlds)
