"""Docstrings of this repository as mkdocstrings reads them: Markdown in place of the roles of reStructuredText."""

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`(~?)([\w.]+)`")
_LITERAL = re.compile(r"(?m)(?<=\S)::$")


class Roles(griffe.Extension):
    """Turns ``:class:`Scene``` into a link to the class, and ``::`` before a block of code into a colon."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of an object when griffe has read its module."""
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value, obj)


def markdown(text: str, scope: griffe.Object) -> str:
    """Return a docstring in Markdown.

    Args:
        text: the docstring.
        scope: the object whose docstring it is: names without a dot are looked up there.
    """
    return _LITERAL.sub(":", _ROLE.sub(lambda role: link(role[2], bool(role[1]), scope), text))


def link(name: str, short: bool, scope: griffe.Object) -> str:
    """Return a link to an object, which is only its name where the site does not have the object."""
    shown = name.rpartition(".")[2] if short else name
    return f'<autoref optional identifier="{resolved(name, scope)}">`{shown}`</autoref>'


def resolved(name: str, scope: griffe.Object) -> str:
    """Return the full name of what a docstring names."""
    for owner in (scope, scope.parent):
        try:
            if isinstance(owner, griffe.Object):
                return owner.resolve(name)
        except griffe.NameResolutionError:
            continue
    return name
