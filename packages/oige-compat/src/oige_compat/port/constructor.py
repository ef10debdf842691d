"""Reads what a constructor and the scene of a task set: sizes, keys of the configuration, and constants."""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from oige_compat.check.modules import ClassInfo, Function, dotted_name
from oige_compat.check.types import Scope
from oige_compat.port.sources import Source

__all__ = [
    "CONSTRUCTOR",
    "EPISODE",
    "Constructor",
    "Moved",
    "key_of",
    "live_statements",
    "names_of_reads",
    "read_constructor",
]

CONSTRUCTOR = ("__init__", "update_config")
SIZES = {"_num_observations": "observations", "_num_actions": "actions", "_num_states": "states"}
BOOKKEEPING = {"_sim_config", "_cfg", "_task_cfg", "_num_envs", "_env_spacing", "_device", "_num_agents", "_stage"}
EPISODE = ("_max_episode_length", "max_episode_length")
CONFIGURATIONS = ("self._task_cfg", "self.task_cfg", "self._sim_config.task_config", "sim_config.task_config")
DEPTH = 8


class Moved(NamedTuple):
    """A statement of a constructor or of a scene, and where it is from."""

    statement: ast.stmt
    info: ClassInfo
    function: Function

    @property
    def scope(self) -> Scope:
        """Where it is from."""
        return Scope(self.info.module, self.info, self.function)


@dataclass
class Constructor:
    """What a constructor sets.

    Attributes:
        sizes: ``observations``, ``actions`` and ``states``; those that are known.
        keys: keys of ``task.env`` by the attributes that hold their values.
        statements: statements of the constructor, then those of the scene, in the order in which they run.
        scene_methods: methods that are called only while the scene is set up.
        stores: attributes of ``self`` to which each method writes.
        episode_length: in control steps; None: not known.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    statements: list[Moved] = field(default_factory=list)
    scene_methods: set[str] = field(default_factory=set)
    stores: dict[str, set[str]] = field(default_factory=dict)
    episode_length: int | None = None


def key_of(node: ast.AST) -> tuple[str, ...] | None:
    """Return the keys of ``self._task_cfg["env"]["a"]["b"]``, or None for other expressions."""
    keys: list[str] = []
    while (
        isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)
    ):
        keys.append(node.slice.value)
        node = node.value
    name = dotted_name(node) if isinstance(node, ast.expr) else ""
    keys.reverse()
    if name in CONFIGURATIONS and keys:
        return tuple(keys)
    if name in ("self._cfg", "self._sim_config.config") and len(keys) > 1 and keys[0] == "task":
        return tuple(keys[1:])
    return None


def read_constructor(source: Source, values: dict[str, Any]) -> Constructor:
    """Return what the constructors of a task and of its base classes set, and its scene.

    Args:
        source: the task.
        values: attributes of the task after its scene was evaluated.
    """
    found = Constructor()
    for attribute, size in SIZES.items():
        if _is_whole(values.get(attribute)):
            found.sizes[size] = values[attribute]
    found.episode_length = next((values[name] for name in EPISODE if _is_whole(values.get(name))), None)
    methods = source.methods()
    found.scene_methods = _scene_methods(source)
    found.stores = {name: set(_stored_in(method)) for name, (_, method) in methods.items()}
    if "__init__" in methods:
        found.statements += _flat("__init__", *methods["__init__"], source, found, 0)
    if "set_up_scene" in methods:
        found.statements += _flat("set_up_scene", *methods["set_up_scene"], source, found, 0)
    assigned: dict[str, list[ast.expr]] = {}
    for info in source.classes:
        for attribute, pairs in info.attributes.items():
            assigned.setdefault(attribute, []).extend(value for value, _ in pairs)
    stored = [name for info in source.classes for name in _stored_in(info.node)]
    env = source.task.get("env") or {}
    for attribute, expressions in assigned.items():
        keys = key_of(expressions[0])
        own = keys is not None and keys[0] == "env" and len(keys) > 1 and keys[1] in env
        same = len({ast.dump(each) for each in expressions}) == 1 and attribute not in {*EPISODE, *BOOKKEEPING}
        if own and keys is not None and same:
            changes = stored.count(attribute) > sum(1 for each in expressions)
            if not changes:  # otherwise it is not the key itself
                found.keys[attribute] = keys[1:]
    return found


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _stored_in(node: ast.AST) -> Iterator[str]:
    """Yield each attribute of ``self`` as often as statements write to it or into it."""
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute | ast.Subscript) and isinstance(each.ctx, ast.Store):
            yield _root(each)


def _root(node: ast.expr) -> str:
    """Return the attribute of ``self`` with which an expression begins; the name of a variable after a colon."""
    while isinstance(node, ast.Subscript | ast.Attribute | ast.Call | ast.Starred):
        if isinstance(node, ast.Attribute) and dotted_name(node.value) == "self":
            return node.attr
        node = node.func if isinstance(node, ast.Call) else node.value
    return f":{node.id}" if isinstance(node, ast.Name) else ""


def _flat(name: str, info: ClassInfo, method: Function, source: Source, found: Constructor, depth: int) -> list[Moved]:
    """Return the statements of a method, with those of the methods of the task that it calls in their place."""
    result: list[Moved] = []
    if depth > DEPTH:
        return result
    for statement in method.body:
        called = _called(statement, info, source)
        if called is None:
            if not _is_of_base(statement):
                result.append(Moved(copy.deepcopy(statement), info, method))
            continue
        label, owner, function, call = called
        inlined = label in CONSTRUCTOR or label == name or label in found.scene_methods
        if not inlined:
            result.append(Moved(copy.deepcopy(statement), info, method))
            continue
        if label in found.scene_methods:
            names = [each.arg for each in function.args.args][1:]
            for parameter, value in zip(names, call.args, strict=False):
                if dotted_name(value) != parameter:
                    bound = ast.Assign([ast.Name(parameter, ast.Store())], copy.deepcopy(value), lineno=1)
                    result.append(Moved(ast.fix_missing_locations(bound), info, method))
        result += _flat(label, owner, function, source, found, depth + 1)
    return result


def _scene_methods(source: Source) -> set[str]:
    """Return the methods that are called only while the scene is set up."""
    methods = source.methods()
    calls = {name: _calls(source, name) & methods.keys() for name in methods}
    scene = _reached({"set_up_scene"}, calls)
    building = {*CONSTRUCTOR, "set_up_scene", "initialize_views"}
    return scene - _reached(methods.keys() - scene - building, calls) - building


def _calls(source: Source, name: str) -> set[str]:
    """Return the methods that a method calls, with those that its namesakes in base classes call."""
    found = {
        dotted_name(node.func)
        for info in source.classes
        for node in (ast.walk(info.methods[name]) if name in info.methods else ())
        if isinstance(node, ast.Call)
    }
    return {each.removeprefix("self.") for each in found if each.startswith("self.")}


def _reached(start: set[str], calls: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    pending = set(start)
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending |= calls.get(name, set())
    return found


def _called(statement: ast.stmt, info: ClassInfo, source: Source) -> tuple[str, ClassInfo, Function, ast.Call] | None:
    """Return the method of the task that a statement calls: its name, its class, itself, and the call."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return None
    name, holder = call.func.attr, call.func.value
    index = source.classes.index(info) if info in source.classes else 0
    if dotted_name(holder) == "self":
        candidates = source.classes
    elif isinstance(holder, ast.Call) and dotted_name(holder.func) == "super":
        candidates = source.classes[index + 1 :]
    else:
        candidates = [each for each in source.classes if each.name == dotted_name(holder).rpartition(".")[2]]
    for each in candidates:
        if name in each.methods:
            return name, each, each.methods[name], call
    return None


def _is_of_base(statement: ast.stmt) -> bool:
    """Whether a statement calls a method of the base class, or does nothing at all."""
    if isinstance(statement, ast.Return | ast.Pass):
        return True
    if not isinstance(statement, ast.Expr):
        return False
    if isinstance(statement.value, ast.Constant):
        return True
    call = statement.value
    name = dotted_name(call.func) if isinstance(call, ast.Call) else ""
    return name.endswith(("__init__", "update_config", "set_up_scene")) or "super()." in ast.unparse(statement)


def names_of_reads(node: ast.AST) -> set[str]:
    """Return the attributes of ``self`` that a node reads, and its variables after a colon."""
    found: set[str] = set()
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute) and dotted_name(each.value) == "self":
            if isinstance(each.ctx, ast.Load):
                found.add(each.attr)
        elif isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load):
            found.add(f":{each.id}")
    return found


def _writes(statement: ast.stmt) -> set[str]:
    found: set[str] = set()
    for each in ast.walk(statement):
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            found.add(f":{each.id}")
        elif isinstance(each, ast.Attribute | ast.Subscript) and isinstance(each.ctx, ast.Store):
            found.add(_root(each))
        elif isinstance(each, ast.Expr) and isinstance(each.value, ast.Call):
            found.add(_root(each.value.func))
        elif isinstance(each, ast.FunctionDef):
            found.add(f":{each.name}")
        elif isinstance(each, ast.Import | ast.ImportFrom):
            found |= {f":{alias.asname or alias.name.partition('.')[0]}" for alias in each.names}
    return found - {":self", ""}


def live_statements(constructor: Constructor, read: set[str], built: set[str]) -> list[Moved]:
    """Return the statements of the constructor and of the scene on whose results the other methods depend.

    Args:
        constructor: what the constructor sets.
        read: attributes of ``self`` that other methods read.
        built: attributes with views that the scene makes.
    """
    done = BOOKKEEPING | SIZES.keys() | set(EPISODE) | constructor.keys.keys() | built
    needed = {name for name in read if not name.startswith(":")} - done
    kept: list[Moved] = []
    for moved in reversed(constructor.statements):
        writes = _writes(moved.statement)
        writes |= set[str]().union(*(constructor.stores.get(name, ()) for name in writes))
        checks = isinstance(moved.statement, ast.Assert) or any(
            isinstance(each, ast.Raise) for each in ast.walk(moved.statement)
        )
        if (writes & needed and not writes <= done) or checks:
            kept.append(moved)
            needed |= names_of_reads(moved.statement) - done
    return kept[::-1]
