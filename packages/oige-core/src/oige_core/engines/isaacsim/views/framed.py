"""The frame of a body or of an articulation's root: poses and velocities."""

from typing import Any

import torch

from oige_core.engines.isaacsim.views.body_state import BodyState
from oige_core.engines.isaacsim.worlds import IsaacWorlds
from oige_core.engines.world_view import WorldView
from oige_core.errors import CapabilityError
from oige_core.math import quat_apply_inverse
from oige_core.selections import read_rows
from oige_core.views import Indices

__all__ = ["BodyFrameView"]

_LINEAR, _ANGULAR = slice(0, 3), slice(3, 6)


class BodyFrameView(WorldView):
    """A view whose frame has a :class:`BodyState`; see :class:`~oige_core.views.FramedView`."""

    _worlds: IsaacWorlds

    def _bind_frame(self, worlds: IsaacWorlds, state: BodyState, *, free: bool) -> None:
        """Store the state of the frame, and whether it moves freely, so that it has a velocity to set."""
        self._worlds, self._frame, self._is_free = worlds, state, free

    def get_world_poses(self, indices: Indices = None, clone: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
        """See :mod:`oige_core.views`."""
        poses = self._read(self._frame.poses, indices, clone)
        return poses[:, :3], poses[:, 3:]

    def set_world_poses(
        self, positions: torch.Tensor | None = None, orientations: torch.Tensor | None = None, indices: Indices = None
    ) -> None:
        """See :mod:`oige_core.views`."""
        worlds = self._index(indices)
        positions, orientations = self._poses(positions, orientations, worlds, free=self._is_free)
        self._frame.set_poses(positions, orientations, worlds)

    def get_velocities(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :mod:`oige_core.views`."""
        return self._read(self._frame.velocities, indices, clone)

    def get_linear_velocities(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :mod:`oige_core.views`."""
        return self._read(self._frame.velocities, indices, clone)[:, _LINEAR]

    def get_angular_velocities(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :mod:`oige_core.views`."""
        return self._read(self._frame.velocities, indices, clone)[:, _ANGULAR]

    def get_body_frame_velocities(self, indices: Indices = None) -> torch.Tensor:
        """See :mod:`oige_core.views`."""
        orientations = self._read(self._frame.poses, indices, False)[:, None, 3:]
        velocities = self._read(self._frame.velocities, indices, False).unflatten(-1, (2, 3))
        return quat_apply_inverse(orientations, velocities).flatten(-2)

    def set_velocities(self, velocities: torch.Tensor, indices: Indices = None) -> None:
        """See :mod:`oige_core.views`."""
        self._set_velocities(velocities, indices, slice(6))

    def set_linear_velocities(self, velocities: torch.Tensor, indices: Indices = None) -> None:
        """See :mod:`oige_core.views`."""
        self._set_velocities(velocities, indices, _LINEAR)

    def set_angular_velocities(self, velocities: torch.Tensor, indices: Indices = None) -> None:
        """See :mod:`oige_core.views`."""
        self._set_velocities(velocities, indices, _ANGULAR)

    def _set_velocities(self, velocities: Any, indices: Indices, part: slice) -> None:
        worlds = self._index(indices)
        if not self._is_free:
            raise CapabilityError(f"'{self.name}': only free bodies and floating roots have a velocity to set.")
        values = self._values("velocities", velocities, worlds, part.stop - (part.start or 0))
        self._frame.set_velocities(values, worlds, part)

    def _read(self, values: torch.Tensor, indices: Indices, clone: bool) -> torch.Tensor:
        worlds = self._index(indices)
        self._frame.read()
        return read_rows(values, worlds, clone)
