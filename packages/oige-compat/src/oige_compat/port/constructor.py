"""Reads the constructor of a task: sizes, keys of the configuration, and constants."""

import ast
import copy
from dataclasses import dataclass, field

from oige_compat.check.modules import ClassInfo, assignments, dotted_name
from oige_compat.port.sources import Source

__all__ = ["EPISODE", "Constructor", "key_of", "read_constructor"]

METHODS = ("__init__", "update_config")
SIZES = {"_num_observations": "observations", "_num_actions": "actions", "_num_states": "states"}
BOOKKEEPING = {"_sim_config", "_cfg", "_task_cfg", "_num_envs", "_env_spacing", "_device", "_num_agents"}
EPISODE = ("_max_episode_length", "max_episode_length")


@dataclass
class Constructor:
    """What a constructor sets.

    Attributes:
        sizes: ``observations``, ``actions`` and ``states``; those that are constants.
        keys: keys of ``task.env`` by the attributes that hold their values.
        constants: expressions by attribute.
        moved: statements that belong into ``post_reset``, and their classes.
        episode_length: what the constructor says about it: a number, a key, or other text; None: nothing.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    constants: dict[str, ast.expr] = field(default_factory=dict)
    moved: list[tuple[ClassInfo, ast.stmt]] = field(default_factory=list)
    episode_length: int | str | None = None


def key_of(node: ast.expr) -> tuple[str, ...] | None:
    """Return the keys of ``self._task_cfg["env"]["a"]["b"]``, or None for other expressions."""
    keys: list[str] = []
    while isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        keys.append(str(node.slice.value))
        node = node.value
    name = dotted_name(node)
    if name in ("self._task_cfg", "self.task_cfg", "self._sim_config.task_config", "sim_config.task_config") and keys:
        return tuple(reversed(keys))
    return None


def read_constructor(source: Source) -> Constructor:
    """Return what the constructors of a task and of its base classes set."""
    found = Constructor()
    for info in source.classes:
        for name in METHODS:
            method = info.methods.get(name)
            for statement in method.body if method is not None else []:
                _read(statement, info, found)
    for attribute in list(found.keys):
        owners = [each for info in source.classes for each in info.attributes.get(attribute, [])]
        if len(owners) != 1:  # it changes later, so that it is not the key itself
            del found.keys[attribute]
            found.moved.append((source.info, _assign(attribute, copy.deepcopy(found.constants[attribute]))))
    return found


def _assign(attribute: str, value: ast.expr) -> ast.stmt:
    target = ast.Attribute(ast.Name("self", ast.Load()), attribute, ast.Store())
    return ast.fix_missing_locations(ast.Assign([target], value, lineno=1))


def _read(statement: ast.stmt, info: ClassInfo, found: Constructor) -> None:
    pairs = [
        (target.attr, value)
        for target, value in assignments(statement)
        if isinstance(target, ast.Attribute) and dotted_name(target) == f"self.{target.attr}"
    ]
    if not pairs:
        if not _is_call_of_base(statement):
            found.moved.append((info, statement))
        return
    for attribute, value in pairs:
        found.constants.setdefault(attribute, value)
        keys = key_of(value)
        if attribute in SIZES:
            if isinstance(value, ast.Constant) and isinstance(value.value, int):
                found.sizes.setdefault(SIZES[attribute], value.value)
        elif attribute in EPISODE:
            if isinstance(value, ast.Constant) and isinstance(value.value, int):
                found.episode_length = value.value
            else:
                found.episode_length = keys[1] if keys is not None and len(keys) == 2 else ast.unparse(value)
        elif attribute in BOOKKEEPING:
            continue
        elif keys is not None and keys[0] == "env":
            found.keys[attribute] = keys[1:]
        else:
            found.moved.append((info, statement))
            return


def _is_call_of_base(statement: ast.stmt) -> bool:
    """Whether a statement calls a constructor, ``update_config`` or nothing at all."""
    if isinstance(statement, ast.Return | ast.Pass):
        return True
    if not isinstance(statement, ast.Expr):
        return False
    if isinstance(statement.value, ast.Constant):
        return True
    call = statement.value
    name = dotted_name(call.func) if isinstance(call, ast.Call) else ""
    return name.endswith(("__init__", "update_config")) or "super()" in ast.unparse(statement)
