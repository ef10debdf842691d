"""Ctrl-C and termination as a request that a program meets where it suits."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

__all__ = ["stop_on_signals"]


@contextlib.contextmanager
def stop_on_signals(request: Callable[[str], None]) -> Iterator[None]:
    """Call ``request`` with the name of the signal on the first SIGINT or SIGTERM; the next one interrupts at once.

    Outside the main thread, where Python allows no signal handlers, nothing changes.

    Raises:
        KeyboardInterrupt: a second signal has arrived.
    """
    requested = False

    def handle(number: int, _: FrameType | None) -> None:
        nonlocal requested
        if requested:
            raise KeyboardInterrupt
        requested = True
        request(signal.Signals(number).name)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
