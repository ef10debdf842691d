"""Finds files of a checkout whose paths lead to the machine of its author or to a Nucleus server."""

import functools
import os
import types
from collections.abc import Mapping
from pathlib import Path

from oige_core.errors import ConfigError
from pxr import Sdf, Tf

from oige_compat.errors import CompatError, caller
from oige_compat.robots import reference_file
from oige_compat.session import session

__all__ = ["find_file", "parse_assets", "resolve", "resolve_references", "search_in"]

SKIPPED = frozenset({".git", ".venv", "node_modules", "runs", "site-packages"})

_root: list[Path] = []
_given: dict[str, Path] = {}
_resolved: list[Sdf.Layer] = []  # keeps what was changed in memory


def search_in(root: Path | None, given: Mapping[str, Path] = types.MappingProxyType({})) -> None:
    """Let :func:`resolve` look for files below a folder, or nowhere.

    Args:
        root: the folder.
        given: files for paths that end with a text.
    """
    _root[:] = [] if root is None else [root]
    _given.clear()
    _given.update(given)


def parse_assets(arguments: list[str]) -> tuple[dict[str, Path], list[str]]:
    """Split ``--asset END=FILE`` from the start of arguments.

    Returns:
        The files by the ends of the paths for which they stand, and the other arguments.

    Raises:
        ConfigError: there is no such file, or no ``=``.
    """
    given: dict[str, Path] = {}
    rest = list(arguments)
    while rest[:1] == ["--asset"]:
        end, _, file = "".join(rest[1:2]).partition("=")
        if not end or not Path(file).is_file():
            raise ConfigError(f"--asset {end}={file}: expected END=FILE, the end of a path and a file on this machine.")
        given[end] = Path(file).resolve()
        del rest[:2]
    return given, rest


def resolve(path: str) -> str:
    """Return a path as it is if it leads to a file or to an asset of OIGE, or else that of a file of the checkout.

    Files that were given with ``--asset`` come first.

    Raises:
        CompatError: several files with different contents fit equally well.
    """
    for end, file in _given.items():
        if path.endswith(end):
            session().note(f"{path}: {file} is used, as --asset says.")
            return str(file)
    if not _root or reference_file(path) is not None:
        return path
    found = find_file(path, _root[0])
    if found is None:
        return path
    session().note(f"{path} is not on this machine; {found.relative_to(_root[0])} of the checkout is used.")
    return str(found)


def resolve_references(file: Path) -> None:
    """Let the references of a USD file that lead nowhere lead to files of the checkout, in memory.

    Raises:
        CompatError: several files with different contents fit a reference equally well.
    """
    try:
        layer = Sdf.Layer.FindOrOpen(str(file))
    except Tf.ErrorException:  # reported with the prim that refers to it
        return
    if layer is None or layer in _resolved:
        return
    _resolved.append(layer)
    for asset in layer.GetCompositionAssetDependencies():
        target = Path(layer.ComputeAbsolutePath(asset).removeprefix("file:"))
        if not target.is_file():
            target = Path(resolve(asset))
            if target.is_file():
                layer.UpdateCompositionAssetDependency(asset, str(target))
        if target.is_file():
            resolve_references(target)


def find_file(path: str, root: Path) -> Path | None:
    """Return the file below a folder that has the longest end in common with a path, at least its name.

    Args:
        path: a path of another machine or an address, such as ``omniverse://localhost/Projects/robot.usd``.
        root: the folder.

    Returns:
        The file, or None if none has this name.

    Raises:
        CompatError: several files with different contents fit equally well.
    """
    parts = path.replace("\\", "/").split("/")
    candidates = _names(root).get(parts[-1], [])
    if not candidates or not parts[-1]:
        return None
    ends = {file: _common_end(parts, file.parts) for file in candidates}
    best = [file for file in candidates if ends[file] == max(ends.values())]
    if len({file.read_bytes() for file in best}) > 1:
        listed = ", ".join(str(file.relative_to(root)) for file in best)
        raise CompatError(f"{path} (used in {caller()}): no such file, and several could be meant: {listed}; pass one.")
    return best[0]


def _common_end(first: list[str], second: tuple[str, ...]) -> int:
    """Return how many last names two paths have in common."""
    pairs = zip(reversed(first), reversed(second), strict=False)
    return next((number for number, (one, other) in enumerate(pairs) if one != other), min(len(first), len(second)))


@functools.cache
def _names(root: Path) -> dict[str, list[Path]]:
    """Return the files below a folder by their names."""
    found: dict[str, list[Path]] = {}
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        for name in sorted(files):
            found.setdefault(name, []).append(Path(folder) / name)
    return found
