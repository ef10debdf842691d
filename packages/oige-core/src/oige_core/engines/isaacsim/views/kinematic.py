"""State of bodies that only their poses move."""

from collections.abc import Sequence

import torch

from oige_core.engines.isaacsim.tensors import TensorRows, to_xyzw
from oige_core.engines.isaacsim.views.body_state import BodyState, Written
from oige_core.engines.isaacsim.worlds import IsaacWorlds

__all__ = ["KinematicState"]


class KinematicState(BodyState):
    """Poses of kinematic bodies. Written ones are reached during the next physics step, so that they push others.

    Args:
        worlds: the running worlds.
        rows: rows of the worlds in the view of the bodies.
        pose: initial position and orientation.
    """

    def __init__(self, worlds: IsaacWorlds, rows: TensorRows, pose: Sequence[float]) -> None:
        methods = ("get_transforms", "set_kinematic_targets", "", "")
        super().__init__(worlds, rows, methods, lambda: torch.zeros(worlds.num_envs, 3), pose, moves=False)
        self._placed = Written(worlds)
        self._placed.add(None)

    def restore(self, worlds: torch.Tensor | None) -> None:
        """Put bodies of a selection of worlds at their initial poses at once, without a push."""
        super().restore(worlds)
        self._placed.add(worlds)

    def flush(self) -> bool:
        """Send written poses."""
        if self._placed:
            poses = torch.cat((self.poses[:, :3] + self._worlds.origins, to_xyzw(self.poses[:, 3:])), dim=-1)
            self._rows.write("set_transforms", poses, self._placed.take())
        return super().flush()
