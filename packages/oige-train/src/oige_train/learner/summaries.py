"""Summaries for TensorBoard: each quantity once, over the environment steps of all worlds."""

import contextlib
import logging
import os
from collections.abc import Callable
from typing import Any

from oige_core.errors import reason

__all__ = ["FrameWriter", "outlive_full_disk"]

#: What rl_games writes once more, over epochs and over seconds; TensorBoard shows wall time by itself.
COPIES = frozenset(
    f"{name}/{axis}" for name in ("rewards", "shaped_rewards", "episode_lengths") for axis in ("iter", "time")
)

_log = logging.getLogger(__name__)


class FrameWriter:
    """Passes summaries on to a writer with the number of environment steps so far, whatever rl_games counts in.

    Args:
        writer: of TensorBoard's files.
        frames: returns environment steps until the end of the present epoch.
    """

    def __init__(self, writer: Any, frames: Callable[[], int]) -> None:
        self._writer, self._frames = writer, frames

    def add_scalar(self, tag: str, value: Any, step: float | None = None) -> None:
        """Write a value, unless it is a copy of another; ``step`` is ignored."""
        if tag not in COPIES:
            self._writer.add_scalar(tag, value, self._frames())

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


def outlive_full_disk(writer: Any) -> None:
    """Let the files of a summary writer take nothing more after an error, which is said once.

    The threads that write them end at an error of the system, such as a full disk: training then waits for them for
    ever, or ends in an error of its own.

    Args:
        writer: a ``SummaryWriter`` of tensorboardX or torch; others stay as they are.
    """
    events = getattr(getattr(writer, "file_writer", None), "event_writer", None)
    for path in (("_ev_writer", "_py_recordio_writer"), ("_async_writer", "_writer")):
        records: Any = events
        for name in path:
            records = getattr(records, name, None)
        if hasattr(records, "_writer"):
            records._writer = _ForgivingFile(records._writer)


class _ForgivingFile:
    """A file of summaries that takes nothing more after an error."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._failed = False

    def _attempt(self, action: Callable[[], object]) -> None:
        if self._failed:
            return
        try:
            action()
        except (OSError, ValueError) as error:
            self._failed = True
            _log.warning(f"summaries cannot be written ({reason(error)}); training goes on without them")

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._attempt(lambda: self._file.write(data))

    def flush(self) -> None:
        """Write what is left to the disk."""
        self._attempt(self._flush)

    def _flush(self) -> None:
        self._file.flush()
        if hasattr(self._file, "fileno"):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._attempt(self._file.close)
        if self._failed:
            with contextlib.suppress(OSError, ValueError):
                self._file.close()
