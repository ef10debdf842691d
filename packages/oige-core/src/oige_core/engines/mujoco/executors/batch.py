"""The C engine on a thread pool: ``mujoco.batch.Batch``."""

import functools
import threading
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import mujoco
import numpy as np
import torch
from mujoco.batch import Batch

from oige_core.cores import available_cores
from oige_core.engines.mujoco.executors.bounds import StateBounds
from oige_core.engines.mujoco.executors.mass_matrix import MassMatrix
from oige_core.engines.mujoco.executors.protocol import (
    FORCE_FIELDS,
    REFRESHED_FIELDS,
    STATE_FIELDS,
    load_velocity_limits,
    scalar_joints,
    state_format,
)
from oige_core.engines.mujoco.failures.failure import Failure
from oige_core.engines.mujoco.failures.history import StateHistory
from oige_core.modes import plain_tensors
from oige_core.problems import ProblemCounts, Recording
from oige_core.selections import is_mask

if TYPE_CHECKING:
    import warp as wp

    from oige_core.engines.mujoco.executors.graphs import Graphs

__all__ = ["BatchExecutor", "Silence"]

_STAGE_NONE = int(mujoco.mjtStage.mjSTAGE_NONE)
_STAGE_VELOCITY = int(mujoco.mjtStage.mjSTAGE_VEL)
# MuJoCo's warnings by kind of problem.
_WARNINGS: dict[str, list[int]] = {
    "diverged": [
        int(mujoco.mjtWarning.mjWARN_BADQPOS),
        int(mujoco.mjtWarning.mjWARN_BADQVEL),
        int(mujoco.mjtWarning.mjWARN_BADQACC),
        int(mujoco.mjtWarning.mjWARN_BADCTRL),
    ],
    "singular_inertia": [int(mujoco.mjtWarning.mjWARN_INERTIA)],
    "contacts_overflow": [int(mujoco.mjtWarning.mjWARN_CONTACTFULL)],
    "constraints_overflow": [int(mujoco.mjtWarning.mjWARN_CNSTRFULL)],
}
TORCH_GRAIN = 32768  # maximum number of elements for which torch uses one thread (at::internal::GRAIN_SIZE)
_SET_CONST_INPUTS = frozenset(mujoco.MjModel._setconst_inputs)  # type: ignore[attr-defined]


class BatchExecutor:
    """Worlds of one model on the C engine. Results do not depend on the number of threads.

    The batch shares one ``MjData`` per thread among its worlds. This mode is faster, but a field that a call does not
    compute contains another world's values. Force fields are therefore copied after each step.

    A world with NaN or infinite state or controls is restored to its initial state at the end of the step, instead of
    MuJoCo's own reset to the model's reference state.

    Args:
        model: the compiled model.
        num_envs: number of worlds.
        num_threads: size of the thread pool; 0: one thread per core.
    """

    def __init__(self, model: mujoco.MjModel, num_envs: int, num_threads: int = 0) -> None:
        self.model = model
        self.num_envs = num_envs
        self.device = torch.device("cpu")
        self.selects_by_mask = False
        self.step_reads_joint_state = True
        self.layout_version = 0  # addresses of tensors do not change
        self.state_format = state_format("mujoco.batch", model)
        self.velocity_limits: torch.Tensor | None = None
        self._batch = Batch(model, num_envs, num_threads or available_cores())
        self._state = torch.from_numpy(self._batch.state)
        self._initial = self._state.clone()
        self._warnings = self._batch.warning[:, :, 1]  # counts by world and warning
        self.problem_counts = ProblemCounts([*_WARNINGS, "exploded"], num_envs, self.device)
        self._fields: dict[str, torch.Tensor] = {}
        self._forces: dict[str, tuple[torch.Tensor, Callable[[], object]]] = {}  # copies and their updates
        self._model_fields: dict[str, torch.Tensor] = {}
        self._changed = torch.zeros(num_envs, dtype=torch.bool)  # worlds whose derived constants are out of date
        self._any_changed = False
        self._mass_matrix: MassMatrix | None = None
        self._recording: Recording | None = None
        self._history: StateHistory | None = None  # while more failures are to be recorded
        self._failures: list[Failure] = []
        self._graphs: Graphs | None = None  # Warp is imported only for Warp variants of tasks
        # Positions and velocities are adjacent in the state, so that one operation converts both.
        qpos, qvel = self.field("qpos"), self.field("qvel")
        assert not model.nv or qvel.data_ptr() == qpos.data_ptr() + model.nq * qpos.element_size()
        self._motion = self._state.as_strided((num_envs, model.nq + model.nv), qpos.stride(), self._offset(qpos))
        self._motion_read = torch.zeros(self._motion.shape)
        self._joint_state = (self._motion_read[:, : model.nq], self._motion_read[:, model.nq :])
        self.set_bounds(StateBounds(model))

    def set_bounds(self, bounds: StateBounds) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        self._state_bounds = bounds
        self._bounds = torch.from_numpy(np.concatenate((bounds.qpos, bounds.qvel)))
        # Less than the smallest bound, because it is compared in single precision.
        self._safe_bound = 0.999 * min(self._bounds.tolist(), default=mujoco.mjMAXVAL)

    def joint_state(self) -> tuple[torch.Tensor, torch.Tensor]:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        self._motion_read.copy_(self._motion)
        return self._joint_state

    def field(self, name: str) -> torch.Tensor:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        return self._fields[name] if name in self._fields else self._bind(name)

    @plain_tensors
    def _bind(self, name: str) -> torch.Tensor:
        if name not in STATE_FIELDS | REFRESHED_FIELDS | FORCE_FIELDS | {"M"}:
            raise KeyError(name)
        live = self._batch.bind(name)
        values = _tensor_of(live)
        if name in FORCE_FIELDS:
            values = torch.zeros(values.shape)  # single precision is faster to copy, here and for readers
            self._forces[name] = (values, _copying(values, live))
            if self._graphs is not None:
                self._graphs.forget()  # captured resets do not clear it
        self._fields[name] = values
        return values

    @plain_tensors
    def mass_matrix(self) -> torch.Tensor:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        if self._mass_matrix is None:
            self._mass_matrix = MassMatrix(self.model, self.num_envs, self.device)
        return self._mass_matrix.update(self.field("M"))

    @plain_tensors
    def model_field(self, name: str) -> torch.Tensor:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        self._update_constants()
        if name not in self._model_fields:
            self._model_fields[name] = torch.from_numpy(self._batch.expand(name))
        return self._model_fields[name]

    def graph_recorder(self) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`; the C engine has no graphs."""

    def model_changed(self, names: Iterable[str], worlds: torch.Tensor | None = None) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        if _SET_CONST_INPUTS.isdisjoint(names):
            return
        self._any_changed = True
        if worlds is None:
            self._changed.fill_(True)
        elif is_mask(worlds):
            self._changed |= worlds
        else:
            self._changed.index_fill_(0, worlds, True)

    def _update_constants(self) -> None:
        """Compute constants that follow from written model fields, once for all fields that were written."""
        if self._any_changed:
            self._any_changed = False
            if ids := self._changed.nonzero().squeeze(-1).tolist():
                self._changed.zero_()
                with Silence():
                    self._batch.set_const(ids)

    def step(self, n: int, *, refresh: bool) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        self._update_constants()
        if self._history is not None:
            self._history.add(n)
        with Silence():
            if self.velocity_limits is None:
                self._batch.step(nstep=n, stage=_STAGE_VELOCITY if refresh else _STAGE_NONE)
            else:
                self._step_with_limits(n, self.velocity_limits)
                if refresh:
                    self._batch.forward(stage=_STAGE_VELOCITY)
        for _, copy_live in self._forces.values():
            copy_live()
        self.joint_state()
        if np.count_nonzero(self._warnings) or not (self._surely_within_bounds() or self._within_bounds().all()):
            self._contain_failures(refresh)

    def _step_with_limits(self, n: int, limits: torch.Tensor) -> None:
        dofs, positions = (torch.from_numpy(each.astype(np.int64)) for each in scalar_joints(self.model))
        qpos, qvel, limits = self.field("qpos"), self.field("qvel"), limits[:, dofs]
        for _ in range(n):
            self._batch.step(nstep=1, stage=_STAGE_NONE)
            free = qvel[:, dofs]
            qvel[:, dofs] = limited = free.clamp(-limits, limits)
            qpos[:, positions] += (limited - free) * self.model.opt.timestep

    @plain_tensors
    def limit_velocities(self) -> torch.Tensor:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        if self.velocity_limits is None:
            self.velocity_limits = torch.full_like(self.field("qvel"), torch.inf)
        return self.velocity_limits

    def _surely_within_bounds(self) -> bool:
        """Whether all numbers of the state that was read are within the smallest bound, by a cheap test.

        To compare each number with its own bound takes several times as long. NaN is beyond every bound.
        """
        numbers = self._motion_read.numpy()
        return bool(numbers.max(initial=0.0) < self._safe_bound and numbers.min(initial=0.0) > -self._safe_bound)

    def _within_bounds(self) -> torch.Tensor:
        """Return which numbers of the state are within their bounds; NaN is beyond every bound."""
        return self._motion.abs() <= self._bounds

    def _contain_failures(self, refresh: bool) -> None:
        """Count the problems of this step; restore worlds with an unusable state."""
        counts = self.problem_counts
        warned = torch.from_numpy(self._warnings > 0)
        happened = {kind: warned[:, columns].any(dim=1) for kind, columns in _WARNINGS.items()}
        self._warnings[:] = 0
        happened["diverged"] |= ~(self._motion.abs() <= mujoco.mjMAXVAL).all(dim=1)
        happened["exploded"] = ~self._within_bounds().all(dim=1) & ~happened["diverged"]
        for kind, worlds in happened.items():
            counts.add(kind, worlds)
        if self._history is not None:
            self._keep_failures(self._history, happened)
        lost = (happened["diverged"] | happened["exploded"]).nonzero().squeeze(-1)
        self.reset(lost)
        self.joint_state()
        if refresh:
            self.refresh(lost)

    def record_failures(self, recording: Recording) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        self._recording = recording
        self._history = StateHistory(self._batch.state, self.model.opt.timestep)

    def take_failures(self) -> list[Failure]:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        taken, self._failures = self._failures, []
        return taken

    def _keep_failures(self, history: StateHistory, happened: dict[str, torch.Tensor]) -> None:
        """Keep the last states of worlds that diverged or exploded in this step, before they are restored."""
        recording = self._recording
        assert recording is not None
        for kind in ("diverged", "exploded"):
            for world in happened[kind].nonzero().squeeze(-1).tolist()[: recording.limit]:
                states, solver_steps = history.of_world(world)
                limits = self.velocity_limits
                self._failures.append(
                    Failure(
                        kind=kind,
                        world=world,
                        step=-(-history.total // recording.solver_steps),
                        model=self._batch.get_model(world) if self._model_fields else self.model,
                        states=states,
                        solver_steps=solver_steps,
                        bounds=self._state_bounds,
                        velocity_limits=None if limits is None else limits[world].double().numpy(),
                        executor="mujoco.batch",
                        notes=recording.notes,
                    )
                )
                recording = replace(recording, limit=recording.limit - 1)
        self._recording = recording
        if recording.limit <= 0:
            self._history = None

    def refresh(self, worlds: torch.Tensor | None = None) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        self._update_constants()
        with Silence():
            self._batch.forward(_ids(worlds), stage=_STAGE_VELOCITY)

    def deepest_penetration(self, pairs: np.ndarray | None) -> torch.Tensor:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        self._update_constants()
        depths = torch.zeros(self.num_envs)
        data, model = mujoco.MjData(self.model), self.model
        for world in range(self.num_envs):
            if self._model_fields:
                model = self._batch.get_model(world)
            self._batch.get_data(world, data)
            mujoco.mj_fwdPosition(model, data)
            contact = data.contact
            counted = contact.dist if pairs is None else contact.dist[_within(pairs, contact, model.ngeom)]
            depths[world] = max(0.0, -counted.min(initial=0.0))
        return depths

    def save_initial_state(self) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        self._initial.copy_(self._state)

    def initial_field(self, name: str) -> torch.Tensor:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        live = self.field(name)
        return self._initial.as_strided(live.shape, live.stride(), self._offset(live))

    def _offset(self, live: torch.Tensor) -> int:
        """Offset of a state field in the state."""
        if not live.numel():  # an empty field has no address
            return 0
        return (live.data_ptr() - self._state.data_ptr()) // self._state.element_size()

    def reset(self, worlds: torch.Tensor | None = None) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        if is_mask(worlds):
            worlds = worlds.nonzero().squeeze(-1)
        if worlds is None:
            self._state.copy_(self._initial)
        else:
            self._state.index_copy_(0, worlds, self._initial.index_select(0, worlds))
        for copy, _ in self._forces.values():
            if worlds is None:
                copy.zero_()
            else:
                copy.index_fill_(0, worlds, 0.0)

    @property
    def graphs(self) -> "Graphs":
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        if self._graphs is None:
            from oige_core.engines.mujoco.executors.graphs import Graphs

            self._graphs = Graphs(self.device)
        return self._graphs

    def step_between(self, n: int, before: Callable[[], None], after: Callable[[], None]) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`. The C engine steps between two graphs."""
        self.graphs.run(("before", before), before)
        self.step(n, refresh=False)
        self.graphs.run(("after", after), after)

    def launch_reset(self, mask: "wp.array") -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        import warp as wp

        from oige_core.engines.mujoco.executors.batch_kernels import clear_rows, restore_rows

        wp.launch(restore_rows, self.num_envs, inputs=[mask, wp.from_torch(self._state), wp.from_torch(self._initial)])
        for copy, _ in self._forces.values():
            wp.launch(clear_rows, self.num_envs, inputs=[mask, wp.from_torch(copy)])

    def state_dict(self) -> dict[str, Any]:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        return {
            "state": self._state.clone(),
            "initial": self._initial.clone(),
            "model": {name: values.clone() for name, values in self._model_fields.items()},
            "forces": {name: copy.clone() for name, (copy, _) in self._forces.items()},
            "problems": self.problem_counts.state_dict(),
            "velocity_limits": None if self.velocity_limits is None else self.velocity_limits.clone(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        self._state.copy_(state["state"])
        self._initial.copy_(state["initial"])
        for name, values in state["model"].items():
            self.model_field(name).copy_(values)
        self.model_changed(state["model"])
        for name, values in state["forces"].items():
            self.field(name).copy_(values)
        self.problem_counts.load_state_dict(state["problems"])
        load_velocity_limits(self, state.get("velocity_limits"))

    def close(self) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        if self._graphs is not None:
            self._graphs.close()
        self._fields.clear()
        self._forces.clear()
        self._model_fields.clear()


class Silence:
    """Prevents MuJoCo from printing its warnings, which are counted, or writing them to a log file.

    This is a class because entering a generator takes three times as long, and every step does it. The handler is
    global: if several threads step environments, the first one sets it, and the last one restores the previous handler.
    """

    _lock = threading.Lock()
    _inside = 0
    _handler: Any = None

    def __enter__(self) -> None:
        with Silence._lock:
            if not Silence._inside:
                Silence._handler = mujoco.get_mju_user_warning()
                mujoco.set_mju_user_warning(self._ignore)
            Silence._inside += 1

    def __exit__(self, *exception: object) -> None:
        with Silence._lock:
            Silence._inside -= 1
            if not Silence._inside:
                mujoco.set_mju_user_warning(Silence._handler)

    @staticmethod
    def _ignore(message: str) -> None:
        pass


def _within(pairs: np.ndarray, contact: Any, ngeom: int) -> np.ndarray:
    """Return which contacts ``(n,)`` are between pairs of geoms, and soft bodies after them, ``(k, k)``."""
    first, second = np.where(contact.geom >= 0, contact.geom, ngeom + contact.flex).T
    return pairs[first, second]


def _tensor_of(array: np.ndarray) -> torch.Tensor:
    """Alias an array; the batch marks its outputs read-only, about which torch would warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(array)


def _copying(copy: torch.Tensor, live: np.ndarray) -> Callable[[], object]:
    """Return a function that copies ``live``: torch, whose code is likely to be cached, or NumPy for large arrays.

    For large arrays torch would start threads, which busy-wait on the cores that the next step needs.
    """
    if copy.numel() <= TORCH_GRAIN:
        return functools.partial(copy.copy_, _tensor_of(live))
    return functools.partial(np.copyto, copy.numpy(), live)


def _ids(worlds: torch.Tensor | None) -> np.ndarray | None:
    """Return the indices of a selection of worlds as the batch needs them, ascending and unique."""
    if worlds is None:
        return None
    return np.flatnonzero(worlds.numpy()) if is_mask(worlds) else np.unique(worlds.numpy())
