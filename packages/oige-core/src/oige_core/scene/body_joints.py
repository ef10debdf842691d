"""Joints between bodies that belong to different elements of a scene."""

from typing import get_args

from oige_core.capabilities import require
from oige_core.errors import OigeError, nearest
from oige_core.scene.elements import ArticulationElement, BodyElement, BodyJoint, BodyJointKind, Frame
from oige_core.scene.scene import Scene
from oige_core.scene.values import as_quaternion, as_vector

__all__ = ["add_body_joint"]


def add_body_joint(scene: Scene, name: str, kind: BodyJointKind, first: Frame, second: Frame) -> None:
    """Hold two bodies of a scene together, or one to the world, by a constraint.

    The two frames should coincide at the start; otherwise the constraint pulls them together.

    Args:
        scene: gets the joint; it has the bodies already.
        name: unique name in the scene.
        kind: what the joint leaves free.
        first: frame of the joint in the first body.
        second: the same in the second body, or in the world.

    Raises:
        OigeError: there is no such kind or body, both frames are in the same body, or a pose is invalid.
        CapabilityError: the engine has no such joints.
    """
    title = f"joint '{name}'"
    require(scene.views, "body_joints", title)
    if kind not in get_args(BodyJointKind):
        raise OigeError(f"{title}: kind='{kind}'. {nearest(kind, get_args(BodyJointKind))}")
    known = [element for element in scene.elements.values() if isinstance(element, ArticulationElement | BodyElement)]
    frames = []
    for frame in (first, second):
        owner = None if frame.body is None else frame.body.partition("/")[0]
        if owner is not None and owner not in [element.name for element in known]:
            raise OigeError(f"{title}: no body '{frame.body}'. {nearest(owner, [each.name for each in known])}")
        position = as_vector(frame.position, f"{title}: position")
        frames.append(
            Frame(
                body=frame.body,
                position=position,
                orientation=as_quaternion(frame.orientation, f"{title}: orientation"),
            )
        )
    if first.body == second.body:
        raise OigeError(f"{title}: both frames are in {first.body or 'the world'}; expected two bodies.")
    if name in scene.body_joints:
        raise OigeError(f"{title}: the scene has one of that name; choose another one.")
    scene.body_joints[name] = BodyJoint(name=name, kind=kind, frames=(frames[0], frames[1]))
