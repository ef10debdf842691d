"""Files that are always either the whole old one or the whole new one, also after a crash or a power failure."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["remove_unfinished", "written_atomically"]

SUFFIX = ".tmp"


@contextlib.contextmanager
def written_atomically(file: Path) -> Iterator[BinaryIO]:
    """Write a file under a temporary name in its folder, and rename it after the block, synced to the disk.

    If the block or the system fails, the temporary file is removed. A process that is killed leaves it behind;
    :func:`remove_unfinished` removes it.

    Args:
        file: path, whose folder must exist.

    Yields:
        The open temporary file.

    Raises:
        OSError: the file cannot be written; ``file`` is unchanged.
    """
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.", suffix=SUFFIX)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(file.parent)


def remove_unfinished(folder: Path, name: str = "*") -> list[Path]:
    """Remove the temporary files that a killed process left in a folder, and return their paths.

    Call it only while no other process writes these files.

    Args:
        folder: the folder.
        name: pattern of the final names.
    """
    removed = sorted(folder.glob(f".{name}.*{SUFFIX}"))
    for file in removed:
        file.unlink(missing_ok=True)
    return removed


def _sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` survive a power failure; not possible and not needed on Windows."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
