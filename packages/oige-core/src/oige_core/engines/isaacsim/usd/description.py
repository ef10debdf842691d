"""Descriptions of robots as plain data, which need neither MuJoCo nor USD.

Quaternions are w, x, y, z; units are m, kg, rad, N, N·m. All poses of links and shapes are those of the reference
configuration, in which each joint is at its :attr:`Joint.reference`.
"""

import dataclasses
import json
import types
import typing
from dataclasses import dataclass
from typing import Any, Literal

from oige_core.errors import ConfigError, OigeError
from oige_core.scene.assets import Color
from oige_core.scene.values import Quaternion, Vector3

__all__ = [
    "BodyDescription",
    "FixedTendon",
    "Joint",
    "Link",
    "Loop",
    "MassProperties",
    "Mesh",
    "Pose",
    "RobotDescription",
    "Shape",
    "ShapeKind",
    "from_json",
    "tendon_mark",
    "to_json",
    "unused_name",
    "with_base",
    "with_density",
]

ShapeKind = Literal["sphere", "box", "capsule", "cylinder", "ellipsoid", "mesh", "sdf"]

VERSION = 1
"""Version of the JSON text; readers refuse others."""


@dataclass(frozen=True, kw_only=True)
class Pose:
    """A position in m and an orientation w, x, y, z."""

    position: Vector3 = (0.0, 0.0, 0.0)
    orientation: Quaternion = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class MassProperties:
    """Mass and inertia of a link.

    Attributes:
        mass: in kg.
        center: centre of mass in the link's frame.
        inertia: principal moments about the centre of mass, in kg·m².
        axes: orientation of the principal axes in the link's frame.
    """

    mass: float
    center: Vector3
    inertia: Vector3
    axes: Quaternion


@dataclass(frozen=True, kw_only=True)
class Mesh:
    """A triangle mesh: ``points`` in m, and the indices of the corners of each of the ``faces``."""

    points: tuple[Vector3, ...]
    faces: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A shape of a link.

    Attributes:
        name: unique within the robot.
        kind: of the shape; capsules and cylinders lie along z. A ``mesh`` collides as its convex hull, an ``sdf`` as it
            is.
        size: radius of a sphere; half edges of a box; radius and half length of a cylinder, or of a capsule without
            its caps; half axes of an ellipsoid; empty for a mesh.
        pose: in the link's frame.
        color: red, green, blue, opacity.
        visible: whether it is drawn; others are only for collisions.
        collides: whether it collides; others are only drawn.
        friction: coefficient of sliding friction; None: that of the scene's default material.
        mesh: name of the mesh in :attr:`RobotDescription.meshes`.
    """

    name: str
    kind: ShapeKind
    size: tuple[float, ...]
    pose: Pose
    color: Color
    visible: bool
    collides: bool
    friction: float | None
    mesh: str | None = None


@dataclass(frozen=True, kw_only=True)
class Link:
    """A rigid link.

    Attributes:
        name: unique within the robot.
        pose: in the robot's frame.
        mass: mass and inertia.
        shapes: what it collides with and looks like.
        helper: whether it only stands between two joints of one body of the asset. The asset does not have it, views
            do not show it, and its mass is negligible.
        unit_density: mass and inertia if its shapes with mass had a density of 1 kg/m³; None if the asset states them.
        force_frame: frame of the link in which the wrench of its joints is measured.
    """

    name: str
    pose: Pose
    mass: MassProperties
    shapes: tuple[Shape, ...] = ()
    helper: bool = False
    unit_density: MassProperties | None = None
    force_frame: Pose = dataclasses.field(default_factory=Pose)


@dataclass(frozen=True, kw_only=True)
class Joint:
    """A joint between two links, along or about the x axis of its two frames, which coincide at position 0.

    Attributes:
        name: unique within the robot.
        kind: ``fixed`` joints hold links together, and have no position.
        parent: name of the link closer to the root; None: the frame of the robot, which does not move.
        child: name of the moved link.
        parent_frame: the joint's frame in the parent's frame.
        child_frame: the joint's frame in the child's frame.
        limits: lowest and highest position; None: unlimited.
        reference: position in which the links have their :attr:`Link.pose`.
        armature: inertia added to the joint, in kg·m² or kg.
        friction: dry friction, in N·m or N.
        stiffness: of the joint's own spring, in N·m/rad or N/m; drives are not part of the description.
        spring_position: position at which that spring is at rest.
        damping: of the joint itself, in N·m·s/rad or N·s/m.
        max_effort: limit of its drive that the asset states; None: the drive's own.
    """

    name: str
    kind: Literal["revolute", "prismatic", "fixed"]
    parent: str | None
    child: str
    parent_frame: Pose
    child_frame: Pose = dataclasses.field(default_factory=Pose)
    limits: tuple[float, float] | None = None
    reference: float = 0.0
    armature: float = 0.0
    friction: float = 0.0
    stiffness: float = 0.0
    spring_position: float = 0.0
    damping: float = 0.0
    max_effort: float | None = None


@dataclass(frozen=True, kw_only=True)
class Loop:
    """A joint that closes a loop outside the tree of links.

    Attributes:
        name: unique among loops and joints.
        kind: ``spherical`` holds two points together, ``fixed`` two frames.
        first: name of a link; None: the frame of the robot, which does not move.
        second: name of the other link.
        first_frame: the joint's frame in that of the first.
        second_frame: the joint's frame in that of the second.
    """

    name: str
    kind: Literal["spherical", "fixed"]
    first: str | None
    second: str
    first_frame: Pose
    second_frame: Pose


@dataclass(frozen=True, kw_only=True)
class FixedTendon:
    """A linear combination of joint positions, its length, with a spring, a damper and limits.

    Attributes:
        name: unique within the robot.
        joints: names of the joints and their coefficients.
        limits: lowest and highest length; None: unlimited.
        rest_length: length at which its spring exerts no force.
        stiffness: of the spring, in N/m.
        damping: in N·s/m.
        limit_stiffness: of the limits, in N/m.
    """

    name: str
    joints: tuple[tuple[str, float], ...]
    limits: tuple[float, float] | None
    rest_length: float
    stiffness: float
    damping: float
    limit_stiffness: float


@dataclass(frozen=True, kw_only=True)
class RobotDescription:
    """A robot: links, joined into one tree.

    Attributes:
        name: of the model.
        floating: whether the root link moves freely.
        links: parents before children, in breadth-first order; the first is the root.
        joints: in the order of the links that they move; joints of one body in the order of the asset.
        tendons: fixed tendons.
        loops: joints that close loops.
        exclusions: pairs of names of links that never collide with each other.
        meshes: meshes of shapes by name.
    """

    name: str
    floating: bool
    links: tuple[Link, ...]
    joints: tuple[Joint, ...]
    tendons: tuple[FixedTendon, ...] = ()
    loops: tuple[Loop, ...] = ()
    exclusions: tuple[tuple[str, str], ...] = ()
    meshes: dict[str, Mesh] = dataclasses.field(default_factory=dict)

    @property
    def root(self) -> Link:
        """The root link."""
        return self.links[0]

    @property
    def body_names(self) -> list[str]:
        """Names of links without helpers, breadth-first."""
        return [link.name for link in self.links if not link.helper]

    @property
    def moving_joints(self) -> list[Joint]:
        """Joints with a position, in the order of views."""
        return [joint for joint in self.joints if joint.kind != "fixed"]

    @property
    def dof_names(self) -> list[str]:
        """Names of joints with a position, in the order of views."""
        return [joint.name for joint in self.moving_joints]


@dataclass(frozen=True, kw_only=True)
class BodyDescription:
    """A rigid body from a file.

    Attributes:
        mass: mass and inertia.
        shapes: what it collides with and looks like.
        meshes: meshes of shapes by name.
        masks: ``contype`` and ``conaffinity`` by name of the shape; shapes of two bodies collide if the first of one
            and the second of the other have a common bit. Shapes of other elements have 1 for both.
    """

    mass: MassProperties
    shapes: tuple[Shape, ...]
    meshes: dict[str, Mesh]
    masks: dict[str, tuple[int, int]]


def tendon_mark(number: int) -> float:
    """Return the offset, in m, by which the engine recognises a tendon, which have no names in PhysX."""
    return 1e-6 * (number + 1)


def with_base(description: RobotDescription, floating: bool | None) -> RobotDescription:
    """Return a description whose root link moves freely or not; None: as it is.

    Raises:
        OigeError: the root link shall be free, but joints attach it to the world.
    """
    if floating is None or floating == description.floating:
        return description
    joints = [joint for joint in description.joints if joint.parent is not None]
    if not floating:
        taken = {joint.name for joint in joints}
        root = Joint(
            name=unused_name("root_joint", taken),
            kind="fixed",
            parent=None,
            child=description.root.name,
            parent_frame=Pose(),
        )
        joints.insert(0, root)
    elif description.root.helper:
        raise OigeError(f"robot '{description.name}': floating=True, but its root has joints; expected none.")
    return dataclasses.replace(description, floating=floating, joints=tuple(joints))


def with_density(description: RobotDescription, density: float, key: str) -> RobotDescription:
    """Return a description whose links have masses and inertias that follow from a density, in kg/m³.

    Shapes without mass remain so. Helper links keep their mass.

    Args:
        description: the robot.
        density: in kg/m³.
        key: of the configuration, which messages name.

    Raises:
        ConfigError: the asset states the mass of a link, which no density changes.
    """
    links = []
    for link in description.links:
        unit = link.unit_density
        if unit is None and not link.helper:
            raise ConfigError(
                f"{key}={density}: robot '{description.name}' states masses of links as <inertial>, which no density "
                "changes; leave the key at -1, and change the asset."
            )
        if unit is not None:
            inertia = tuple(density * moment for moment in unit.inertia)
            link = dataclasses.replace(link, mass=dataclasses.replace(unit, mass=density * unit.mass, inertia=inertia))
        links.append(link)
    return dataclasses.replace(description, links=tuple(links))


def unused_name(name: str, taken: set[str]) -> str:
    """Return a name that is not taken, and take it."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def to_json(description: RobotDescription) -> str:
    """Return a description as JSON text, with numbers of ten significant digits."""
    data = {"version": VERSION, **dataclasses.asdict(description)}
    return json.dumps(_rounded(data), separators=(",", ":"))


def from_json(text: str) -> RobotDescription:
    """Return the description that a text of :func:`to_json` has.

    Raises:
        OigeError: the text is of another version, or not of a description.
    """
    try:
        data = json.loads(text)
        version = data.pop("version")
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise OigeError(
            f"the description of a robot is damaged ({error}); write its file again with oige-usd."
        ) from error
    if version != VERSION:
        raise OigeError(
            f"the description of a robot has version {version}, expected {VERSION}; write its file again with oige-usd."
        )
    try:
        return _build(RobotDescription, data)
    except (TypeError, ValueError, AttributeError) as error:
        raise OigeError(
            f"the description of a robot is damaged ({error}); write its file again with oige-usd."
        ) from error


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return float(f"{value:.10g}") + 0.0
        case dict():
            return {key: _rounded(item) for key, item in value.items()}
        case list() | tuple():
            return [_rounded(item) for item in value]
    return value


def _build(kind: Any, value: Any) -> Any:
    """Return a JSON value as a value of a type of this module."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        kinds = typing.get_type_hints(kind)
        unknown = sorted(set(value) - set(kinds))
        if unknown:
            raise ValueError(f"unknown key '{unknown[0]}'")
        return kind(**{key: _build(kinds[key], item) for key, item in value.items()})  # type: ignore[operator]
    if origin is types.UnionType:
        return None if value is None else _build(arguments[0], value)
    if origin is tuple:
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(_build(each, item) for each, item in zip(kinds, value, strict=True))
    if origin is dict:
        return {key: _build(arguments[1], item) for key, item in value.items()}
    return float(value) if kind is float else value
