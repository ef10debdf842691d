"""Exit codes of the programs, and errors of users and of the system in one line."""

import contextlib
import errno
import os
import sys
from collections.abc import Callable

from oige_train.stopping import INTERRUPTED, interrupted_by_signals

__all__ = ["exit_code"]

USAGE_ERROR = 2
CLOSED_PIPE = 141  # as shells report a program that SIGPIPE ended

#: Operating system errors that are not bugs of the program, and what to do about them.
REMEDIES = {
    errno.ENOSPC: "free some space, or write elsewhere",
    errno.EDQUOT: "free some space, or write elsewhere",
    errno.EFBIG: "raise the limit of file sizes, or write elsewhere",
    errno.EROFS: "write elsewhere",
    errno.EACCES: "choose a place that you can read and write",
    errno.EPERM: "choose a place that you can read and write",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "raise the limit of open files, ulimit -n",
    errno.ENOMEM: "use fewer worlds",
    errno.EIO: "check the disk",
}


def exit_code(program: Callable[[], int | None]) -> int:
    """Run a program and return its exit code.

    The code is 0 or what the program returns, 2 with one line on standard error after a user error or an operating
    system error, 130 after an interruption, and 141 if the reader of the output has closed it.

    Args:
        program: returns the exit code; None stands for 0.
    """
    try:
        with interrupted_by_signals():
            code = program() or 0
            sys.stdout.flush()
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return CLOSED_PIPE
    except Exception as error:
        # Imported late, so that an interruption during imports is handled above.
        from oige_core.errors import OigeError

        if isinstance(error, OSError) and error.errno in REMEDIES:
            place = f"{error.filename}: " if error.filename else ""
            _say(f"error: {place}{error.strerror or os.strerror(error.errno)}; {REMEDIES[error.errno]}.")
            _drop_output()
        elif isinstance(error, RuntimeError) and str(error).startswith("Could not determine home"):  # of pathlib
            _say("error: a path begins with ~, but there is no such home folder; give the whole path, or set HOME.")
        elif isinstance(error, OigeError):
            # User input in the message may contain line breaks.
            _say(f"error: {' '.join(str(error).splitlines())}")
        else:
            raise
        return USAGE_ERROR
    return code


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _drop_output() -> None:
    """Redirect standard output to nowhere, so that flushing it when Python exits does not fail."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
