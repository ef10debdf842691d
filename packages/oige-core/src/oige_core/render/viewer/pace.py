"""The speed of a simulation that is watched: paused, step by step, or at a multiple of real time."""

import threading
import time

__all__ = ["SPEEDS", "Pace"]

SPEEDS: dict[str, float | None] = {
    "as fast as possible": None,
    "4 ×": 4.0,
    "2 ×": 2.0,
    "real time": 1.0,
    "½ ×": 0.5,
    "¼ ×": 0.25,
    "⅒ ×": 0.1,
}
"""Speeds by their labels on the page: simulated seconds per second, or None for no limit."""


class Pace:
    """Makes the simulation wait after each step; other threads pause, resume and set the speed.

    Args:
        step_time: simulated time of a step, in seconds.
        speed: simulated seconds per second at most; None: no limit.

    Attributes:
        paused: whether the simulation is paused.
        speed: simulated seconds per second at most; None: no limit.
    """

    def __init__(self, step_time: float, speed: float | None = None) -> None:
        self.step_time = step_time
        self.speed = speed
        self.paused = False
        self._steps = 0  # steps that are due although the simulation is paused
        self._changed = threading.Condition()
        self._due = 0.0

    def pause(self) -> None:
        """Pause after the current step."""
        with self._changed:
            self.paused = True
            self._changed.notify_all()

    def resume(self) -> None:
        """Resume a paused simulation."""
        with self._changed:
            self.paused = False
            self._steps = 0
            self._changed.notify_all()

    def step(self) -> None:
        """Take a single step, or pause a simulation that is running."""
        with self._changed:
            self._steps += int(self.paused)
            self.paused = True
            self._changed.notify_all()

    def set_speed(self, speed: float | None) -> None:
        """Set the speed, simulated seconds per second at most; None: no limit."""
        with self._changed:
            self.speed = speed
            self._changed.notify_all()

    def wait(self) -> bool:
        """Return True when the next step is due, or False as soon as another thread pauses the simulation."""
        with self._changed:
            was_paused = self.paused
            while True:
                if self.paused:
                    if self._steps:
                        self._steps -= 1
                        return True
                    if not was_paused:
                        return False
                    remaining = 1.0  # s; waking up regularly lets Ctrl-C through on every system
                elif self.speed is None:
                    return True
                else:
                    now = time.monotonic()
                    # A late step does not make the next ones faster.
                    due = max(self._due, now - self.step_time / self.speed) + self.step_time / self.speed
                    if due <= now:
                        self._due = due
                        return True
                    remaining = due - now
                self._changed.wait(remaining)
