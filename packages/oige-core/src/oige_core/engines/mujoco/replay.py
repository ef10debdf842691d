"""Replays only the physics of control steps, to measure its time separately."""

from collections.abc import Callable

import torch

from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.engines.mujoco.executors.protocol import STATE_FIELDS

__all__ = ["PhysicsReplay"]


class PhysicsReplay:
    """Records control steps and repeats their physics.

    It also repeats what was written into the state between physics steps: controls, forces and resets. On the C engine
    every replay ends bitwise in the same state.

    Args:
        engine: the engine.
        run: runs the control steps.

    Attributes:
        calls: number of recorded calls of physics; 0 if physics cannot be separated from other work, as in Warp
            variants on CUDA, whose steps are one graph.
    """

    def __init__(self, engine: MujocoEngine, run: Callable[[], None]) -> None:
        self._executor = executor = engine.executor
        fields = {name: executor.field(name) for name in sorted(STATE_FIELDS)}
        self._fields = {name: field for name, field in fields.items() if field.numel()}
        self._start = self._last = self._snapshot()
        self._steps: list[tuple[list[_Change], int]] = []
        step = executor.step

        def record(n: int, *, refresh: bool) -> None:
            self._steps.append((self._changes(), n))
            step(n, refresh=refresh)
            self._last = self._snapshot()

        executor.step = record  # type: ignore[method-assign]
        try:
            run()
        finally:
            del executor.step  # the method is visible again
        del self._last

    @property
    def calls(self) -> int:
        """See the class."""
        return len(self._steps)

    def rewind(self) -> None:
        """Restore the state of all worlds at the start of the recording."""
        for name, field in self._fields.items():
            field.copy_(self._start[name])

    def play(self) -> None:
        """Restore the initial state, then repeat the recording."""
        self.rewind()
        for changes, n in self._steps:
            for field, worlds, values in changes:
                if worlds is None:
                    field.copy_(values)
                else:
                    field.index_copy_(0, worlds, values)
            self._executor.step(n, refresh=False)

    def _snapshot(self) -> dict[str, torch.Tensor]:
        return {name: field.clone() for name, field in self._fields.items()}

    def _changes(self) -> "list[_Change]":
        """Values that were written since the last physics step."""
        changes: list[_Change] = []
        for name, field in self._fields.items():
            changed = (field != self._last[name]).reshape(len(field), -1).any(dim=1)
            worlds = changed.nonzero().squeeze(-1)
            if 2 * len(worlds) > len(field):
                changes.append((field, None, field.clone()))
            elif len(worlds):
                changes.append((field, worlds, field[worlds]))
        return changes


_Change = tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]  # field, worlds (all if None), values
