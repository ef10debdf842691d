"""The built worlds of the embedded engine, which its views and renderers share."""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from oige_core.capabilities import Capable
from oige_core.engines.checks import WorldChecker, check_numbers, fail, values_of_shape
from oige_core.engines.mujoco.appearance import Appearance, Looks
from oige_core.engines.mujoco.compile import CompiledScene
from oige_core.engines.mujoco.executors.protocol import FORCE_FIELDS, REFRESHED_FIELDS, Executor
from oige_core.errors import OigeError
from oige_core.modes import plain_tensors
from oige_core.selections import is_mask, write_rows
from oige_core.views import Indices

__all__ = ["Staleness", "Worlds"]


class Staleness:
    """The worlds that have changed since something was computed from them; initially all."""

    def __init__(self) -> None:
        self._all = True
        self._indices: list[torch.Tensor] = []
        self._mask: torch.Tensor | None = None
        self._last: tuple[torch.Tensor, int] | None = None  # the last added indices and their version

    def __bool__(self) -> bool:
        return self._all or bool(self._indices) or self._mask is not None

    def mark(self, worlds: torch.Tensor | None) -> None:
        """Add a selection of worlds."""
        if worlds is None:
            self.clear()
            self._all = True
        elif self._all:
            return
        elif is_mask(worlds):
            self._mask = worlds.clone() if self._mask is None else self._mask | worlds
        elif worlds.is_inference():  # has no version that would show a change
            self._indices.append(worlds.clone())
        elif self._last is None or self._last[0] is not worlds or self._last[1] != worlds._version:
            self._indices.append(worlds.clone())  # callers may change theirs
            self._last = worlds, worlds._version

    def take(self) -> torch.Tensor | None:
        """Return the added worlds as a selection, perhaps with repeated indices, and clear them."""
        worlds = self._mask
        if worlds is not None:
            for indices in self._indices:
                worlds = worlds.index_fill(0, indices, True)
        elif self._indices:
            worlds = self._indices[0] if len(self._indices) == 1 else torch.cat(self._indices)
        self.clear()
        return worlds

    def clear(self) -> None:
        """Mark no world as changed."""
        self._all = False
        self._indices.clear()
        self._mask = self._last = None


class Worlds:
    """A compiled scene and the executor that runs its worlds.

    Args:
        engine: the engine, for messages.
        compiled: the compiled scene.
        executor: runs the worlds.
        solver_substeps: solver steps per physics step.

    Attributes:
        engine: see above.
        compiled: see above.
        num_envs: number of worlds.
        device: device of every tensor.
        solver_substeps: see above.
        selects_by_mask: see :class:`~oige_core.engines.base.Engine`.
        appearance: what differs between worlds in images.
        variants: number of the variant in each world ``(num_envs,)``, by name of a body that has several.
    """

    def __init__(self, engine: Capable, compiled: CompiledScene, executor: Executor, solver_substeps: int) -> None:
        self.engine = engine
        self.compiled = compiled
        self.num_envs = executor.num_envs
        self.device = executor.device
        self.selects_by_mask = executor.selects_by_mask
        self._executor: Executor | None = executor
        self.solver_substeps = solver_substeps
        self._check_worlds = WorldChecker(executor.num_envs)
        self._own_fields: set[str] = set()
        self._compiled_fields: dict[str, torch.Tensor] = {}
        self._known_fields: set[str] = set()
        self._stale = Staleness()  # of the refreshed fields
        self._watchers: list[Staleness] = []
        self._joint_state_stale = True
        self._refresh_in_step = False
        self._refreshed_was_read = False
        self._wrenches_pending = False
        self.variants: dict[str, torch.Tensor] = {}
        self.appearance = Appearance(compiled.model, self.num_envs, self.device, self.drop_graphs)

    @property
    def executor(self) -> Executor:
        """The executor.

        Raises:
            OigeError: the engine is closed.
        """
        if self._executor is None:
            raise OigeError("the engine is closed: its views can no longer be used.")
        return self._executor

    def close(self) -> None:
        """Free threads and memory."""
        if self._executor is not None:
            self._executor.close()
            self._executor = None

    def select(self, indices: Indices) -> torch.Tensor | None:
        """Return a selection of worlds on the device: int64 indices, a mask of bool, or None for all worlds."""
        return None if indices is None else self._check_worlds(indices, self.device)

    def selection(self, mask: torch.Tensor) -> torch.Tensor:
        """See :class:`~oige_core.engines.base.Engine`."""
        return mask if self.selects_by_mask else self._check_worlds.indices_of(mask)

    # Steps

    def step(self, n_substeps: int) -> None:
        """Advance all worlds by ``n_substeps`` physics steps."""
        # A task that reads refreshed fields after a step will do so after the next one. One call for both is cheaper.
        self._refresh_in_step = self._refreshed_was_read
        self._refreshed_was_read = False
        self.executor.step(n_substeps * self.solver_substeps, refresh=self._refresh_in_step)
        self._after_step(refreshed=self._refresh_in_step)
        self._joint_state_stale = not self.executor.step_reads_joint_state

    def step_between(self, n_substeps: int, before: Callable[[], None], after: Callable[[], None]) -> None:
        """Advance all worlds between two functions that launch Warp work; see the executor."""
        self.executor.step_between(n_substeps * self.solver_substeps, before, after)
        self._after_step(refreshed=False)

    def _after_step(self, *, refreshed: bool) -> None:
        self.mark_stale(None)
        if refreshed:
            self._stale.clear()
        if self._wrenches_pending:
            self.executor.field("xfrc_applied").zero_()
            self._wrenches_pending = False

    # Written values, and quantities that depend on them

    def mark_stale(self, worlds: torch.Tensor | None) -> None:
        """Mark positions and velocities of a selection of worlds as changed, or of all if None."""
        self._joint_state_stale = True
        if is_mask(worlds) and not self.selects_by_mask:
            worlds = worlds.nonzero().squeeze(-1)  # the C engine refreshes the worlds that it is given
        self._stale.mark(None if self.selects_by_mask else worlds)  # MuJoCo Warp refreshes all
        self.mark_unseen(worlds)

    def mark_unseen(self, worlds: torch.Tensor | None) -> None:
        """Mark the appearance of a selection of worlds as changed, or of all if None."""
        for watcher in self._watchers:
            watcher.mark(worlds)

    def drop_graphs(self) -> None:
        """Have captured graphs captured again, because what they render changes."""
        if self.selects_by_mask:
            self.executor.graphs.forget()

    def looks(self) -> Looks:
        """Return what differs between worlds in images, besides poses."""
        sizes, meshes = self.own_values("geom_size"), self.own_values("geom_dataid")
        return replace(self.appearance.looks(), sizes=sizes, meshes=meshes)

    @property
    def reads(self) -> Any:
        """See :class:`~oige_core.engines.base.Engine`."""
        stale = [bool(each) for each in (self._stale, *self._watchers)]
        return (
            stale,
            self._joint_state_stale,
            self._refresh_in_step,
            self._refreshed_was_read,
            self._wrenches_pending,
        )

    @reads.setter
    def reads(self, record: Any) -> None:
        (
            stale,
            self._joint_state_stale,
            self._refresh_in_step,
            self._refreshed_was_read,
            wrenches_pending,
        ) = record
        self._wrenches_pending |= wrenches_pending  # callers may have applied some before the graph was replayed
        for staleness, is_stale in zip((self._stale, *self._watchers), stale, strict=True):
            staleness.clear()
            if is_stale:
                staleness.mark(None)

    def watch(self) -> Staleness:
        """Return an object that records every change of positions or velocities from now on."""
        self._watchers.append(Staleness())
        return self._watchers[-1]

    def mark_wrenches(self) -> None:
        """Mark external wrenches as written; they act only during the next step."""
        self._wrenches_pending = True

    def update_joint_state(self) -> None:
        """Bring the tensors of the executor's ``joint_state`` up to date."""
        if self._joint_state_stale:
            self.executor.joint_state()
            self._joint_state_stale = False

    def fresh(self, name: str) -> torch.Tensor:
        """Return a refreshed field for the current state."""
        assert name in REFRESHED_FIELDS
        values = self.executor.field(name)
        self._make_fresh(name)
        return values

    def fresh_mass_matrix(self) -> torch.Tensor:
        """Return the joint-space inertia for the current state."""
        if "M" not in self._known_fields:
            self.executor.mass_matrix()  # the first access makes the executor compute it
        self._make_fresh("M")
        return self.executor.mass_matrix()

    def _make_fresh(self, name: str) -> None:
        self._refreshed_was_read = True
        if name not in self._known_fields:  # the executor has not computed it yet
            self._known_fields.add(name)
            self._stale.mark(None)
        if self._stale:
            self.executor.refresh(self._stale.take())

    def force(self, name: str) -> torch.Tensor:
        """Return a force field of the last physics step."""
        assert name in FORCE_FIELDS
        return self.executor.field(name)

    # Model fields

    def model_values(self, name: str) -> torch.Tensor:
        """Return a model field ``(num_envs, …)`` for reading, without creating a copy per world."""
        if name in self._own_fields:
            return self.executor.model_field(name)
        return self._compiled_values(name)

    def own_values(self, name: str) -> torch.Tensor | None:
        """Return a model field ``(num_envs, …)`` for reading if worlds have values of their own; else None."""
        return self.executor.model_field(name) if name in self._own_fields else None

    def own_model_field(self, name: str) -> torch.Tensor:
        """Return writable values ``(num_envs, …)`` of a model field; call :meth:`model_changed` after writing."""
        self._own_fields.add(name)
        return self.executor.model_field(name)

    def model_changed(self, names: Iterable[str], worlds: torch.Tensor | None) -> None:
        """Mark model fields of worlds ``(n,)`` as written, or of all if None."""
        self.executor.model_changed(names, worlds)
        self.mark_stale(worlds)

    def _compiled_values(self, name: str) -> torch.Tensor:
        """Return a field of the compiled model; the first call copies it to a GPU, which waits."""
        return self._compiled_fields[name] if name in self._compiled_fields else self._copy_compiled(name)

    @plain_tensors
    def _copy_compiled(self, name: str) -> torch.Tensor:
        model = self.compiled.model
        values = model.opt.gravity if name == "opt.gravity" else getattr(model, name)
        values = torch.as_tensor(values, device=self.device).expand(self.num_envs, *values.shape)
        self._compiled_fields[name] = values
        return values

    def get_gravity(self) -> torch.Tensor:
        """Return gravity ``(num_envs, 3)`` in m/s²."""
        return self.model_values("opt.gravity").to(torch.float32, copy=True)

    def set_gravity(self, values: torch.Tensor, indices: Indices = None) -> None:
        """Set gravity ``(n, 3)`` in m/s²."""
        worlds = self.select(indices)
        shape = (self.num_envs if worlds is None else len(worlds), 3)
        check = partial(check_numbers, "gravity")
        values = values_of_shape("gravity", values, shape, self.device, worlds, check=check)
        write_rows(self.own_model_field("opt.gravity"), values, worlds)
        self.model_changed(["opt.gravity"], worlds)

    def set_light(self, name: str, values: torch.Tensor, indices: Indices) -> None:
        """Set ``sun_directions`` ``(n, 3)``, normalised, or ``sun_intensities`` ``(n,)``, of at least 0."""
        worlds = self.select(indices)
        own = self.appearance.own_values(name)
        low = 0.0 if name == "sun_intensities" else -math.inf
        what, n = name.removeprefix("sun_"), self.num_envs if worlds is None else len(worlds)

        def check(given: torch.Tensor) -> None:
            check_numbers(what, given, low=low)
            if given.ndim == 2 and not bool(given.any(dim=-1).all()):
                fail(f"{what} contain a vector of zeros: expected vectors with a direction.")

        values = values_of_shape(what, values, (n, *own.shape[1:]), self.device, worlds, check=check).to(torch.float32)
        if name == "sun_directions":
            values = torch.nn.functional.normalize(values, dim=-1)
        write_rows(own, values, worlds)
        self.mark_unseen(worlds)

    # Saved states

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the executor, and the values that affect the next step."""
        return {
            "executor": self.executor.state_dict(),
            "model_fields": sorted(self._own_fields),
            "wrenches_pending": self._wrenches_pending,
            "refresh_in_step": self._refresh_in_step,
            "appearance": self.appearance.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self.executor.load_state_dict(state["executor"])
        # Fields that the loaded state does not contain get the values of the compiled model.
        changed_here = self._own_fields - set(state["model_fields"])
        for name in changed_here:
            self.executor.model_field(name).copy_(self._compiled_values(name))
        self.executor.model_changed(changed_here)
        self._own_fields.update(state["model_fields"])
        self._wrenches_pending = state["wrenches_pending"]
        self._refresh_in_step = state["refresh_in_step"]
        self.appearance.load_state_dict(state.get("appearance", {}))
        self.mark_stale(None)
