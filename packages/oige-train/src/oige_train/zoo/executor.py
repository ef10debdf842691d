"""One world on MuJoCo whose tensors a recorder can follow: a task's step on it is what a browser will run."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

import mujoco
import numpy as np
import torch
from oige_core.engines.mujoco.executors.bounds import StateBounds
from oige_core.engines.mujoco.executors.mass_matrix import MassMatrix
from oige_core.engines.mujoco.executors.protocol import (
    FORCE_FIELDS,
    REFRESHED_FIELDS,
    STATE_FIELDS,
    scalar_joints,
    state_format,
)
from oige_core.engines.mujoco.failures.failure import Failure
from oige_core.problems import ProblemCounts, Recording
from oige_core.selections import write_rows

if TYPE_CHECKING:
    import warp as wp
    from oige_core.engines.mujoco.executors.graphs import Graphs

__all__ = ["PageExecutor"]

PROBLEMS = ("diverged", "exploded")
_UNCHANGED = frozenset({"time", "eq_active"})  # pages neither read nor write them


class PageExecutor:
    """One world in float32 that is reset by mask, as on a GPU.

    It is an :class:`~oige_core.engines.mujoco.executors.protocol.Executor`.

    State that was written since the last step goes to MuJoCo, and nothing else: what the page does, too.

    Args:
        model: the compiled model.

    Attributes:
        data: MuJoCo's data of the world.
        fields: the tensors that were asked for, by name.
        model_fields: the tensors of the model that were asked for, by name.
        on_refresh: called before refreshed fields are computed outside of a step.
        changed_fields: names of fields of the model that were written since the list was cleared.
    """

    num_envs = 1
    device = torch.device("cpu")
    selects_by_mask = True
    step_reads_joint_state = True
    layout_version = 0

    def __init__(self, model: mujoco.MjModel) -> None:
        self.model = model
        self.data = mujoco.MjData(model)
        self.state_format = state_format("page", model)
        self.problem_counts = ProblemCounts(PROBLEMS, 1, self.device, in_graphs=True)
        self.velocity_limits: torch.Tensor | None = None
        self.fields: dict[str, torch.Tensor] = {}
        self.model_fields: dict[str, torch.Tensor] = {}
        self.on_refresh: Callable[[], None] = lambda: None
        self.changed_fields: set[str] = set()
        self._initial: dict[str, torch.Tensor] = {}
        self._versions: dict[str, int] = {}
        self._mass_matrix: MassMatrix | None = None
        for name in sorted(STATE_FIELDS - _UNCHANGED):
            self.field(name)
            self._initial[name] = self.fields[name].clone()
        self._joint_state = self.fields["qpos"], self.fields["qvel"]

    def field(self, name: str) -> torch.Tensor:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        if name not in self.fields:
            if name not in STATE_FIELDS | REFRESHED_FIELDS | FORCE_FIELDS | {"M"}:
                raise KeyError(name)
            self.fields[name] = torch.from_numpy(np.array(getattr(self.data, name), np.float32)[None])
            self._versions[name] = self.fields[name]._version
        return self.fields[name]

    def joint_state(self) -> tuple[torch.Tensor, torch.Tensor]:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        return self._joint_state

    def mass_matrix(self) -> torch.Tensor:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        if self._mass_matrix is None:
            self._mass_matrix = MassMatrix(self.model, 1, self.device)
        return self._mass_matrix.update(self.field("M"))

    def model_field(self, name: str) -> torch.Tensor:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        if name not in self.model_fields:
            values = self.model.opt.gravity if name == "opt.gravity" else getattr(self.model, name)
            kind = np.float32 if values.dtype.kind == "f" else values.dtype
            self.model_fields[name] = torch.from_numpy(np.array(values, kind)[None])
        return self.model_fields[name]

    def model_changed(self, names: Iterable[str], worlds: torch.Tensor | None = None) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        self.changed_fields.update(names)

    def graph_recorder(self) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`; there are no graphs."""

    @property
    def graphs(self) -> "Graphs":
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        return _refuse("graphs")

    def limit_velocities(self) -> torch.Tensor:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        if self.velocity_limits is None:
            self.velocity_limits = torch.full_like(self.field("qvel"), torch.inf)
        return self.velocity_limits

    def step(self, n: int, *, refresh: bool) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        self._write()
        for _ in range(n):
            mujoco.mj_step(self.model, self.data)
            if self.velocity_limits is not None:
                self._limit(self.velocity_limits)
        self._read(STATE_FIELDS | FORCE_FIELDS)
        if refresh:
            self._compute()

    def _limit(self, limits: torch.Tensor) -> None:
        dofs, positions = scalar_joints(self.model)
        bounds, free = limits[0].numpy()[dofs], self.data.qvel[dofs]
        limited = np.clip(free, -bounds, bounds)
        self.data.qvel[dofs] = limited
        self.data.qpos[positions] += (limited - free) * self.model.opt.timestep

    def refresh(self, worlds: torch.Tensor | None = None) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        self._write()
        self.on_refresh()
        self._compute()

    def _write(self) -> None:
        """Copy what was written since the last call to MuJoCo."""
        for name in STATE_FIELDS & self.fields.keys():
            values = self.fields[name]
            if values._version != self._versions[name]:
                getattr(self.data, name)[:] = values[0].numpy()
                self._versions[name] = values._version
        for name in sorted(self.changed_fields):
            values = self.model_fields[name][0].numpy()
            if name == "opt.gravity":
                self.model.opt.gravity[:] = values
            else:
                getattr(self.model, name)[:] = values
        if not self.changed_fields.isdisjoint(mujoco.MjModel._setconst_inputs):  # type: ignore[attr-defined]
            mujoco.mj_setConst(self.model, mujoco.MjData(self.model))
        self.changed_fields.clear()

    def _compute(self) -> None:
        mujoco.mj_fwdPosition(self.model, self.data)
        mujoco.mj_fwdVelocity(self.model, self.data)
        self._read(REFRESHED_FIELDS | {"M"})

    def _read(self, names: Iterable[str]) -> None:
        for name in self.fields.keys() & names:
            self.fields[name].numpy()[0] = getattr(self.data, name)  # unseen by the recorder

    def deepest_penetration(self, pairs: np.ndarray | None) -> torch.Tensor:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        return _refuse("deepest_penetration")

    def save_initial_state(self) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        for name, values in self._initial.items():
            values.copy_(self.fields[name])

    def initial_field(self, name: str) -> torch.Tensor:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        return self._initial[name]

    def reset(self, worlds: torch.Tensor | None = None) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        for name, values in self._initial.items():
            write_rows(self.fields[name], values, worlds)
        for name in sorted(FORCE_FIELDS & self.fields.keys()):
            write_rows(self.fields[name], torch.zeros_like(self.fields[name]), worlds)

    def step_between(self, n: int, before: Callable[[], None], after: Callable[[], None]) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        _refuse("step_between")

    def launch_reset(self, mask: "wp.array") -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        _refuse("launch_reset")

    def set_bounds(self, bounds: StateBounds) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`; pages have MuJoCo's own bounds."""

    def record_failures(self, recording: Recording) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        _refuse("record_failures")

    def take_failures(self) -> list[Failure]:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`; pages record none."""
        return []

    def state_dict(self) -> dict[str, Any]:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        return _refuse("state_dict")

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""
        _refuse("load_state_dict")

    def close(self) -> None:
        """See :class:`~oige_core.engines.mujoco.executors.protocol.Executor`."""


def _refuse(method: str) -> NoReturn:
    raise NotImplementedError(f"{method}: a page does not need this.")
