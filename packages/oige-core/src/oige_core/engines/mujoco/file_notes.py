"""Notes on what of an asset's file does not act as it is written there."""

from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["FileNotes", "some"]


@dataclass
class FileNotes:
    """What of an asset's file does not act as it is written there.

    Attributes:
        changed: what is replaced or left out although the asset should have it; logged as a warning.
        ignored: what articulations never read from a file.
    """

    changed: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def lines(self) -> tuple[str, ...]:
        """Return all of it, one line each."""
        return (*(f"changed: {line}" for line in self.changed), *(f"ignored: {line}" for line in self.ignored))


def some(names: Sequence[str]) -> str:
    """Return a list of names, of which the first five are named."""
    shown = ", ".join(dict.fromkeys(names[:5]))
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")
