"""Drives that a robot of a code base sets, for the assets of OIGE."""

import dataclasses
import importlib
import math
import re
from pathlib import Path
from typing import cast

from oige_core.scene import ArticulationAsset, Drive

from oige_compat.building.drives import dampings, is_counterpart
from oige_compat.building.limits import without_shaking_limits
from oige_compat.port.recorder import Element
from oige_compat.session import Session

__all__ = ["PortedDrives", "ported_drives"]


@dataclasses.dataclass
class PortedDrives:
    """Drives as text.

    Attributes:
        entries: of a dictionary of drives by expression of joint names.
        notes: what differs from the original.
    """

    entries: list[str] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)

    def note(self, text: str) -> None:
        """Take a note, as a session does."""
        self.notes.append(text)


def ported_drives(element: Element, ours: tuple[str, str] | None, step: float) -> PortedDrives:
    """Return the drives that a robot sets, without those that our asset already has.

    Args:
        element: the robot.
        ours: module and name of the asset of OIGE; None: it has none.
        step: time of a solver step, in s.
    """
    found = PortedDrives()
    asset = _asset(ours)
    passive = dampings(asset.mjcf) if asset is not None and isinstance(asset.mjcf, Path) else {}
    drives: dict[str, Drive] = {}
    for joint, (kind, stiffness, damping, limit) in element.drives.items():
        unit = math.degrees(1.0) if kind == "angular" else 1.0
        values = {"stiffness": stiffness * unit, "damping": damping * unit}
        own = next((each for name, each in asset.drives.items() if re.fullmatch(name, joint)), None) if asset else None
        if own is None or not is_counterpart(own, values, passive.get(joint, 0.0)):
            drives[joint] = Drive(**values, max_effort=limit)
    if asset is not None and drives:
        drives = _without_limits(asset, drives, step, found)
    groups: dict[tuple[float, float, float], list[str]] = {}
    for joint, drive in drives.items():
        groups.setdefault((drive.stiffness, drive.damping, drive.max_effort), []).append(joint)
    for (stiffness, damping, limit), joints in groups.items():
        effort = f", max_effort={limit:.7g}" if math.isfinite(limit) else ""
        names = "|".join(re.escape(joint) for joint in joints)
        found.entries.append(f'"{names}": Drive(stiffness={stiffness:.7g}, damping={damping:.7g}{effort})')
    return found


def _asset(ours: tuple[str, str] | None) -> ArticulationAsset | None:
    """Return an asset of OIGE; None if its package is not installed."""
    if ours is None:
        return None
    try:
        return getattr(importlib.import_module(ours[0]), ours[1])
    except ImportError:
        return None


def _without_limits(
    asset: ArticulationAsset, drives: dict[str, Drive], step: float, notes: PortedDrives
) -> dict[str, Drive]:
    """Return drives without the effort limits with which they would shake, as ``oige-compat run`` does."""
    by_name = {re.escape(joint): drive for joint, drive in drives.items()}
    scripted = dataclasses.replace(asset, drives={**by_name, **asset.drives, **by_name})
    try:
        changed = without_shaking_limits(scripted, list(drives), step, cast("Session", notes))
    except KeyError:  # our robot has other joints, which an error says when the scene is built
        return drives
    return {joint: changed.drives[re.escape(joint)] for joint in drives}
