"""Summaries for TensorBoard: each quantity once, over environment steps of all worlds."""

import contextlib
import importlib
import logging
import math
import os
import time
from collections.abc import Callable
from typing import Any

from oige_core.errors import reason

__all__ = ["FrameWriter", "prepare_writer"]

#: Duplicates that rl_games writes over epochs and over seconds; TensorBoard can show wall time anyway.
COPIES = frozenset(
    f"{name}/{axis}" for name in ("rewards", "shaped_rewards", "episode_lengths") for axis in ("iter", "time")
)

#: Longest time, in seconds, for which summaries are kept in memory while training writes more of them.
FLUSH_SECONDS = 30.0

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
        self._flushed = -math.inf

    def continue_after(self, frames: int) -> None:
        """Let TensorBoard leave out what an earlier start of the run wrote after ``frames`` environment steps."""
        file_writer = getattr(self._writer, "file_writer", None)
        if file_writer is None:  # only process 0 writes files
            return
        library = "tensorboard.compat" if type(file_writer).__module__.startswith("torch.") else "tensorboardX"
        events = importlib.import_module(f"{library}.proto.event_pb2")
        start = events.SessionLog(status=events.SessionLog.START)
        file_writer.add_event(events.Event(step=frames + 1, session_log=start))

    def add_scalar(self, tag: str, value: Any, step: float | None = None) -> None:
        """Take a value unless it is a duplicate; ``step`` is ignored."""
        if tag not in COPIES:
            self._waiting.append((tag, value, self._frames()))

    def write(self) -> None:
        """Write all values so far."""
        waiting, self._waiting = self._waiting, []
        for tag, value, frames in waiting:
            self._writer.add_scalar(tag, value, frames)
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Bring to the disk what is written, without waiting for a device that still computes values."""
        self._flushed = time.monotonic()
        self._writer.flush()

    def close(self) -> None:
        """Write what is left, and close the files."""
        self.write()
        self._writer.close()


def prepare_writer(writer: Any) -> None:
    """Make a summary writer give up its files after the first error, which is logged, and ``flush`` write everything.

    An operating system error, such as a full disk, would end the threads that write the files; training would then wait
    for them forever or fail. The thread of tensorboardX takes events from a queue, for which ``flush`` does not wait.

    Args:
        writer: a ``SummaryWriter`` of tensorboardX or torch; others are not changed.
    """
    events: Any = getattr(getattr(writer, "file_writer", None), "event_writer", None)
    for path in (("_ev_writer", "_py_recordio_writer"), ("_async_writer", "_writer")):
        records: Any = events
        for name in path:
            records = getattr(records, name, None)
        if hasattr(records, "_writer"):
            records._writer = _ForgivingFile(records._writer)
    if hasattr(events, "_ev_writer"):  # that of tensorboardX
        events.add_event = events._ev_writer.write_event


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
