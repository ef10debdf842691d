"""Elements of MJCF for shapes, links and joints."""

import math
from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement

import mujoco
import numpy as np

from oige_compat.assets.joints import Axis
from oige_compat.assets.shapes import Shape

__all__ = ["add_joint", "add_pose", "add_shape", "numbers", "quaternion"]

_HIDDEN = "3"
"""Group of shapes that are not drawn."""

_TORSION = (0.005, 0.0001)
"""MuJoCo's other coefficients of friction, which act on no contact unless the file asks for them."""


def numbers(values: Iterable[float]) -> str:
    """Return numbers as an attribute of MJCF, without loss."""
    return " ".join(repr(float(value) + 0.0) for value in values)


def quaternion(rotation: np.ndarray) -> np.ndarray:
    """Return the quaternion w, x, y, z ``(4,)`` of a matrix ``(3, 3)``."""
    result = np.empty(4)
    mujoco.mju_mat2Quat(result, np.ascontiguousarray(rotation, float).ravel())
    return result


def add_pose(element: Element, pose: np.ndarray) -> None:
    """Set position and orientation of an element from a matrix ``(4, 4)``."""
    element.set("pos", numbers(pose[:3, 3]))
    element.set("quat", numbers(quaternion(pose[:3, :3])))


def add_shape(assets: Element, body: Element, shape: Shape, name: str) -> Element:
    """Add a shape to a body, and its mesh to the assets; return the shape's element.

    Args:
        assets: the element ``asset``.
        body: the element of the link.
        shape: the shape.
        name: of the shape and its mesh.
    """
    geom = SubElement(body, "geom", name=name, type=shape.kind)
    if shape.points is None or shape.faces is None:
        add_pose(geom, shape.pose)
        geom.set("size", numbers(shape.size))
    else:
        mesh = SubElement(assets, "mesh", name=name, inertia="convex" if shape.collides else "shell")
        mesh.set("vertex", numbers(shape.points.ravel()))
        mesh.set("face", " ".join(map(str, shape.faces.ravel().tolist())))
        geom.set("mesh", name)
    geom.set("rgba", numbers(shape.color))
    if not shape.visible:
        geom.set("group", _HIDDEN)
    if not shape.collides:
        geom.set("contype", "0")
        geom.set("conaffinity", "0")
    elif shape.surface.friction is not None:
        geom.set("friction", numbers((shape.surface.friction, *_TORSION)))
    return geom


def add_joint(body: Element, axis: Axis, name: str, frame: np.ndarray) -> None:
    """Add a degree of freedom to a body.

    Args:
        body: the element of the link.
        axis: the degree of freedom.
        name: of the joint.
        frame: of the joint in the link's ``(4, 4)``.
    """
    joint = SubElement(body, "joint", name=name, type="slide" if axis.slides else "hinge")
    joint.set("pos", numbers(frame[:3, 3]))
    joint.set("axis", numbers(frame[:3, :3] @ axis.direction))
    if axis.limits is not None:
        joint.set("range", numbers(axis.limits))
    if axis.armature:
        joint.set("armature", numbers((axis.armature,)))
    if axis.friction:
        joint.set("frictionloss", numbers((axis.friction,)))
    if axis.drive is not None and math.isfinite(axis.drive.max_effort) and not _has_gains(axis):
        joint.set("actuatorfrcrange", numbers((-axis.drive.max_effort, axis.drive.max_effort)))


def _has_gains(axis: Axis) -> bool:
    return axis.drive is not None and bool(axis.drive.stiffness or axis.drive.damping)
