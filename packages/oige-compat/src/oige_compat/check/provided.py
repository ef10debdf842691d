"""Names that the modules of this package provide although the table of served names has no entry of their own."""

import ast
import functools
import importlib
import importlib.util
import inspect
from pathlib import Path

from oige_compat.imports import served_modules
from oige_compat.served import SERVED, Served, canonical
from oige_compat.table import MODULES

__all__ = ["provided"]

USD = Served("approximated", "a name of USD: the stage keeps what it writes; physics reads only what this table lists")


def provided(name: str) -> Served | None:
    """Return what becomes of a name that a script can use although only a whole module is listed as missing.

    Args:
        name: a dotted name, as canonical names are.

    Returns:
        None if it cannot be used, or if the table says more about it than about its module.
    """
    entry = _wildcard(name)
    if name.startswith("pxr.") and entry is not None and entry.count(".") > 2:  # one of a class
        return None
    if name.startswith("pxr.") and name in SERVED:
        return None
    if name.startswith("pxr.") and not name.startswith("pxr.PhysxSchema"):
        return USD if _is_of_usd(name) else None
    if name in _modules():
        return Served("served", "a module")
    holder, _, method = name.rpartition(".")
    if method == "__init__" and holder in SERVED:
        return SERVED[holder]
    listed = method in _names().get(holder, {})
    if listed or (name not in SERVED and _is_of_ours(name)):
        text = SERVED[entry].text if entry is not None else "part of Isaac Sim"
        return Served("approximated", f"{text}; here only what scripts without a window need")
    return None


def _wildcard(name: str) -> str | None:
    """Return the entry ``X.*`` that stands for a name, or None."""
    while name:
        name = name.rpartition(".")[0]
        if f"{name}.*" in SERVED:
            return f"{name}.*"
    return None


def _is_of_usd(name: str) -> bool:
    """Whether USD itself has a name."""
    parts = name.split(".")
    try:
        found = importlib.import_module(".".join(parts[:2]))
    except ImportError:
        return False
    for part in parts[2:]:
        if inspect.getattr_static(found, part, None) is None and not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True


@functools.cache
def _modules() -> frozenset[str]:
    """Return canonical names of modules that scripts can import."""
    return frozenset(canonical(module) for module in served_modules())


def _is_of_ours(name: str) -> bool:
    """Whether a module of this package has a name, or a class of it a method or a property."""
    for module, names in _names().items():
        first, _, rest = name.removeprefix(f"{module}.").partition(".")
        if not name.startswith(f"{module}.") or first not in names:
            continue
        found = getattr(importlib.import_module(names[first]), first, None)
        for part in rest.split(".") if rest else ():
            found = inspect.getattr_static(found, part, None) if found is not None else None
        return found is not None
    return False


@functools.cache
def _names() -> dict[str, dict[str, str]]:
    """Return our module of each name, by canonical names of modules that scripts can import."""
    found: dict[str, dict[str, str]] = {}
    for module, sources in MODULES.items():
        for source in sources:
            own, _, chosen = source.partition(":")
            for name in chosen.split() or _exported(own):
                full = canonical(f"{module}.{name}")
                found.setdefault(full.rpartition(".")[0], {})[full.rpartition(".")[2]] = own
    return found


def _exported(module: str) -> list[str]:
    """Return the names in ``__all__`` of a module, without importing it."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return []
    for statement in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            try:
                return list(ast.literal_eval(statement.value))
            except ValueError:  # not a plain list
                return []
    return []
