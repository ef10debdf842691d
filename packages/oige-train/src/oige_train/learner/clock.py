"""Times of work on a device that the host does not wait for."""

import time

import torch

__all__ = ["Clock", "Mark"]


class Mark:
    """A moment in the sequence of work on a device.

    Args:
        device: see :class:`Clock`.
    """

    def __init__(self, device: torch.device) -> None:
        self._seconds = time.perf_counter()
        self._event = torch.cuda.Event(enable_timing=True) if device.type == "cuda" else None
        if self._event is not None:
            self._event.record(torch.cuda.current_stream(device))

    def until(self, later: "Mark") -> float:
        """Return the seconds to a later mark of the same clock, which the device has passed."""
        if self._event is None or later._event is None:
            return later._seconds - self._seconds
        return self._event.elapsed_time(later._event) / 1e3


class Clock:
    """Measures how long the learner's device takes from mark to mark.

    Args:
        device: a CUDA device, or another one whose work ends before the host continues.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def mark(self) -> Mark:
        """Return the present moment in the sequence of work on the device."""
        return Mark(self._device)
