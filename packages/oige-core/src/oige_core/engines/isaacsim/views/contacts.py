"""Contact forces on bodies, as PhysX reports them."""

from collections.abc import Sequence

import torch

from oige_core.engines.isaacsim.tensors import TensorRows
from oige_core.engines.isaacsim.worlds import IsaacWorlds
from oige_core.selections import read_rows, write_rows

__all__ = ["ContactForces"]


class ContactForces:
    """Net normal forces of contacts on bodies, of the last physics step; a part of the state of worlds.

    Args:
        worlds: the running worlds.
        paths: paths of the bodies in world 0.
    """

    def __init__(self, worlds: IsaacWorlds, paths: Sequence[str]) -> None:
        self._dt = worlds.sim.dt / worlds.sim.substeps
        self._rows = []
        for path in paths:
            view = worlds.simulation.create_rigid_contact_view(worlds.pattern(path))
            self._rows.append(TensorRows(view, list(view.sensor_paths), worlds.num_envs, worlds.device))
        self._values = torch.zeros(worlds.num_envs, len(paths), 3, device=worlds.device)
        self._stale = False

    def read(self, worlds: torch.Tensor | None) -> torch.Tensor:
        """Return forces ``(n, b, 3)`` in N; zero in worlds that were reset since the last step."""
        if self._stale:
            self._stale = False
            for column, rows in enumerate(self._rows):
                # Views divide impulses by the time that they are given.
                self._values[:, column] = rows.read("get_net_contact_forces", self._dt)
        return read_rows(self._values, worlds, clone=True)

    def flush(self) -> bool:
        """See :class:`~oige_core.engines.isaacsim.worlds.Part`."""
        return False

    def send_commands(self) -> None:
        """See :class:`~oige_core.engines.isaacsim.worlds.Part`."""

    def find_problems(self, worlds: IsaacWorlds) -> None:
        """See :class:`~oige_core.engines.isaacsim.worlds.Part`."""

    def after_step(self) -> None:
        """Forget the forces of the step before."""
        self._stale = True

    def load(self, values: torch.Tensor) -> None:
        """Restore forces ``(num_envs, b, 3)`` that were read from a state which is loaded."""
        self._values.copy_(values)
        self._stale = False

    def restore(self, worlds: torch.Tensor | None) -> None:
        """Let a selection of worlds have no contacts, as before their first step."""
        self.read(None)
        write_rows(self._values, torch.zeros_like(read_rows(self._values, worlds)), worlds)
