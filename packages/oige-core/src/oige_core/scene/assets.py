"""Engine-independent descriptions of robots, drives and materials."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from oige_core.errors import OigeError

__all__ = ["ArticulationAsset", "Color", "Drive", "Material", "RigidAsset", "check_color"]


Color = tuple[float, float, float, float]
"""Red, green, blue, opacity, each 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Drive:
    """A joint-level PD drive, integrated implicitly in velocity.

    The drive exerts ``stiffness · (position target − q) + damping · (velocity target − q̇) + effort``, with the
    sum limited to ``max_effort``. A joint with zero gains is driven only by its effort.

    Attributes:
        stiffness: N·m/rad for a revolute joint, N/m for a prismatic one.
        damping: N·m·s/rad or N·s/m.
        max_effort: N·m or N; 0: the drive exerts no force.

    Raises:
        OigeError: a value is negative or NaN, or a gain is infinite.
    """

    stiffness: float = 0.0
    damping: float = 0.0
    max_effort: float = math.inf

    def __post_init__(self) -> None:
        for name in ("stiffness", "damping", "max_effort"):
            if not hasattr(getattr(self, name), "__float__"):  # strings do not have it
                raise OigeError(f"Drive({name}={getattr(self, name)!r}): expected a number.")
        for name in ("stiffness", "damping"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise OigeError(f"Drive({name}={getattr(self, name)}): expected a finite number of at least 0.")
        if not self.max_effort >= 0.0:
            raise OigeError(f"Drive(max_effort={self.max_effort}): expected a number of at least 0, or inf.")


@dataclass(frozen=True, kw_only=True)
class ArticulationAsset:
    """A robot or mechanism: links joined by revolute and prismatic joints into one tree.

    The embedded engine reads the mechanism from the file: the tree below one child of the world body, which is the root
    link, with its inertias, shapes, tendons and exclusions. ``connect`` and ``weld`` constraints close loops, and
    attach links to the world where the scene puts them. The engine also reads ``settotalmass``, the ``density``,
    ``viscosity`` and ``wind`` of the medium, and flags that disable contacts, limits, dry friction, equality
    constraints, springs or damping. A joint's own limit on its actuators (``actuatorfrcrange``, or ``effort`` in a
    URDF) limits the ``max_effort`` of its drive. Links without a joint remain separate links, regardless of
    ``fusestatic``. Shapes collide with everything outside the articulation, unless ``contype`` and ``conaffinity`` are
    both 0, and with each other only if ``task.sim.<name>.enable_self_collisions`` is 1. A body or joint without a name
    is called by its number in the compiled file: ``body_3``, ``joint_2``.

    The engine ignores actuators, sensors, keyframes, cameras, lights, other options, a URDF's velocity limits, and
    everything in the world body except the root link. Drives are described here, and options by ``task.sim``;
    :mod:`oige_core.robot_files` takes drives and initial positions from the file, and reports what of it does not act
    as it is written there. References to the world body's sites or shapes raise an error, and so do the flags
    ``gravity``, ``filterparent`` and ``override``. docs/robots.md describes all of it.

    Attributes:
        mjcf: path of an MJCF or URDF file, or the contents of one. A string is the contents if it starts with ``<``,
            otherwise a path.
        usd: path of OmniIsaacGymEnvs' USD file of the robot under Isaac Sim's asset root. No engine reads it: Isaac Sim
            gets the USD file that ``oige-usd`` writes beside ``mjcf``.
        floating: whether the root link moves freely; None: True if the root has a free joint in the file. For a URDF
            without such a joint, it is required.
        root: name of the root link; required if the world body of the file has several children.
        package_paths: folders of ROS packages, or folders that contain some, in which ``package://`` files of a URDF
            are searched first. The folders above the URDF file are searched as well.
        drives: drives by regular expression on joint names; the first full match applies.
        joint_positions: initial positions by regular expression on joint names, in rad or m, within the joints' limits;
            other joints start at the position in the file.

    Raises:
        OigeError: a drive has the wrong type, or a position is not a finite number.
    """

    mjcf: Path | str
    usd: str | None = None
    floating: bool | None = None
    root: str | None = None
    package_paths: Sequence[Path | str] = ()
    drives: Mapping[str, Drive] = field(default_factory=dict)
    joint_positions: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "mjcf", _path_or_text(self.mjcf, "ArticulationAsset"))
        paths = self.package_paths
        if isinstance(paths, str) or not all(isinstance(folder, Path | str) for folder in paths):
            raise OigeError(f"ArticulationAsset(package_paths={paths!r}): expected a list of folders.")
        for key in ("drives", "joint_positions"):
            given = getattr(self, key)
            if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
                raise OigeError(f"ArticulationAsset({key}={given!r}): expected a dictionary with joint names as keys.")
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
class RigidAsset:
    """A rigid body of one or more shapes.

    The engine reads the single child of the world body: its shapes, its inertia (``<inertial>``, or the masses or
    densities of the shapes), and its sites. Shapes are spheres, capsules, cylinders, ellipsoids, boxes, meshes, which
    collide as their convex hulls, and meshes of type ``sdf``, which collide as they are. Friction, ``solref``,
    ``solimp``, ``priority``, ``condim``, ``margin`` and ``gap`` of shapes apply; a shape without a friction coefficient
    has that of ``task.sim.default_physics_material``.

    ``contype`` and ``conaffinity`` select what a shape touches. Shapes of two such bodies collide if the ``contype`` of
    one and the ``conaffinity`` of the other have a common bit. Shapes of all other elements have 1 for both.

    The engine ignores options, keyframes, and everything in the world body except this child. Joints, child bodies,
    ``pair`` and ``exclude`` raise an error when the scene is built, and so do elements that need joints.

    Attributes:
        mjcf: path of an MJCF file, or the contents of one. A string is the contents if it starts with ``<``, otherwise
            a path.

    Raises:
        OigeError: it is neither.
    """

    mjcf: Path | str

    def __post_init__(self) -> None:
        object.__setattr__(self, "mjcf", _path_or_text(self.mjcf, "RigidAsset"))


@dataclass(frozen=True, kw_only=True)
class Material:
    """Surface of a shape.

    Attributes:
        friction: coefficient of sliding friction; None: that of ``task.sim.default_physics_material``. If both
            touching shapes have a coefficient, the larger applies; if one has, it applies.
        color: red, green, blue, opacity, each 0 to 1.

    Raises:
        OigeError: the coefficient is negative or not finite, or the colour is not four numbers from 0 to 1.
    """

    friction: float | None = None
    color: Color = (0.7, 0.7, 0.7, 1.0)

    def __post_init__(self) -> None:
        if self.friction is not None and not hasattr(self.friction, "__float__"):  # strings do not have it
            raise OigeError(f"Material(friction={self.friction!r}): expected a number.")
        if self.friction is not None and not 0.0 <= self.friction < math.inf:
            raise OigeError(f"Material(friction={self.friction}): expected a finite number of at least 0.")
        check_color(f"Material(color={self.color})", self.color)


def check_color(title: str, color: Sequence[float]) -> None:
    """Raise OigeError unless a colour is four numbers from 0 to 1."""
    if len(color) != 4 or not all(0.0 <= part <= 1.0 for part in color):
        raise OigeError(f"{title}: expected red, green, blue and opacity, each 0 to 1.")


def _path_or_text(source: Path | str, title: str) -> Path | str:
    """Return a path for the name of a file, and the contents of a file as they are."""
    if not isinstance(source, Path | str):
        raise OigeError(f"{title}(mjcf={source!r}): expected a path, or the contents of a file.")
    if isinstance(source, Path):
        return source
    start = source.lstrip("\ufeff \t\r\n")
    return source if not start or start.startswith("<") else Path(source)
