"""From a scene to one ``MjModel``, and the table of where each element of the scene lies in it."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import mujoco
import numpy as np

from oige_core.config import MujocoConfig
from oige_core.errors import CapabilityError, OigeError, nearest
from oige_core.scene.assets import Drive
from oige_core.scene.scene import (
    ArticulationElement,
    CameraElement,
    GroundPlaneElement,
    HeightFieldElement,
    LinkSet,
    RigidElement,
    Scene,
)

__all__ = [
    "CAMERA_AXES",
    "HIDDEN_GROUP",
    "NO_LIMIT",
    "ArticulationLayout",
    "CompiledScene",
    "compile_scene",
    "prefixed",
    "select_names",
]

NO_LIMIT = 1e30
"""Written in place of an infinite bound, in single precision too."""

CAMERA_AXES = (0.5, 0.5, -0.5, -0.5)
"""Turns MuJoCo's camera frame (x right, y up, z back) into that of a scene's cameras (x forward, y left, z up)."""

HIDDEN_GROUP = 3
"""Geoms of this group and above only collide."""

# A body with some compensation at compile time is one whose compensation can be changed at run time.
_GRAVITY_COMPENSATION_OFF = 1e-12

_SHAPES = {
    "sphere": mujoco.mjtGeom.mjGEOM_SPHERE,
    "box": mujoco.mjtGeom.mjGEOM_BOX,
    "capsule": mujoco.mjtGeom.mjGEOM_CAPSULE,
    "cylinder": mujoco.mjtGeom.mjGEOM_CYLINDER,
}

_SELF_COLLISION_BITS = 31

_OPTIONS = [name for name in dir(mujoco.MjSpec().option) if not name.startswith("_")]

ValueT = TypeVar("ValueT")


@dataclass
class ArticulationLayout:
    """Where an articulation lies in the model. Orders are breadth first.

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
        force_sensors: addresses in ``sensordata`` of joint force and torque, by the index of the link; of tracked ones.
        subtrees: ``(bodies, bodies)``; whether the second link is the first or hangs on it.
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
    subtrees: np.ndarray


@dataclass
class CompiledScene:
    """A model, and where the elements of its scene are.

    Attributes:
        model: the model.
        qpos: initial ``qpos``.
        articulations: layouts by name.
        bodies: body ids by name of a rigid element or of a set of links.
        contact_sensors: addresses in ``sensordata`` by body id.
    """

    model: mujoco.MjModel
    qpos: np.ndarray
    articulations: dict[str, ArticulationLayout] = field(default_factory=dict)
    bodies: dict[str, list[int]] = field(default_factory=dict)
    contact_sensors: dict[int, int] = field(default_factory=dict)


def compile_scene(scene: Scene) -> CompiledScene:
    """Compile a scene.

    Raises:
        OigeError: an asset is invalid; the message names the element.
    """
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    _set_options(spec, scene)
    masks = _collision_masks(scene)
    for element in scene.elements.values():
        match element:
            case GroundPlaneElement():
                _add_ground_plane(spec, element)
            case HeightFieldElement():
                _add_height_field(spec, element)
            case RigidElement():
                _add_rigid(spec, element, masks[element.name])
            case ArticulationElement():
                _add_articulation(spec, element, masks[element.name])
    cameras = [element for element in scene.elements.values() if isinstance(element, CameraElement)]
    if cameras:
        _add_lights(spec, sun=scene.sim.add_distant_light)
    for camera in cameras:  # last: what they are mounted on may be added after them
        _add_camera(spec, camera)
    tracked = _tracked_bodies(spec, scene)
    for name in tracked:
        _add_contact_sensor(spec, name)
    try:
        model = spec.compile()
    except ValueError as error:
        names = ", ".join(scene.elements)
        raise OigeError(f"scene of {names}: MuJoCo cannot compile it: {_one_line(error)}") from error
    compiled = CompiledScene(model=model, qpos=model.qpos0.copy())
    for element in scene.elements.values():
        if isinstance(element, ArticulationElement):
            compiled.articulations[element.name] = _layout(model, element)
            _set_initial_joints(compiled, element)
        elif isinstance(element, RigidElement):
            compiled.bodies[element.name] = [model.body(element.name).id]
    for link_set in scene.link_sets:
        compiled.bodies[link_set.name] = [
            model.body(prefixed(link_set.articulation, name)).id
            for name in _link_names(compiled.articulations[link_set.articulation].body_names, link_set)
        ]
    for name in tracked:
        compiled.contact_sensors[model.body(name).id] = int(model.sensor(f"{name}:contact").adr[0])
    return compiled


def select_names(pattern: Sequence[str] | str, names: Sequence[str], what: str) -> list[str]:
    """Return the names that a list names, or that a regular expression matches in full.

    Raises:
        OigeError: a name is unknown, or nothing matches.
    """
    if isinstance(pattern, str):
        try:
            chosen = [name for name in names if re.fullmatch(pattern, name)]
        except re.error as error:
            raise OigeError(f"{what} '{pattern}': not a regular expression: {error}.") from error
        if not chosen:
            raise OigeError(f"{what} '{pattern}': matches none. {nearest(pattern, names)}")
        return chosen
    for name in pattern:
        if name not in names:
            raise OigeError(f"{what} '{name}': unknown. {nearest(name, names)}")
    return list(pattern)


def prefixed(element: str, name: str) -> str:
    """Return the model's name of a part of an articulation."""
    return f"{element}/{name}"


def _first_match(patterns: Mapping[str, ValueT], name: str, default: ValueT) -> ValueT:
    for pattern, value in patterns.items():
        if re.fullmatch(pattern, name):
            return value
    return default


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _set_options(spec: mujoco.MjSpec, scene: Scene) -> None:
    config: MujocoConfig = scene.sim.mujoco
    option = spec.option
    option.timestep = scene.sim.dt / scene.sim.substeps
    option.gravity = scene.sim.gravity
    option.integrator = {
        "euler": mujoco.mjtIntegrator.mjINT_EULER,
        "implicit": mujoco.mjtIntegrator.mjINT_IMPLICIT,
        "implicitfast": mujoco.mjtIntegrator.mjINT_IMPLICITFAST,
        "discrete": mujoco.mjtIntegrator.mjINT_DISCRETE,
        "rk4": mujoco.mjtIntegrator.mjINT_RK4,
    }[config.integrator]
    option.cone = {"elliptic": mujoco.mjtCone.mjCONE_ELLIPTIC, "pyramidal": mujoco.mjtCone.mjCONE_PYRAMIDAL}[
        config.cone
    ]
    option.solver = {"newton": mujoco.mjtSolver.mjSOL_NEWTON, "cg": mujoco.mjtSolver.mjSOL_CG}[config.solver]
    option.iterations = config.iterations
    option.ls_iterations = config.ls_iterations
    option.tolerance = config.tolerance
    option.impratio = config.impratio
    option.noslip_iterations = config.noslip_iterations
    option.ccd_iterations = config.ccd_iterations


def _collision_masks(scene: Scene) -> dict[str, tuple[int, int]]:
    """Give each moving element a bit of its own: it collides with everything, with itself only where that is wanted."""
    moving = [e for e in scene.elements.values() if isinstance(e, ArticulationElement | RigidElement)]
    if len(moving) >= _SELF_COLLISION_BITS:
        raise CapabilityError(
            f"the scene has {len(moving)} moving elements: the embedded engine takes up to {_SELF_COLLISION_BITS - 1}."
        )
    everything = (1 << _SELF_COLLISION_BITS) - 1
    masks = {}
    for index, element in enumerate(moving):
        own = 1 << (index + 1)
        masks[element.name] = (own, everything if element.actor.enable_self_collisions == 1 else everything & ~own)
    return masks


def _add_ground_plane(spec: mujoco.MjSpec, element: GroundPlaneElement) -> None:
    spec.worldbody.add_geom(
        name=element.name,
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=[0, 0, 1],
        pos=[0, 0, element.height],
        friction=[element.material.friction, 0.005, 0.0001],
        rgba=element.material.color,
    )


def _add_height_field(spec: mujoco.MjSpec, element: HeightFieldElement) -> None:
    heights = element.heights
    rows, columns = heights.shape
    low = float(heights.min())
    span = max(float(heights.max()) - low, 1e-6)
    half_x = 0.5 * (rows - 1) * element.horizontal_scale
    half_y = 0.5 * (columns - 1) * element.horizontal_scale
    # MuJoCo's rows run along y and its columns along x; thickness below the lowest point keeps feet from tunnelling.
    spec.add_hfield(
        name=element.name,
        nrow=columns,
        ncol=rows,
        size=[half_x, half_y, span, 1.0],
        userdata=((heights - low) / span).T.ravel(),
    )
    x, y, z = element.origin
    spec.worldbody.add_geom(
        name=element.name,
        type=mujoco.mjtGeom.mjGEOM_HFIELD,
        hfieldname=element.name,
        pos=[x + half_x, y + half_y, z + low],
        friction=[element.material.friction, 0.005, 0.0001],
        # What touches several cells has a contact with each. If contacts are stiff from the start, these work against
        # each other in hollows: light feet rattle and are driven in by centimetres. Here stiffness grows over the first
        # 3 mm, and is higher from there on. The weight makes these figures hold whatever the other shape says.
        solimp=[0.0, 0.95, 0.003, 0.5, 2.0],
        solref=[max(0.01, 2.0 * spec.option.timestep), 1.0],
        solmix=1e6,
        rgba=element.material.color,
    )


def _add_rigid(spec: mujoco.MjSpec, element: RigidElement, masks: tuple[int, int]) -> None:
    body = spec.worldbody.add_body(
        name=element.name, pos=element.position, quat=element.orientation, mocap=element.kinematic
    )
    if not element.kinematic:
        body.add_freejoint()
    size = {
        "sphere": lambda radius: [radius, 0, 0],
        "box": lambda x, y, z: [x / 2, y / 2, z / 2],
        "capsule": lambda radius, length: [radius, length / 2, 0],
        "cylinder": lambda radius, length: [radius, length / 2, 0],
    }[element.shape](*element.size)
    contype, conaffinity = masks if element.collision else (0, 0)
    geom = body.add_geom(
        type=_SHAPES[element.shape],
        size=size,
        density=element.density,
        contype=contype,
        conaffinity=conaffinity,
        friction=[element.material.friction, 0.005, 0.0001],
        rgba=element.material.color,
    )
    if element.mass is not None:
        geom.mass = element.mass
    _prepare_bodies([body], element.disable_gravity)


def _add_articulation(spec: mujoco.MjSpec, element: ArticulationElement, masks: tuple[int, int]) -> None:
    asset = _read_asset(element)
    for part in [*asset.actuators, *asset.sensors, *asset.keys]:
        asset.delete(part)
    for geom in asset.geoms:
        if geom.contype or geom.conaffinity:
            geom.contype, geom.conaffinity = masks
        if element.actor.density > 0:
            geom.density = element.actor.density
    bodies = asset.bodies[1:]
    _prepare_bodies(bodies, element.disable_gravity)
    for link in _links_with_joint_forces(element, [body.name for body in bodies]):
        _add_joint_force_sensors(asset, asset.body(link))
    root = bodies[0]
    root.pos, root.quat, root.alt.type = [0, 0, 0], [1, 0, 0, 0], mujoco.mjtOrientation.mjORIENTATION_QUAT
    # Options of the scene hold; MuJoCo would warn about others in the asset.
    for name in _OPTIONS:
        setattr(asset.option, name, getattr(spec.option, name))
    prefix = prefixed(element.name, "")
    spec.worldbody.add_frame(pos=element.position, quat=element.orientation).attach_body(root, prefix, "")
    for joint in spec.joints:
        if joint.name.startswith(prefix) and joint.type != mujoco.mjtJoint.mjJNT_FREE:
            _add_drive(spec, joint, _first_match(element.asset.drives, joint.name.removeprefix(prefix), Drive()))


def _read_asset(element: ArticulationElement) -> mujoco.MjSpec:
    """Return an asset's MJCF, of one tree with named links and joints, for whose names its patterns are meant."""
    source, title = element.asset.mjcf, f"articulation '{element.name}'"
    try:
        asset = mujoco.MjSpec.from_file(str(source)) if isinstance(source, Path) else mujoco.MjSpec.from_string(source)
    except (ValueError, OSError) as error:
        raise OigeError(f"{title}: MuJoCo cannot read its MJCF: {_one_line(error)}") from error
    roots = asset.worldbody.bodies
    if len(roots) != 1:
        raise OigeError(f"{title}: its MJCF has {len(roots)} root bodies, expected one.")
    joints = [joint for joint in asset.joints if joint.type != mujoco.mjtJoint.mjJNT_FREE]
    for joint in joints:
        if joint.type == mujoco.mjtJoint.mjJNT_BALL:
            raise OigeError(f"{title}: joint '{joint.name}' is a ball; use three hinges.")
    for kind, named in (("body", asset.bodies), ("joint", joints)):
        if not all(part.name for part in named):
            raise OigeError(f"{title}: a {kind} in its MJCF has no name; name all bodies and joints.")
    names = [joint.name for joint in joints]
    for pattern in [*element.asset.drives, *element.asset.joint_positions]:
        select_names(pattern, names, f"joints of '{element.name}'")
    return asset


def _add_drive(spec: mujoco.MjSpec, joint: "mujoco.MjsJoint", drive: Drive) -> None:
    """Add ``force = ctrl − stiffness · q − damping · q̇`` within bounds; ``ctrl`` carries targets and effort."""
    bound = min(drive.max_effort, NO_LIMIT)
    actuator = spec.add_actuator(
        name=joint.name,
        target=joint.name,
        trntype=mujoco.mjtTrn.mjTRN_JOINT,
        gaintype=mujoco.mjtGain.mjGAIN_FIXED,
        biastype=mujoco.mjtBias.mjBIAS_AFFINE,
        forcelimited=mujoco.mjtLimited.mjLIMITED_TRUE,
        ctrllimited=mujoco.mjtLimited.mjLIMITED_FALSE,
        forcerange=[-bound, bound],
    )
    actuator.gainprm[0] = 1.0
    actuator.biasprm[1] = -drive.stiffness
    actuator.biasprm[2] = -drive.damping


def _add_camera(spec: mujoco.MjSpec, element: CameraElement) -> None:
    parent = spec.worldbody
    bodies = {body.name: body for body in spec.bodies[1:]}
    names = {*bodies, *(name.partition("/")[0] for name in bodies), *(geom.name for geom in parent.geoms)}
    for name in element.unseen:
        if name not in names:
            raise OigeError(
                f"camera '{element.name}': no element or link '{name}' to leave out. {nearest(name, names)}"
            )
    if element.parent is not None:
        if element.parent not in bodies:
            raise OigeError(
                f"camera '{element.name}': no body or link '{element.parent}'. {nearest(element.parent, bodies)}"
            )
        parent = bodies[element.parent]
    orientation = np.empty(4)
    mujoco.mju_mulQuat(orientation, np.array(element.orientation), np.array(CAMERA_AXES))
    half_height = math.tan(0.5 * element.horizontal_fov) * element.height / element.width
    parent.add_camera(
        name=element.name,
        pos=element.position,
        quat=orientation,
        fovy=math.degrees(2.0 * math.atan(half_height)),
        resolution=[element.width, element.height],
    )


def _add_lights(spec: mujoco.MjSpec, *, sun: bool) -> None:
    """Light the scene from where the camera is, and from the sky where that is wanted."""
    headlight = spec.visual.headlight
    headlight.ambient, headlight.diffuse, headlight.specular = [0.45] * 3, [0.4] * 3, [0.05] * 3
    if sun:
        spec.worldbody.add_light(
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
            pos=[0, 0, 10],
            dir=[0.35, 0.25, -0.9],
            diffuse=[0.45] * 3,
            specular=[0.1] * 3,
        )


def _links_with_joint_forces(element: ArticulationElement, links: Sequence[str]) -> list[str]:
    tracked = element.track_joint_forces
    if isinstance(tracked, bool):
        return list(links) if tracked else []
    return select_names(tracked, links, f"track_joint_forces of '{element.name}', link")


def _add_joint_force_sensors(spec: mujoco.MjSpec, body: "mujoco.MjsBody") -> None:
    """Measure the wrench from the parent about the joint's anchor, along the link's axes."""
    anchor = body.joints[0].pos if body.joints else [0, 0, 0]
    site = body.add_site(name=f"{body.name}:joint", pos=anchor, group=5, rgba=[0, 0, 0, 0])
    for kind, sensor in (("force", mujoco.mjtSensor.mjSENS_FORCE), ("torque", mujoco.mjtSensor.mjSENS_TORQUE)):
        spec.add_sensor(
            name=f"{body.name}:joint_{kind}", type=sensor, objtype=mujoco.mjtObj.mjOBJ_SITE, objname=site.name
        )


def _add_contact_sensor(spec: mujoco.MjSpec, body: str) -> None:
    """Measure the net contact force, in the world frame, with which a body acts on others."""
    sensor = spec.add_sensor(
        name=f"{body}:contact",
        type=mujoco.mjtSensor.mjSENS_CONTACT,
        objtype=mujoco.mjtObj.mjOBJ_BODY,
        objname=body,
    )
    sensor.intprm[:3] = [1 << int(mujoco.mjtConDataField.mjCONDATA_FORCE), 3, 1]  # force; reduced to the net; one slot


def _prepare_bodies(bodies: Iterable["mujoco.MjsBody"], disable_gravity: bool | None) -> None:
    """Compile bodies such that their centres of mass, principal axes and weights can be changed at run time."""
    for body in bodies:
        body.simple = 0
        if disable_gravity is not None:
            body.gravcomp = 1.0 if disable_gravity else _GRAVITY_COMPENSATION_OFF


def _tracked_bodies(spec: mujoco.MjSpec, scene: Scene) -> list[str]:
    """Names of bodies whose contact forces are measured, each once."""
    names: dict[str, None] = {}
    for element in scene.elements.values():
        if isinstance(element, RigidElement) and element.track_contact_forces:
            names[element.name] = None
    for link_set in scene.link_sets:
        if link_set.track_contact_forces:
            prefix = prefixed(link_set.articulation, "")
            links = [body.name.removeprefix(prefix) for body in spec.bodies if body.name.startswith(prefix)]
            names.update((prefix + link, None) for link in _link_names(links, link_set))
    return list(names)


def _link_names(names: Sequence[str], link_set: LinkSet) -> list[str]:
    return select_names(link_set.links, names, f"links of '{link_set.articulation}'")


def _layout(model: mujoco.MjModel, element: ArticulationElement) -> ArticulationLayout:
    prefix = prefixed(element.name, "")
    root = next(i for i in range(1, model.nbody) if model.body(i).name.startswith(prefix))
    bodies = [root]
    for body in bodies:  # grows while it is walked: breadth first
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
    sensors = {names.index(link): f"{prefix}{link}:joint_" for link in _links_with_joint_forces(element, names)}
    return ArticulationLayout(
        body_names=names,
        body_ids=[int(body) for body in bodies],
        dof_names=dof_names,
        joint_ids=[int(joint) for joint in joints],
        joint_links=[bodies.index(model.jnt_bodyid[joint]) for joint in joints],
        qpos=[int(model.jnt_qposadr[joint]) for joint in joints],
        dofs=[int(model.jnt_dofadr[joint]) for joint in joints],
        actuators=[int(model.actuator(model.joint(joint).name).id) for joint in joints],
        drives=[_first_match(element.asset.drives, name, Drive()) for name in dof_names],
        floating=bool(floating),
        root_qpos=int(model.jnt_qposadr[first_joint]) if floating else -1,
        root_dof=int(model.jnt_dofadr[first_joint]) if floating else -1,
        tendon_ids=tendons,
        force_sensors={
            link: (int(model.sensor(f"{name}force").adr[0]), int(model.sensor(f"{name}torque").adr[0]))
            for link, name in sensors.items()
        },
        subtrees=subtrees,
    )


def _set_initial_joints(compiled: CompiledScene, element: ArticulationElement) -> None:
    layout = compiled.articulations[element.name]
    for name, address in zip(layout.dof_names, layout.qpos, strict=True):
        compiled.qpos[address] = _first_match(element.asset.joint_positions, name, compiled.qpos[address])
