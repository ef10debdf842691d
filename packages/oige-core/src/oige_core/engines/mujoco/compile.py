"""Compiles a scene to one ``MjModel``, with the addresses of each element of the scene."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import mujoco
import numpy as np

from oige_core.config import MujocoConfig
from oige_core.engines.joints import first_match, links_with_joint_forces, select_names
from oige_core.engines.mujoco.assets import read_asset
from oige_core.engines.mujoco.attach import attach
from oige_core.engines.mujoco.bodies import add_primitive, add_rigid_asset, prepare_bodies, surface_friction
from oige_core.engines.mujoco.body_joints import add_body_joints
from oige_core.engines.mujoco.collisions import DEFAULT_MASKS, collision_masks
from oige_core.engines.mujoco.deformables import (
    DeformableLayout,
    add_deformable,
    initial_displacements,
    lay_out_deformable,
    set_soft_body_options,
)
from oige_core.engines.mujoco.friction import (
    check_default_friction_acts,
    resolve_friction,
)
from oige_core.engines.mujoco.joint_frames import joint_frame
from oige_core.engines.mujoco.layout import (
    NO_LIMIT,
    ArticulationLayout,
    initial_joints,
    lay_out,
    prefixed,
    set_effort_bounds,
)
from oige_core.engines.mujoco.render.lights import add_lights
from oige_core.engines.mujoco.render.meshes import HeightField, add_height_field
from oige_core.engines.mujoco.rigid_assets import read_rigid_assets
from oige_core.engines.mujoco.variants import (
    Variants,
    add_further_variants,
    read_variants,
    remove_further_variants,
    with_variant,
)
from oige_core.errors import ConfigError, OigeError, nearest, one_line
from oige_core.render.appearance import CAMERA_SUN
from oige_core.scene.assets import Drive
from oige_core.scene.elements import (
    ArticulationElement,
    BodyElement,
    CameraElement,
    DeformableElement,
    GroundPlaneElement,
    HeightFieldElement,
    LinkSet,
    RigidAssetElement,
    RigidElement,
)
from oige_core.scene.primitives import Primitive
from oige_core.scene.scene import Scene

__all__ = [
    "CAMERA_AXES",
    "HIDDEN_GROUP",
    "CompiledScene",
    "compile_scene",
]

CAMERA_AXES = (0.5, 0.5, -0.5, -0.5)
"""Rotation from MuJoCo's camera frame (x right, y up, z back) to that of a scene (x forward, y left, z up)."""

HIDDEN_GROUP = 3
"""Geoms of this group and above are only for collisions."""


@dataclass
class CompiledScene:
    """A model and the addresses of its scene elements.

    Attributes:
        model: the model.
        spec: what the model was compiled from, without what is set afterwards: limits of drives.
        qpos: initial ``qpos``.
        articulations: layouts by name.
        bodies: body ids by name of a rigid element or of a set of links.
        contact_sensors: addresses in ``sensordata`` by body id.
        shapes: geom ids of the shapes that each rigid element may have, its own first.
        stated_masses: names of rigid elements whose mass is stated, instead of their density.
        deformables: layouts of soft bodies by name.
        variants: variants by name of a rigid element that has several.
    """

    model: mujoco.MjModel
    spec: mujoco.MjSpec
    qpos: np.ndarray
    articulations: dict[str, ArticulationLayout] = field(default_factory=dict)
    bodies: dict[str, list[int]] = field(default_factory=dict)
    contact_sensors: dict[int, int] = field(default_factory=dict)
    shapes: dict[str, dict[Primitive, int]] = field(default_factory=dict)
    stated_masses: set[str] = field(default_factory=set)
    deformables: dict[str, DeformableLayout] = field(default_factory=dict)
    variants: dict[str, Variants] = field(default_factory=dict)

    def other_models(self) -> list[mujoco.MjModel]:
        """Return models in which bodies with several variants have others than the first ones."""
        count = max((each.count for each in self.variants.values()), default=1)
        return [with_variant(self.model, self.variants.values(), number) for number in range(1, count)]

    def contact_pairs(self, first: str | None, second: str | None) -> np.ndarray | None:
        """Return the pairs ``(k, k)`` of geoms, and soft bodies after them, of elements or views of links; None: all.

        Args:
            first: name of one; None: all.
            second: name of the other one; None: all.

        Raises:
            OigeError: there is no such name.
        """
        if first is None and second is None:
            return None
        one, other = (self._surfaces_of(name) for name in (first, second))
        return (one[:, None] & other) | (other[:, None] & one)

    def _surfaces_of(self, name: str | None) -> np.ndarray:
        """Return which geoms and soft bodies ``(ngeom + nflex,)`` an element, or a view of links, has; None: all."""
        model = self.model
        if name is None:
            return np.ones(model.ngeom + model.nflex, bool)
        if name in self.deformables:
            return np.arange(model.ngeom + model.nflex) == model.ngeom + self.deformables[name].flex
        soft = np.zeros(model.nflex, bool)
        bodies = self.bodies | {key: layout.body_ids for key, layout in self.articulations.items()}
        if name in bodies:
            return np.concatenate([np.isin(model.geom_bodyid, bodies[name]), soft])
        static = {model.geom(geom).name: geom for geom in np.flatnonzero(model.geom_bodyid == 0)}
        if name not in static:
            known = [*bodies, *self.deformables, *static]
            raise OigeError(f"contacts of '{name}': no such element. {nearest(name, known)}")
        return np.concatenate([np.arange(model.ngeom) == static[name], soft])


def compile_scene(scene: Scene) -> CompiledScene:
    """Compile a scene.

    Raises:
        OigeError: an asset is invalid, or a setting has no effect; the message names the element or the key.
    """
    friction = scene.sim.default_physics_material.dynamic_friction
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    _set_options(spec, scene)
    assets = {e.name: read_rigid_assets(e) for e in scene.elements.values() if isinstance(e, RigidAssetElement)}
    soft = [element for element in scene.elements.values() if isinstance(element, DeformableElement)]
    if soft:
        set_soft_body_options(spec, soft, scene.sim.mujoco)
    masks = collision_masks(scene, {name: specs[0] for name, specs in assets.items()})
    for element in scene.elements.values():
        match element:
            case GroundPlaneElement():
                _add_ground_plane(spec, element)
            case HeightFieldElement():
                _add_height_field(spec, element)
            case RigidElement():
                add_primitive(spec, element, masks[element.name, DEFAULT_MASKS])
            case RigidAssetElement(name=name):
                add_rigid_asset(spec, element, assets[name][0], masks)
            case ArticulationElement():
                _add_articulation(spec, element, masks[element.name, DEFAULT_MASKS])
            case DeformableElement():
                add_deformable(spec, element, masks[element.name, DEFAULT_MASKS])
    add_body_joints(spec, scene)
    cameras = [element for element in scene.elements.values() if isinstance(element, CameraElement)]
    if cameras:
        add_lights(spec, CAMERA_SUN if scene.sim.add_distant_light else None)
    for camera in cameras:  # last, because bodies on which cameras are mounted may be added after them
        _add_camera(spec, camera)
    tracked = _tracked_bodies(spec, scene)
    for name in tracked:
        _add_contact_sensor(spec, name)
    _check_sdf_options(spec, scene.sim.mujoco)
    several = [e for e in scene.elements.values() if isinstance(e, RigidAssetElement) and len(e.assets) > 1]
    for element in several:
        add_further_variants(spec, element, assets[element.name], masks)
    defaulted = resolve_friction(spec, friction)
    model = _compile(spec, scene)
    check_default_friction_acts(model, defaulted, friction)
    variants = {}
    if several:
        with_all, names = model, [element.name for element in several]
        remove_further_variants(spec, names)
        model = _compile(spec, scene)
        variants = {name: read_variants(with_all, model, name) for name in names}
    compiled = CompiledScene(model=model, spec=spec, qpos=model.qpos0.copy(), variants=variants)
    for element in scene.elements.values():
        if isinstance(element, ArticulationElement):
            layout = compiled.articulations[element.name] = lay_out(model, element)
            set_effort_bounds(model, layout)
            compiled.qpos[layout.qpos] = initial_joints(model, layout, element, compiled.qpos[layout.qpos])
        elif isinstance(element, BodyElement):
            compiled.bodies[element.name] = [model.body(element.name).id]
        if isinstance(element, RigidElement):
            first = int(model.body_geomadr[compiled.bodies[element.name][0]])
            names = element.shape, *element.alternatives
            compiled.shapes[element.name] = {name: first + i for i, name in enumerate(names)}
            if element.mass is not None:
                compiled.stated_masses.add(element.name)
    for element in soft:
        layout = compiled.deformables[element.name] = lay_out_deformable(model, element)
        compiled.qpos[layout.qpos] = initial_displacements(element)
    for link_set in scene.link_sets:
        compiled.bodies[link_set.name] = [
            model.body(prefixed(link_set.articulation, name)).id
            for name in _link_names(compiled.articulations[link_set.articulation].body_names, link_set)
        ]
    for name in tracked:
        compiled.contact_sensors[model.body(name).id] = int(model.sensor(f"{name}:contact").adr[0])
    return compiled


def _compile(spec: mujoco.MjSpec, scene: Scene) -> mujoco.MjModel:
    try:
        return spec.compile()
    except ValueError as error:
        names, reason = ", ".join(scene.elements), one_line(error)
        if "mjMINVAL" in reason:
            reason += "; give this link a mass and an inertia, or fix the joint that moves it."
        elif "volume is too small" in reason:
            reason += "; or give the links that have it their mass and inertia as <inertial>."
        raise OigeError(f"scene of {names}: MuJoCo cannot compile it: {reason}") from error


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
    option.sdf_iterations = config.sdf_iterations
    option.sdf_initpoints = config.sdf_initpoints


def _check_sdf_options(spec: mujoco.MjSpec, config: MujocoConfig) -> None:
    """Raise if options of shapes of type ``sdf`` are set, but there are none."""
    if any(geom.type == mujoco.mjtGeom.mjGEOM_SDF for geom in spec.geoms):
        return
    for key in ("sdf_iterations", "sdf_initpoints"):
        value = getattr(config, key)
        if value != getattr(MujocoConfig, key):
            raise ConfigError(
                f"task.sim.mujoco.{key}={value}: has no effect: the scene has no shapes of type sdf; remove it."
            )


def _add_ground_plane(spec: mujoco.MjSpec, element: GroundPlaneElement) -> None:
    spec.worldbody.add_geom(
        name=element.name,
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=[0, 0, 1],
        pos=[0, 0, element.height],
        friction=surface_friction(element.material),
        rgba=element.material.color,
    )


def _add_height_field(spec: mujoco.MjSpec, element: HeightFieldElement) -> None:
    heights = element.heights
    rows, columns = heights.shape
    low = float(heights.min())
    span = max(float(heights.max()) - low, 1e-6)
    half_x = 0.5 * (rows - 1) * element.horizontal_scale
    half_y = 0.5 * (columns - 1) * element.horizontal_scale
    # Thickness below the lowest point prevents feet from tunnelling.
    field = HeightField((heights - low) / span, (half_x, half_y, span, 1.0))
    add_height_field(spec, element.name, field)
    x, y, z = element.origin
    spec.worldbody.add_geom(
        name=element.name,
        type=mujoco.mjtGeom.mjGEOM_HFIELD,
        hfieldname=element.name,
        pos=[x + half_x, y + half_y, z + low],
        friction=surface_friction(element.material),
        # A geom that touches several cells has a contact with each. If contacts are stiff from the start, they oppose
        # each other in hollows, and light feet vibrate and sink in by centimetres. Here stiffness grows over the first
        # 3 mm, and is higher from there on. The weight makes these parameters apply regardless of the other shape.
        solimp=[0.0, 0.95, 0.003, 0.5, 2.0],
        solref=[max(0.01, 2.0 * spec.option.timestep), 1.0],
        solmix=1e6,
        rgba=element.material.color,
    )


def _add_articulation(spec: mujoco.MjSpec, element: ArticulationElement, masks: tuple[int, int]) -> None:
    asset = read_asset(element)
    for geom in asset.geoms:
        if geom.contype or geom.conaffinity:
            geom.contype, geom.conaffinity = masks
    bodies = asset.bodies[1:]
    prepare_bodies(bodies, element.disable_gravity)
    for link in links_with_joint_forces(element, [body.name for body in bodies]):
        _add_joint_force_sensors(asset, asset.body(link))
    _take_medium(spec, asset, element.name)
    prefix = prefixed(element.name, "")
    attach(spec, asset, prefix, element.position, element.orientation)
    for joint in spec.joints:
        if joint.name.startswith(prefix) and joint.type != mujoco.mjtJoint.mjJNT_FREE:
            _add_drive(spec, joint, first_match(element.asset.drives, joint.name.removeprefix(prefix), Drive()))


def _take_medium(spec: mujoco.MjSpec, asset: mujoco.MjSpec, name: str) -> None:
    """Apply the fluid options of an asset to the world, which has one fluid."""
    for key in ("density", "viscosity", "wind"):
        value, present = np.array(getattr(asset.option, key)), np.array(getattr(spec.option, key))
        if not value.any() or np.array_equal(value, present):
            continue
        if present.any():
            raise OigeError(
                f"articulation '{name}': its MJCF has <option {key}={value}>, another one {present}; a world has one "
                "fluid: state the same in both."
            )
        setattr(spec.option, key, getattr(asset.option, key))


def _add_drive(spec: mujoco.MjSpec, joint: "mujoco.MjsJoint", drive: Drive) -> None:
    """Add ``force = ctrl − stiffness · q − damping · q̇``; ``ctrl`` carries targets and effort.

    Limits are set after the model is compiled, because MuJoCo's compiler does not accept limits of zero.
    """
    actuator = spec.add_actuator(
        name=joint.name,
        target=joint.name,
        trntype=mujoco.mjtTrn.mjTRN_JOINT,
        gaintype=mujoco.mjtGain.mjGAIN_FIXED,
        biastype=mujoco.mjtBias.mjBIAS_AFFINE,
        forcelimited=mujoco.mjtLimited.mjLIMITED_TRUE,
        ctrllimited=mujoco.mjtLimited.mjLIMITED_FALSE,
        forcerange=[-NO_LIMIT, NO_LIMIT],
    )
    actuator.gainprm[0] = 1.0
    actuator.biasprm[1] = -drive.stiffness
    actuator.biasprm[2] = -drive.damping


def _add_camera(spec: mujoco.MjSpec, element: CameraElement) -> None:
    parent = spec.worldbody
    bodies = {body.name: body for body in spec.bodies[1:]}
    names = {*bodies, *(name.partition("/")[0] for name in bodies), *(geom.name for geom in parent.geoms)}
    for name in element.hidden:
        if name not in names:
            raise OigeError(
                f"camera '{element.name}': hidden names '{name}', which is no element or link. {nearest(name, names)}"
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


def _add_joint_force_sensors(spec: mujoco.MjSpec, body: "mujoco.MjsBody") -> None:
    """Measure the wrench from the parent about the joint's anchor, along the axes of the joint's frame."""
    moving = (mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE)
    axes = [joint.axis for joint in body.joints if joint.type in moving]
    name = f"{body.name}:joint"
    while spec.site(name) is not None:  # assets may have any names
        name += ":"
    site = body.add_site(name=name, quat=joint_frame(axes), group=5, rgba=[0, 0, 0, 0])
    if body.joints:
        site.pos = body.joints[0].pos
        if body.joints[0].frame is not None:
            site.set_frame(body.joints[0].frame)
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
    sensor.intprm[:3] = [
        1 << int(mujoco.mjtConDataField.mjCONDATA_FORCE),
        3,
        1,
    ]  # net force in one slot


def _tracked_bodies(spec: mujoco.MjSpec, scene: Scene) -> list[str]:
    """Unique names of bodies whose contact forces are measured."""
    names: dict[str, None] = {}
    for element in scene.elements.values():
        if isinstance(element, BodyElement) and element.track_contact_forces:
            names[element.name] = None
    for link_set in scene.link_sets:
        if link_set.track_contact_forces:
            prefix = prefixed(link_set.articulation, "")
            links = [body.name.removeprefix(prefix) for body in spec.bodies if body.name.startswith(prefix)]
            names.update((prefix + link, None) for link in _link_names(links, link_set))
    return list(names)


def _link_names(names: Sequence[str], link_set: LinkSet) -> list[str]:
    return select_names(link_set.links, names, f"links of '{link_set.articulation}'")
