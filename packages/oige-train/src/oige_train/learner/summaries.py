"""Summaries for TensorBoard: each quantity once, over environment steps of all worlds."""

import contextlib
import logging
import os
from collections.abc import Callable
from typing import Any

from oige_core.errors import reason

__all__ = ["FrameWriter", "outlive_full_disk"]

#: Duplicates that rl_games writes over epochs and over seconds; TensorBoard can show wall time anyway.
COPIES = frozenset(
    f"{name}/{axis}" for name in ("rewards", "shaped_rewards", "episode_lengths") for axis in ("iter", "time")
)

_log = logging.getLogger(__name__)


class FrameWriter:
    """Passes summaries to a writer with the number of environment steps so far, whichever step rl_games gives.

    They wait until :meth:`write`, so that an agent can write them while the device is busy.

    Args:
        writer: writer of TensorBoard's files.
        frames: returns the number of environment steps until the end of the current epoch.
    """

    def __init__(self, writer: Any, frames: Callable[[], int]) -> None:
        self._writer, self._frames = writer, frames
        self._waiting: list[tuple[str, Any, int]] = []

    def add_scalar(self, tag: str, value: Any, step: float | None = None) -> None:
        """Take a value unless it is a duplicate; ``step`` is ignored."""
        if tag not in COPIES:
            self._waiting.append((tag, value, self._frames()))

    def write(self) -> None:
        """Write all values so far."""
        waiting, self._waiting = self._waiting, []
        for tag, value, frames in waiting:
            self._writer.add_scalar(tag, value, frames)

    def flush(self) -> None:
        """Bring to the disk what is written, without waiting for a device that still computes values."""
        self._writer.flush()

    def close(self) -> None:
        """Write what is left, and close the files."""
        self.write()
        self._writer.close()


def outlive_full_disk(writer: Any) -> None:
    """Make a summary writer give up its files after the first error, which is logged.

    An operating system error, such as a full disk, would end the threads that write the files; training would then wait
    for them forever or fail.

    Args:
        writer: a ``SummaryWriter`` of tensorboardX or torch; others are not changed.
    """
    events = getattr(getattr(writer, "file_writer", None), "event_writer", None)
    for path in (("_ev_writer", "_py_recordio_writer"), ("_async_writer", "_writer")):
        records: Any = events
        for name in path:
            records = getattr(records, name, None)
        if hasattr(records, "_writer"):
            records._writer = _ForgivingFile(records._writer)


class _ForgivingFile:
    """A file that ignores everything after the first error."""

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
            _log.warning(f"summaries cannot be written ({reason(error)}); training continues without them")

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
