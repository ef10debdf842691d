"""Prints what a check found, as text or as JSON."""

import dataclasses
import itertools
import json
from collections.abc import Sequence

from oige_core.config.fields import brief_keys

from oige_compat.check.examine import Examination
from oige_compat.check.findings import KINDS, Entry
from oige_compat.check.tasks import TaskUse

__all__ = ["as_json", "as_text", "summary"]

SHOWN = 4
"""Number of places that the text names for one entry."""
HEADINGS = {
    "missing": "Missing: the use raises an error",
    "approximated": "Approximated: works in part, or in another way",
    "served": "Served",
}


def as_text(found: Examination, *, everything: bool) -> str:
    """Return the report as text.

    Args:
        found: what was found.
        everything: whether what is served is listed, too, and each place is named. Otherwise keys of one section with
            one text share a line.
    """
    lines: list[str] = []
    entries = found.entries
    shown = entries if everything else _brief([entry for entry in entries if entry.state != "served"])
    for (state, kind), group in itertools.groupby(shown, key=lambda entry: (entry.state, entry.kind)):
        if HEADINGS[state] not in lines:
            lines += ["", HEADINGS[state]]
        lines.append(f"  {KINDS[kind]}")
        for entry in group:
            lines.append(f"    {entry.name}: {entry.text}")
            lines.append(f"        {_places(entry.places, everything=everything)}")
    if found.tasks:
        lines += ["", "Tasks"]
        lines += [f"  {task.name} ({task.file}): {_needs(task)}" for task in found.tasks]
    return "\n".join([*lines, "", summary(entries, found.files)]).lstrip("\n")


def _needs(task: TaskUse) -> str:
    """Return what a task needs that is missing, in its file and in those that this one imports."""
    if not task.missing:
        return "nothing is missing"
    names = ", ".join(task.missing[:SHOWN])
    rest = f" and {len(task.missing) - SHOWN} more" if len(task.missing) > SHOWN else ""
    return f"{len(task.missing)} missing: {names}{rest}"


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
    return f"{files} {'file' if files == 1 else 'files'}: {numbers}."


def as_json(found: Examination) -> str:
    """Return the report as JSON: ``files``, ``counts`` by state, ``tasks`` and ``entries``."""
    entries = found.entries
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
    tasks = [dataclasses.asdict(task) for task in found.tasks]
    report = {"files": found.files, "counts": counts, "tasks": tasks, "entries": rows}
    return json.dumps(report, indent=1, ensure_ascii=False)
