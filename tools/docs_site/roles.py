"""Docstrings of this repository as mkdocstrings reads them: Markdown in place of the roles of reStructuredText."""

import re
import sys
from pathlib import Path
from typing import Any

import griffe

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))  # griffe loads this file by its path

from tools.docs_site.api import is_record  # noqa: E402

_ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`(~?)([\w.]+)`")
_LITERAL = re.compile(r"(?m)(?<=\S)::$")


class Roles(griffe.Extension):
    """Turns ``:class:`Scene``` into a link to the class, and ``::`` before a block of code into a colon."""

    def on_object(self, *, obj: griffe.Object, loader: griffe.GriffeLoader, **_: Any) -> None:
        """Rewrite the docstring of an object of a package that griffe has read."""
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value, obj, loader.modules_collection)

    def on_package(self, *, pkg: griffe.Module, loader: griffe.GriffeLoader, **_: Any) -> None:
        """Rewrite the docstrings of modules, for which griffe does not call :meth:`on_object`."""
        modules = [pkg]
        while modules:
            module = modules.pop()
            modules += [inner for inner in module.modules.values() if isinstance(inner, griffe.Module)]
            self.on_object(obj=module, loader=loader)

    def on_attribute(self, *, attr: griffe.Attribute, **_: Any) -> None:
        """Describe the record of a task with the docstring of its module."""
        module = attr.module.docstring
        if is_record(attr) and not attr.docstring and module:
            attr.docstring = griffe.Docstring(f"The record of a task. {module.value}", parent=attr)


def markdown(text: str, scope: griffe.Object, modules: griffe.ModulesCollection) -> str:
    """Return a docstring in Markdown.

    Args:
        text: the docstring.
        scope: the object whose docstring it is; names without a module are looked up there.
        modules: what griffe has read.
    """

    def link(role: re.Match[str]) -> str:
        short, name = role.groups()
        shown = name.rpartition(".")[2] if short else name
        return f'<autoref optional identifier="{full_name(name, scope, modules)}">`{shown}`</autoref>'

    return _LITERAL.sub(":", _ROLE.sub(link, text))


def full_name(name: str, scope: griffe.Object, modules: griffe.ModulesCollection) -> str:
    """Return the name, with its module, of what a docstring names. It is the name itself if griffe does not know it."""
    first, _, rest = name.partition(".")
    owner: griffe.Object | None = scope
    while owner is not None:
        if isinstance(owner, griffe.Class | griffe.Module) and first in owner.all_members:
            path = owner.all_members[first].path + (f".{rest}" if rest else "")
            break
        owner = owner.parent
    else:
        path = name
    try:
        return modules[path].canonical_path
    except (KeyError, griffe.AliasResolutionError, griffe.CyclicAliasError):
        return path
