"""The log of a run: a copy of everything that was printed."""

import contextlib
import re
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from oige_core.errors import OigeError, reason

from oige_train.run_folder import RunFolderError

__all__ = ["LOG_FILE", "logged"]

LOG_FILE = "log.txt"
LOG_INTERVAL = 5.0  # s between two versions of a line that is rewritten on a terminal


@contextlib.contextmanager
def logged(folder: Path, before: Sequence[str] = ()) -> Iterator[None]:
    """Copy to ``log.txt`` what the block prints, and the traceback of an exception that ends it.

    The block continues if the terminal or pipe is closed; the log is then the only copy.

    Args:
        folder: folder of the run.
        before: lines that were printed before the folder was known.
    """
    try:
        log = _Log((folder / LOG_FILE).open("a", encoding="utf-8"))
    except OSError as error:
        raise RunFolderError(f"{folder / LOG_FILE}: cannot be written ({reason(error)}).") from error
    log.add("".join(f"{line}\n" for line in before))
    out, err = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Copied(out, log), _Copied(err, log)  # type: ignore[assignment]
    try:
        yield
    except SystemExit:  # its cause was printed
        raise
    except BaseException as error:
        log.add(f"error: {error}\n" if isinstance(error, OigeError) else traceback.format_exc())
        raise
    finally:
        sys.stdout, sys.stderr = out, err
        log.close()


class _Log:
    """A log file. Of a line that is rewritten on a terminal it has one version every few seconds, and the last."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._replaceable = ""
        self._written = -LOG_INTERVAL

    def add(self, text: str) -> None:
        """Append text as it was printed."""
        if text.startswith("\r"):
            self._replaceable = re.sub(r"\x1b\[\??\d*[A-Za-z]", "", text.lstrip("\r"))
            if time.monotonic() - self._written < LOG_INTERVAL:
                return
            self._written = time.monotonic()
            text = ""
        if self._replaceable:
            text = f"{self._replaceable}\n{text.removeprefix(chr(10))}"
            self._replaceable = ""
        # A full disk must not end the program.
        with contextlib.suppress(OSError, ValueError):
            self._file.write(text)
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self.add("")
        with contextlib.suppress(OSError):
            self._file.close()


class _Copied:
    """A stream whose text also goes to a log."""

    def __init__(self, stream: TextIO, log: _Log) -> None:
        self._stream = stream
        self._log = log

    def write(self, text: str) -> int:
        """Write to both; errors of a closed pipe or terminal are ignored."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
        self._log.add(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        with contextlib.suppress(OSError):
            self._stream.flush()

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the stream's file descriptor."""
        return self._stream.fileno()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
