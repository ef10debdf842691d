"""Finds and reads the files of a code base."""

import os
import tokenize
from dataclasses import dataclass, field
from pathlib import Path

from oige_core.errors import ConfigError, reason

__all__ = ["ASSETS", "CodeBase", "SourceFile", "checkout", "find_files"]

IGNORED = {"__pycache__", "node_modules", "runs", "site-packages", "venv", "env", "wandb"}
"""Folders that hold no code of the project; ``env`` and ``venv`` only if they are environments of Python."""
MAX_BYTES = 4_000_000
ASSETS = (".usd", ".usda", ".usdc", ".usdz", ".urdf", ".mjcf", ".xml")
CONFIGURATION = (".yaml", ".yml")


@dataclass(frozen=True)
class SourceFile:
    """A text file.

    Attributes:
        path: where it is.
        name: the path below the root of the code base, with slashes.
        text: its contents.
    """

    path: Path
    name: str
    text: str


@dataclass
class CodeBase:
    """The files below a folder.

    Attributes:
        root: the folder.
        python: Python files, sorted by name.
        configuration: YAML files, sorted by name.
        assets: names of files with robots and objects.
        unread: files that cannot be read, by name, with the reason.
    """

    root: Path
    python: list[SourceFile] = field(default_factory=list)
    configuration: list[SourceFile] = field(default_factory=list)
    assets: list[str] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)


def checkout(path: Path) -> Path:
    """Return the folder of the code base of a file or folder.

    It is the nearest one with a repository of git, or that above the outermost package, or the folder itself.
    """
    folder = path.resolve()
    folder = folder if folder.is_dir() else folder.parent
    packages = [parent for parent in (folder, *folder.parents) if (parent / "__init__.py").is_file()]
    root = packages[-1].parent if packages else folder
    return next((parent for parent in (root, *root.parents) if (parent / ".git").exists()), root)


def find_files(path: Path, root: Path | None = None) -> CodeBase:
    """Return the files of a code base.

    Hidden folders and environments of Python are left out. Folders behind links are searched, each of them once.

    Args:
        path: a folder, or one Python file.
        root: names are relative to this folder; None: to the folder itself, or to that of the file.

    Raises:
        ConfigError: there is no such folder or file.
    """
    if not path.exists():
        raise ConfigError(f"{path}: there is no such file or folder.")
    path = path if root is None else path.resolve()
    found = CodeBase(root or (path if path.is_dir() else path.parent))
    if not path.is_dir():
        _add(found, path)
        return found
    seen: set[tuple[int, int]] = set()
    for folder, folders, files in os.walk(path, followlinks=True, onerror=lambda error: _unreadable(found, error)):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not _is_ignored(Path(folder) / name))
        for name in sorted(files):
            _add(found, Path(folder) / name)
    return found


def _is_ignored(folder: Path) -> bool:
    if folder.name in ("env", "venv"):
        return (folder / "pyvenv.cfg").is_file()
    return folder.name in IGNORED or folder.name.startswith(".")


def _unreadable(found: CodeBase, error: OSError) -> None:
    name = Path(error.filename).relative_to(found.root).as_posix()
    found.unread[name] = reason(error)


def _add(found: CodeBase, file: Path) -> None:
    name = file.relative_to(found.root).as_posix()
    suffix = file.suffix.lower()
    if suffix in ASSETS:
        found.assets.append(name)
    if suffix != ".py" and suffix not in CONFIGURATION:
        return
    try:
        if file.stat().st_size > MAX_BYTES:
            found.unread[name] = f"larger than {MAX_BYTES // 1_000_000} MB"
            return
        with tokenize.open(file) if suffix == ".py" else file.open(encoding="utf-8-sig") as stream:
            text = stream.read()
    except (UnicodeDecodeError, SyntaxError):  # a SyntaxError is about the declared encoding
        found.unread[name] = "not in the encoding that its first lines declare, which is UTF-8 if they declare none"
    except OSError as error:
        found.unread[name] = reason(error)
    else:
        (found.python if suffix == ".py" else found.configuration).append(SourceFile(file, name, text))
