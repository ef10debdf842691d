"""Pose and velocity of a free body or of an articulation's root, in the conventions of views."""

from collections.abc import Callable, Sequence

import torch

from oige_core.engines.isaacsim.tensors import TensorRows, from_xyzw, to_xyzw
from oige_core.engines.isaacsim.worlds import MAX_VALUE, IsaacWorlds
from oige_core.math import quat_apply
from oige_core.selections import read_rows, write_rows

__all__ = ["BodyState", "Written", "com_offset"]


def com_offset(orientations: torch.Tensor, coms: torch.Tensor) -> torch.Tensor:
    """Return vectors ``(…, 3)`` from origins to centres of mass in the world frame.

    Args:
        orientations: of the bodies, ``(…, 4)``.
        coms: centres of mass in the bodies' frames, ``(…, 3)``.
    """
    return quat_apply(orientations, coms)


class Written:
    """The worlds whose values were written and not yet sent to physics.

    Args:
        worlds: the running worlds.
    """

    def __init__(self, worlds: IsaacWorlds) -> None:
        self._mask = torch.zeros(worlds.num_envs, dtype=torch.bool, device=worlds.device)
        self._any = False

    def __bool__(self) -> bool:
        return self._any

    def add(self, worlds: torch.Tensor | None) -> None:
        """Add a selection of worlds."""
        self._any = True
        if worlds is None:
            self._mask.fill_(True)
        elif worlds.dtype == torch.bool:
            self._mask |= worlds
        else:
            self._mask.index_fill_(0, worlds, True)

    def take(self) -> torch.Tensor:
        """Return a mask ``(num_envs,)`` of the added worlds, and forget them."""
        mask = self._mask.clone()
        self._mask.zero_()
        self._any = False
        return mask


class BodyState:
    """Poses relative to the worlds' origins, and velocities of the bodies' origins.

    Args:
        worlds: the running worlds.
        rows: rows of the worlds in the view of the bodies.
        methods: names of the view's getter and setter of poses, and of those of velocities.
        coms: returns the centres of mass in the bodies' frames ``(num_envs, 3)``.
        pose: initial position and orientation.
        moves: whether forces move the body, so that it has a velocity.

    Attributes:
        poses: ``(num_envs, 7)``: positions, and orientations w, x, y, z. Call :meth:`read` before.
        velocities: ``(num_envs, 6)``: linear and angular. Call :meth:`read` before.
        initial_poses: of a reset.
    """

    def __init__(
        self,
        worlds: IsaacWorlds,
        rows: TensorRows,
        methods: tuple[str, str, str, str],
        coms: Callable[[], torch.Tensor],
        pose: Sequence[float],
        *,
        moves: bool,
    ) -> None:
        self._worlds, self._rows, self._coms, self._moves = worlds, rows, coms, moves
        self._get_poses, self._set_poses, self._get_velocities, self._set_velocities = methods
        self._written = Written(worlds)
        self._stale = False
        pose_row = torch.tensor(pose, dtype=torch.float32, device=worlds.device)
        pose_row[3:] = torch.nn.functional.normalize(pose_row[3:], dim=0)
        self.initial_poses = pose_row.repeat(worlds.num_envs, 1)
        self.poses = self.initial_poses.clone()
        self.velocities = torch.zeros(worlds.num_envs, 6, device=worlds.device)
        self._written.add(None)

    def read(self) -> None:
        """Bring poses and velocities up to date with the last step."""
        if not self._stale:
            return
        self._stale = False
        poses = self._rows.read(self._get_poses)
        self.poses[:, :3] = poses[:, :3] - self._worlds.origins
        self.poses[:, 3:] = from_xyzw(poses[:, 3:])
        if self._moves:
            self.velocities.copy_(self._rows.read(self._get_velocities))
            self.velocities[:, :3] -= self._velocity_of_com()

    def set_poses(
        self, positions: torch.Tensor | None, orientations: torch.Tensor | None, worlds: torch.Tensor | None
    ) -> None:
        """Set positions ``(n, 3)`` and orientations ``(n, 4)`` of length 1; velocities of origins do not change."""
        self.read()
        for part, values in ((self.poses[:, :3], positions), (self.poses[:, 3:], orientations)):
            if values is not None:
                write_rows(part, values, worlds)
        self._written.add(worlds)

    def set_velocities(self, values: torch.Tensor, worlds: torch.Tensor | None, part: slice = slice(6)) -> None:
        """Set velocities ``(n, 6)``, or the linear or angular ones in a part of them."""
        self.read()
        write_rows(self.velocities[:, part], values, worlds)
        self._written.add(worlds)

    def restore(self, worlds: torch.Tensor | None) -> None:
        """Write the initial poses, at rest, of a selection of worlds."""
        self.read()
        write_rows(self.poses, read_rows(self.initial_poses, worlds), worlds)
        write_rows(self.velocities, torch.zeros_like(read_rows(self.velocities, worlds)), worlds)
        self._written.add(worlds)

    def flush(self) -> bool:
        """Send written poses and velocities; worlds with numbers that physics cannot take get the initial ones."""
        if not self._written:
            return False
        written = self._written.take()
        good = (self.poses.abs() <= MAX_VALUE).all(dim=1) & (self.velocities.abs() <= MAX_VALUE).all(dim=1)
        lost = written & ~good
        self._worlds.mark_diverged(lost)
        write_rows(self.poses, self.initial_poses, lost)
        write_rows(self.velocities, torch.zeros_like(self.velocities), lost)
        poses = torch.cat((self.poses[:, :3] + self._worlds.origins, to_xyzw(self.poses[:, 3:])), dim=-1)
        self._rows.write(self._set_poses, poses, written)
        if self._moves:
            velocities = self.velocities.clone()
            velocities[:, :3] += self._velocity_of_com()
            self._rows.write(self._set_velocities, velocities, written)
        return True

    def after_step(self) -> None:
        """Forget what was read before a step."""
        self._stale = True

    def _velocity_of_com(self) -> torch.Tensor:
        """Velocities of centres of mass relative to origins ``(num_envs, 3)``."""
        return torch.linalg.cross(self.velocities[:, 3:], com_offset(self.poses[:, 3:], self._coms()))
