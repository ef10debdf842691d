"""Writes the classes of views that a code base derives from those of Isaac Sim."""

import ast
import copy

from oige_compat.check.modules import ClassInfo
from oige_compat.check.types import Scope
from oige_compat.port.methods import MethodPorter
from oige_compat.port.scenes import TaskView
from oige_compat.port.statements import as_lines

__all__ = ["initialized", "view_classes"]


def view_classes(views: list[TaskView], porter: MethodPorter) -> list[str]:
    """Return the lines of classes that add methods and attributes of the code base to views of OIGE."""
    lines: list[str] = []
    for info in dict.fromkeys(view.helper for view in views if view.helper is not None):
        lines += ["", "", f"class {info.name}:"]
        lines += [f'    """A view with what {info.module.source.name} adds to it."""', ""]
        lines += ["    def __init__(self, view):", "        self.view = view"]
        lines += [f"        {line}" for statement in _attributes(info, porter) for line in as_lines(statement)]
        lines += ["", "    def __getattr__(self, name):"]
        lines += ['        return getattr(self.__dict__["view"], name)']
        for method in _methods(info, porter):
            lines += ["", *as_lines(method, 4)]
    return lines


def initialized(views: list[TaskView], porter: MethodPorter) -> list[str]:
    """Return statements that tell views about the worlds, and call their methods ``initialize``."""
    lines: list[str] = []
    for view in views:
        assert view.helper is not None
        lines.append(f"self.{view.attribute}.num_envs, self.{view.attribute}.device = self.num_envs, self.device")
        if any("initialize" in each.methods for each in porter.source.project.resolution_order(view.helper)):
            lines.append(f"self.{view.attribute}.initialize()")
    return lines


def _attributes(info: ClassInfo, porter: MethodPorter) -> list[ast.stmt]:
    """Return what the constructor sets besides views, which the scene adds."""
    found: list[ast.stmt] = []
    for each in reversed(porter.source.project.resolution_order(info)):
        method = each.methods.get("__init__")
        for statement in method.body if method is not None else []:
            if isinstance(statement, ast.Assign) and "View(" not in ast.unparse(statement):
                found += porter.statement(copy.deepcopy(statement), Scope(each.module, each, method), "__init__")
    return found


def _methods(info: ClassInfo, porter: MethodPorter) -> list[ast.stmt]:
    found: list[ast.stmt] = []
    seen = {"__init__"}
    for each in porter.source.project.resolution_order(info):
        for name, method in each.methods.items():
            if name in seen:
                continue
            seen.add(name)
            node = porter.ported(method, Scope(each.module, each, method), name)
            if name == "initialize":
                node.args.args = node.args.args[:1]
                node.args.defaults = []
            found.append(node)
    return found
