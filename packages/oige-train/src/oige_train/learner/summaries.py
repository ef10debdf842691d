"""Summaries for TensorBoard: each quantity once, over the environment steps of all worlds."""

from collections.abc import Callable
from typing import Any

__all__ = ["FrameWriter"]

#: What rl_games writes once more, over epochs and over seconds; TensorBoard shows wall time by itself.
COPIES = frozenset(
    f"{name}/{axis}" for name in ("rewards", "shaped_rewards", "episode_lengths") for axis in ("iter", "time")
)


class FrameWriter:
    """Passes summaries on to a writer with the number of environment steps so far, whatever rl_games counts in.

    Args:
        writer: of TensorBoard's files.
        frames: returns environment steps until the end of the present epoch.
    """

    def __init__(self, writer: Any, frames: Callable[[], int]) -> None:
        self._writer, self._frames = writer, frames

    def add_scalar(self, tag: str, value: Any, step: float | None = None) -> None:
        """Write a value, unless it is a copy of another; ``step`` is ignored."""
        if tag not in COPIES:
            self._writer.add_scalar(tag, value, self._frames())

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
