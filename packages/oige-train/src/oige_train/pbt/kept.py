"""Replay buffers of members, kept for copies."""

import os
import shutil
from pathlib import Path

from oige_train.runs.files import replay_file

__all__ = ["keep", "start_of_copy"]

FOLDER = "kept"


def keep(checkpoint: Path) -> None:
    """Keep a checkpoint and its replay buffer for copies, if it has one, and those of the interval before.

    A run keeps only its newest replay buffer, and a copy may begin after the copied member has ended the next interval.
    """
    if not replay_file(checkpoint).is_file():
        return
    folder = checkpoint.parent / FOLDER
    folder.mkdir(exist_ok=True)
    for older in sorted(folder.glob("*.pth"), key=lambda file: file.stat().st_mtime)[:-1]:
        replay_file(older).unlink(missing_ok=True)
        older.unlink()
    for file in (replay_file(checkpoint), checkpoint):
        kept = folder / file.name
        try:
            os.link(file, kept)
        except OSError:  # a file system without links
            shutil.copy2(file, kept)


def start_of_copy(checkpoint: Path) -> Path:
    """Return the file from which a copy continues: the checkpoint, or that which was kept with its replay buffer."""
    kept = checkpoint.parent / FOLDER / checkpoint.name
    return kept if kept.is_file() else checkpoint
