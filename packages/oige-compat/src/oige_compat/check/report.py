"""Prints what a check found, as text or as JSON."""

import dataclasses
import itertools
import json
from collections.abc import Sequence

from oige_core.config.fields import brief_keys

from oige_compat.check.findings import KINDS, Entry

__all__ = ["as_json", "as_text", "summary"]

SHOWN = 4
"""Number of places that the text names for one entry."""
HEADINGS = {
    "missing": "Missing: the use raises an error",
    "approximated": "Approximated: works in part, or in another way",
    "served": "Served",
}


def as_text(entries: Sequence[Entry], files: int, *, everything: bool) -> str:
    """Return the report as text.

    Args:
        entries: what was found, in order.
        files: number of files that were read.
        everything: whether what is served is listed, too, and each place is named. Otherwise keys of one section with
            one text share a line.
    """
    lines: list[str] = []
    shown = entries if everything else _brief([entry for entry in entries if entry.state != "served"])
    for (state, kind), group in itertools.groupby(shown, key=lambda entry: (entry.state, entry.kind)):
        if HEADINGS[state] not in lines:
            lines += ["", HEADINGS[state]]
        lines.append(f"  {KINDS[kind]}")
        for entry in group:
            lines.append(f"    {entry.name}: {entry.text}")
            lines.append(f"        {_places(entry.places, everything=everything)}")
    return "\n".join([*lines, "", summary(entries, files)]).lstrip("\n")


def _brief(entries: Sequence[Entry]) -> list[Entry]:
    """Return one entry for all keys of a section with the same text; its places are files."""
    brief: list[Entry] = []
    sections: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in entries:
        section = entry.name.rpartition(".")[0] if entry.kind == "key" else entry.name
        group = sections.setdefault((entry.kind, section, entry.text), [])
        if not group:
            brief.append(entry)
        group.append(entry)
    for number, first in enumerate(brief):
        section = first.name.rpartition(".")[0]
        group = sections.get((first.kind, section, first.text), []) if first.kind == "key" else []
        if len(group) > 1:
            places = dict.fromkeys(place.rpartition(":")[0] for entry in group for place in entry.places)
            name = brief_keys(entry.name for entry in group)
            brief[number] = dataclasses.replace(first, name=name, places=tuple(sorted(places)))
    return brief


def _places(places: Sequence[str], *, everything: bool) -> str:
    shown = places if everything or len(places) <= SHOWN + 1 else places[:SHOWN]
    rest = f" and {len(places) - len(shown)} more" if len(shown) < len(places) else ""
    return ", ".join(shown) + rest


def summary(entries: Sequence[Entry], files: int) -> str:
    """Return the last line of the report."""
    counts = {state: sum(entry.state == state for entry in entries) for state in HEADINGS}
    numbers = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"{files} files: {numbers}."


def as_json(entries: Sequence[Entry], files: int) -> str:
    """Return the report as JSON: ``files``, ``counts`` by state, and ``entries``."""
    counts = {state: sum(entry.state == state for entry in entries) for state in HEADINGS}
    rows = [
        {
            "kind": entry.kind,
            "name": entry.name,
            "state": entry.state,
            "text": entry.text,
            "places": list(entry.places),
        }
        for entry in entries
    ]
    return json.dumps({"files": files, "counts": counts, "entries": rows}, indent=1, ensure_ascii=False)
