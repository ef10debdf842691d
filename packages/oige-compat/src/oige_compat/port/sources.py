"""Finds what a port needs in a code base: the class of the task, its base classes, and its YAML files."""

import ast
import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from oige_core.errors import ConfigError, nearest

from oige_compat.check.examine import read_project
from oige_compat.check.files import CodeBase, checkout, find_files
from oige_compat.check.modules import ClassInfo, Function, Module, Project
from oige_compat.check.tasks import BASES, find_tasks
from oige_compat.check.types import TypeInference

__all__ = ["BASES", "Source", "find_source", "imported_text"]


@dataclass
class Source:
    """A task to port.

    Attributes:
        name: name of the task.
        info: its class.
        classes: the class and its base classes of the code base, without those of OmniIsaacGymEnvs.
        code: all files.
        types: infers types in the code base.
        task: contents of the task's YAML file; empty if there is none.
        train: text of the training's YAML file; None if there is none.
    """

    name: str
    info: ClassInfo
    classes: list[ClassInfo]
    code: CodeBase
    types: TypeInference
    task: dict[str, Any] = field(default_factory=dict)
    train: str | None = None

    @property
    def project(self) -> Project:
        """The modules of the code base."""
        return self.types.project

    def methods(self) -> dict[str, tuple[ClassInfo, Function]]:
        """Return the methods of the task by name, with the classes that define them."""
        found: dict[str, tuple[ClassInfo, Function]] = {}
        for info in self.classes:
            for name, method in info.methods.items():
                found.setdefault(name, (info, method))
        return found


def find_source(path: Path, task: str | None) -> Source:
    """Return the task of a Python file or of a code base.

    Args:
        path: the file, or a folder.
        task: name of the task or of its class; None: the only one.

    Raises:
        ConfigError: there is no such task, or several.
    """
    root = _root(path)
    code = find_files(root)
    project, unread = read_project(code)
    types = TypeInference(project)
    place = path.resolve()
    modules = [module for module in project.modules if module.source.path.is_relative_to(place)]
    if path.is_file() and not modules:
        name = place.relative_to(root).as_posix()
        reasons = [f"line {each.line}: {each.text}" for each in unread if each.name == name]
        raise ConfigError(f"{path}: {reasons[0] if reasons else 'expected a Python file'}.")
    found = {name: info for name, info in find_tasks(types) if info.module in modules}
    if task is not None:
        chosen = {name: info for name, info in found.items() if task in (name, info.name)}
        if not chosen:
            raise ConfigError(f"--task {task}: {path} has no such task. {nearest(task, found)}")
        found = chosen
    if not found:
        raise ConfigError(f"{path}: expected a class that derives from RLTask and has reset_idx; none was found.")
    if len(found) > 1:
        raise ConfigError(f"{path}: expected one task; select one with --task: {', '.join(sorted(found))}.")
    (name, info), *_ = found.items()
    classes = [each for each in project.resolution_order(info) if each.name not in BASES]
    if any(base.rpartition(".")[2] == "RLTaskWarp" for each in classes for base in each.bases):
        raise ConfigError(f"{name}: its class is an RLTaskWarp, which works on Warp arrays; port its torch class.")
    return Source(name, info, classes, code, types, _task_yaml(code, name), _train_yaml(code, name))


def _root(path: Path) -> Path:
    """Return the folder of the code base: the nearest one around a file or folder that has YAML files of tasks."""
    if not path.exists():
        raise ConfigError(f"{path}: there is no such file or folder.")
    place = path.resolve()
    if place.is_dir() and any(place.glob("**/cfg/task")):
        return place
    for folder in (place, *place.parents)[:5]:
        if (folder / "cfg" / "task").is_dir():
            return folder.parent if (folder / "__init__.py").is_file() else folder
    return checkout(path)


def _task_yaml(code: CodeBase, name: str) -> dict[str, Any]:
    return _with_defaults(code, "task", name, set()) or {}


def _train_yaml(code: CodeBase, name: str) -> str | None:
    """Return the text of a training's YAML file; with the contents of those from which it inherits."""
    text = _text_of(code, "train", f"{name}PPO")
    if text is None:
        return None
    own = yaml.safe_load(text)
    inherited = [each for each in _defaults(own) if _text_of(code, "train", each) is not None]
    if not inherited:
        return text
    merged = _with_defaults(code, "train", f"{name}PPO", set())
    return yaml.safe_dump(merged, sort_keys=False)


def _text_of(code: CodeBase, group: str, name: str) -> str | None:
    files = (file.text for file in code.configuration if f"/{file.name}".endswith(f"/{group}/{name}.yaml"))
    return next(files, None)


def _defaults(content: object) -> list[str]:
    """Return the names of YAML files of the same group from which one inherits, and ``_self_``, in order."""
    if not isinstance(content, Mapping):
        return []
    names = [each for each in content.get("defaults") or [] if isinstance(each, str)]
    return names if "_self_" in names else [*names, "_self_"]


def _with_defaults(code: CodeBase, group: str, name: str, seen: set[str]) -> dict[str, Any] | None:
    """Return the contents of a YAML file with those from which it inherits; None if there is no such file."""
    text = _text_of(code, group, name)
    if text is None or name in seen:
        return None
    own = yaml.safe_load(text)
    if not isinstance(own, Mapping):
        return {}
    merged: dict[str, Any] = {}
    for each in _defaults(own):
        if each == "_self_":
            _merge(merged, {key: value for key, value in own.items() if key != "defaults"})
        else:
            _merge(merged, _with_defaults(code, group, each.rpartition("/")[2], {*seen, name}) or {})
    return merged


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    """Write keys into a dictionary, section by section."""
    for key, value in other.items():
        if isinstance(value, Mapping):
            section = into[key] = dict(into[key]) if isinstance(into.get(key), Mapping) else {}
            _merge(section, value)
        else:
            into[key] = value


def imported_text(module: Module, names: set[str]) -> list[str]:
    """Return the import statements that bind names which are not of the code base or of Isaac Sim."""
    lines = []
    for node in module.tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            kept = [alias for alias in node.names if (alias.asname or alias.name.partition(".")[0]) in names]
            if kept:
                changed = copy.copy(node)
                changed.names = kept
                lines.append(ast.unparse(changed))
    return lines
