"""What programs show on standard error: log messages and a progress line. Standard output is for results."""

import logging
import os
import sys
import time
from typing import ClassVar, TextIO

__all__ = ["ProgressLine", "say", "show_messages", "speaks_for_machine"]

# Control sequences of terminals. A line that is longer than the terminal is wide is cut off there: of a line that goes
# on in the next row, only the last row could be written again.
CLEAR_LINE, NO_WRAP, WRAP = "\r\x1b[2K", "\x1b[?7l", "\x1b[?7h"

_log = logging.getLogger("oige_train")


def show_messages() -> None:
    """Show the log messages of oige-core and oige-train, and warnings of all packages, on standard error."""
    root = logging.getLogger()
    if not any(isinstance(handler, _ConsoleHandler) for handler in root.handlers):
        root.addHandler(_ConsoleHandler())
    for package in ("oige_core", "oige_train"):
        logging.getLogger(package).setLevel(logging.INFO)


def say(*lines: str) -> None:
    """Log lines that a program shows in addition to its results, as one message each."""
    for line in lines:
        _log.info(line)


def speaks_for_machine() -> bool:
    """Whether this process shows what its machine does once: under torchrun, the first process of a machine."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


class _ConsoleHandler(logging.Handler):
    """Writes messages to what ``sys.stderr`` is at that time; an open progress line is ended first."""

    def emit(self, record: logging.LogRecord) -> None:
        if _Terminal.open_line is not None:
            _Terminal.open_line.close()
        print(self.format(record), file=sys.stderr, flush=True)


class _Terminal:
    """The terminal of the process.

    Attributes:
        open_line: the progress line that the cursor is on, if any.
    """

    open_line: ClassVar["ProgressLine | None"] = None


class ProgressLine:
    """A line on ``stream`` that is rewritten on a terminal, and repeated every few seconds elsewhere.

    Args:
        stream: where to write; standard error by default.
        interval: least time between two lines, in seconds; by default 0.1 on a terminal and 5 elsewhere.
    """

    def __init__(self, stream: TextIO | None = None, interval: float | None = None) -> None:
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self.interval = interval if interval is not None else (0.1 if self.live else 5.0)
        self._last = -float("inf")

    def show(self, text: str, *, force: bool = False) -> None:
        """Show ``text`` unless the last line is too recent; ``force`` shows it anyway."""
        now = time.monotonic()
        if not force and now - self._last < self.interval:
            return
        self._last = now
        self.stream.write(f"{CLEAR_LINE}{NO_WRAP}{text}{WRAP}" if self.live else f"{text}\n")
        self.stream.flush()
        if self.live:
            _Terminal.open_line = self

    def say(self, *lines: str) -> None:
        """Write lines that are not rewritten."""
        self.close()
        for line in lines:
            self.stream.write(f"{line}\n")
        self.stream.flush()

    def close(self) -> None:
        """Move the cursor to a new line if it is on this one."""
        if _Terminal.open_line is self:
            _Terminal.open_line = None
            self.stream.write("\n")
            self.stream.flush()
