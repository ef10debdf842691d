"""Files and folders that are replaced in one step, so that a reader never sees half of one."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replace_file", "replaced_folder"]


def replace_file(path: Path, data: bytes) -> None:
    """Write a file beside ``path``, then move it there; a file with the same contents is left alone."""
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".new-") as temporary:
        new = Path(temporary, path.name)
        new.write_bytes(data)
        new.replace(path)


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """Context with a path to write a new folder at; it takes the place of ``target`` when the context ends well.

    Args:
        target: a folder, or nothing yet.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as temporary:
        new = Path(temporary, "new")
        yield new
        if target.exists():
            target.rename(Path(temporary, "old"))
        new.rename(target)
