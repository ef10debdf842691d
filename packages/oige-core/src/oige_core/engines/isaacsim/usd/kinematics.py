"""Poses of a robot's links in a configuration, without MuJoCo and PhysX."""

from collections.abc import Mapping

from oige_core.engines.isaacsim.usd.description import Joint, Pose, RobotDescription
from oige_core.engines.isaacsim.usd.rotations import compose, from_axis_angle, inverse

__all__ = ["link_poses"]


def link_poses(description: RobotDescription, joint_positions: Mapping[str, float] | None = None) -> dict[str, Pose]:
    """Return the poses of all links in the robot's frame.

    Args:
        description: the robot.
        joint_positions: positions by joint name, in rad or m; other joints are at their reference.
    """
    given = joint_positions or {}
    poses = {description.root.name: description.root.pose}
    waiting = [joint for joint in description.joints if joint.parent is not None]
    for joint in waiting:  # links and their joints are ordered from the root on
        frame = compose(poses[str(joint.parent)], joint.parent_frame)
        moved = compose(frame, _displacement(joint, given.get(joint.name, joint.reference)))
        poses[joint.child] = compose(moved, inverse(joint.child_frame))
    return poses


def _displacement(joint: Joint, position: float) -> Pose:
    match joint.kind:
        case "revolute":
            return Pose(orientation=tuple(from_axis_angle((1.0, 0.0, 0.0), position).tolist()))
        case "prismatic":
            return Pose(position=(position, 0.0, 0.0))
        case _:
            return Pose()
