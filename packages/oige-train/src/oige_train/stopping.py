"""Ctrl-C, termination and a closed terminal as requests to stop, which a program follows at a suitable point."""

import contextlib
import math
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

__all__ = [
    "INTERRUPTED",
    "STOPPING_SIGNALS",
    "Deadline",
    "RunStoppedError",
    "interrupted_by_signals",
    "stop_on_signals",
]

INTERRUPTED = 130  # exit code after Ctrl-C, as shells report it

#: Ctrl-C, ``kill`` and cluster schedulers, a terminal or connection that is closed, the warning of a scheduler,
#: Ctrl-Break on Windows. SIGQUIT and other signals end a program at once, as usual.
STOPPING_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGBREAK") if hasattr(signal, name)
)
#: The warning of SLURM and other schedulers, some time before they end a job, if one asks for it.
WARNING = getattr(signal, "SIGUSR1", None)
#: How long after a signal, in seconds, torchrun may still pass it on.
ECHO_SECONDS = 2.0
HANGUP = getattr(signal, "SIGHUP", None)  # Windows has none


class RunStoppedError(Exception):
    """A step was refused, because the program around the run has ended it."""


class Deadline:
    """Ends training with the current step if an epoch is not over some time after a stop was requested."""

    def __init__(self) -> None:
        self._ends = math.inf

    def begin(self, seconds: float) -> None:
        """Let training end with the first step that is over after ``seconds``."""
        self._ends = min(self._ends, time.monotonic() + seconds)

    def check(self) -> None:
        """Raise RunStoppedError if the time is over; called after each step."""
        if time.monotonic() >= self._ends:
            raise RunStoppedError


@contextlib.contextmanager
def stop_on_signals(request: Callable[[str], None]) -> Iterator[None]:
    """Call ``request`` with the name of the first of :data:`STOPPING_SIGNALS`; the next one interrupts at once.

    Under torchrun, Ctrl-C arrives twice, from the terminal and from torchrun, so that the next one counts only if it
    arrives :data:`ECHO_SECONDS` later.

    A hang-up that is ignored, as under ``nohup``, stays ignored. Otherwise nothing more is written to the terminal,
    which is closed, and a second hang-up changes nothing: both the shell and the system send one.

    After SIGUSR1, by which a scheduler announces another signal, that one calls ``request`` again.

    Outside the main thread, where Python allows no signal handlers, nothing changes.

    Raises:
        KeyboardInterrupt: a second signal has arrived.
    """
    requested = warned = False
    echo_ends = 0.0

    def handle(number: int, _: FrameType | None) -> None:
        nonlocal requested, warned, echo_ends
        if number == HANGUP:
            _leave_terminal()
            if requested:
                return
        if number == WARNING:
            if not requested and not warned:
                warned = True
                request(signal.Signals(number).name)
            return
        if requested:
            if time.monotonic() < echo_ends:
                return
            raise KeyboardInterrupt
        requested = True
        echo_ends = time.monotonic() + (ECHO_SECONDS if _has_torchrun() else 0.0)
        request(signal.Signals(number).name)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ignored = {HANGUP} if HANGUP is not None and signal.getsignal(HANGUP) == signal.SIG_IGN else set()
    previous = {number: signal.signal(number, handle) for number in STOPPING_SIGNALS if number not in ignored}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Make termination and hang-up interrupt the block as Ctrl-C does, so that it cleans up; a second one kills.

    Under torchrun, which passes on signals that the terminal sends and kills after 30 s, a second one is ignored. A
    hang-up that is ignored stays ignored. Outside the main thread nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN if _has_torchrun() else signal.SIG_DFL)
        if number == HANGUP:
            _leave_terminal()
        raise KeyboardInterrupt

    previous = {number: signal.getsignal(number) for number in STOPPING_SIGNALS}
    taken = [number for number, handler in previous.items() if handler == signal.SIG_DFL]
    for number in taken:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _has_torchrun() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ


def _leave_terminal() -> None:
    """Discard what is written to the terminal from now on, where writing would fail; files and pipes are kept."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # not a file, or closed
            descriptor = stream.fileno()
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                os.dup2(nowhere, descriptor)
    os.close(nowhere)
