"""Coroutines that scripts schedule: Isaac Sim's application runs them while it updates."""

import asyncio

__all__ = ["ensure_loop", "finish_tasks", "run_tasks"]

LONGEST = 10_000
"""Updates after which a coroutine of a reset is left to later ones."""


def ensure_loop() -> None:
    """Have an event loop, to which ``asyncio.ensure_future`` of a script adds."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        if _loop() is None:
            asyncio.set_event_loop(asyncio.new_event_loop())


def _loop() -> asyncio.AbstractEventLoop | None:
    try:
        loop = asyncio.get_event_loop_policy().get_event_loop()
    except RuntimeError:
        return None
    return None if loop.is_closed() else loop


def run_tasks() -> None:
    """Run each coroutine until it next waits for an update; inside of one, do nothing."""
    loop = _loop()
    if loop is not None and not loop.is_running() and asyncio.all_tasks(loop):
        loop.run_until_complete(asyncio.sleep(0))


def finish_tasks() -> None:
    """Run coroutines until they end, as far as they do."""
    loop = _loop()
    for _ in range(LONGEST):
        if loop is None or loop.is_running() or not asyncio.all_tasks(loop):
            return
        run_tasks()
