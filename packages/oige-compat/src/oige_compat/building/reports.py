"""Tells what of the stage acts otherwise in the engine."""

from collections.abc import Sequence

from oige_compat.building.world import FirstWorld

__all__ = ["some", "tell_reports"]

CONNECTED = ("a rigid body that no joint connects", "a collider that belongs to no link")
"""Notes of converted robots that do not apply: such prims are bodies of the scene."""


def some(paths: Sequence[str]) -> str:
    """Return one path, and how many others there are."""
    return paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"


def tell_reports(world: FirstWorld) -> None:
    """Print notes of converted robots and bodies, one for all prims of which they say the same."""
    prims: dict[tuple[str, str], list[str]] = {}
    for note in dict.fromkeys(note for report in world.reports for note in report.notes):
        if note.kind != "converted" and not note.text.startswith(CONNECTED):
            prims.setdefault((note.kind, note.text), []).append(note.path)
    for (kind, text), paths in prims.items():
        world.session.note(f"{some(paths)}: {kind}: {text}.")
