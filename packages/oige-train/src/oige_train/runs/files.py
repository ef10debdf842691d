"""Names in the folder of a run, and its lock. This module imports nothing slow."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = [
    "CONFIG_FILE",
    "EVALUATION",
    "POLICIES",
    "REPLAY_SUFFIX",
    "RUNS",
    "STARTS_FILE",
    "SUMMARIES",
    "is_locked",
    "locked",
    "replay_file",
]

RUNS = Path("runs")
CONFIG_FILE = "config.yaml"
STARTS_FILE = "run.json"
SUMMARIES = "summaries"
EVALUATION = "eval"
"""Folder in that of the summaries, and first part of the names, of scores of checkpoints."""
POLICIES = "nn"
REPLAY_SUFFIX = ".replay"


def replay_file(checkpoint: Path) -> Path:
    """Return the path of the replay buffer that belongs to a checkpoint."""
    return checkpoint.with_suffix(REPLAY_SUFFIX)


@contextlib.contextmanager
def locked(folder: Path, *, shared: bool = False) -> Iterator[bool | None]:
    """Lock a folder until the block ends; return whether it could be locked, or None without locks.

    Windows and some network file systems have no locks.

    Args:
        folder: the folder.
        shared: admit others that only look; False: admit nobody.
    """
    try:
        import fcntl
    except ImportError:
        yield None
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        answer: bool | None = True
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            answer = False
        except OSError:
            answer = None
        yield answer
    finally:
        os.close(descriptor)


def is_locked(folder: Path) -> bool | None:
    """Return whether a process trains in a folder; None if that cannot be found out."""
    try:
        with locked(folder, shared=True) as free:
            return None if free is None else not free
    except OSError:
        return None
