"""Makes stand-ins of modules, and of modules that are only imported."""

import importlib
import sys
from types import ModuleType
from typing import Any

from tools.isaacsim_level4.checkout import Checkouts

__all__ = ["absent", "module"]


def module(name: str, **members: Any) -> ModuleType:
    """Register a stand-in of a module.

    Args:
        name: its dotted name; parents that do not exist are registered too.
        members: what it contains. Other names are classes that cannot be used: see :func:`absent`.
    """
    made = sys.modules.get(name) or ModuleType(name)
    if not hasattr(made, "__path__"):
        made.__path__ = []
    made.__dict__.update(members)
    made.__dict__.setdefault("__getattr__", lambda member: absent(name, member))
    sys.modules[name] = made
    parent, _, own = name.rpartition(".")
    if parent:
        spec = _find(parent)
        if parent in sys.modules:
            pass
        elif spec is None:
            module(parent)
        elif spec.origin is None:
            importlib.import_module(parent)
        if parent in sys.modules:
            setattr(sys.modules[parent], own, made)
    return made


def _find(name: str) -> Any:
    """Return where a package of a checkout is; None for all others."""
    for finder in sys.meta_path:
        if isinstance(finder, Checkouts):
            return finder.find_spec(name)
    return None


class _Absent(type):
    """A class that may be named, combined into a union and subclassed, but not used."""

    def __getattr__(cls, member: str) -> Any:
        if member.startswith("__"):
            raise AttributeError(member)
        return absent(cls.__name__, member)

    def __or__(cls, other: Any) -> Any:
        return cls

    __ror__ = __or__

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{cls.__name__} has no stand-in")


def absent(owner: str, member: str) -> Any:
    """Return a class for a name of a module that has no stand-in; calling it raises NotImplementedError."""
    if member.startswith("__"):
        raise AttributeError(f"module {owner} has no attribute {member}")
    return _Absent(f"{owner}.{member}", (), {})
