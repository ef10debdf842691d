"""What a check finds."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from oige_compat.served import State

__all__ = ["KINDS", "Entry", "Finding", "Kind", "merge"]

Kind: TypeAlias = Literal["file", "name", "call", "method", "asset", "key"]
KINDS: dict[Kind, str] = {
    "file": "Files",
    "name": "Names",
    "call": "Calls",
    "method": "Methods of views and prims",
    "asset": "Assets",
    "key": "Keys of YAML files",
}
"""Title of each kind, in the order of the report."""
STATES: tuple[State, ...] = ("missing", "approximated", "served")


@dataclass(frozen=True)
class Finding:
    """One use of something.

    Attributes:
        kind: what is used.
        name: its name.
        state: what becomes of it.
        text: what it does in Isaac Sim, or what is wrong.
        file: name of the file below the root.
        line: number of the line, from 1.
    """

    kind: Kind
    name: str
    state: State
    text: str
    file: str
    line: int


@dataclass(frozen=True)
class Entry:
    """All uses of one name.

    Attributes:
        kind, name, state, text: as in :class:`Finding`.
        places: ``file:line``, sorted.
    """

    kind: Kind
    name: str
    state: State
    text: str
    places: tuple[str, ...]


def merge(findings: Iterable[Finding]) -> list[Entry]:
    """Return one entry for each name: what is missing first, then by kind and name.

    A name that is called somewhere is a call everywhere.
    """
    findings = list(findings)
    called = {found.name for found in findings if found.kind == "call"}
    places: dict[tuple[Kind, str, State, str], set[tuple[str, int]]] = {}
    for found in findings:
        kind: Kind = "call" if found.kind == "name" and found.name in called else found.kind
        key = kind, found.name, found.state, found.text
        places.setdefault(key, set()).add((found.file, found.line))
    kinds = list(KINDS)
    entries = [Entry(*key, tuple(f"{file}:{line}" for file, line in sorted(lines))) for key, lines in places.items()]
    return sorted(entries, key=lambda entry: (STATES.index(entry.state), kinds.index(entry.kind), entry.name))
