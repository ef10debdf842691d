"""Records a task's control step and a policy as functions of fields of MuJoCo, of the task's state and of chance."""

import contextlib
import dataclasses
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from oige_core.engines.mujoco.executors.protocol import REFRESHED_FIELDS
from oige_core.selections import as_on_gpu
from oige_core.tasks import RLTask, Steerable

from oige_train.zoo.executor import PageExecutor
from oige_train.zoo.random_numbers import RandomNumbers
from oige_train.zoo.recorder import Recorder, RecordingError, key_of
from oige_train.zoo.values import Value, place_of

__all__ = [
    "Part",
    "Program",
    "Recording",
    "begin",
    "end",
    "is_constant",
    "observed",
    "record_task",
    "reset",
    "state_tensors",
]

STEERED = ("task.commands", "task.manual_control", "task.no_timeout")
"""State of tasks that users drive, which the page writes."""

WARM_UP = 3  # control steps; the first one checks what the task returns
_MOVING = REFRESHED_FIELDS | {"M"}


@dataclasses.dataclass
class Recording:
    """A recorded function.

    Attributes:
        outputs: values by segment and name; names are ``field:<name>``, ``model:<name>``, ``state:<path>`` and results.
        inputs: all inputs; those without a source have the same numbers in each step.
        random: kind of each random input.
        last: number of the last segment.
    """

    outputs: dict[int, dict[str, Value]]
    inputs: list[Value]
    random: list[str]
    last: int


@dataclasses.dataclass
class Part:
    """What is known after recording one function, before the state of all is."""

    recorder: Recorder
    outputs: dict[int, dict[str, Value]]
    before: dict[str, torch.Tensor]
    after: dict[str, torch.Tensor]
    kinds: list[str]


@dataclasses.dataclass
class Program:
    """A task, and perhaps its policy, as recorded functions.

    Attributes:
        functions: ``begin`` and ``end`` of a control step, ``reset``, and ``policy``.
        state: initial numbers of the state by path.
        reward_terms: names of the reward terms.
    """

    functions: dict[str, Recording]
    state: dict[str, torch.Tensor]
    reward_terms: list[str]


def record_task(
    task: RLTask,
    executor: PageExecutor,
    act: Callable[[torch.Tensor], torch.Tensor] | None,
    policy: Any = None,
) -> Program:
    """Record a task.

    Args:
        task: the task on an executor for pages.
        executor: the executor.
        act: returns actions for observations; None: no policy.
        policy: the object whose tensors the policy may change.

    Raises:
        RecordingError: the task does something that a page cannot do.
    """
    numbers = RandomNumbers(0)
    everyone = torch.ones(1, dtype=torch.bool)
    task._fused = None  # Warp kernels are no operations of torch
    parts: dict[str, Part] = {}
    with torch.no_grad(), as_on_gpu(), _unchecked_distributions():
        task.restart(everyone)
        if act is not None:
            act(observed(task))
        for _ in range(WARM_UP):
            task.step(torch.zeros(1, task.spec.num_actions))
        roots = {"task": task, "policy": policy}
        actions = torch.zeros(1, task.spec.num_actions)
        parts["begin"] = _record(roots, executor, numbers, lambda: begin(task, actions), {"actions": actions})
        task.engine.step(task.control_frequency_inv)
        parts["end"] = _record(roots, executor, numbers, lambda: end(task))
        parts["reset"] = _record(roots, executor, numbers, lambda: reset(task, everyone))
        if act is not None:
            observations = observed(task).clone()
            parts["policy"] = _record(
                roots, executor, numbers, lambda: {"actions": act(observations)}, {"observations": observations}
            )
        task._reset_and_observe(everyone)
    steered: set[str] = set(STEERED) if isinstance(task, Steerable) else set()
    return _finish(parts, list(task.reward_terms_by_name()), steered)


@contextlib.contextmanager
def _unchecked_distributions() -> Iterator[None]:
    """Let distributions of torch not check their parameters, which reads them."""
    torch.distributions.Distribution.set_default_validate_args(False)
    try:
        yield
    finally:
        torch.distributions.Distribution.set_default_validate_args(__debug__)


def observed(task: RLTask) -> torch.Tensor:
    """Return the observations as the environment gives them."""
    if task.observes_bytes:
        return task.obs_buf
    return task.obs_buf.clamp(-task.cfg.clipObservations, task.cfg.clipObservations)


def begin(task: RLTask, actions: torch.Tensor) -> dict[str, torch.Tensor]:
    """Run the part of a control step before physics."""
    task.begin_step(actions)
    return {}


def end(task: RLTask) -> dict[str, torch.Tensor]:
    """Run the part of a control step after physics, without resets."""
    task.extras = {}
    task.post_physics_step()
    task.final_obs_buf, task.final_states_buf = task.obs_buf, task.states_buf
    task._finish_episodes()
    terms = list(task.reward_terms_by_name().values())
    return {
        "observations": observed(task),
        "reward": task.rew_buf,
        "terminated": task.terminated_buf,
        "truncated": task.truncated_buf,
        **({"reward_terms": torch.cat(terms)} if terms else {}),
    }


def reset(task: RLTask, everyone: torch.Tensor) -> dict[str, torch.Tensor]:
    """Start a new episode and observe."""
    task._reset_and_observe(everyone)
    return {"observations": observed(task)}


def _record(
    roots: Mapping[str, Any],
    executor: PageExecutor,
    numbers: RandomNumbers,
    function: Callable[[], dict[str, torch.Tensor]],
    given: Mapping[str, torch.Tensor] | None = None,
) -> Part:
    """Record one function."""
    recorder = Recorder(numbers)
    before = dict(state_tensors(roots))
    outputs: dict[int, dict[str, Value]] = {}
    emitted: dict[str, Value | None] = {}

    def note_fields() -> None:
        own = outputs.setdefault(recorder.segment, {})
        for kind, fields in (("field", executor.fields), ("model", executor.model_fields)):
            for name, tensor in fields.items():
                memory = recorder.memories.get(key_of(tensor))
                label = f"{kind}:{name}"
                if memory is None or memory.current is emitted.get(label, memory.first):
                    continue
                own[label] = emitted[label] = memory.current

    def cut() -> None:
        note_fields()
        recorder.cut()
        for name in executor.fields.keys() & _MOVING:
            recorder.renew(executor.fields[name])

    executor.on_refresh = cut
    for name, tensor in (given or {}).items():
        recorder.memory(tensor).current.source = ("given", name)
    try:
        with recorder:
            results = function()
    finally:
        executor.on_refresh = lambda: None
    note_fields()
    outputs[recorder.segment] |= {name: recorder.read(tensor) for name, tensor in results.items()}
    keys = {key_of(tensor): ("field", name) for name, tensor in executor.fields.items()}
    keys |= {key_of(tensor): ("model", name) for name, tensor in executor.model_fields.items()}
    for value in recorder.inputs:
        value.source = value.source or keys.get(value.storage)
    return Part(recorder, outputs, before, dict(state_tensors(roots)), [kind for _, kind in recorder.random])


def _finish(parts: Mapping[str, Part], reward_terms: list[str], changing: set[str]) -> Program:
    """Find the state that the functions share, and add it to their inputs and outputs.

    Args:
        parts: what was recorded, by name of the function.
        reward_terms: names of the reward terms.
        changing: paths of state that the page itself changes; this adds the paths that a function changes.
    """
    for part in parts.values():
        for path, tensor in part.before.items():
            memory = part.recorder.memories.get(key_of(tensor))
            written = memory is not None and memory.first is not None and memory.current is not memory.first
            then = part.after.get(path)
            moved = then is None or key_of(then) != key_of(tensor) or place_of(then) != place_of(tensor)
            if written or moved:
                changing.add(path)
    state: dict[str, torch.Tensor] = {}
    functions: dict[str, Recording] = {}
    owned = {value.storage for part in parts.values() for value in part.recorder.inputs if value.source is not None}
    for part in parts.values():
        for path in changing:
            after, before = part.after.get(path), part.before.get(path)
            if after is None or before is None or key_of(after) in owned:
                continue
            memory = part.recorder.memories.get(key_of(after))
            if key_of(after) != key_of(before) or (memory is not None and memory.current is not memory.first):
                part.outputs[part.recorder.segment][f"state:{path}"] = part.recorder.read(after)
    for name, part in parts.items():
        recorder = part.recorder
        for value in recorder.inputs:
            paths = [path for path, tensor in part.before.items() if key_of(tensor) == value.storage]
            variable = sorted((path for path in paths if path in changing), key=lambda path: (len(path), path))
            if value.source is None and variable:
                value.source = ("state", _whole(name, variable, part.before, value))
        functions[name] = Recording(part.outputs, recorder.inputs, part.kinds, recorder.segment)
    last = list(parts.values())[-1]
    for path in changing & last.after.keys():
        state[path] = last.after[path].clone()
    for name, part in parts.items():
        for value, code in part.recorder.fixed:
            if not is_constant(value):
                raise RecordingError(f"{name} reads numbers that change from step to step, in {code}.")
    return Program(functions, state, reward_terms)


def _whole(name: str, paths: list[str], tensors: Mapping[str, torch.Tensor], value: Value) -> str:
    """Return the path of a tensor that consists of a whole memory."""
    for path in paths:
        place = place_of(tensors[path])
        if place.is_run and place.offset == 0 and place.count == value.real.numel():
            return path
    raise RecordingError(f"{paths[0]}: {name} reads a part of a tensor that no attribute has as a whole.")


def is_constant(value: Value) -> bool:
    """Return whether a value has the same numbers in each step."""
    if value.constant is None:
        pending = [value]
        while pending:  # programs are too deep for recursion
            each = pending[-1]
            unknown = [part for part in each.inputs() if part.constant is None]
            if not each.real.numel():
                each.constant = True
            elif each.operation == "input":
                each.constant = each.source is None
            elif not unknown:
                each.constant = all(part.constant for part in each.inputs())
            else:
                pending += unknown
                continue
            pending.pop()
    return bool(value.constant)


def state_tensors(roots: Mapping[str, Any]) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors that attributes of objects of OIGE contain, directly or in containers, by path."""
    packages = {"oige_core", "oige_train", *(type(root).__module__.partition(".")[0] for root in roots.values())}
    seen: set[int] = set()
    pending: deque[tuple[str, Any]] = deque(roots.items())
    while pending:  # breadth first, so that the shortest path of an object comes first
        path, value = pending.popleft()
        if isinstance(value, torch.Tensor):
            yield path, value
            continue
        parts: Iterator[tuple[str, Any]] | None = None
        if isinstance(value, dict):
            parts = ((f"{path}[{key!r}]", each) for key, each in value.items())
        elif isinstance(value, list | tuple | set):
            parts = ((f"{path}[{index}]", each) for index, each in enumerate(value))
        elif type(value).__module__.partition(".")[0] in packages and not isinstance(value, PageExecutor | type):
            parts = ((f"{path}.{key}", each) for key, each in getattr(value, "__dict__", {}).items())
        if parts is None or id(value) in seen:
            continue
        seen.add(id(value))
        pending.extend(
            (name, each) for name, each in parts if not name.endswith((".config", ".cfg", ".spec", ".extras"))
        )
