"""Constraints between joints and links: loops, mimic joints, fixed tendons."""

import math
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import numpy as np
from oige_core.errors import OigeError
from pxr import Usd, UsdPhysics

from oige_compat.assets.joints import Joint
from oige_compat.assets.mjcf import add_pose, numbers
from oige_compat.assets.report import Report
from oige_compat.assets.stages import Frames, prims_below

__all__ = ["add_loop", "add_mimics", "add_tendons"]

_LEVER = 0.1
"""Distance, in m, of the second point that holds a hinge of a loop."""

_MIMIC = (("gearing", 1.0), ("offset", 0.0))
"""Attributes of a mimic joint, and their defaults."""

_BOUNDS = (("lower", -math.inf), ("upper", math.inf))
"""Limits of a tendon, and their defaults."""


def add_loop(equality: Element, contact: Element, loop: Joint, bodies: Mapping[str, Element], report: Report) -> None:
    """Add the constraint of a joint outside the tree.

    Args:
        equality: the element ``equality``.
        contact: the element ``contact``, which gets an exclusion unless the two links collide.
        loop: the joint.
        bodies: elements of links by path.
        report: gets what differs.

    Raises:
        OigeError: the joint can hold no loop.
    """
    kind, count = loop.kind, len(loop.axes)
    hinge = count == 1 and not loop.axes[0].slides
    ball = count == 3 and not any(axis.slides for axis in loop.axes)
    if count and not hinge and not ball:
        raise OigeError(
            f"joint {loop.path}: a {kind} outside the articulation cannot be expressed; expected a fixed, revolute or "
            "spherical joint."
        )
    if any(axis.drive is not None or axis.limits is not None for axis in loop.axes):
        report.add("lost", loop.path, "the drive and the limits of a joint outside the articulation")
    first, second = loop.bodies
    if first is None or second is None:
        _hold(equality, loop, bodies[first or second or ""], hinge=hinge, report=report)
        return
    if not loop.collides:
        names = [bodies[first].get("name", ""), bodies[second].get("name", "")]
        SubElement(contact, "exclude", body1=names[0], body2=names[1])
    points = ("", ":far") if hinge else ("",)
    for suffix in points:
        sites = []
        for number, body in enumerate((bodies[first], bodies[second])):
            frame = loop.frames[number].copy()
            if suffix:
                frame[:3, 3] += frame[:3, :3] @ (_LEVER * loop.axes[0].direction)
            name = f"{loop.path.strip('/')}{suffix}:{number}"
            add_pose(SubElement(body, "site", name=name), frame)
            sites.append(name)
        element = "connect" if loop.axes else "weld"
        SubElement(equality, element, name=f"{loop.name}{suffix}", site1=sites[0], site2=sites[1])


def _hold(equality: Element, loop: Joint, body: Element, *, hinge: bool, report: Report) -> None:
    """Hold a link at the stage where it starts."""
    report.add("approximated", loop.path, "the joint holds its link where it starts, in the pose of the robot's scene")
    frame, name = loop.frames[0 if loop.bodies[1] is None else 1], body.get("name", "")
    if not loop.axes:
        SubElement(equality, "weld", name=loop.name, body1=name)
        return
    SubElement(equality, "connect", name=loop.name, body1=name, anchor=numbers(frame[:3, 3]))
    if hinge:
        far = frame[:3, 3] + frame[:3, :3] @ (_LEVER * loop.axes[0].direction)
        SubElement(equality, "connect", name=f"{loop.name}:far", body1=name, anchor=numbers(far))


def add_mimics(
    equality: Element, robot: Usd.Prim, names: Mapping[str, Sequence[str]], frames: Frames, report: Report
) -> None:
    """Add mimic joints of PhysX: ``position + gearing · reference + offset = 0``.

    Args:
        equality: the element ``equality``.
        robot: prim of the robot.
        names: of degrees of freedom by path of their joint.
        frames: of the stage.
        report: gets what differs.

    Raises:
        OigeError: a mimic joint refers to a joint with another number of axes than one.
    """
    for prim in prims_below(robot):
        for schema in prim.GetPrimTypeInfo().GetAppliedAPISchemas():
            if not schema.startswith("PhysxMimicJointAPI:"):
                continue
            prefix = f"physxMimicJoint:{schema.partition(':')[2]}"
            targets = prim.GetRelationship(f"{prefix}:referenceJoint").GetTargets()
            ends = [names.get(str(path), ()) for path in (prim.GetPath(), *targets)]
            if [len(each) for each in ends] != [1, 1]:
                given = ", ".join(map(str, targets)) or "none"
                raise OigeError(
                    f"joint {prim.GetPath()}: {prefix}:referenceJoint={given}: expected one joint with one axis, of a "
                    "joint with one axis."
                )
            gearing, offset = (float(_value(prim, f"{prefix}:{key}", default)) for key, default in _MIMIC)
            unit = frames.meters if prim.IsA(UsdPhysics.PrismaticJoint) else math.radians(1.0)
            reference = robot.GetStage().GetPrimAtPath(targets[0])
            other = frames.meters if reference.IsA(UsdPhysics.PrismaticJoint) else math.radians(1.0)
            coefficients = (-offset * unit, -gearing * unit / other, 0.0, 0.0, 0.0)
            joint = SubElement(equality, "joint", joint1=ends[0][0], joint2=ends[1][0])
            joint.set("polycoef", numbers(coefficients))
            if _value(prim, f"{prefix}:naturalFrequency", 0.0):
                report.add("approximated", prim.GetPath(), "the compliance of the mimic joint is that of constraints")


def add_tendons(tendons: Element, robot: Usd.Prim, names: Mapping[str, Sequence[str]], report: Report) -> None:
    """Add fixed tendons of PhysX, which it measures in the coordinates of their joints, per degree for angles.

    Args:
        tendons: the element ``tendon``.
        robot: prim of the robot.
        names: of degrees of freedom by path of their joint.
        report: gets what differs.

    Raises:
        OigeError: a tendon acts on a joint that does not have one axis.
    """
    found: dict[str, dict[Usd.Prim, float]] = {}
    roots: dict[str, Usd.Prim] = {}
    for prim in prims_below(robot):
        for schema in prim.GetPrimTypeInfo().GetAppliedAPISchemas():
            kind, _, instance = schema.partition(":")
            if kind in ("PhysxTendonAttachmentRootAPI", "PhysxTendonAttachmentLeafAPI", "PhysxTendonAttachmentAPI"):
                report.add("lost", prim.GetPath(), f"the spatial tendon '{instance}'")
            if kind not in ("PhysxTendonAxisRootAPI", "PhysxTendonAxisAPI"):
                continue
            if kind == "PhysxTendonAxisRootAPI":
                roots[instance] = prim
            gearing = _value(prim, f"physxTendon:{instance}:gearing", [1.0])
            found.setdefault(instance, {})[prim] = float(gearing[0])
    for instance, axes in found.items():
        if instance not in roots:
            raise OigeError(
                f"tendon '{instance}' of {robot.GetPath()}: has no PhysxTendonAxisRootAPI; add it to a joint."
            )
        _add_tendon(tendons, instance, roots[instance], axes, names, report)


def _add_tendon(
    tendons: Element,
    instance: str,
    root: Usd.Prim,
    axes: Mapping[Usd.Prim, float],
    names: Mapping[str, Sequence[str]],
    report: Report,
) -> None:
    key = f"physxTendon:{instance}"
    fixed = SubElement(tendons, "fixed", name=instance)
    stiffness, damping = float(_value(root, f"{key}:stiffness", 0.0)), float(_value(root, f"{key}:damping", 0.0))
    offset, rest = float(_value(root, f"{key}:offset", 0.0)), float(_value(root, f"{key}:restLength", 0.0))
    fixed.set("stiffness", numbers((stiffness,)))
    fixed.set("damping", numbers((damping,)))
    fixed.set("springlength", numbers((rest - offset,)))
    bounds = [float(_value(root, f"{key}:{end}Limit", bound)) for end, bound in _BOUNDS]
    if any(abs(bound) < 1e10 for bound in bounds):
        fixed.set("range", numbers(np.clip(np.array(bounds) - offset, -1e6, 1e6)))
        report.add("approximated", root.GetPath(), f"the springs of the limits of tendon '{instance}' are stiff stops")
    if stiffness or damping:
        text = f"tendon '{instance}' acts on its joints by their gearing, whatever its force coefficients are"
        report.add("approximated", root.GetPath(), text)
    for prim, gearing in axes.items():
        joint = names.get(str(prim.GetPath()), ())
        if len(joint) != 1:
            raise OigeError(f"tendon '{instance}': joint {prim.GetPath()} has {len(joint)} axes, expected one.")
        if not gearing:
            continue
        unit = 1.0 if prim.IsA(UsdPhysics.PrismaticJoint) else math.degrees(1.0)
        SubElement(fixed, "joint", joint=joint[0], coef=numbers((gearing * unit,)))


def _value(prim: Usd.Prim, name: str, default: Any) -> Any:
    attribute = prim.GetAttribute(name)
    value = attribute.Get() if attribute else None
    return default if value is None else value
