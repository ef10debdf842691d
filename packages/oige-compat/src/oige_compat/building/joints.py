"""Joints between bodies that are not links of the same articulation, and between bodies and the world."""

import mujoco
import numpy as np
from oige_core.scene import ArticulationAsset, Frame, Scene, add_body_joint
from pxr import Usd, UsdPhysics

from oige_compat.assets.bodies import is_kinematic, is_link
from oige_compat.assets.joints import Joint, read_joint
from oige_compat.assets.mjcf import quaternion
from oige_compat.assets.report import Report
from oige_compat.assets.stages import Frames, prims_below, rigid_inverse
from oige_compat.building.world import FirstWorld, last_name
from oige_compat.errors import CompatError

__all__ = ["add_joints"]

OF_TREES = ("the spherical joint is three hinges", "the two links start where the joint puts them")
"""Notes about joints of articulations."""

_X_OF_AXIS = {"X": (0, 1, 2), "Y": (1, 2, 0), "Z": (2, 0, 1)}
"""Which axes of a joint's frame are x, y and z of one whose x is the axis of the joint."""


def add_joints(world: FirstWorld, scene: Scene) -> None:
    """Hold bodies together by joints of the stage that are part of no articulation.

    Raises:
        OigeError: a joint has limits or drives, or is of a kind that cannot be expressed.
    """
    bodies = {str(prim.GetPath()) for prim in prims_below(world.prim) if is_link(prim) or is_kinematic(prim)}
    frames = Frames(world.session.stage)
    for prim in prims_below(world.prim):
        if prim.IsA(UsdPhysics.Joint) and _is_added(world, prim):
            report = Report()
            joint = read_joint(prim, bodies, frames, report)
            # A constraint is no hinge of a tree, and bodies start where they lie.
            world.report().notes.extend(note for note in report.notes if not note.text.startswith(OF_TREES))
            if joint is not None and not _is_in_tree(world, joint):
                _add_joint(world, scene, prim, joint)


def _is_added(world: FirstWorld, prim: Usd.Prim) -> bool:
    """Whether a joint is not one of OIGE's robots, nor one that such a robot has as a constraint."""
    root = world.robot_above(str(prim.GetPath()))
    if root is None or world.robots[root].file is None:
        return True
    spec = world.session.stage.GetRootLayer().GetPrimAtPath(prim.GetPath())
    if spec is None or not spec.typeName:
        return False
    targets = {last_name(str(path)) for path in UsdPhysics.Joint(prim).GetBody1Rel().GetTargets()}
    return not targets <= _anchored_links(world.robots[root].asset)


def _is_in_tree(world: FirstWorld, joint: Joint) -> bool:
    """Whether a joint below a converted robot joins its links, or one of them with the world."""
    root = world.robot_above(joint.path)
    if root is None or world.robots[root].file is not None:
        return False
    owners = {world.robot_above(body) for body in joint.bodies if body is not None}
    return owners == {root} and not any(body in world.elements for body in joint.bodies)


def _add_joint(world: FirstWorld, scene: Scene, prim: Usd.Prim, joint: Joint) -> None:
    if joint.collides:
        world.session.note(f"{joint.path}: collisions between the two bodies of the joint are left out.")
    turn = np.eye(4)
    if prim.IsA(UsdPhysics.FixedJoint):
        kind = "fixed"
    elif prim.IsA(UsdPhysics.SphericalJoint) and not any(axis.limits or axis.drive for axis in joint.axes):
        kind = "spherical"
    elif prim.IsA(UsdPhysics.RevoluteJoint) and not any(axis.limits or axis.drive for axis in joint.axes):
        kind = "revolute"
        turn[:3, :3] = np.eye(3)[:, _X_OF_AXIS[str(UsdPhysics.RevoluteJoint(prim).GetAxisAttr().Get())]]
    else:
        first, second = (body or "the world" for body in joint.bodies)
        raise CompatError(
            f"{joint.path}: a {prim.GetTypeName()} between {first} and {second}: only fixed joints, and spherical and "
            "revolute ones without limits and drives, hold bodies of which not both are links of one articulation; "
            "apply PhysicsArticulationRootAPI above both."
        )
    placed = [_frame(world, body, frame @ turn) for body, frame in zip(joint.bodies, joint.frames, strict=True)]
    add_body_joint(scene, world.name_of(joint.path), kind, *placed)


def _frame(world: FirstWorld, body: str | None, pose: np.ndarray) -> Frame:
    """Return the frame of a joint in a body of the scene, or in the world."""
    name = None
    if body is None:
        pose = rigid_inverse(np.array(world.origin).T) @ pose
    elif body in world.elements:
        name = world.name_of(body)
    else:
        root = world.robot_above(body)
        if root is None:
            raise CompatError(f"{body}: a joint holds this prim, which is no body of the scene.")
        name = f"{world.articulations[root]}/{last_name(body)}"
    x, y, z = (float(part) for part in pose[:3, 3])
    w, *vector = (float(part) for part in quaternion(pose[:3, :3]))
    return Frame(body=name, position=(x, y, z), orientation=(w, vector[0], vector[1], vector[2]))


def _anchored_links(asset: ArticulationAsset) -> set[str]:
    """Return links that a robot of OIGE attaches to the world."""
    spec = mujoco.MjSpec.from_file(str(asset.mjcf))
    return {equality.name1 for equality in spec.equalities} | {equality.name2 for equality in spec.equalities}
