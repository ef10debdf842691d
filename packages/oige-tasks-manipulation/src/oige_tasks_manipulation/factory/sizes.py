"""Dimensions of nuts and bolts of the Factory tasks."""

import math
from dataclasses import dataclass

from oige_core import OigeError

__all__ = [
    "NUT_BOLT_DENSITY",
    "NUT_BOLT_FRICTION",
    "SIZES",
    "NutBoltSize",
    "nut_bolt_size",
]

NUT_BOLT_DENSITY = 7850.0
"""Density of steel, that of OmniIsaacGymEnvs' parts, in kg/m³."""

NUT_BOLT_FRICTION = 0.3
"""Coefficient of friction of OmniIsaacGymEnvs' nuts and bolts."""


@dataclass(frozen=True, kw_only=True)
class NutBoltSize:
    """Dimensions of a hexagonal nut and a bolt with a metric thread, in m, those of OmniIsaacGymEnvs.

    Attributes:
        name: designation of the thread, such as ``"M16"``.
        width: distance between opposite flats of the nut, and of the bolt's head.
        nut_height: height of the nut.
        diameter: major diameter of the thread, and diameter of the shank.
        head_height: height of the bolt's head.
        shank_length: length of the shank, which is threaded from head to tip.
        pitch: distance that the nut moves along the bolt in a turn.
    """

    name: str
    width: float
    nut_height: float
    diameter: float
    head_height: float
    shank_length: float
    pitch: float

    @property
    def width_across_corners(self) -> float:
        """Distance between opposite corners of the nut, in m."""
        return 2.0 * self.width / math.sqrt(3.0)

    @property
    def flat_length(self) -> float:
        """Length of a flat between two corners of the nut, in m."""
        return self.width / math.sqrt(3.0)

    @property
    def bolt_height(self) -> float:
        """Height of the bolt from the bottom of its head to its tip, in m."""
        return self.head_height + self.shank_length


def _size(number: int, width: float, nut_height: float, head_height: float, shank: float, pitch: float) -> NutBoltSize:
    """Return a size from dimensions in mm."""
    return NutBoltSize(
        name=f"M{number}",
        width=1e-3 * width,
        nut_height=1e-3 * nut_height,
        diameter=1e-3 * number,
        head_height=1e-3 * head_height,
        shank_length=1e-3 * shank,
        pitch=1e-3 * pitch,
    )


SIZES = {
    size.name: size
    for size in (
        _size(4, 7.0, 3.2, 4.0, 16.0, 0.7),
        _size(8, 13.0, 6.5, 8.0, 18.0, 1.25),
        _size(12, 19.0, 10.0, 12.0, 20.0, 1.75),
        _size(16, 24.0, 13.0, 16.0, 25.0, 2.0),
        _size(20, 30.0, 16.0, 20.0, 45.0, 2.5),
    )
}
"""Sizes by name."""


def nut_bolt_size(name: str) -> NutBoltSize:
    """Return the size with a name.

    Raises:
        OigeError: there is none.
    """
    if name not in SIZES:
        raise OigeError(f"nut and bolt of size '{name}': expected one of {', '.join(SIZES)}.")
    return SIZES[name]
