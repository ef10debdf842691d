"""Serves the modules of Isaac Sim that are not installed, and says what is missing.

A finder in ``sys.meta_path`` answers for the packages in :data:`ROOTS`. Modules of :data:`MODULES` have the public
names of one of our modules. Packages above them are those that are installed, such as usd-core's ``pxr``, or empty.
Other modules that are not installed, and other names, raise one line that says where they are used.
"""

import importlib
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Mapping, Sequence

from oige_compat.errors import ServedNameError, missing

__all__ = ["MODULES", "ROOTS", "install", "served_modules"]

ROOTS = ("carb", "gym", "isaacsim", "omni", "pxr")
"""Packages for which the finder answers."""

MODULES: dict[str, str] = {}
"""Modules of ours by the names under which they are imported; the finder adds the packages above them."""


def served_modules() -> Mapping[str, str | None]:
    """Return the module of ours behind each name that can be imported; None for packages without names of their own."""
    found: dict[str, str | None] = {}
    for name, module in MODULES.items():
        parts = name.split(".")
        for end in range(1, len(parts)):
            found.setdefault(".".join(parts[:end]), None)
        found[name] = module
    return found


class _Module(types.ModuleType):
    """A module of Isaac Sim; a name that it lacks raises one line."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        full = f"{self.__name__}.{name}"
        if full in served_modules():
            return importlib.import_module(full)
        raise ServedNameError(missing(full))


class _Loader(importlib.abc.Loader):
    def __init__(self, module: str | None) -> None:
        self._module = module

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        if self._module is not None:
            ours = importlib.import_module(self._module)
            module.__doc__ = ours.__doc__
            vars(module).update({name: getattr(ours, name) for name in ours.__all__})


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] not in ROOTS:
            return None
        served = served_modules()
        module = served.get(fullname)
        if module is None:
            installed = _installed(fullname, path, self)
            if installed is not None:
                return installed
            if fullname not in served:
                raise ModuleNotFoundError(missing(fullname), name=fullname)
        return importlib.machinery.ModuleSpec(fullname, _Loader(module), is_package=True)


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
