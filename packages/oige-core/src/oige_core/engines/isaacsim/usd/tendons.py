"""Writes fixed tendons, which PhysX builds along the tree of links."""

import math
from collections.abc import Mapping

import numpy as np
from pxr import Sdf, Usd

from oige_core.engines.isaacsim.usd.description import FixedTendon, Joint, RobotDescription, tendon_mark
from oige_core.engines.isaacsim.usd.kinematics import link_poses
from oige_core.engines.isaacsim.usd.prims import set_values
from oige_core.engines.isaacsim.usd.rotations import compose, rotate
from oige_core.errors import CapabilityError

__all__ = ["force_coefficients", "tendon_joints", "write_tendons"]


def write_tendons(
    description: RobotDescription,
    stage: Usd.Stage,
    joints: Mapping[str, str],
    instances: Mapping[str, str],
    *,
    marked: bool,
) -> None:
    """Apply the schemas of the fixed tendons of a robot to its joints.

    Args:
        description: the robot.
        stage: the stage.
        joints: paths of the joints by name.
        instances: names of the schemas' instances by tendon.
        marked: whether their offsets are those of :func:`~oige_core.engines.isaacsim.usd.description.tendon_mark`
            instead of 0.

    Raises:
        CapabilityError: PhysX cannot build a tendon; the message names it.
    """
    for index, tendon in enumerate(description.tendons):
        chain = tendon_joints(description, tendon)
        for number, force in enumerate(force_coefficients(description, chain)):
            joint, coefficient = chain[number]
            prim, instance = stage.GetPrimAtPath(joints[joint.name]), instances[tendon.name]
            if number == 0:
                _write_root(prim, instance, tendon, tendon_mark(index) if marked else 0.0)
            else:
                prim.AddAppliedSchema(f"PhysxTendonAxisAPI:{instance}")
            _write_axis(prim, instance, joint, coefficient, float(force))


def tendon_joints(description: RobotDescription, tendon: FixedTendon) -> list[tuple[Joint, float]]:
    """Return the joints along which PhysX builds a tendon, and their coefficients, from the root on.

    PhysX needs one joint above all others, and every joint between two joints of the tendon. Added ones have the
    coefficient 0.

    Raises:
        CapabilityError: there is no joint above all others, or one between two is fixed.
    """
    coefficients = dict(tendon.joints)
    above = {joint.child: joint for joint in description.joints}
    chains = [_joints_to_root(above, next(j for j in description.joints if j.name == name)) for name in coefficients]
    common = [joint for joint in chains[0] if all(joint in chain for chain in chains)]
    title = f"robot '{description.name}': tendon '{tendon.name}'"
    if not common:
        raise CapabilityError(f"{title} has joints of branches that no joint moves together, which PhysX cannot do.")
    needed = {joint.name for chain in chains for joint in chain[: chain.index(common[0]) + 1]}
    ordered = [joint for joint in description.joints if joint.name in needed]
    for joint in ordered:
        if joint.kind == "fixed":
            raise CapabilityError(
                f"{title} has joints on both sides of link '{joint.child}', which is fixed to '{joint.parent}'; PhysX "
                "needs a joint there."
            )
    return [(joint, coefficients.get(joint.name, 0.0)) for joint in ordered]


def force_coefficients(description: RobotDescription, chain: list[tuple[Joint, float]]) -> np.ndarray:
    """Return PhysX's force coefficients ``(joints,)`` with which a tendon acts on joints by their coefficients.

    PhysX divides the length by the number of joints of the tendon. It turns the link below each joint about the joint's
    axis, and the link above the first joint, instead of that above each joint, by the same torque the other way, which
    therefore acts on all joints between. The result is exact for two joints in a row, and for parallel axes.
    """
    axes = _axes(description)
    parents = {joint.child: joint for joint, _ in chain}
    order = [joint.name for joint, _ in chain]
    acting = np.eye(len(chain))
    for column, (joint, _) in enumerate(chain):
        above = parents.get(str(joint.parent))
        while above is not None:
            if above.kind == joint.kind:
                acting[order.index(above.name), column] = axes[above.name] @ axes[joint.name]
            above = parents.get(str(above.parent))
    return len(chain) * np.linalg.solve(acting, [coefficient for _, coefficient in chain])


def _axes(description: RobotDescription) -> dict[str, np.ndarray]:
    """Return the axes of joints in the robot's frame, at the reference."""
    poses = link_poses(description)
    return {
        joint.name: rotate(compose(poses[joint.child], joint.child_frame).orientation, (1.0, 0.0, 0.0))
        for joint in description.moving_joints
    }


def _joints_to_root(above: Mapping[str, Joint], joint: Joint) -> list[Joint]:
    """Return a joint and those above it, up to the root link."""
    chain = [joint]
    while chain[-1].parent in above and above[str(chain[-1].parent)].parent is not None:
        chain.append(above[str(chain[-1].parent)])
    return chain


def _write_root(prim: Usd.Prim, instance: str, tendon: FixedTendon, offset: float) -> None:
    values = {
        "stiffness": tendon.stiffness,
        "damping": tendon.damping,
        "limitStiffness": tendon.limit_stiffness,
        "restLength": tendon.rest_length,
        "offset": offset,
    }
    if tendon.limits is not None:
        values |= {"lowerLimit": tendon.limits[0], "upperLimit": tendon.limits[1]}
    prefix = f"physxTendon:{instance}"
    set_values(prim, f"PhysxTendonAxisRootAPI:{instance}", {f"{prefix}:{key}": each for key, each in values.items()})


def _write_axis(prim: Usd.Prim, instance: str, joint: Joint, coefficient: float, force: float) -> None:
    """Write how a joint changes the length of a tendon, per degree, and how the tendon's force acts on the joint."""
    revolute = joint.kind == "revolute"
    gearing = math.radians(coefficient) if revolute else coefficient
    for name, kind, value in (
        ("gearing", Sdf.ValueTypeNames.FloatArray, [gearing]),
        ("forceCoefficient", Sdf.ValueTypeNames.FloatArray, [force]),
        ("jointAxis", Sdf.ValueTypeNames.TokenArray, ["rotX" if revolute else "transX"]),
    ):
        attribute = prim.CreateAttribute(f"physxTendon:{instance}:{name}", kind, custom=False)
        attribute.Set(value)
