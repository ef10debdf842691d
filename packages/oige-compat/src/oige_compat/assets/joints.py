"""Reads joints of UsdPhysics as chains of hinges and slides."""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from oige_core.errors import OigeError
from oige_core.scene.assets import Drive
from pxr import Usd, UsdPhysics

from oige_compat.assets.bodies import is_kinematic
from oige_compat.assets.report import Report
from oige_compat.assets.stages import Frames, rigid_inverse, rotation_of

__all__ = ["Axis", "Joint", "read_joint"]

_AXES = {"X": 0, "Y": 1, "Z": 2}
_TRANSLATIONS = ("transX", "transY", "transZ")
_ROTATIONS = ("rotX", "rotY", "rotZ")
_UNLIMITED = 1e6
"""Stands for a missing limit where there is one on the other side, in rad or m."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One degree of freedom of a joint.

    Attributes:
        name: of the degree of freedom.
        slides: whether it is a translation.
        direction: unit vector ``(3,)`` in the joint's frame.
        limits: lowest and highest position, in rad or m; None: unlimited.
        drive: in SI units; None: there is none.
        per_inertia: whether the gains of the drive are per inertia, as those of drives of type ``acceleration``.
        armature: in kg·m² or kg.
        friction: dry friction, in N·m or N.
        position: at the start, in rad or m.
    """

    name: str
    slides: bool
    direction: np.ndarray
    limits: tuple[float, float] | None = None
    drive: Drive | None = None
    per_inertia: bool = False
    armature: float = 0.0
    friction: float = 0.0
    position: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Joint:
    """A joint between two links.

    Attributes:
        path: of its prim.
        name: of its prim.
        bodies: paths of the two links; None: the stage.
        frames: the joint's frames ``(4, 4)`` in those of the links, or of the stage, in metres.
        axes: degrees of freedom, the one that moves all others first.
        kind: name of the schema, such as ``PhysicsRevoluteJoint``.
        outside: whether the joint is not part of the articulation's tree.
        collides: whether the two links collide.
    """

    path: str
    name: str
    bodies: tuple[str | None, str | None]
    frames: tuple[np.ndarray, np.ndarray]
    axes: tuple[Axis, ...]
    kind: str
    outside: bool
    collides: bool

    def turned(self) -> "Joint":
        """Return the joint with its links exchanged, with the same positions."""
        axes = tuple(dataclasses.replace(axis, direction=-axis.direction) for axis in reversed(self.axes))
        return dataclasses.replace(self, bodies=self.bodies[::-1], frames=self.frames[::-1], axes=axes)


def read_joint(prim: Usd.Prim, links: set[str], frames: Frames, report: Report) -> Joint | None:
    """Return a joint; None: it is disabled.

    Args:
        prim: a joint of UsdPhysics.
        links: paths of all rigid bodies.
        frames: of the stage.
        report: gets what differs.

    Raises:
        OigeError: the joint cannot be expressed by hinges and slides.
    """
    joint, path = UsdPhysics.Joint(prim), str(prim.GetPath())
    if not joint.GetJointEnabledAttr().Get():
        report.add("lost", path, "the joint is disabled (physics:jointEnabled); it holds nothing in Isaac Sim either")
        return None
    bodies, local = [], []
    for relation, position, orientation in (
        (joint.GetBody0Rel(), joint.GetLocalPos0Attr(), joint.GetLocalRot0Attr()),
        (joint.GetBody1Rel(), joint.GetLocalPos1Attr(), joint.GetLocalRot1Attr()),
    ):
        body, frame = _end(prim, relation, links, frames, position.Get(), orientation.Get(), report)
        bodies.append(body)
        local.append(frame)
    if bodies[0] == bodies[1]:
        raise OigeError(f"joint {path}: expected two different bodies, found {bodies[0] or 'the stage'} twice.")
    outside = bool(joint.GetExcludeFromArticulationAttr().Get())
    axes = ()
    if None in bodies and not outside and _holds_base(prim, bodies):
        text = "the joint to the stage leaves all axes free; it holds the articulation's base, which does not move"
        report.add("approximated", path, text)
    else:
        axes = _read_axes(prim, frames, Report() if outside else report)  # those of a loop have no positions
    read = Joint(
        path=path,
        name=prim.GetName(),
        bodies=(bodies[0], bodies[1]),
        frames=(local[0], local[1]),
        axes=axes,
        kind=str(prim.GetTypeName()),
        outside=outside,
        collides=bool(joint.GetCollisionEnabledAttr().Get()),
    )
    if outside:
        return read
    return dataclasses.replace(read, axes=_with_positions(prim, read, frames, report))


def _holds_base(joint: Usd.Prim, bodies: list[str | None]) -> bool:
    """Whether a generic joint without limits and drives makes the base of an articulation fixed.

    The parser of UsdPhysics takes a joint to the stage for the articulation's root, and tasks of OmniIsaacGymEnvs with
    ``fixed_base: True`` write such a joint without limits.
    """
    if str(joint.GetTypeName()) != "PhysicsJoint" or any(
        name.startswith(("PhysicsLimitAPI:", "PhysicsDriveAPI:")) for name in joint.GetAppliedSchemas()
    ):
        return False
    ends = [joint, *(joint.GetStage().GetPrimAtPath(body) for body in bodies if body is not None)]
    for prim in ends:
        while prim and not prim.IsPseudoRoot():
            if prim.HasAPI(UsdPhysics.ArticulationRootAPI):
                return True
            prim = prim.GetParent()
    return False


def _end(
    joint: Usd.Prim,
    relation: Usd.Relationship,
    links: set[str],
    frames: Frames,
    position: object,
    orientation: object,
    report: Report,
) -> tuple[str | None, np.ndarray]:
    """Return the link of one end of a joint, and the joint's frame in it."""
    targets = relation.GetTargets()
    if len(targets) > 1:
        raise OigeError(f"joint {joint.GetPath()}: {relation.GetName()} has {len(targets)} targets, expected one.")
    prim = joint.GetStage().GetPrimAtPath(targets[0]) if targets else joint.GetStage().GetPseudoRoot()
    if not prim:
        raise OigeError(f"joint {joint.GetPath()}: {relation.GetName()} is {targets[0]}, and there is no such prim.")
    place = np.eye(4)
    if targets:
        full = frames.full(prim)
        place[:3, :3] = frames.rigid(prim)[:3, :3]
    else:
        full = np.diag([frames.meters] * 3 + [1.0])
    place[:3, :3] = place[:3, :3] @ rotation_of(orientation)  # type: ignore[arg-type]
    place[:3, 3] = full[:3, :3] @ np.array(position, float) + full[:3, 3]
    while prim and str(prim.GetPath()) not in links:
        if is_kinematic(prim):
            report.add(
                "approximated", prim.GetPath(), "the kinematic body does not move: it is part of the scene's stage"
            )
            return None, place
        prim = prim.GetParent()
    if not prim:
        return None, place
    return str(prim.GetPath()), rigid_inverse(frames.rigid(prim)) @ place


def _read_axes(prim: Usd.Prim, frames: Frames, report: Report) -> tuple[Axis, ...]:
    path, kind = prim.GetPath(), str(prim.GetTypeName())
    if prim.IsA(UsdPhysics.FixedJoint):
        return ()
    if prim.IsA(UsdPhysics.RevoluteJoint) or prim.IsA(UsdPhysics.PrismaticJoint):
        slides = prim.IsA(UsdPhysics.PrismaticJoint)
        direction = np.eye(3)[_AXES[str(prim.GetAttribute("physics:axis").Get())]]
        lower, upper = (float(prim.GetAttribute(f"physics:{end}Limit").Get()) for end in ("lower", "upper"))
        if lower > upper:
            raise OigeError(f"joint {path}: physics:lowerLimit={lower:g} exceeds physics:upperLimit={upper:g}.")
        instance = "linear" if slides else "angular"
        return (_axis(prim, prim.GetName(), slides, direction, (lower, upper), [instance], frames, report),)
    if prim.IsA(UsdPhysics.SphericalJoint):
        return _read_spherical(prim, frames, report)
    if kind == "PhysicsJoint":
        return _read_free_axes(prim, frames, report)
    raise OigeError(
        f"joint {path}: {kind} cannot be expressed; expected a revolute, prismatic, spherical, fixed or generic joint."
    )


def _read_spherical(prim: Usd.Prim, frames: Frames, report: Report) -> tuple[Axis, ...]:
    """Return three hinges: about the joint's axis, and about the two axes across it, which the cone limits."""
    joint = UsdPhysics.SphericalJoint(prim)
    first = _AXES[str(joint.GetAxisAttr().Get())]
    cones = [joint.GetConeAngle0LimitAttr().Get(), joint.GetConeAngle1LimitAttr().Get()]
    bounds = [math.inf, *(math.inf if cone < 0.0 else float(cone) for cone in cones)]
    report.add(
        "approximated",
        prim.GetPath(),
        "the spherical joint is three hinges, whose positions agree with those of Isaac Sim at small angles"
        + (", and its cone is a limit of each of two of them" if max(cones) >= 0.0 else ""),
    )
    axes = []
    for number, bound in enumerate(bounds):
        index = (first + number) % 3
        name = f"{prim.GetName()}:{number}"
        instances = [_ROTATIONS[index]]
        axes.append(_axis(prim, name, False, np.eye(3)[index], (-bound, bound), instances, frames, report))
    return tuple(axes)


def _read_free_axes(prim: Usd.Prim, frames: Frames, report: Report) -> tuple[Axis, ...]:
    """Return the axes of a generic joint that its limits do not lock."""
    free: list[tuple[str, tuple[float, float]]] = []
    for name in (*_TRANSLATIONS, *_ROTATIONS):
        limit = UsdPhysics.LimitAPI.Get(prim, name)
        low, high = -math.inf, math.inf
        if limit and prim.HasAPI(UsdPhysics.LimitAPI, name):
            low, high = float(limit.GetLowAttr().Get()), float(limit.GetHighAttr().Get())
        if low < high:
            free.append((name, (low, high)))
    if prim.HasAPI(UsdPhysics.LimitAPI, "distance"):
        raise OigeError(
            f"joint {prim.GetPath()}: a limit of the distance cannot be expressed; remove PhysicsLimitAPI:distance."
        )
    if len(free) == 6:
        raise OigeError(f"joint {prim.GetPath()}: all six axes are free, so that it holds nothing; remove it.")
    if len(free) > 1:
        report.add(
            "approximated",
            prim.GetPath(),
            f"the joint is a chain of {len(free)} joints ({', '.join(name for name, _ in free)}), whose positions "
            "agree with those of Isaac Sim at small angles",
        )
    axes = []
    for number, (name, bounds) in enumerate(free):
        slides = name in _TRANSLATIONS
        direction = np.eye(3)[_AXES[name[-1]]]
        label = prim.GetName() if len(free) == 1 else f"{prim.GetName()}:{number}"
        instances = [name] if len(free) > 1 else [name, "linear" if slides else "angular"]
        axes.append(_axis(prim, label, slides, direction, bounds, instances, frames, report))
    return tuple(axes)


def _axis(
    prim: Usd.Prim,
    name: str,
    slides: bool,
    direction: np.ndarray,
    bounds: tuple[float, float],
    instances: list[str],
    frames: Frames,
    report: Report,
) -> Axis:
    """Return one degree of freedom with what schemas of the given instances say about it."""
    unit = frames.meters if slides else math.radians(1.0)
    inertia = frames.kilograms * (1.0 if slides else frames.meters**2)  # kg or kg·m² per unit of the stage
    force = inertia * (frames.meters if slides else 1.0)
    drive, per_inertia, armature, friction = None, False, 0.0, 0.0
    armature = _number(prim, "physxJoint:armature")
    for instance in instances:
        prefix = f"physxJointAxis:{instance}"
        armature = _number(prim, f"{prefix}:armature", armature)
        friction = _number(prim, f"{prefix}:dynamicFrictionEffort", friction)
        still = _number(prim, f"{prefix}:staticFrictionEffort", friction)
        if abs(still - friction) > 1e-6 * max(still, friction):
            text = f"static friction of {name} ({still:g}) is its dynamic friction ({friction:g}), in the file's units"
            report.add("approximated", prim.GetPath(), text)
        if prim.HasAPI(UsdPhysics.DriveAPI, instance):
            drive, per_inertia = _drive(prim, instance, unit, 1.0 if slides else 0.0, inertia, force, report)
        limit = f"physxLimit:{instance}"
        if (
            _number(prim, f"{limit}:stiffness")
            or _number(prim, f"{limit}:damping")
            or _number(prim, f"{limit}:restitution")
        ):
            report.add("approximated", prim.GetPath(), f"the springs of the limits of {name} are stiff stops")
    if _number(prim, "physxJoint:jointFriction"):
        text = "physxJoint:jointFriction, a coefficient of the joint's load, acts on no joint; give frictionloss"
        report.add("lost", prim.GetPath(), text)
    if _number(prim, "physxJoint:maxJointVelocity", math.inf) < 1e5:
        report.add("lost", prim.GetPath(), "physxJoint:maxJointVelocity limits no velocity")
    limits = _limits(prim, name, bounds, unit, report)
    return Axis(
        name=name,
        slides=slides,
        direction=direction,
        limits=limits,
        drive=drive,
        per_inertia=per_inertia,
        armature=armature * inertia,
        friction=friction * force,
    )


def _limits(
    prim: Usd.Prim, name: str, bounds: tuple[float, float], unit: float, report: Report
) -> tuple[float, float] | None:
    lower, upper = (bound * unit if abs(bound) < 1e10 else math.copysign(math.inf, bound) for bound in bounds)
    if math.isinf(lower) and math.isinf(upper):
        return None
    if math.isinf(lower) or math.isinf(upper):
        report.add("converted", prim.GetPath(), f"the missing limit of {name} is {_UNLIMITED:g} rad or m")
    return max(lower, -_UNLIMITED), min(upper, _UNLIMITED)


def _drive(
    prim: Usd.Prim, instance: str, unit: float, linear: float, inertia: float, force: float, report: Report
) -> tuple[Drive, bool]:
    """Return a drive in SI units, and whether its gains are per inertia."""
    api = UsdPhysics.DriveAPI.Get(prim, instance)
    per_inertia = str(api.GetTypeAttr().Get()) == "acceleration"
    scale = 1.0 if linear else 1.0 / unit
    if not per_inertia:
        scale *= inertia
    values = {
        "physics:stiffness": float(api.GetStiffnessAttr().Get() or 0.0) * scale,
        "physics:damping": float(api.GetDampingAttr().Get() or 0.0) * scale,
    }
    for key, value in values.items():
        if not 0.0 <= value < math.inf:
            raise OigeError(f"joint {prim.GetPath()}: drive:{instance}:{key}={value:g}: expected a finite number ≥ 0.")
    largest = api.GetMaxForceAttr().Get()
    limit = math.inf if largest is None or largest > 1e30 else float(largest) * force
    if limit < 0.0:
        raise OigeError(f"joint {prim.GetPath()}: drive:{instance}:physics:maxForce={largest:g}: expected at least 0.")
    target, velocity = api.GetTargetPositionAttr().Get() or 0.0, api.GetTargetVelocityAttr().Get() or 0.0
    if values["physics:stiffness"] and target:
        text = f"the drive's target {target * unit:g} rad or m is not set: give it to set_joint_position_targets"
        report.add("lost", prim.GetPath(), text)
    if values["physics:damping"] and velocity:
        text = f"the drive's target {velocity * unit:g} rad/s or m/s is not set: give it to set_joint_velocity_targets"
        report.add("lost", prim.GetPath(), text)
    stiffness, damping = values["physics:stiffness"], values["physics:damping"]
    return Drive(stiffness=stiffness, damping=damping, max_effort=limit), per_inertia


def _with_positions(prim: Usd.Prim, joint: Joint, frames: Frames, report: Report) -> tuple[Axis, ...]:
    """Return the axes with initial positions: those of the joint's state, otherwise those of the poses of the links."""
    stated = []
    for axis in joint.axes:
        instance = "linear" if axis.slides else "angular"
        if len(joint.axes) > 1 or not prim.HasAttribute(f"state:{instance}:physics:position"):
            instance = ("trans" if axis.slides else "rot") + "XYZ"[int(np.argmax(np.abs(axis.direction)))]
        name = f"state:{instance}:physics:position"
        stated.append(_number(prim, name) if prim.HasAttribute(name) else None)
    ends = []
    for body, local in zip(joint.bodies, joint.frames, strict=True):
        place = np.eye(4) if body is None else frames.rigid(prim.GetStage().GetPrimAtPath(body))
        ends.append(place @ local)
    moved = rigid_inverse(ends[0]) @ ends[1]
    axes = []
    for axis, value in zip(joint.axes, stated, strict=True):
        unit = frames.meters if axis.slides else math.radians(1.0)
        position = value * unit if value is not None else 0.0
        if value is None and len(joint.axes) == 1:
            position = _position(axis, moved)
        axes.append(dataclasses.replace(axis, position=_inside(prim, axis, position, report)))
    fixed = not joint.axes and None in joint.bodies  # such a root stays where it lies
    if not fixed and not any(value is not None for value in stated):
        rest = rigid_inverse(_motion(axes)) @ moved
        if np.abs(rest - np.eye(4)).max() > 1e-3:
            report.add(
                "approximated", prim.GetPath(), "the two links start where the joint puts them, not where they lie"
            )
    return tuple(axes)


def _position(axis: Axis, moved: np.ndarray) -> float:
    if axis.slides:
        return float(moved[:3, 3] @ axis.direction)
    rotation = moved[:3, :3]
    vector = np.array(
        [rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]]
    )
    angle = math.atan2(float(vector @ axis.direction), float(np.trace(rotation) - 1.0))
    if abs(angle) < 1e-6:
        return 0.0
    if axis.limits is not None:
        turns = [angle + 2.0 * math.pi * turn for turn in (0, 1, -1)]
        inside = [turn for turn in turns if axis.limits[0] - 1e-4 <= turn <= axis.limits[1] + 1e-4]
        return inside[0] if inside else angle
    return angle


def _inside(prim: Usd.Prim, axis: Axis, position: float, report: Report) -> float:
    if axis.limits is None or axis.limits[0] <= position <= axis.limits[1]:
        return position
    nearest = min(max(position, axis.limits[0]), axis.limits[1])
    if abs(nearest - position) > 1e-4:
        text = f"{axis.name} starts at its limit {nearest:g} instead of {position:g} rad or m, which lies outside"
        report.add("approximated", prim.GetPath(), text)
    return nearest


def _motion(axes: list[Axis]) -> np.ndarray:
    """Return the pose ``(4, 4)`` of the second frame of a joint in the first at its initial positions."""
    moved = np.eye(4)
    for axis in axes:
        step, (x, y, z) = np.eye(4), axis.direction
        if axis.slides:
            step[:3, 3] = axis.position * axis.direction
        else:
            skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
            sine, cosine = math.sin(axis.position), math.cos(axis.position)
            step[:3, :3] += sine * skew + (1.0 - cosine) * skew @ skew
        moved = moved @ step
    return moved


def _number(prim: Usd.Prim, name: str, default: float = 0.0) -> float:
    """Return an attribute of a schema that usd-core does not know."""
    attribute = prim.GetAttribute(name)
    value = attribute.Get() if attribute else None
    return default if value is None else float(value)
