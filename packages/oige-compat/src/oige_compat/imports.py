"""Serves the modules of Isaac Sim that are not installed, and says what is missing.

A finder in ``sys.meta_path`` answers for the packages in :data:`ROOTS`. Modules of
:data:`~oige_compat.table.MODULES` have names of ours. Packages above them are those that are installed, such as
usd-core's ``pxr``, or empty. Other names can be imported, but their use raises one line that says where it is. In a
``try`` block that handles ImportError, the import of a module that is not served raises it.
"""

import functools
import importlib
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Mapping, Sequence

from oige_compat.errors import Missing, is_guarded, missing
from oige_compat.served import canonical
from oige_compat.table import MODULES

__all__ = ["ROOTS", "install", "is_served_module", "served_modules"]

ROOTS = ("carb", "gym", "isaacsim", "omni", "pxr")
"""Packages for which the finder answers."""


@functools.cache
def served_modules() -> Mapping[str, tuple[str, ...] | None]:
    """Return what is behind each module that can be imported; None for packages without names of their own."""
    found: dict[str, tuple[str, ...] | None] = dict(MODULES)
    for name in MODULES:
        parts = name.split(".")
        for end in range(1, len(parts)):
            found.setdefault(".".join(parts[:end]), None)
    return found


class _Module(types.ModuleType):
    """A module of Isaac Sim."""

    def __getattr__(self, name: str) -> object:
        if name.startswith(("__", "_wp_")):  # Warp asks for the latter of what kernels refer to
            raise AttributeError(name)
        full = f"{self.__name__}.{name}"
        if is_served_module(full):  # the application imports all modules at its start
            return importlib.import_module(full)
        return _renamed_object(full) or Missing(full)


def is_served_module(name: str) -> bool:
    """Whether a module can be imported under this name, which may be that of a later release of Isaac Sim."""
    return name in served_modules() or (name.startswith("isaacsim") and canonical(name) in served_modules())


def _renamed_object(name: str) -> object | None:
    """Return what a name of a later release of Isaac Sim was called at first; None: nothing that is served."""
    module, _, member = canonical(name).rpartition(".")
    if not name.startswith("isaacsim.") or MODULES.get(module) is None:
        return None
    found = getattr(importlib.import_module(module), member)
    return None if isinstance(found, Missing) else found


class _Loader(importlib.abc.Loader):
    def __init__(self, sources: tuple[str, ...]) -> None:
        self._sources = sources

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        for source in self._sources:
            name, _, chosen = source.partition(":")
            ours = importlib.import_module(name)
            names = chosen.split() or getattr(ours, "__all__", None) or [key for key in vars(ours) if key[0] != "_"]
            vars(module).update({key: getattr(ours, key) for key in names})
        if module.__name__.startswith("isaacsim.") and (first := canonical(module.__name__)) in MODULES:
            served = importlib.import_module(first)
            for key in [key for key in vars(served) if not key.startswith("_")]:
                vars(module)[key] = _renamed_object(f"{module.__name__}.{key}") or getattr(served, key)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] not in ROOTS:
            return None
        served = served_modules()
        sources = served.get(fullname)
        if sources is None:
            installed = _installed(fullname, path, self)
            if installed is not None:
                return installed
            if not is_served_module(fullname) and is_guarded():
                raise ModuleNotFoundError(missing(fullname), name=fullname)
        return importlib.machinery.ModuleSpec(fullname, _Loader(sources or ()), is_package=True)


def _installed(
    name: str, path: Sequence[str] | None, own: importlib.abc.MetaPathFinder
) -> importlib.machinery.ModuleSpec | None:
    """Return what the other finders know of a module."""
    for finder in sys.meta_path:
        if finder is not own and (spec := finder.find_spec(name, path)) is not None:
            return spec
    return None


def install() -> None:
    """Put the finder before all others, once."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
