"""Describes robots from their MJCF or URDF files, as MuJoCo compiles them. This is the only part that needs MuJoCo."""

from collections.abc import Iterator, Mapping

import mujoco
import numpy as np

from oige_core.config import ActorConfig
from oige_core.engines.isaacsim.usd.description import (
    FixedTendon,
    Joint,
    Link,
    Loop,
    MassProperties,
    Mesh,
    Pose,
    RobotDescription,
    Shape,
    ShapeKind,
    unused_name,
)
from oige_core.engines.isaacsim.usd.rotations import compose, from_axis_angle
from oige_core.engines.mujoco.assets import read_asset
from oige_core.engines.mujoco.compile import HIDDEN_GROUP
from oige_core.engines.mujoco.friction import DEFAULT_FRICTION
from oige_core.engines.mujoco.joint_frames import joint_frame
from oige_core.errors import CapabilityError, ConfigError, OigeError, one_line
from oige_core.scene.assets import ArticulationAsset
from oige_core.scene.elements import ArticulationElement

__all__ = ["describe", "describe_model"]

_HELPER_SHARE = 1e-6
"""Mass and inertia of a helper link relative to those of its body."""

_LEAST_SHARE, _LEAST_RADIUS = 1e-6, 0.01
"""Mass of a link without mass relative to that of the robot, and the least radius of gyration in m: USD reads zeros as
not stated."""

_GEOM, _JOINT, _EQUALITY = mujoco.mjtGeom, mujoco.mjtJoint, mujoco.mjtEq
_KINDS: Mapping[mujoco.mjtGeom, tuple[ShapeKind, int]] = {
    _GEOM.mjGEOM_SPHERE: ("sphere", 1),
    _GEOM.mjGEOM_BOX: ("box", 3),
    _GEOM.mjGEOM_CAPSULE: ("capsule", 2),
    _GEOM.mjGEOM_CYLINDER: ("cylinder", 2),
    _GEOM.mjGEOM_ELLIPSOID: ("ellipsoid", 3),
    _GEOM.mjGEOM_MESH: ("mesh", 0),
    _GEOM.mjGEOM_SDF: ("sdf", 0),
}
"""Kinds of shapes, and how many of MuJoCo's three sizes they have."""


def describe(asset: ArticulationAsset, name: str = "robot") -> RobotDescription:
    """Return the description of an asset. Its drives and initial joint positions are not part of it.

    Args:
        asset: the asset; its USD file is not read.
        name: of the articulation in messages.

    Raises:
        OigeError: the asset is invalid, or has something that neither PhysX nor the description can express.
    """
    spec = _read(asset, name, ActorConfig())
    title = f"articulation '{name}'"
    for key in ("density", "viscosity", "wind"):
        if np.any(getattr(spec.option, key)):
            raise CapabilityError(
                f"{title}: its MJCF has <option {key}={getattr(spec.option, key)}>, but PhysX has no fluid around "
                "bodies; remove it, or use the embedded engine."
            )
    if spec.pairs:
        raise CapabilityError(
            f"{title}: its MJCF has contact pairs, which PhysX lacks; give the shapes contype and conaffinity, and let "
            "<exclude> name links that do not collide."
        )
    for geom in spec.geoms:
        if geom.type == _GEOM.mjGEOM_SDF:
            raise CapabilityError(
                f"{title}: shape '{geom.name}' of link '{geom.parent.name}' is an sdf, which Isaac Sim cannot simulate "
                "as part of a robot; use a sphere, box, capsule, cylinder, ellipsoid or mesh."
            )
    return _Reader(_compile(spec, title), _unit_density(asset, name), spec.modelname, title).description()


def describe_model(spec: mujoco.MjSpec, title: str) -> tuple[mujoco.MjModel, RobotDescription]:
    """Compile a specification of one tree of bodies, and describe it.

    Args:
        spec: the specification.
        title: start of messages.

    Raises:
        OigeError: MuJoCo cannot compile it, or it has a shape that the description cannot express.
    """
    model = _compile(spec, title)
    return model, _Reader(model, None, spec.modelname, title).description()


def _read(asset: ArticulationAsset, name: str, actor: ActorConfig) -> mujoco.MjSpec:
    element = ArticulationElement(
        name=name,
        asset=asset,
        position=(0.0, 0.0, 0.0),
        orientation=(1.0, 0.0, 0.0, 0.0),
        track_joint_forces=False,
        disable_gravity=None,
        actor=actor,
    )
    spec = read_asset(element)
    root = spec.worldbody.bodies[0]
    root.pos, root.quat, root.alt.type = [0, 0, 0], [1, 0, 0, 0], mujoco.mjtOrientation.mjORIENTATION_QUAT
    spec.compiler.fusestatic = False
    return spec


def _compile(spec: mujoco.MjSpec, title: str) -> mujoco.MjModel:
    try:
        return spec.compile()
    except ValueError as error:
        raise OigeError(f"{title}: MuJoCo cannot compile its MJCF: {one_line(error)}") from error


def _unit_density(asset: ArticulationAsset, name: str) -> mujoco.MjModel | None:
    """Return the model whose shapes have a density of 1 kg/m³; None if the asset states masses of links."""
    try:
        spec = _read(asset, name, ActorConfig(density=1.0))
    except ConfigError:
        return None
    spec.compiler.boundmass = spec.compiler.boundinertia = 0.0
    try:
        return spec.compile()
    except ValueError:  # masses below what MuJoCo accepts
        return None


class _Reader:
    """Reads a compiled model of one robot.

    Args:
        model: the model.
        unit_density: the model whose shapes have a density of 1 kg/m³, if there is one.
        name: of the model.
        title: start of messages.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        unit_density: mujoco.MjModel | None,
        name: str,
        title: str,
    ) -> None:
        self._model = model
        self._unit_density = unit_density
        self._name = name
        self._title = title
        self._bodies = [1]
        for body in self._bodies:  # grows during the iteration, which makes it breadth-first
            self._bodies.extend(np.flatnonzero(model.body_parentid == body).tolist())
        self._taken = {model.body(body).name for body in self._bodies}
        self._taken |= {model.joint(joint).name for joint in range(model.njnt)}

    def description(self) -> RobotDescription:
        """Return the description."""
        model = self._model
        poses = {0: Pose()}
        links: list[Link] = []
        joints: list[Joint] = []
        for body in self._bodies:
            parent = int(model.body_parentid[body])
            poses[body] = compose(poses[parent], _pose(model.body_pos[body], model.body_quat[body]))
            helpers, joined = self._joints(body, None if parent == 0 else model.body(parent).name, poses[body])
            links += [*helpers, self._link(body, poses[body])]
            joints += joined
        return RobotDescription(
            name=self._name,
            floating=self._is_floating(),
            links=tuple(links),
            joints=tuple(joints),
            tendons=tuple(self._tendons()),
            loops=tuple(self._loops()),
            exclusions=tuple(self._exclusions()),
            meshes={model.mesh(mesh).name: self._mesh(mesh) for mesh in range(model.nmesh)},
        )

    def _is_floating(self) -> bool:
        return bool(self._model.njnt and self._model.jnt_type[0] == _JOINT.mjJNT_FREE)

    def _link(self, body: int, pose: Pose) -> Link:
        model = self._model
        joints = self._joints_of(body)
        frame = joint_frame([model.jnt_axis[joint] for joint in joints])
        return Link(
            name=model.body(body).name,
            pose=pose,
            mass=_mass(model, body),
            unit_density=None if self._unit_density is None else _mass(self._unit_density, body),
            shapes=tuple(self._shape(geom) for geom in self._geoms_of(body)),
            force_frame=_pose(model.jnt_pos[joints[0]] if joints else np.zeros(3), frame),
        )

    def _geoms_of(self, body: int) -> range:
        first = int(self._model.body_geomadr[body])
        return range(first, first + int(self._model.body_geomnum[body])) if first >= 0 else range(0)

    def _joints_of(self, body: int) -> list[int]:
        """Joints of a body with one degree of freedom."""
        first = int(self._model.body_jntadr[body])
        if first < 0 or self._model.jnt_type[first] == _JOINT.mjJNT_FREE:
            return []
        return list(range(first, first + int(self._model.body_jntnum[body])))

    def _shape(self, geom: int) -> Shape:
        model = self._model
        owner, own_name = model.body(model.geom_bodyid[geom]).name, model.geom(geom).name
        name = own_name or f"{owner}_shape_{geom - model.body_geomadr[model.geom_bodyid[geom]]}"
        if _GEOM(model.geom_type[geom]) not in _KINDS:
            kind = _GEOM(model.geom_type[geom]).name.removeprefix("mjGEOM_").lower()
            raise CapabilityError(
                f"{self._title}: shape '{name}' of link '{owner}' is a {kind}, which Isaac Sim cannot simulate as part "
                "of a robot; use a sphere, box, capsule, cylinder, ellipsoid or mesh."
            )
        kind, sizes = _KINDS[_GEOM(model.geom_type[geom])]
        friction = float(model.geom_friction[geom, 0])
        color = model.geom_rgba[geom] if model.geom_matid[geom] < 0 else model.mat_rgba[model.geom_matid[geom]]
        return Shape(
            name=name,
            kind=kind,
            size=_numbers(model.geom_size[geom, :sizes]),
            pose=_pose(model.geom_pos[geom], model.geom_quat[geom]),
            color=(*_pair(color[:2]), *_pair(color[2:])),
            visible=bool(model.geom_group[geom] < HIDDEN_GROUP),
            collides=bool(model.geom_contype[geom] or model.geom_conaffinity[geom]),
            friction=None if friction == DEFAULT_FRICTION else friction,
            mesh=model.mesh(model.geom_dataid[geom]).name if kind in ("mesh", "sdf") else None,
        )

    def _mesh(self, mesh: int) -> Mesh:
        model = self._model
        first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        face, faces = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
        return Mesh(
            points=tuple(_numbers(point) for point in model.mesh_vert[first : first + count]),
            faces=tuple(tuple(corners) for corners in model.mesh_face[face : face + faces].tolist()),
        )

    def _joints(self, body: int, parent: str | None, pose: Pose) -> tuple[list[Link], list[Joint]]:
        """Return the joints that move a body, and helper links between them."""
        model = self._model
        name = model.body(body).name
        joints = self._joints_of(body)
        relative = _pose(model.body_pos[body], model.body_quat[body])
        if not joints:
            if parent is None and self._is_floating():
                return [], []
            fixed = unused_name(f"{name}_fixed" if parent else "root_joint", self._taken)
            return [], [Joint(name=fixed, kind="fixed", parent=parent, child=name, parent_frame=relative)]
        helpers: list[Link] = []
        joined: list[Joint] = []
        if parent is None:  # an articulation needs a root link
            base = self._helper(f"{name}_base", body, Pose(), Pose())
            helpers.append(base)
            joined.append(
                Joint(
                    name=unused_name("root_joint", self._taken),
                    kind="fixed",
                    parent=None,
                    child=base.name,
                    parent_frame=Pose(),
                )
            )
            parent = base.name
        for joint in joints:
            child = name
            if joint != joints[-1]:
                helper = f"{name}_{model.joint(joint).name}"
                helpers.append(self._helper(helper, body, pose, Pose(position=_numbers(model.jnt_pos[joint]))))
                child = helpers[-1].name
            joined.append(self._joint(joint, str(parent), child, relative))
            parent, relative = child, Pose()
        return helpers, joined

    def _helper(self, name: str, body: int, pose: Pose, center: Pose) -> Link:
        model = self._model
        mass, moment = float(model.body_mass[body]), float(model.body_inertia[body].mean())
        return Link(
            name=unused_name(name, self._taken),
            pose=pose,
            mass=MassProperties(
                mass=_HELPER_SHARE * mass,
                center=center.position,
                inertia=(_HELPER_SHARE * moment,) * 3,
                axes=center.orientation,
            ),
            helper=True,
        )

    def _joint(self, joint: int, parent: str, child: str, relative: Pose) -> Joint:
        """Return a joint of a link, whose pose at the reference is ``relative`` in the parent's frame."""
        model = self._model
        hinge = model.jnt_type[joint] == _JOINT.mjJNT_HINGE
        reference = float(model.qpos0[model.jnt_qposadr[joint]])
        frame = _pose(model.jnt_pos[joint], joint_frame([model.jnt_axis[joint]]))
        back = Pose(orientation=_numbers(from_axis_angle((1, 0, 0), -reference))) if hinge else Pose(
            position=(-reference, 0.0, 0.0)
        )  # fmt: skip
        dof = model.jnt_dofadr[joint]
        return Joint(
            name=model.joint(joint).name,
            kind="revolute" if hinge else "prismatic",
            parent=parent,
            child=child,
            parent_frame=compose(relative, compose(frame, back)),
            child_frame=frame,
            limits=_pair(model.jnt_range[joint]) if model.jnt_limited[joint] else None,
            reference=reference,
            armature=float(model.dof_armature[dof]),
            friction=float(model.dof_frictionloss[dof]),
            stiffness=float(model.jnt_stiffness[joint]),
            spring_position=float(model.qpos_spring[model.jnt_qposadr[joint]]),
            damping=float(model.dof_damping[dof]),
            max_effort=self._max_effort(joint),
        )

    def _max_effort(self, joint: int) -> float | None:
        """Return the limit of a joint's drive that the asset states."""
        model = self._model
        if not model.jnt_actfrclimited[joint]:
            return None
        low, high = _pair(model.jnt_actfrcrange[joint])
        if low != -high:
            raise CapabilityError(
                f"{self._title}: joint '{model.joint(joint).name}' has actuatorfrcrange [{low:g}, {high:g}]; expected "
                "the same limit in both directions."
            )
        return high

    def _tendons(self) -> Iterator[FixedTendon]:
        model = self._model
        for tendon in range(model.ntendon):
            wraps = range(model.tendon_adr[tendon], model.tendon_adr[tendon] + model.tendon_num[tendon])
            name = model.tendon(tendon).name or f"tendon_{tendon}"
            if any(model.wrap_type[wrap] != mujoco.mjtWrap.mjWRAP_JOINT for wrap in wraps):
                raise CapabilityError(
                    f"{self._title}: tendon '{name}' is spatial, which Isaac Sim does not simulate; use a fixed tendon."
                )
            low, high = _pair(model.tendon_lengthspring[tendon])
            if model.tendon_frictionloss[tendon] or (low != high and model.tendon_stiffness[tendon]):
                what = "frictionloss" if model.tendon_frictionloss[tendon] else "a range of springlength"
                raise CapabilityError(f"{self._title}: tendon '{name}' has {what}, which PhysX lacks; remove it.")
            yield FixedTendon(
                name=name,
                joints=tuple((model.joint(model.wrap_objid[wrap]).name, float(model.wrap_prm[wrap])) for wrap in wraps),
                limits=_pair(model.tendon_range[tendon]) if model.tendon_limited[tendon] else None,
                rest_length=low,
                stiffness=float(model.tendon_stiffness[tendon]),
                damping=float(model.tendon_damping[tendon]),
                limit_stiffness=self._limit_stiffness(tendon),
            )

    def _limit_stiffness(self, tendon: int) -> float:
        """Return force per length beyond the limits of a tendon, at the greatest impedance, in N/m; 0: no limits."""
        model = self._model
        if not model.tendon_limited[tendon]:
            return 0.0
        time, ratio = _pair(model.tendon_solref_lim[tendon])
        stiffness = 1.0 / (time * ratio) ** 2 if time > 0.0 else -time
        return stiffness / float(model.tendon_invweight0[tendon] * (1.0 - model.tendon_solimp_lim[tendon, 1]))

    def _loops(self) -> Iterator[Loop]:
        model = self._model
        for equality in range(model.neq):
            kind = _EQUALITY(model.eq_type[equality])
            name = model.equality(equality).name or f"loop_{equality}"
            if kind not in (_EQUALITY.mjEQ_CONNECT, _EQUALITY.mjEQ_WELD):
                what = kind.name.removeprefix("mjEQ_").lower()
                raise CapabilityError(
                    f"{self._title}: its MJCF has the constraint '{name}' of type {what}, which Isaac Sim does not "
                    "simulate; only connect and weld."
                )
            if not model.eq_active0[equality]:
                continue
            yield self._loop(equality, name, kind)

    def _loop(self, equality: int, name: str, kind: mujoco.mjtEq) -> Loop:
        model = self._model
        objects = int(model.eq_obj1id[equality]), int(model.eq_obj2id[equality])
        data = model.eq_data[equality]
        if model.eq_objtype[equality] == mujoco.mjtObj.mjOBJ_SITE:
            bodies = [int(model.site_bodyid[site]) for site in objects]
            frames = [_pose(model.site_pos[site], model.site_quat[site]) for site in objects]
        else:
            bodies = list(objects)
            if kind == _EQUALITY.mjEQ_CONNECT:
                frames = [Pose(position=_numbers(data[:3])), Pose(position=_numbers(data[3:6]))]
            else:  # the anchor is in the frame of the second body, which has the pose data[3:10] in that of the first
                anchor = Pose(position=_numbers(data[:3]))
                frames = [compose(_pose(data[3:6], data[6:10]), anchor), anchor]
        if bodies[1] == 0:
            bodies.reverse()
            frames.reverse()
        if kind == _EQUALITY.mjEQ_CONNECT:
            frames = [Pose(position=frame.position) for frame in frames]
        return Loop(
            name=unused_name(name, self._taken),
            kind="spherical" if kind == _EQUALITY.mjEQ_CONNECT else "fixed",
            first=model.body(bodies[0]).name if bodies[0] else None,
            second=model.body(bodies[1]).name,
            first_frame=frames[0],
            second_frame=frames[1],
        )

    def _exclusions(self) -> Iterator[tuple[str, str]]:
        """Pairs that MuJoCo keeps apart: stated ones, and links that are welded together or neighbours in the tree."""
        model = self._model
        stated = {tuple(sorted((s >> 16, s & 0xFFFF))) for s in model.exclude_signature.tolist()}
        colliding = [body for body in self._bodies if any(self._collides(geom) for geom in self._geoms_of(body))]
        weld, parent = model.body_weldid, model.body_weldid[model.body_parentid[model.body_weldid]]
        for index, first in enumerate(colliding):
            for second in colliding[index + 1 :]:
                near = weld[first] == weld[second]
                if weld[first] and weld[second]:
                    near |= weld[first] == parent[second] or weld[second] == parent[first]
                if near or tuple(sorted((first, second))) in stated:
                    yield model.body(first).name, model.body(second).name

    def _collides(self, geom: int) -> bool:
        return bool(self._model.geom_contype[geom] or self._model.geom_conaffinity[geom])


def _mass(model: mujoco.MjModel, body: int) -> MassProperties:
    least = _LEAST_SHARE * float(model.body_mass.sum())
    mass = max(float(model.body_mass[body]), least)
    inertia = np.maximum(model.body_inertia[body], least * _LEAST_RADIUS**2)
    return MassProperties(
        mass=mass,
        center=_numbers(model.body_ipos[body]),
        inertia=_numbers(inertia),
        axes=_numbers(model.body_iquat[body]),
    )


def _numbers(values: np.ndarray) -> tuple[float, ...]:
    return tuple(np.asarray(values, float).tolist())


def _pair(values: np.ndarray) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def _pose(position: np.ndarray, orientation: np.ndarray) -> Pose:
    return Pose(position=_numbers(position), orientation=_numbers(orientation / np.linalg.norm(orientation)))
