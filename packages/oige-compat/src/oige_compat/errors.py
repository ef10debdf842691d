"""Errors that say what of Isaac Sim is missing, where it is used, and what it does there."""

import ast
import functools
import sys
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn, Union

from oige_core.errors import OigeError

__all__ = [
    "CompatError",
    "Missing",
    "ServedNameError",
    "TellsMissing",
    "caller",
    "is_guarded",
    "missing",
    "refuse_parameters",
]

OWN = str(Path(__file__).parent)


class CompatError(OigeError):
    """Code uses something of Isaac Sim that this package does not have."""


class ServedNameError(AttributeError, CompatError):
    """A class of Isaac Sim is served, but not this method of it."""


def _place() -> tuple[str, int]:
    """Return file and line of the innermost frame outside this package and the import system."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(("<frozen", OWN)):
            return file, frame.f_lineno
        frame = frame.f_back
    return "unknown place", 0


def caller() -> str:
    """Return ``file:line`` of the innermost frame outside this package."""
    file, line = _place()
    return f"{file}:{line}"


def missing(name: str, where: str | None = None) -> str:
    """Return one line about a name of Isaac Sim that is not served: what it is, where it is used, what to do."""
    from oige_compat.served import find_served

    known = find_served(name)
    what = "" if known is None or known.state != "missing" else f"{known.text}; "
    return f"{name} ({what}used in {where or caller()}): oige-compat does not have it; remove the use."


def refuse_parameters(kind: type, further: Iterable[str]) -> None:
    """Refuse parameters of a constructor that a class does not have.

    Raises:
        CompatError: there are some.
    """
    for name in further:
        raise CompatError(f"{kind.__name__}({name}=…) (used in {caller()}): no such parameter is served; remove it.")


class TellsMissing:
    """A class of Isaac Sim whose other methods and attributes raise an error of one line."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ServedNameError(missing(_qualified(type(self), name)))


def _qualified(kind: type, name: str) -> str:
    """Return the full name of a method of Isaac Sim that an object of a script's class was to have, if it is known."""
    from oige_compat.served import SERVED

    ours = [each.__name__ for each in kind.__mro__ if each.__module__.startswith("oige_compat")]
    for each in ours:
        for known, entry in SERVED.items():
            if known.endswith(f".{each}.{name}") and entry.state == "missing":
                return known
    return f"{ours[0] if ours else kind.__name__}.{name}"


@functools.cache
def _guarded_lines(file: str) -> frozenset[int]:
    """Return the lines of a file in ``try`` blocks that handle ImportError."""
    try:
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return frozenset()
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Try):
            handled = {
                name.id if isinstance(name, ast.Name) else "Exception"
                for handler in node.handlers
                for name in ast.walk(handler.type or ast.Name("Exception"))
            }
            if handled & {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}:
                lines.update(range(node.body[0].lineno, (node.body[-1].end_lineno or node.body[-1].lineno) + 1))
    return frozenset(lines)


def is_guarded() -> bool:
    """Whether the code that imports handles ImportError."""
    file, line = _place()
    return line in _guarded_lines(file)


class Missing:
    """A name of Isaac Sim that is not served: it can be imported, but any use of it raises CompatError.

    Scripts import all of their tasks, of which they run one.

    Args:
        name: the full name.
    """

    def __init__(self, name: str, *further: Any, **named: Any) -> None:
        if further or named or "_name" in vars(self):  # a subclass calls the constructor of its base by name
            self._refuse()
        self._name = name

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise CompatError(missing(self._name))

    __call__ = __iter__ = __len__ = __bool__ = __getitem__ = __instancecheck__ = _refuse
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        if sys._getframe(1).f_globals.get("__name__") != "typing":  # which compares annotations, such as Optional[…]
            self._refuse()
        return self is other

    def __or__(self, other: Any) -> Any:
        return Union[self, other]  # noqa: UP007

    def __ror__(self, other: Any) -> Any:
        return Union[other, self]  # noqa: UP007

    def __getattr__(self, name: str) -> "Missing":
        if name.startswith(("__", "_wp_")):
            raise AttributeError(name)
        return Missing(f"{self._name}.{name}")

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type, ...]:
        return (type(self._name.rpartition(".")[2], (), {"__init__": self._refuse}),)
