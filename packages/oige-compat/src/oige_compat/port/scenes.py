"""The scene of a task: robots, objects, views, and statements that could not be read."""

import ast
import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from oige_compat.check.modules import ClassInfo
from oige_compat.port.constructor import CONSTRUCTOR
from oige_compat.port.evaluate import Evaluator
from oige_compat.port.recorder import ENV, Element, SceneRecorder, View
from oige_compat.port.sources import BASES, Source
from oige_compat.port.values import UNKNOWN, Foreign, FunctionRef, Instance

__all__ = ["TaskScene", "TaskView", "Unread", "read_scene"]


@dataclass(eq=False)
class TaskView:
    """A view that the task keeps.

    Attributes:
        attribute: expression after ``self.``: ``_robots``, ``_robots._knees`` or ``_robots.rotors[0]``.
        view: what it shows.
        helper: class of the code base of which it is an instance; None: one of Isaac Sim.
    """

    attribute: str
    view: View
    helper: ClassInfo | None = None


@dataclass(frozen=True)
class Unread:
    """Statements in a row whose effect on the scene is not known.

    Attributes:
        function: name of the function that contains them.
        statements: the statements.
    """

    function: str
    statements: tuple[ast.stmt, ...]

    @property
    def text(self) -> str:
        """Their source."""
        return "\n".join(ast.unparse(statement) for statement in self.statements)


@dataclass
class TaskScene:
    """The scene of a task.

    Attributes:
        elements: robots and objects.
        names: their names here, by path.
        views: what the task keeps.
        unread: what could not be read.
        config: the task's YAML file after the constructor changed it.
        values: attributes of the task.
    """

    elements: list[Element]
    names: dict[str, str]
    views: list[TaskView]
    unread: list[Unread]
    config: dict[str, Any]
    values: dict[str, Any] = field(default_factory=dict)

    def is_whole(self, view: View, element: Element) -> bool:
        """Whether a view is one of a whole element, and of nothing else."""
        found = self.elements_of(view)
        return len(found) == 1 and found[0][0] is element and (view.is_articulation or not element.is_robot)

    def elements_of(self, view: View) -> list[tuple[Element, str]]:
        """Return the elements that a view shows, and the expression of the links below each."""
        found: list[tuple[Element, str]] = []
        for element in self.elements:
            below = _below(element.parts, view.parts)
            if below is not None:
                found.append((element, "/".join(below).rpartition("/")[2]))
        return found


def _below(element: list[str], view: list[str]) -> list[str] | None:
    if len(view) < len(element):
        return None
    for name, expression in zip(element, view, strict=False):
        try:
            if re.fullmatch(expression, name) is None:
                return None
        except re.error:
            return None
    return view[len(element) :]


def read_scene(source: Source) -> TaskScene:
    """Return the scene that the constructor and ``set_up_scene`` of a task describe.

    They are evaluated with one world. What depends on values that are not known stays unread.
    """
    config = copy.deepcopy(source.task)
    env = config.setdefault("env", {})
    env["numEnvs"] = 1
    recorder = SceneRecorder(config)
    evaluator = Evaluator(source.project, recorder, BASES)
    recorder.evaluator = evaluator
    values: dict[str, Any] = {
        "num_envs": 1,
        "_num_envs": 1,
        "device": "cpu",
        "_device": "cpu",
        "default_zero_env_path": ENV,
        "default_base_env_path": "/World/envs",
        "_sim_config": recorder,
        "_env": UNKNOWN,
        "_env_pos": UNKNOWN,
    }
    task = Instance(source.info, values)
    constructor = evaluator.method(task, "__init__")
    if constructor is not None:
        evaluator.run(constructor, ["task", recorder, UNKNOWN], {})
    for name in ("observations", "actions", "states"):
        values.setdefault(f"num_{name}", values.get(f"_num_{name}", UNKNOWN))
    before = set(evaluator.visited)
    evaluator.unread.clear()
    set_up = evaluator.method(task, "set_up_scene")
    if set_up is not None:
        evaluator.run(set_up, [Foreign("Scene")], {})
    visited = [function for node, function in evaluator.visited.items() if node not in before]
    elements = list(recorder.elements.values())
    return TaskScene(
        elements,
        _names(elements),
        list(_task_views(values)),
        list(_unread(evaluator, visited)),
        config,
        values,
    )


def _names(elements: list[Element]) -> dict[str, str]:
    """Return a name for each element: the last one on its path, or all of them if it is not unique."""
    names: dict[str, str] = {}
    for element in elements:
        name = element.parts[-1]
        names[element.path] = "_".join(element.parts) if name in names.values() else name
    return names


def _task_views(values: dict[str, Any], before: str = "") -> Iterator[TaskView]:
    for attribute, value in values.items():
        yield from _views_in(f"{before}{attribute}", value)


def _views_in(attribute: str, value: Any) -> Iterator[TaskView]:
    if isinstance(value, View):
        yield TaskView(attribute, value)
    elif isinstance(value, Instance) and isinstance(value.record, View):
        yield TaskView(attribute, value.record, value.info)
        yield from _task_views(value.values, f"{attribute}.")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _views_in(f"{attribute}[{number}]", each)


def _unread(evaluator: Evaluator, visited: list[FunctionRef]) -> Iterator[Unread]:
    for function in visited:
        of_task = function.instance is not None and function.instance.record is None
        if of_task and function.node.name in CONSTRUCTOR:
            continue
        statements = tuple(_runs(function.node.body, evaluator.unread))
        if statements:
            yield Unread(function.node.name, statements)


def _runs(body: list[ast.stmt], levels: dict[ast.stmt, int]) -> Iterator[ast.stmt]:
    """Yield statements in a row that have a level, if one of them has an effect."""
    run: list[ast.stmt] = []
    for statement in [*body, None]:
        if statement is not None and levels.get(statement, 0):
            run.append(statement)
            continue
        if any(levels[each] > 1 for each in run):
            yield from run
        run = []
        for key in ("body", "orelse", "finalbody"):
            inner = getattr(statement, key, None)
            if isinstance(inner, list):
                yield from _runs(inner, levels)
