"""The control step of a torch task as graphs: the part before physics, physics, and the part after it.

A graph reads and writes the memory with which it was captured, and its Python code does not run again. Everything that
a task keeps from step to step therefore has a fixed place in memory: at the end of each graph, tensors that the task
has replaced are copied there. Decisions in Python must stay the same. A task is not captured if it waits for the GPU,
or if attributes change that are not tensors.
"""

import logging
import pickle
import random
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils import _pytree as pytree

from oige_core.engines.base import Engine, GraphRecorder
from oige_core.problems import ProblemCounts
from oige_core.randomization.runtime import Randomization
from oige_core.tasks.packing import Packing
from oige_core.tasks.saved_task import OUTCOME, sections

__all__ = ["CapturableTask", "StepCapture"]

logger = logging.getLogger(__name__)

_OBSERVED = ("obs_buf", "final_obs_buf", "states_buf", "final_states_buf")
_COPIED = tuple(name for name in OUTCOME if name not in _OBSERVED)  # an environment clamps the others to new tensors
# Attributes on which the graphs do not depend.
_VOLATILE = frozenset(
    {
        "capture",
        "clamped",
        "extras",
        "_terms",
        "_problems_by_world",
        "_reward_weights",
        "_first_weights",
        "_weights_changed",
    }
)
_MOST_FUTILE = 5  # captures in a row that may be for one step only, because something changes after it
_PLAIN = (bool, int, float, str, set, np.ndarray, np.generic, np.random.Generator, np.random.RandomState, random.Random)


class CapturableTask(Protocol):
    """The members of a task that capturing needs; see :class:`~oige_core.tasks.RLTask`."""

    name: str
    engine: Engine
    config: Any
    cfg: Any
    problem_counts: ProblemCounts
    clone_results: bool
    clamped: dict[str, torch.Tensor]
    extras: dict[str, Any]
    randomization: Randomization | None
    control_frequency_inv: int

    def begin_step(self, actions: torch.Tensor) -> None:
        """Run the part of the step before physics."""
        ...

    def end_step(self) -> None:
        """Run the part of the step after physics."""
        ...

    def kept_attributes(self) -> dict[str, Any]:
        """Return the attributes that are state of the task."""
        ...

    def uncertain_attributes(self) -> list[str]:
        """Return the names of attributes that may or may not change in a step."""
        ...


class _NotCapturableError(Exception):
    """Raised if a step cannot be captured.

    Attributes:
        done: the part of the step that was executed nevertheless: ``nothing``, ``physics`` or ``all``.
    """

    def __init__(self, reason: str, done: str = "nothing") -> None:
        super().__init__(reason)
        self.done = done


class StepCapture:
    """Steps a task: once eagerly, to find the tensors that it replaces, then with graphs that the next step captures.

    The results of a step are bitwise the same as without graphs, and also in new tensors, except for observations and
    states, and unless the task's ``clone_results`` is False. If something changes on which
    the graphs depend (an attribute that is not a tensor, the configuration, the shape of a tensor), they are captured
    again, unless that has happened after each of the last captures, which cost more than steps without graphs.

    Args:
        task: the task, after its first step.
        recorder: captures graphs.

    Attributes:
        reason: why the task is not captured; None if it is.
        captures: how often its step was captured.
    """

    def __init__(self, task: CapturableTask, recorder: GraphRecorder) -> None:
        self.reason: str | None = None
        self.captures = 0
        self._task = task
        self._recorder = recorder
        self._graphs: _Graphs | None = None
        self._futile = 0  # captures since a graph was last used again
        self._replaced: list[str] | None = None  # attributes that a step replaces; None before the first eager step

    @classmethod
    def of(cls, task: CapturableTask) -> "StepCapture | None":
        """Return the capture of a task; None on the CPU, or if the user disabled it."""
        recorder = task.engine.graph_recorder() if task.cfg.captureStep and not task.config.debug else None
        return None if recorder is None else cls(task, recorder)

    @property
    def captured(self) -> bool:
        """Whether graphs executed the last step."""
        return self._graphs is not None

    def step(self, actions: torch.Tensor) -> None:
        """Run one control step.

        Args:
            actions: ``(N, num_actions)``.
        """
        if self.reason is not None:
            self._step_eagerly(actions)
            return
        if self._graphs is not None and (change := self._graphs.misfit(actions)) is not None:
            self._graphs = self._replaced = None
            if self._futile == _MOST_FUTILE:
                self._give_up(f"{change} changes between steps, after each of the last {_MOST_FUTILE} captures")
                self._step_eagerly(actions)
                return
        try:
            if self._graphs is not None:
                self._graphs.step(actions)
                self._futile = 0
            elif self._replaced is not None:
                self._graphs = _Graphs(self._task, self._recorder, actions, self._replaced)
                self.captures += 1
                self._futile += 1
            else:
                self._replaced = self._watch(actions)
        except _NotCapturableError as problem:
            self._give_up(str(problem))
            if problem.done == "nothing":
                self._step_eagerly(actions)
            elif problem.done == "physics":
                self._task.end_step()

    def _step_eagerly(self, actions: torch.Tensor) -> None:
        self._task.begin_step(actions)
        self._task.engine.step(self._task.control_frequency_inv)
        self._task.end_step()

    def _watch(self, actions: torch.Tensor) -> list[str]:
        """Run a step without graphs; return the names of the attributes that it replaces."""
        task = self._task
        before, plain = dict(task.kept_attributes()), _plain_values(task)
        members = {name: [id(leaf) for leaf in pytree.tree_leaves(value)] for name, value in before.items()}
        with self._recorder.watch_waits() as waits:
            self._step_eagerly(actions)
        if waits:
            raise _NotCapturableError(f"its step waits for the GPU ({waits[0]})", "all")
        if names := task.uncertain_attributes():
            raise _NotCapturableError(f"it has the attributes {', '.join(names)}, which may change in a step", "all")
        for name in task.kept_attributes():
            if name not in before:
                raise _NotCapturableError(
                    f"its attribute '{name}' did not exist after the first step: expected it from post_reset", "all"
                )
        for name, value in _plain_values(task).items():
            if plain.get(name) != value:
                raise _NotCapturableError(f"its attribute '{name}' changes in a step: expected a tensor", "all")
        replaced = []
        for name, value in task.kept_attributes().items():
            if name in _VOLATILE:
                continue
            if value is not before[name]:
                replaced.append(name)
            elif [id(leaf) for leaf in pytree.tree_leaves(value)] != members[name]:
                raise _NotCapturableError(f"its {type(value).__name__} '{name}' changes in place", "all")
        return replaced

    def _give_up(self, reason: str) -> None:
        self.reason = reason
        self._graphs = None
        logger.warning(
            "%s runs without CUDA graphs, which is slower: %s. See 'Steps on a GPU' in CONTRIBUTING.md, or set "
            "task.env.captureStep=False.",
            self._task.name,
            reason,
        )


class _Graphs:
    """The graphs of a step, captured while it runs, and the fixed places of the task's tensors.

    Args:
        task: the task.
        recorder: captures graphs.
        actions: ``(N, num_actions)`` of the step.
        replaced: names of the attributes that a step replaces.
    """

    def __init__(
        self, task: CapturableTask, recorder: GraphRecorder, actions: torch.Tensor, replaced: list[str]
    ) -> None:
        self._task = task
        self._actions = actions.clone()
        self._attributes = attributes = vars(task)
        # Replaced tensors must not share memory with others, because their places are written separately.
        self._places = {name: pytree.tree_map(_clone, attributes[name]) for name in replaced}
        self._memory = {leaf.untyped_storage().data_ptr() for leaf in _tensors(self._places)}
        self._fixed = {
            name: value for name, value in attributes.items() if name not in self._places and name not in _VOLATILE
        }
        self._sections = [(vars(section), dict(vars(section))) for section in sections(task.cfg)]
        self._handed_out: dict[str, tuple[torch.Tensor, int]] = {}
        attributes.update(self._places)
        generators = [value for value in attributes.values() if isinstance(value, torch.Generator)]
        if task.randomization is not None:
            generators.append(task.randomization.generator)
        task.engine.forget_reads()  # the graphs must refresh what they read, whatever was read before the capture
        self._begin = self._record(recorder, generators, lambda: task.begin_step(self._actions), "nothing")
        self._reads_at_physics = task.engine.reads
        self._begin()
        task.engine.step(task.control_frequency_inv)
        self._end = self._record(recorder, generators, self._end_step, "physics")
        self._reads_at_end = task.engine.reads
        self._end()
        self._version = task.engine.layout_version
        self._hand_out()

    def _record(
        self, recorder: GraphRecorder, generators: list[torch.Generator], work: Callable[[], None], done: str
    ) -> Callable[[], None]:
        """Return a function that replays ``work``, after which all tensors of the task are in their places."""

        def settled() -> None:
            work()
            self._settle(done)

        try:
            return recorder.record(settled, generators)
        except RuntimeError as error:
            while isinstance(error.__context__, RuntimeError):  # the end of a failed capture raises another error
                error = error.__context__
            raise _NotCapturableError(str(error).partition("\n")[0], done) from error
        finally:
            self._attributes.update(self._places)

    def _settle(self, done: str) -> None:
        """Copy tensors that the task has replaced to their places."""
        for name, value in self._fixed.items():
            if self._attributes.get(name) is not value:
                raise _NotCapturableError(f"its attribute '{name}' is replaced only in some steps", done)
        pairs: list[tuple[torch.Tensor, torch.Tensor]] = []
        for name, place in self._places.items():
            if (value := self._attributes[name]) is not place:
                if not _alike(place, value):
                    raise _NotCapturableError(f"its attribute '{name}' changes its shape or type", done)
                pairs += zip(_tensors(place), _tensors(value), strict=True)
        # All values are read before any place is written.
        moved = [self._apart(new) for _, new in pairs]
        groups: dict[Any, list[int]] = {}
        for i, ((place, _), value) in enumerate(zip(pairs, moved, strict=True)):
            # Lists of tensors are copied by one kernel only if they have the same type and the same dense layout.
            alike = place.is_contiguous() and value.is_contiguous()
            groups.setdefault((place.dtype, alike), []).append(i)
        for chosen in groups.values():
            places, values = [pairs[i][0] for i in chosen], [moved[i] for i in chosen]
            if len(chosen) == 1:  # faster than as a list
                places[0].copy_(values[0])
            else:
                torch._foreach_copy_(places, values)  # pyright: ignore[reportPrivateImportUsage]

    def _end_step(self) -> None:
        task = self._task
        task.end_step()
        extras, self._extras_structure = pytree.tree_flatten(task.extras)
        if not task.clone_results:
            limit = float(task.cfg.clipObservations)
            observed = {name: self._attributes[name] for name in _OBSERVED}
            clamped = {id(value): value.clamp(-limit, limit) for value in observed.values() if _is_clamped(value)}
            self._clamped = {name: clamped[id(value)] for name, value in observed.items() if _is_clamped(value)}
            self._live_extras = pytree.tree_map(self._apart, task.extras)
            self._problems = self._by_kind([counts.counts for counts in self._counts()])
            return
        # What is given out must not change when the places are written.
        self._copied = [name for name in _COPIED if name in self._places]
        self._copied += [name for name in _OBSERVED if name in self._places and not _is_clamped(self._places[name])]
        self._extras = [leaf for leaf in extras if not isinstance(leaf, torch.Tensor)]
        self._is_tensor = [isinstance(leaf, torch.Tensor) for leaf in extras]
        results = [self._attributes[name] for name in self._copied]
        results += [counts.counts for counts in self._counts()]
        results += [leaf for leaf in extras if isinstance(leaf, torch.Tensor)]
        self._packing = Packing(results)
        self._packed = self._packing.pack(results)

    def _counts(self) -> tuple[ProblemCounts, ProblemCounts]:
        return self._task.engine.problem_counts, self._task.problem_counts

    def _apart(self, value: Any) -> Any:
        """Return a value; a copy if it is in the memory of a place."""
        shares = isinstance(value, torch.Tensor) and value.untyped_storage().data_ptr() in self._memory
        return value.clone() if shares else value

    def misfit(self, actions: torch.Tensor) -> str | None:
        """Return what has changed so that the graphs no longer match the task; None if they do.

        Tensors that callers have replaced are copied to their places.
        """
        attributes, task = self._attributes, self._task
        if task.engine.layout_version != self._version:
            return "the memory of the engine"
        if actions.shape != self._actions.shape:
            return "the shape of actions"
        if len(attributes) != len(self._fixed) + len(self._places) + sum(name in attributes for name in _VOLATILE):
            changed = attributes.keys() ^ self._fixed.keys() ^ self._places.keys()
            return f"the attribute '{min(changed - _VOLATILE)}'"
        for name, value in self._fixed.items():
            current = attributes.get(name)
            if current is not value:
                if not _same(value, current):
                    return f"the attribute '{name}'"
                self._fixed[name] = current  # a restored state has equal values
        for section, values in self._sections:
            if section != values:
                return f"the setting '{next(name for name in section if section[name] != values.get(name))}'"
        for name, place in self._places.items():
            value = attributes.get(name)
            if value is place or self._is_handed_out(name, value):
                continue
            if not _alike(place, value):
                return f"the shape or type of the attribute '{name}'"
            for old, new in zip(_tensors(place), _tensors(value), strict=True):
                old.copy_(new)
            attributes[name] = place
        return None

    def step(self, actions: torch.Tensor) -> None:
        """Run one control step."""
        engine = self._task.engine
        self._actions.copy_(actions)
        self._begin()
        engine.reads = self._reads_at_physics
        engine.step(self._task.control_frequency_inv)
        self._end()
        engine.reads = self._reads_at_end
        self._hand_out()

    def _hand_out(self) -> None:
        """Return the results: live, or in new tensors, because the next step overwrites the places."""
        task = self._task
        if not task.clone_results:
            task.clamped = self._clamped
            task.extras = {  # callers may add entries
                name: dict(value) if type(value) is dict else value for name, value in self._live_extras.items()
            }
            self._attributes["_problems_by_world"] = self._problems
            return
        results = iter(self._packing.unpack(self._packed.clone()))
        outcome = {name: next(results) for name in self._copied}
        self._handed_out = {name: (value, value._version) for name, value in outcome.items()}
        self._attributes.update(outcome)
        self._attributes["_problems_by_world"] = self._by_kind([next(results) for _ in self._counts()])
        plain = iter(self._extras)
        leaves = [next(results) if is_tensor else next(plain) for is_tensor in self._is_tensor]
        task.extras = pytree.tree_unflatten(leaves, self._extras_structure)

    def _by_kind(self, values: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return the numbers of problems ``(N,)`` by kind."""
        rows: dict[str, torch.Tensor] = {}
        for counts, value in zip(self._counts(), values, strict=True):
            rows.update(zip(counts.kinds, value.unbind(), strict=True))
        return rows

    def _is_handed_out(self, name: str, value: Any) -> bool:
        """Whether a value is what the last step returned, unchanged, so that its place contains it already."""
        given, version = self._handed_out.get(name, (None, 0))
        return value is given and given is not None and given._version == version


def _tensors(value: Any) -> list[torch.Tensor]:
    return [leaf for leaf in pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def _is_clamped(observations: torch.Tensor) -> bool:
    return observations.is_floating_point()  # others are images


def _clone(value: Any) -> Any:
    return value.clone() if isinstance(value, torch.Tensor) else value


def _same(first: Any, second: Any) -> bool:
    """Whether two values have equal plain parts, and otherwise the same."""
    ours, theirs = pytree.tree_flatten(first), pytree.tree_flatten(second)
    return ours[1] == theirs[1] and all(map(_same_leaves, ours[0], theirs[0]))


def _same_leaves(first: Any, second: Any) -> bool:
    if first is second or type(first) is not type(second):
        return first is second
    if isinstance(first, torch.Tensor):
        return first.shape == second.shape and not first.numel()  # nothing that a graph could read
    return isinstance(first, bool | int | float | str) and first == second


def _alike(first: Any, second: Any) -> bool:
    """Whether two values have the same structure, with tensors of the same shapes and types."""
    ours, theirs = pytree.tree_flatten(first), pytree.tree_flatten(second)
    return ours[1] == theirs[1] and [_kind(leaf) for leaf in ours[0]] == [_kind(leaf) for leaf in theirs[0]]


def _kind(leaf: Any) -> Any:
    return (leaf.shape, leaf.dtype, leaf.device) if isinstance(leaf, torch.Tensor) else leaf


def _plain_values(task: CapturableTask) -> dict[str, list[bytes]]:
    """Return comparable versions of a task's attributes that are neither tensors nor objects of the library."""
    values = {name: pytree.tree_leaves(value) for name, value in task.kept_attributes().items()}
    return {
        name: [pickle.dumps(leaf) for leaf in leaves if isinstance(leaf, _PLAIN)]
        for name, leaves in values.items()
        if name not in _VOLATILE
    }
