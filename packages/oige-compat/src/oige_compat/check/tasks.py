"""Finds the tasks of a code base, and what each of them needs."""

import ast
from collections.abc import Iterable
from dataclasses import dataclass

from oige_compat.check.findings import Entry
from oige_compat.check.modules import ClassInfo, Module, Project
from oige_compat.check.types import TypeInference

__all__ = ["BASES", "TaskUse", "files_of_tasks", "find_tasks", "uses_of_tasks"]

BASES = ("RLTask", "RLTaskWarp", "RLTaskInterface")
"""Classes whose place the base class of OIGE takes."""
TASK = "omni.isaac.core.tasks.BaseTask"


@dataclass(frozen=True)
class TaskUse:
    """A task of a code base.

    Attributes:
        name: its name.
        file: name of the file with its class.
        missing: names that its file, or a file that this one imports, uses although they are missing.
    """

    name: str
    file: str
    missing: tuple[str, ...]


def find_tasks(types: TypeInference) -> list[tuple[str, ClassInfo]]:
    """Return the classes of tasks with the names under which a code base registers them, or with their own.

    Names may occur twice, for classes on Warp arrays, which come first, and on torch tensors.
    """
    names = _registered(types.project)
    found = [
        (names.get(info.name, info.name.removesuffix("Task").removesuffix("Locomotion")), info)
        for info in types.project.classes()
        if _is_task(info, types)
    ]
    return sorted(found, key=lambda pair: not any("RLTaskWarp" in base for base in _all_bases(pair[1], types)))


def _all_bases(info: ClassInfo, types: TypeInference) -> list[str]:
    return [base for each in types.project.with_bases(info) for base in each.bases]


def uses_of_tasks(types: TypeInference, entries: Iterable[Entry]) -> list[TaskUse]:
    """Return the tasks of a code base, with what is missing in the files that each imports."""
    missing = [
        (entry.name, {place.rpartition(":")[0] for place in entry.places})
        for entry in entries
        if entry.state == "missing"
    ]
    found = []
    for name, info in sorted(find_tasks(types), key=lambda pair: (pair[0], pair[1].module.source.name)):
        files = {module.source.name for module in _imported(info.module, types.project)}
        needed = dict.fromkeys(each for each, places in missing if places & files)
        found.append(TaskUse(name, info.module.source.name, tuple(needed)))
    return found


def files_of_tasks(types: TypeInference, files: set[str]) -> set[str]:
    """Return the names of the files that the tasks in ``files`` consist of and import."""
    modules = [info.module for _, info in find_tasks(types) if info.module.source.name in files]
    return {module.source.name for start in modules for module in _imported(start, types.project)}


def _imported(start: Module, project: Project) -> list[Module]:
    """Return a module and those of the code base that it imports, directly or not."""
    found = [start]
    for module in found:
        for name in [*module.imports.values(), *module.stars]:
            other = project.find_module(name) or project.find_module(name.rpartition(".")[0])
            if other is not None and other not in found:
                found.append(other)
    return found


def _is_task(info: ClassInfo, types: TypeInference) -> bool:
    family = types.project.with_bases(info)
    if info.name in BASES or not any("reset_idx" in each.methods for each in family):
        return False
    if any(isinstance(node, ast.FunctionDef) and _is_abstract(node) for node in info.node.body):
        return False
    return "__init__" in info.methods and (
        any(each.name in BASES for each in family) or TASK in types.foreign_bases(info)
    )


def _is_abstract(node: ast.FunctionDef) -> bool:
    return any(ast.unparse(decorator).endswith("abstractmethod") for decorator in node.decorator_list)


def _registered(project: Project) -> dict[str, str]:
    """Return names of tasks by class, from dictionaries such as ``{"Cartpole": CartpoleTask}``."""
    found: dict[str, str] = {}
    for module in project.modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and isinstance(key.value, str) and isinstance(value, ast.Name):
                        found.setdefault(value.id, key.value)
    return found
