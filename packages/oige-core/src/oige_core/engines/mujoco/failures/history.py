"""The last states of all worlds of the C engine, from which the failure of one can be repeated."""

import numpy as np

from oige_core.engines.mujoco.failures.failure import since_reset

__all__ = ["StateHistory"]

MAX_CALLS = 32
MAX_BYTES = 32 * 2**20


class StateHistory:
    """The states of all worlds before the last calls of physics: at most 32, and fewer if they need more than 32 MiB.

    Args:
        state: ``(N, n)`` float64, live integration states of all worlds, whose first number is the time.
        timestep: of the solver, in seconds.

    Attributes:
        total: number of solver steps so far.
    """

    def __init__(self, state: np.ndarray, timestep: float) -> None:
        self._state = state
        self._timestep = timestep
        kept = int(np.clip(MAX_BYTES // max(1, state.nbytes), 1, MAX_CALLS))
        self._states = np.zeros((kept, *state.shape))
        self._solver_steps = np.zeros(kept, np.int64)
        self._calls = 0
        self.total = 0

    def add(self, solver_steps: int) -> None:
        """Copy the states before a call of physics of a number of solver steps."""
        row = self._calls % len(self._states)
        np.copyto(self._states[row], self._state)  # torch would start threads for many worlds
        self._solver_steps[row] = solver_steps
        self._calls += 1
        self.total += solver_steps

    def of_world(self, world: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the states ``(k, n)`` of a world since its last reset, and the solver steps ``(k,)`` of each call."""
        rows = np.arange(max(0, self._calls - len(self._states)), self._calls) % len(self._states)
        states, solver_steps = self._states[rows, world], self._solver_steps[rows]
        first = since_reset(states[:, 0], solver_steps * self._timestep)
        return states[first:], solver_steps[first:]
