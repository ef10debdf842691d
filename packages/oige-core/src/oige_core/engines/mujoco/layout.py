"""Addresses of an articulation in a compiled model."""

import dataclasses
import math
from dataclasses import dataclass

import mujoco
import numpy as np

from oige_core.engines.joints import first_match, initial_positions, links_with_joint_forces
from oige_core.errors import CapabilityError
from oige_core.scene.assets import Drive
from oige_core.scene.elements import ArticulationElement

__all__ = [
    "NO_LIMIT",
    "ArticulationLayout",
    "initial_joints",
    "lay_out",
    "prefixed",
    "set_effort_bounds",
]


NO_LIMIT = 1e30
"""Replaces an infinite limit, also in single precision."""


@dataclass
class ArticulationLayout:
    """Addresses of an articulation in the model, in breadth-first order.

    Attributes:
        body_names: link names without the articulation's prefix.
        body_ids: ids of the links.
        dof_names: joint names without the prefix.
        joint_ids: ids of the joints.
        joint_links: indices of the links that the joints move.
        qpos: addresses of the joints in ``qpos``.
        dofs: addresses of the joints in ``qvel``.
        actuators: ids of the joints' drives.
        drives: the joints' drives.
        floating: whether the root has a free joint.
        root_qpos: address of the free joint in ``qpos``.
        root_dof: address of the free joint in ``qvel``.
        tendon_ids: ids of the fixed tendons.
        force_sensors: addresses in ``sensordata`` of joint force and torque, by index of the tracked link.
        force_sites: ids of the sites at the joints' anchors, oriented as the joints' frames, by the same index.
        subtrees: ``(bodies, bodies)``; whether the second link is the first one or a descendant of it.
    """

    body_names: list[str]
    body_ids: list[int]
    dof_names: list[str]
    joint_ids: list[int]
    joint_links: list[int]
    qpos: list[int]
    dofs: list[int]
    actuators: list[int]
    drives: list[Drive]
    floating: bool
    root_qpos: int
    root_dof: int
    tendon_ids: list[int]
    force_sensors: dict[int, tuple[int, int]]
    force_sites: dict[int, int]
    subtrees: np.ndarray


def prefixed(element: str, name: str) -> str:
    """Return the name in the model of an element of an articulation."""
    return f"{element}/{name}"


def lay_out(model: mujoco.MjModel, element: ArticulationElement) -> ArticulationLayout:
    """Find the addresses of an articulation in the compiled model."""
    prefix = prefixed(element.name, "")
    root = next(i for i in range(1, model.nbody) if model.body(i).name.startswith(prefix))
    bodies = [root]
    for body in bodies:  # grows during the iteration, which makes it breadth-first
        bodies.extend(child for child in range(body + 1, model.nbody) if model.body_parentid[child] == body)
    subtrees = np.eye(len(bodies), dtype=bool)
    for index, body in enumerate(bodies[1:], start=1):
        subtrees[:, index] |= subtrees[:, bodies.index(model.body_parentid[body])]
    joints = [
        joint
        for body in bodies
        for joint in range(model.body_jntadr[body], model.body_jntadr[body] + model.body_jntnum[body])
        if model.jnt_type[joint] != mujoco.mjtJoint.mjJNT_FREE
    ]
    dof_names = [model.joint(joint).name.removeprefix(prefix) for joint in joints]
    first_joint = model.body_jntadr[root]
    floating = first_joint >= 0 and model.jnt_type[first_joint] == mujoco.mjtJoint.mjJNT_FREE
    tendons = [
        tendon
        for tendon in range(model.ntendon)
        if model.tendon(tendon).name.startswith(prefix)
        and model.wrap_type[model.tendon_adr[tendon]] == mujoco.mjtWrap.mjWRAP_JOINT
    ]
    names = [model.body(body).name.removeprefix(prefix) for body in bodies]
    sensors = {names.index(link): f"{prefix}{link}:joint_" for link in links_with_joint_forces(element, names)}
    return ArticulationLayout(
        body_names=names,
        body_ids=[int(body) for body in bodies],
        dof_names=dof_names,
        joint_ids=[int(joint) for joint in joints],
        joint_links=[bodies.index(model.jnt_bodyid[joint]) for joint in joints],
        qpos=[int(model.jnt_qposadr[joint]) for joint in joints],
        dofs=[int(model.jnt_dofadr[joint]) for joint in joints],
        actuators=[int(model.actuator(model.joint(joint).name).id) for joint in joints],
        drives=[_drive(model, joint, element, name) for joint, name in zip(joints, dof_names, strict=True)],
        floating=bool(floating),
        root_qpos=int(model.jnt_qposadr[first_joint]) if floating else -1,
        root_dof=int(model.jnt_dofadr[first_joint]) if floating else -1,
        tendon_ids=tendons,
        force_sensors={
            link: (int(model.sensor(f"{name}force").adr[0]), int(model.sensor(f"{name}torque").adr[0]))
            for link, name in sensors.items()
        },
        force_sites={link: int(model.sensor(f"{name}force").objid[0]) for link, name in sensors.items()},
        subtrees=subtrees,
    )


def _drive(model: mujoco.MjModel, joint: int, element: ArticulationElement, name: str) -> Drive:
    """Return the drive of a joint, limited to the joint's own effort limit in the asset."""
    drive = first_match(element.asset.drives, name, Drive())
    if not model.jnt_actfrclimited[joint]:
        return drive
    if model.jnt_actgravcomp[joint]:
        raise CapabilityError(
            f"articulation '{element.name}': joint '{name}' has actuatorfrcrange and actuatorgravcomp; remove one: "
            "a drive has no limit that it shares with gravity compensation."
        )
    low, high = map(float, model.jnt_actfrcrange[joint])
    if low != -high:
        raise CapabilityError(
            f"articulation '{element.name}': joint '{name}' has actuatorfrcrange [{low:g}, {high:g}]; expected the "
            "same limit in both directions."
        )
    return dataclasses.replace(drive, max_effort=min(drive.max_effort, high))


def set_effort_bounds(model: mujoco.MjModel, layout: ArticulationLayout) -> None:
    """Move all effort limits, including those of joints, into the drives, where they can be read and changed."""
    bounds = np.minimum([drive.max_effort for drive in layout.drives], NO_LIMIT)
    model.actuator_forcerange[layout.actuators] = np.stack((-bounds, bounds), axis=-1)
    model.jnt_actfrclimited[layout.joint_ids] = 0


def initial_joints(
    model: mujoco.MjModel, layout: ArticulationLayout, element: ArticulationElement, positions: np.ndarray
) -> np.ndarray:
    """Return joint positions ``(joints,)``: those of the asset, and ``positions`` for other joints.

    Raises:
        OigeError: a position of the asset is beyond the joint's limits.
    """
    limits = [
        tuple(model.jnt_range[joint].tolist()) if model.jnt_limited[joint] else (-math.inf, math.inf)
        for joint in layout.joint_ids
    ]
    slides = model.jnt_type[layout.joint_ids] == mujoco.mjtJoint.mjJNT_SLIDE
    units = ["m" if slide else "rad" for slide in slides]
    return initial_positions(element, layout.dof_names, limits, units, positions)
