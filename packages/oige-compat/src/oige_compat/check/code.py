"""Finds what Python code uses of Isaac Sim."""

import ast
import dataclasses
from collections.abc import Iterator

from oige_compat.check.findings import Finding, Kind
from oige_compat.check.modules import ClassInfo, Function, Module, Project, dotted_name
from oige_compat.check.provided import provided
from oige_compat.check.types import Scope, Type, TypeInference
from oige_compat.served import SERVED, Served, canonical, find_served, is_of_isaac_sim

__all__ = ["find_in_code"]

OF_LISTS = {"append", "extend", "insert", "items", "keys", "pop", "remove", "reverse", "sort", "values"}
"""Methods of lists and dictionaries, whose elements stand for them in :class:`TypeInference`."""
UNKNOWN = Served("missing", "unknown name")
PACKAGE = Served("served", "a package")
NOT_USED = "not in oige-compat, and no code uses it; its import does no harm"


def find_in_code(project: Project) -> Iterator[Finding]:
    """Yield all uses of Isaac Sim in a code base."""
    types = TypeInference(project)
    passed_on = _passed_on(project)
    for module in project.modules:
        yield from _find_names(module, project, passed_on[module])
        for scope, nodes in _scopes(module):
            for node in nodes:
                if isinstance(node, ast.Attribute):
                    yield from _find_members(node, scope, types)


def _passed_on(project: Project) -> dict[Module, set[str]]:
    """Return the names in each module that other modules import; the name ``*`` stands for all."""
    found: dict[Module, set[str]] = {module: set() for module in project.modules}
    for module in project.modules:
        for name in [*module.imports.values(), *(f"{star}.*" for star in module.stars)]:
            holder, _, last = name.rpartition(".")
            other = project.find_module(holder)
            if other is not None:
                found[other].add(last)
    return found


def _find_names(module: Module, project: Project, passed: set[str]) -> Iterator[Finding]:
    """Yield the names that a module imports from Isaac Sim, and those that it uses of imported modules.

    Args:
        module: the module.
        project: its code base.
        passed: names in the module that other modules import.
    """
    inner: set[ast.AST] = set()  # parts of a longer dotted name
    called: set[ast.AST] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute):
            inner.add(node.value)
        elif isinstance(node, ast.Call):
            called.add(node.func)
    used = {"*", *_used_names(module)}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name, local in _imported(node, module):
                found = _finding("name", name, module, node.lineno)
                if found.state == "missing" and local not in used and not passed & {local, "*"}:
                    found = dataclasses.replace(found, state="served", text=NOT_USED)
                yield found
        elif isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load) and node not in inner:
            name = _foreign_name(node, module, project)
            if name and (isinstance(node, ast.Attribute) or node in called):
                yield _finding("call" if node in called else "name", name, module, node.lineno)


def _imported(node: ast.Import | ast.ImportFrom, module: Module) -> Iterator[tuple[str, str]]:
    """Yield the names of Isaac Sim that a statement imports, and the names that stand for them in the module."""
    for alias in node.names:
        if isinstance(node, ast.Import):
            name = alias.name
        else:
            name = module.origin(node) if alias.name == "*" else f"{module.origin(node)}.{alias.name}"
        if is_of_isaac_sim(name):
            yield name, alias.asname or alias.name


def _used_names(module: Module) -> set[str]:
    """Return the names that a module uses, with the parts of dotted ones, and its strings, which may name one."""
    used = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute | ast.Name):
            used.add(dotted_name(node))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            used.add(node.value)
    return used


def _foreign_name(node: ast.expr, module: Module, project: Project) -> str:
    """Return the name of Isaac Sim that an expression stands for, or an empty string."""
    name = dotted_name(node)
    first = name.partition(".")[0]
    if not name or first == "self":
        return ""
    if first in module.imports:
        full = module.resolve(name)
        return full if is_of_isaac_sim(full) and project.find_module(full.rpartition(".")[0]) is None else ""
    for star in module.stars:
        if is_of_isaac_sim(star) and canonical(f"{star}.{name}") in SERVED:
            return f"{star}.{name}"
    return ""


def _finding(kind: Kind, name: str, module: Module, line: int) -> Finding:
    name = canonical(name)
    served = _state(name)
    return Finding(kind, name, served.state, served.text, module.source.name, line)


def _state(name: str) -> Served:
    if name not in SERVED and any(
        other.startswith(f"{name}.") and served.state != "missing" for other, served in SERVED.items()
    ):
        return PACKAGE
    found = find_served(name)
    if found is None or found.state == "missing":
        return provided(name) or found or UNKNOWN
    return found


def _scopes(module: Module) -> Iterator[tuple[Scope, Iterator[ast.AST]]]:
    """Yield each scope of a module with its nodes."""
    for info in module.classes.values():
        for method in info.methods.values():
            yield Scope(module, info, method), ast.walk(method)
    for function in module.functions.values():
        yield Scope(module, None, function), ast.walk(function)
    yield Scope(module), _outside(module.tree)


def _outside(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the nodes of a module outside its classes and functions."""
    for statement in tree.body:
        if not isinstance(statement, ast.ClassDef | Function):
            yield from ast.walk(statement)


def _find_members(node: ast.Attribute, scope: Scope, types: TypeInference) -> Iterator[Finding]:
    """Yield what an attribute of an object is, if the object is one of Isaac Sim."""
    if node.attr.startswith("__") or node.attr in OF_LISTS:
        return
    first = dotted_name(node.value).partition(".")[0]
    if first != "self" and first in scope.module.imports:
        return  # a name of a module
    holders = types.infer(node.value, scope)
    if any(isinstance(holder, ClassInfo) and _has_member(holder, node.attr, types.project) for holder in holders):
        return
    for name in sorted({name for holder in holders for name in _member_names(holder, node, types)}):
        yield _finding("method", name, scope.module, node.lineno)


def _has_member(info: ClassInfo, name: str, project: Project) -> bool:
    return any(name in each.methods or name in each.attributes for each in project.family(info))


def _member_names(holder: Type, node: ast.Attribute, types: TypeInference) -> Iterator[str]:
    stores = not isinstance(node.ctx, ast.Load)
    if isinstance(holder, ClassInfo):
        for base in dict.fromkeys(types.foreign_bases(holder)):
            name = f"{base}.{node.attr}"
            if _is_listed(name) or (base.endswith("View") and not stores):
                yield name
                return
    elif not stores or _is_listed(f"{holder}.{node.attr}"):
        yield f"{holder}.{node.attr}"


def _is_listed(name: str) -> bool:
    """Whether the table has the name, or a base class has it."""
    found = find_served(name)
    return found is not None and found not in (
        find_served(f"{name.rpartition('.')[0]}.*"),
        find_served("omni.isaac.core.*"),
    )
