"""Source files of task packages: after a change, their modules are imported anew when a task is loaded."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["SourceWatch"]


class SourceWatch:
    """Forgets the modules of a package whose source files have changed since they were imported."""

    def __init__(self) -> None:
        self._times: dict[Path, int] = {}

    def note(self, package: str) -> None:
        """Note the modules of a package that were imported since the last call."""
        for _, file in _modules(package):
            self._times.setdefault(file, _time(file))

    def forget_changed(self, package: str) -> bool:
        """Remove all modules of a package from Python if one of its files has changed; return whether one has.

        A package is forgotten as a whole, so that its modules refer to each other's new contents.
        """
        modules = list(_modules(package))
        if all(self._times.get(file, _time(file)) == _time(file) for _, file in modules):
            return False
        for name, file in modules:
            del sys.modules[name]
            self._times.pop(file, None)
        importlib.invalidate_caches()
        return True


def _modules(package: str) -> Iterator[tuple[str, Path]]:
    """Yield the imported modules of a package by name, with their files."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file is not None and (name == package or name.startswith(f"{package}.")):
            yield name, Path(file)


def _time(file: Path) -> int:
    """Return when a file was last changed, in nanoseconds; 0 if it is gone."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0
