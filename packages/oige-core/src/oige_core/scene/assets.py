"""Descriptions of what a robot is made of, for every engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["ArticulationAsset", "Drive", "Material"]


@dataclass(frozen=True, kw_only=True)
class Drive:
    """A joint-level PD drive, integrated implicitly in velocity.

    The drive exerts ``stiffness · (position target − q) + damping · (velocity target − q̇) + effort``, bounded as a
    whole by ``max_effort``. A joint with zero gains is driven by effort alone.

    Attributes:
        stiffness: N·m/rad for a revolute joint, N/m for a prismatic one.
        damping: N·m·s/rad or N·s/m.
        max_effort: N·m or N.
    """

    stiffness: float = 0.0
    damping: float = 0.0
    max_effort: float = float("inf")


@dataclass(frozen=True, kw_only=True)
class ArticulationAsset:
    """A robot or mechanism: links joined by revolute and prismatic joints into one tree.

    Attributes:
        mjcf: an MJCF file, or its text. Its world body has one child, the root link; a free joint there makes a
            floating base. Its ``connect`` and ``weld`` constraints close loops, and hold links to the world. Actuators,
            sensors, keyframes and options in it are ignored: drives are described here, options by ``task.sim``. Its
            links collide with each other only if ``task.sim.<name>.enable_self_collisions`` is 1.
        usd: path under Isaac Sim's asset root of the file that is loaded in its place there.
        drives: drives by regular expression on joint names; the first that matches in full counts.
        joint_positions: initial positions by regular expression on joint names, in rad or m; others start at zero.
    """

    mjcf: Path | str
    usd: str
    drives: Mapping[str, Drive] = field(default_factory=dict)
    joint_positions: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Material:
    """Surface of a shape.

    Attributes:
        friction: coefficient of sliding friction. Between two shapes the larger coefficient acts.
        color: red, green, blue, opacity, each 0 to 1.
    """

    friction: float = 1.0
    color: tuple[float, float, float, float] = (0.7, 0.7, 0.7, 1.0)
