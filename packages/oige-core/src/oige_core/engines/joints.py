"""Joints and links that an articulation element names: selections, drives, initial positions."""

import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from oige_core.errors import OigeError, nearest
from oige_core.scene.elements import ArticulationElement

__all__ = ["first_match", "initial_positions", "links_with_joint_forces", "select_names"]

_ROUNDING = 1e-6  # rad or m, tolerance of initial positions beyond a limit

ValueT = TypeVar("ValueT")
DefaultT = TypeVar("DefaultT")


def select_names(pattern: Sequence[str] | str, names: Sequence[str], what: str) -> list[str]:
    """Return the names in a list, or the names that match a regular expression in full.

    Raises:
        OigeError: a name is unknown, or nothing matches.
    """
    if isinstance(pattern, str):
        try:
            chosen = [name for name in names if re.fullmatch(pattern, name)]
        except re.error as error:
            raise OigeError(f"{what} '{pattern}': not a regular expression: {error}.") from error
        if not chosen:
            raise OigeError(f"{what} '{pattern}': matches no name. {nearest(pattern, names)}")
        return chosen
    for name in pattern:
        if name not in names:
            raise OigeError(f"{what} '{name}': unknown. {nearest(name, names)}")
    return list(pattern)


def first_match(patterns: Mapping[str, ValueT], name: str, default: DefaultT) -> ValueT | DefaultT:
    """Return the value of the first regular expression that matches a full name."""
    for pattern, value in patterns.items():
        if re.fullmatch(pattern, name):
            return value
    return default


def links_with_joint_forces(element: ArticulationElement, links: Sequence[str]) -> list[str]:
    """Return the links whose joint forces the scene tracks, out of ``links``."""
    tracked = element.track_joint_forces
    if isinstance(tracked, bool):
        return list(links) if tracked else []
    return select_names(tracked, links, f"track_joint_forces of '{element.name}', link")


def initial_positions(
    element: ArticulationElement,
    names: Sequence[str],
    limits: Sequence[tuple[float, float]],
    units: Sequence[str],
    positions: np.ndarray,
) -> np.ndarray:
    """Return joint positions ``(joints,)``: those of the asset, and ``positions`` for other joints.

    Args:
        element: the articulation.
        names: names of the joints.
        limits: their limits, which may be infinite.
        units: ``rad`` or ``m``.
        positions: their positions in the asset's file.

    Raises:
        OigeError: a position of the asset is beyond the joint's limits.
    """
    positions = positions.copy()
    for index, (name, (low, high), unit) in enumerate(zip(names, limits, units, strict=True)):
        position = first_match(element.asset.joint_positions, name, None)
        if position is None:
            continue
        if not low - _ROUNDING <= position <= high + _ROUNDING:
            raise OigeError(
                f"articulation '{element.name}': joint_positions sets '{name}' to {position:g} {unit}, which is not "
                f"within its limits [{low:g}, {high:g}]; choose another position."
            )
        positions[index] = position
    return positions
