"""Finds what a ported task needs of the modules of a code base: functions, classes, constants and imports."""

import ast
import copy
import importlib
import re
import sys

from oige_compat.check.modules import Module
from oige_compat.port.methods import MethodPorter
from oige_compat.port.scene_writer import TODO, SceneWriter
from oige_compat.port.sources import BASES, Source, imported_text
from oige_compat.served import SERVED, canonical

__all__ = ["ModuleNames"]

TORCH = "omni.isaac.core.utils.torch"
HELPERS = ("maths", "rotations", "tensor", "transformations")
"""Modules of functions on tensors."""
ROOTS = ("omni", "pxr", "carb", "isaacsim")


class ModuleNames:
    """What the text of a ported task needs besides its class.

    Args:
        source: the task.
        porter: ports functions.
        nodes: the methods.

    Attributes:
        definitions: functions and classes of the code base, in an order in which ``torch.jit.script`` finds them.
    """

    def __init__(self, source: Source, porter: MethodPorter, nodes: list[ast.stmt]) -> None:
        self._source = source
        self._porter = porter
        self._modules = list(dict.fromkeys(info.module for info in source.classes))
        self._known = {info.name for info in source.classes} | set(BASES)
        found: dict[str, tuple[Module, ast.stmt]] = {}
        pending = _names(nodes)
        while pending:
            name = pending.pop()
            defined = self._find(name) if name not in found and name not in self._known else None
            if defined is not None:
                found[name] = defined
                pending |= _names([defined[1]])
        order = {name: number for number, name in enumerate(self._order())}
        self.definitions = [found[name][1] for name in sorted(found, key=lambda each: order.get(each, -1))]

    def _order(self) -> list[str]:
        """Return the names of functions and classes: those of imported modules first, each module from its start."""
        own = len(dict.fromkeys(info.module for info in self._source.classes))
        modules = [*reversed(self._modules[own:]), *self._modules[:own]]
        return [name for module in modules for name in [*module.functions, *module.classes]]

    def _find(self, name: str) -> tuple[Module, ast.stmt] | None:
        """Return the ported definition of a name and its module; None if it is not of the code base."""
        project = self._source.project
        for module in list(self._modules):
            full = module.imports.get(name)
            candidates = [f"{star}.{name}" for star in module.stars] if full is None else [full]
            for candidate in [f"{module.name}.{name}", *candidates]:
                holder = project.find_module(candidate.rpartition(".")[0])
                last = candidate.rpartition(".")[2]
                if holder is None or (last not in holder.functions and last not in holder.classes):
                    continue
                if last not in holder.functions and self._is_of_stage(holder, last):
                    continue
                if holder not in self._modules:
                    self._modules.append(holder)
                if last in holder.functions:
                    return holder, _named(self._porter.function(holder, holder.functions[last]), name)
                return holder, _named(copy.deepcopy(holder.classes[last].node), name)
        return None

    def _is_of_stage(self, module: Module, name: str) -> bool:
        """Whether a class is one of robots or views, which the scene replaces."""
        return bool(self._source.types.foreign_bases(module.classes[name]))

    def constant_lines(self, text: str) -> list[str]:
        """Return the lines of constants of the modules that a text uses."""
        lines = []
        for module in self._modules:
            for statement in module.tree.body:
                if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                    name = statement.targets[0].id
                    if name != "__all__" and re.search(rf"\b{name}\b", text):
                        lines.append(ast.unparse(statement))
        return ["", *dict.fromkeys(lines)] if lines else []

    def import_lines(self, text: str, scene: SceneWriter, package: str) -> list[str]:
        """Return the lines of imports that a text needs."""
        names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
        defined = {getattr(each, "name", "") for each in self.definitions}
        lines: list[str] = ["import torch"]
        helpers: set[str] = set()
        for module in self._modules:
            lines += self._imports_of(module, names - defined, helpers)
        if helpers:
            lines += _helper_imports(helpers)
        if any("oige_compat" in line for line in lines):
            scene.packages.add("oige-compat")
        core = ["RLTask", "Scene", *scene.core]
        lines += [*scene.imports, f"from oige_core import {', '.join(sorted(core))}"]
        lines.append(f"from {package} import {self._source.name}Config")
        lines += ["from pathlib import Path"] if any("ASSETS /" in line for line in scene.constants) else []
        groups: tuple[list[str], list[str], list[str]] = ([], [], [])
        for line in dict.fromkeys(lines):
            module_name = line.split()[1].partition(".")[0]
            groups[0 if module_name in sys.stdlib_module_names else 2 if module_name == package else 1].append(line)
        return "\n\n".join("\n".join(sorted(group, key=_by_module)) for group in groups if group).splitlines()

    def _imports_of(self, module: Module, names: set[str], helpers: set[str]) -> list[str]:
        """Return the imports of a module that names need; add functions of Isaac Sim on tensors to ``helpers``."""
        lines: list[str] = []
        ours = set()
        for name, full in module.imports.items():
            if name not in names or name == "torch" or name in self._known:
                continue
            plain = canonical(full)
            if plain == TORCH:
                lines.append(f"import oige_compat.torch_utils as {name}")
            elif plain.startswith(f"{TORCH}."):
                helpers.add(name if plain.endswith(f".{name}") else f"{plain.rpartition('.')[2]} as {name}")
            elif self._is_own(full):
                if self._source.project.find_class(full) is None:
                    lines.append(f"# {TODO}: {name} is the module {full}; copy what the task uses of it")
            elif plain.partition(".")[0] not in ROOTS:
                ours.add(name)
        lines += imported_text(module, ours)
        if any(canonical(star) == TORCH or canonical(star).startswith(f"{TORCH}.") for star in module.stars):
            own = {*module.functions, *module.imports}
            helpers |= {name for name in names - own if f"{TORCH}.{name}" in SERVED}
        return lines

    def _is_own(self, name: str) -> bool:
        project = self._source.project
        return project.find_module(name) is not None or project.find_module(name.rpartition(".")[0]) is not None


def _named(node: ast.stmt, name: str) -> ast.stmt:
    """Return a definition under the name by which it is imported."""
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    node.name = name
    return node


def _names(nodes: list[ast.stmt]) -> set[str]:
    return {node.id for each in nodes for node in ast.walk(each) if isinstance(node, ast.Name)}


def _helper_imports(helpers: set[str]) -> list[str]:
    """Return the imports of functions on tensors, which may say ``function as name``."""
    lines, found = [], dict[str, list[str]]()
    for helper in sorted(helpers):
        function = helper.partition(" ")[0]
        modules = [f"oige_compat.torch_utils.{name}" for name in HELPERS]
        module = next((each for each in modules if function in importlib.import_module(each).__all__), None)
        if module is None:
            lines.append(f"# {TODO}: import {helper}")
        else:
            found.setdefault(module, []).append(helper)
    return lines + [f"from {module} import {', '.join(names)}" for module, names in found.items()]


def _by_module(line: str) -> tuple[bool, str]:
    return line.startswith("from "), line
