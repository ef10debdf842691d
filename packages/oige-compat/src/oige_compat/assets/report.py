"""What a converted asset has otherwise than its file."""

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Note", "NoteKind", "Report"]

NoteKind = Literal["approximated", "converted", "lost"]
"""Whether something is left out, approximated, or converted in another form."""


@dataclass(frozen=True, kw_only=True)
class Note:
    """One difference between a file and what was made of it.

    Attributes:
        kind: ``lost``: the asset does not have it; ``approximated``: it acts in another way; ``converted``: it acts as
            in the file, but is written in another way.
        path: of the prim, or name of the file.
        text: what it is, and what stands in its place.
    """

    kind: NoteKind
    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.path}: {self.text}"


@dataclass
class Report:
    """Differences between a file and the asset that was made of it.

    Attributes:
        notes: in the order in which they were found.
    """

    notes: list[Note] = field(default_factory=list)

    def add(self, kind: NoteKind, path: object, text: str) -> None:
        """Add a note; a second equal one changes nothing.

        Args:
            kind: of the note.
            path: of the prim, or name of the file.
            text: what it is, and what stands in its place.
        """
        note = Note(kind=kind, path=str(path), text=text)
        if note not in self.notes:
            self.notes.append(note)

    def lines(self) -> tuple[str, ...]:
        """Return one line per note: what is lost first, then what is approximated, then what is converted."""
        order = ("lost", "approximated", "converted")
        return tuple(map(str, sorted(self.notes, key=lambda note: order.index(note.kind))))
