"""The states of the worlds that fail on MuJoCo Warp, which are kept on the device until somebody asks for them."""

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import mujoco
import numpy as np
import warp as wp

from oige_core.engines.mujoco.executors import warp_kernels as kernels
from oige_core.engines.mujoco.executors.bounds import StateBounds
from oige_core.engines.mujoco.failures.failure import STATE, Failure
from oige_core.problems import Recording

__all__ = ["WarpFailures"]


class WarpFailures:
    """Keeps the state before the step in which a world fails, and its model, without waiting for the device.

    All arrays are created on the current Warp device.

    Args:
        recording: what to record; ``solver_steps`` of a control step.
        live: the state of all worlds.
        lost: ``(N,)``, whether and how each world failed in the last step.
        state_fields: names of the fields of a state.
    """

    def __init__(self, recording: Recording, live: kernels.State, lost: wp.array, state_fields: Iterable[str]) -> None:
        self._recording = recording
        self._live, self._lost = live, lost
        self._state_fields = tuple(state_fields)
        self._taken = 0
        self._num_envs, limit = len(lost), recording.limit
        self._before, self._kept = kernels.State(), kernels.Kept()
        self._kept.states = kernels.State()
        for name in self._state_fields:
            array = getattr(live, name)
            setattr(self._before, name, wp.clone(array))
            setattr(self._kept.states, name, wp.zeros((limit, *array.shape[1:]), dtype=array.dtype))
        self._kept.count = wp.zeros(1, dtype=int)
        for name in ("worlds", "lost", "solver_steps", "totals"):
            setattr(self._kept, name, wp.zeros(limit, dtype=int))
        self._kept.clock = wp.zeros(self._num_envs, dtype=int)
        self.set_fields({})

    def set_fields(self, fields: Mapping[str, wp.array]) -> None:
        """Set the model fields ``(N, …)`` that differ between worlds; captured graphs must be captured again."""
        fields = {name: array for name, array in fields.items() if array.size}  # others have no address
        self._fields = {name: (array.dtype, array.strides[0] // 4) for name, array in fields.items()}
        self._kept.fields = wp.array([array.ptr for array in fields.values()], dtype=wp.uint64)
        words = [count for _, count in self._fields.values()]
        self._kept.words = wp.array(words, dtype=int)
        self._kept.begins = wp.array([sum(words[:index]) for index in range(len(words))], dtype=int)
        self._kept.model = wp.zeros((self._recording.limit, sum(words)), dtype=int)

    def launch_before(self) -> None:
        """Launch a copy of the states before a step."""
        wp.launch(kernels.remember, (self._num_envs, kernels.LANES), inputs=[self._live, self._before])

    def launch_after(self, solver_steps: int) -> None:
        """Launch what keeps worlds that failed in a step of a number of solver steps."""
        arguments = [solver_steps, self._lost, self._before, self._kept]
        wp.launch(kernels.keep_failures, self._num_envs, inputs=arguments)

    def take(
        self,
        model: mujoco.MjModel,
        owner: Callable[[mujoco.MjModel, str], tuple[Any, str]],
        bounds: StateBounds,
        velocity_limits: np.ndarray | None,
    ) -> list[Failure]:
        """Return the failures since the last call; this waits for the device.

        Args:
            model: the model that all worlds share.
            owner: returns the object of a model with a field, and the field's name in it.
            bounds: bounds of the state.
            velocity_limits: ``(N, nv)``; None if there are none.
        """
        end = min(int(self._kept.count.numpy()[0]), self._recording.limit)
        rows, self._taken = range(self._taken, end), end
        failures: list[Failure] = []
        for row in rows:
            world = int(self._kept.worlds.numpy()[row])
            own = self._own_model(model, owner, row)
            failures.append(
                Failure(
                    kind="diverged" if self._kept.lost.numpy()[row] == kernels.DIVERGED else "exploded",
                    world=world,
                    step=-(-int(self._kept.totals.numpy()[row]) // self._recording.solver_steps),
                    model=own,
                    states=self._state(own, row)[None],
                    solver_steps=self._kept.solver_steps.numpy()[row : row + 1].astype(np.int64),
                    bounds=bounds,
                    velocity_limits=None if velocity_limits is None else velocity_limits[world],
                    executor="mujoco_warp",
                    notes=self._recording.notes,
                )
            )
        return failures

    def _state(self, model: mujoco.MjModel, row: int) -> np.ndarray:
        data = mujoco.MjData(model)
        for name in self._state_fields:
            values = getattr(self._kept.states, name).numpy()[row]
            if name == "time":
                data.time = float(values)
            else:
                getattr(data, name)[:] = values
        state = np.empty(mujoco.mj_stateSize(model, STATE))
        mujoco.mj_getState(model, data, state, STATE)
        return state

    def _own_model(
        self, model: mujoco.MjModel, owner: Callable[[mujoco.MjModel, str], tuple[Any, str]], row: int
    ) -> mujoco.MjModel:
        model = copy.copy(model)
        words, begin = self._kept.model.numpy()[row], 0
        for name, (dtype, count) in self._fields.items():
            values = words[begin : begin + count]
            begin += count
            target = getattr(*owner(model, name), None)  # quantities of Warp only are missing
            if target is not None and np.size(target) == count:
                is_float = getattr(dtype, "_wp_scalar_type_", dtype) == wp.float32
                target[...] = (values.view(np.float32) if is_float else values).reshape(np.shape(target))
        return model
