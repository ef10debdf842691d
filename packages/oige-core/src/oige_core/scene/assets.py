"""Descriptions of what a robot is made of, for every engine."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from oige_core.errors import OigeError

__all__ = ["ArticulationAsset", "Drive", "Material"]


@dataclass(frozen=True, kw_only=True)
class Drive:
    """A joint-level PD drive, integrated implicitly in velocity.

    The drive exerts ``stiffness · (position target − q) + damping · (velocity target − q̇) + effort``, bounded as a
    whole by ``max_effort``. A joint with zero gains is driven by effort alone.

    Attributes:
        stiffness: N·m/rad for a revolute joint, N/m for a prismatic one.
        damping: N·m·s/rad or N·s/m.
        max_effort: N·m or N; 0: the drive exerts nothing.

    Raises:
        OigeError: a value is negative or NaN, or a gain is infinite.
    """

    stiffness: float = 0.0
    damping: float = 0.0
    max_effort: float = math.inf

    def __post_init__(self) -> None:
        for name in ("stiffness", "damping", "max_effort"):
            if not hasattr(getattr(self, name), "__float__"):  # as text has not
                raise OigeError(f"Drive({name}={getattr(self, name)!r}): expected a number.")
        for name in ("stiffness", "damping"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise OigeError(f"Drive({name}={getattr(self, name)}): expected a finite number of at least 0.")
        if not self.max_effort >= 0.0:
            raise OigeError(f"Drive(max_effort={self.max_effort}): expected a number of at least 0, or inf.")


@dataclass(frozen=True, kw_only=True)
class ArticulationAsset:
    """A robot or mechanism: links joined by revolute and prismatic joints into one tree.

    What the embedded engine takes from the file is the mechanism: the tree below the one child of its world body, which
    is the root link, with its inertias, shapes, tendons and exclusions. ``connect`` and ``weld`` constraints close
    loops, and hold links to the world where the scene puts them. Also taken are ``settotalmass``, the ``density``,
    ``viscosity`` and ``wind`` of the medium, and flags that switch off contacts, limits, dry friction, equality
    constraints, springs or damping. The limit that a joint itself sets to its actuators (``actuatorfrcrange``,
    ``effort`` in a URDF) bounds the ``max_effort`` of its drive. Links without a joint stay links of their own,
    whatever ``fusestatic`` says. Shapes collide with everything outside the articulation, unless ``contype`` and
    ``conaffinity`` are both 0, and with each other only if ``task.sim.<name>.enable_self_collisions`` is 1.

    Actuators, sensors, keyframes, other options, a URDF's velocity limits, and what lies in the world body beside the
    root link are ignored: drives are described here, options by ``task.sim``. What refers to the world body's sites or
    shapes is an error, and so are the flags ``gravity``, ``filterparent`` and ``override``.

    Attributes:
        mjcf: path of an MJCF or URDF file, or the text of one.
        usd: path under Isaac Sim's asset root of the file that is loaded in its place there; only Isaac Sim needs it.
        floating: whether the root link moves freely; None: as the file says, by a free joint of the root. A URDF
            without such a joint says nothing, so it must be given.
        drives: drives by regular expression on joint names; the first that matches in full counts.
        joint_positions: initial positions by regular expression on joint names, in rad or m, within the joints' limits;
            others start where the file has them.

    Raises:
        OigeError: a drive is not one, or a position is no finite number.
    """

    mjcf: Path | str
    usd: str | None = None
    floating: bool | None = None
    drives: Mapping[str, Drive] = field(default_factory=dict)
    joint_positions: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.mjcf, Path | str):
            raise OigeError(f"ArticulationAsset(mjcf={self.mjcf!r}): expected a path, or the text of a file.")
        for key in ("drives", "joint_positions"):
            given = getattr(self, key)
            if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
                raise OigeError(f"ArticulationAsset({key}={given!r}): expected a dictionary by names of joints.")
        for name, drive in self.drives.items():
            if not isinstance(drive, Drive):
                raise OigeError(f"ArticulationAsset: drives['{name}']={drive!r}: expected Drive(stiffness=…).")
        for name, position in self.joint_positions.items():
            try:
                finite = math.isfinite(position)
            except TypeError:
                finite = False
            if not finite:
                raise OigeError(f"ArticulationAsset: joint_positions['{name}']={position!r}: expected a finite number.")


@dataclass(frozen=True, kw_only=True)
class Material:
    """Surface of a shape.

    Attributes:
        friction: coefficient of sliding friction; None: that of ``task.sim.default_physics_material``. Between two
            shapes that state one the larger acts; against a shape that states none, the stated one does.
        color: red, green, blue, opacity, each 0 to 1.

    Raises:
        OigeError: the coefficient is negative or not finite, or the colour is not four numbers from 0 to 1.
    """

    friction: float | None = None
    color: tuple[float, float, float, float] = (0.7, 0.7, 0.7, 1.0)

    def __post_init__(self) -> None:
        if self.friction is not None and not hasattr(self.friction, "__float__"):  # as text has not
            raise OigeError(f"Material(friction={self.friction!r}): expected a number.")
        if self.friction is not None and not 0.0 <= self.friction < math.inf:
            raise OigeError(f"Material(friction={self.friction}): expected a finite number of at least 0.")
        if len(self.color) != 4 or not all(0.0 <= part <= 1.0 for part in self.color):
            raise OigeError(f"Material(color={self.color}): expected red, green, blue and opacity, each 0 to 1.")
