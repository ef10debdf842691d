"""Adds joints between elements of a scene to a specification, as constraints."""

import mujoco
import numpy as np

from oige_core.errors import OigeError, nearest
from oige_core.scene.elements import BodyJoint, Frame
from oige_core.scene.scene import Scene

__all__ = ["add_body_joints"]

HALF_AXIS = 0.1
"""Distance, in m, of the two points that hold the axis of a revolute joint from its centre."""

STIFF = [0.99, 0.999, 0.001, 0.5, 2.0]
"""Parameters of MuJoCo's constraints that yield less than by default."""


def add_body_joints(spec: mujoco.MjSpec, scene: Scene) -> None:
    """Add the joints of a scene, whose bodies the specification has.

    Raises:
        OigeError: an articulation has no such link.
    """
    for joint in scene.body_joints.values():
        bodies = [_body(spec, joint, frame) for frame in joint.frames]
        if all(frame.body is not None for frame in joint.frames):
            spec.add_exclude(bodyname1=bodies[0].name, bodyname2=bodies[1].name)
        if joint.kind == "revolute":
            for number, side in enumerate((-HALF_AXIS, HALF_AXIS)):
                _hold(spec, joint, bodies, f"{joint.name}:{number}", side, mujoco.mjtEq.mjEQ_CONNECT)
        else:
            kind = mujoco.mjtEq.mjEQ_WELD if joint.kind == "fixed" else mujoco.mjtEq.mjEQ_CONNECT
            _hold(spec, joint, bodies, joint.name, 0.0, kind)


def _body(spec: mujoco.MjSpec, joint: BodyJoint, frame: Frame) -> "mujoco.MjsBody":
    if frame.body is None:
        return spec.worldbody
    body = spec.body(frame.body)
    if body is None:
        known = [each.name for each in spec.bodies[1:]]
        raise OigeError(f"joint '{joint.name}': no body '{frame.body}'. {nearest(frame.body, known)}")
    return body


def _hold(
    spec: mujoco.MjSpec,
    joint: BodyJoint,
    bodies: "list[mujoco.MjsBody]",
    name: str,
    along: float,
    kind: mujoco.mjtEq,
) -> None:
    """Hold the frames of a joint together, at a point ``along`` metres on their axis x."""
    sites = []
    for number, (body, frame) in enumerate(zip(bodies, joint.frames, strict=True)):
        offset = np.empty(3)
        mujoco.mju_rotVecQuat(offset, np.array([along, 0.0, 0.0]), np.array(frame.orientation, float))
        position = np.array(frame.position, float) + offset
        site = body.add_site(name=f"{name}/{number}", pos=position, quat=frame.orientation)
        sites.append(site.name)
    equality = spec.add_equality(name=name, type=kind, objtype=mujoco.mjtObj.mjOBJ_SITE, name1=sites[0], name2=sites[1])
    equality.active = True
    equality.solref = [2.0 * spec.option.timestep, 1.0]
    equality.solimp = STIFF
