"""Writes descriptions of robots as USD prims for PhysX, and reads them back from such prims."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from pxr import Sdf, Usd, UsdGeom, UsdPhysics

from oige_core.engines.isaacsim.usd.description import (
    Joint,
    Link,
    Loop,
    MassProperties,
    Mesh,
    Pose,
    RobotDescription,
    from_json,
    to_json,
)
from oige_core.engines.isaacsim.usd.friction import FrictionMapping
from oige_core.engines.isaacsim.usd.kinematics import link_poses
from oige_core.engines.isaacsim.usd.prims import (
    PhysicsMaterials,
    make_valid,
    rigid_body,
    set_pose,
    set_values,
    to_quat,
    to_vec,
    write_mass,
    write_shape,
)
from oige_core.engines.isaacsim.usd.tendons import write_tendons
from oige_core.engines.joints import first_match
from oige_core.errors import OigeError
from oige_core.scene.assets import Drive

__all__ = ["RobotOptions", "RobotPrims", "read_description", "write_robot"]

_KEY = "oige"
"""Key of the description in the custom data of a robot's prim."""

_JOINTS, _MATERIALS, _ANCHOR = "joints", "materials", "anchor"

_KINDS = {
    "revolute": UsdPhysics.RevoluteJoint,
    "prismatic": UsdPhysics.PrismaticJoint,
    "fixed": UsdPhysics.FixedJoint,
    "spherical": UsdPhysics.SphericalJoint,
}


@dataclass(frozen=True, kw_only=True)
class RobotOptions:
    """What a scene decides about a robot.

    Attributes:
        pose: initial pose of the robot's frame in that of the parent prim.
        drives: drives by regular expression on joint names, as in :class:`~oige_core.scene.ArticulationAsset`.
        joint_positions: initial positions by regular expression on joint names, in rad or m.
        self_collisions: whether links collide with each other.
        disable_gravity: whether gravity does not act on the links.
        friction: PhysX's coefficients of the shapes.
        restitution: of all shapes.
        mark_tendons: whether tendons get offsets by which the engine recognises them.
    """

    pose: Pose = field(default_factory=Pose)
    drives: Mapping[str, Drive] = field(default_factory=dict)
    joint_positions: Mapping[str, float] = field(default_factory=dict)
    self_collisions: bool = False
    disable_gravity: bool = False
    friction: FrictionMapping = field(default_factory=FrictionMapping)
    restitution: float = 0.0
    mark_tendons: bool = False


@dataclass(frozen=True, kw_only=True)
class RobotPrims:
    """Paths of a robot's prims.

    Attributes:
        path: of the robot.
        articulation: of the prim that is the articulation's root, which views are created for.
        links: by name of the link.
        joints: by name of the joint or loop.
        shapes: by name of the shape.
        tendons: names, instead of paths, of the instances of the schemas of tendons, by name of the tendon.
    """

    path: str
    articulation: str
    links: dict[str, str]
    joints: dict[str, str]
    shapes: dict[str, str]
    tendons: dict[str, str]


def write_robot(
    description: RobotDescription, stage: Usd.Stage, path: str, options: RobotOptions | None = None
) -> RobotPrims:
    """Write a robot below a prim, which holds the description, too.

    Links are children of the robot's prim, none below another. Drives have what the scene asks for plus the springs
    and dampers of the joints.

    Args:
        description: the robot.
        stage: a stage in metres whose up axis is z.
        path: of the robot's prim, which is created.
        options: what the scene decides.
    """
    return _Writer(description, stage, path, options or RobotOptions()).write()


def read_description(prim: Usd.Prim) -> RobotDescription:
    """Return the description with which :func:`write_robot` wrote a prim.

    Raises:
        OigeError: the prim has none, or one of another version.
    """
    text = prim.GetCustomDataByKey(_KEY)
    if not text:
        raise OigeError(
            f"{prim.GetStage().GetRootLayer().identifier}: prim '{prim.GetPath()}' is not a robot that oige-usd wrote."
        )
    description = from_json(text)
    meshes = {}
    identifiers = _identifiers(description)[0]
    for link in description.links:
        shapes = make_valid(shape.name for shape in link.shapes)
        for shape in link.shapes:
            if shape.mesh is not None and shape.mesh not in meshes:
                meshes[shape.mesh] = _read_mesh(prim.GetPrimAtPath(f"{identifiers[link.name]}/{shapes[shape.name]}"))
    return replace(description, meshes=meshes)


def _read_mesh(prim: Usd.Prim) -> Mesh:
    mesh = UsdGeom.Mesh(prim)
    points = np.array(mesh.GetPointsAttr().Get(), float).reshape(-1, 3)
    faces = np.array(mesh.GetFaceVertexIndicesAttr().Get(), int).reshape(-1, 3)
    return Mesh(points=tuple(map(tuple, points.tolist())), faces=tuple(map(tuple, faces.tolist())))


def _identifiers(description: RobotDescription) -> tuple[dict[str, str], dict[str, str]]:
    """Return the names of the prims of links, and of joints and loops."""
    links = make_valid((link.name for link in description.links), (_JOINTS, _MATERIALS, _ANCHOR))
    return links, make_valid(joint.name for joint in [*description.joints, *description.loops])


class _Writer:
    def __init__(self, description: RobotDescription, stage: Usd.Stage, path: str, options: RobotOptions) -> None:
        self._description = description
        self._stage = stage
        self._path = path
        self._options = options
        links, joints = _identifiers(description)
        self._links = {name: f"{path}/{identifier}" for name, identifier in links.items()}
        self._joints = {name: f"{path}/{_JOINTS}/{identifier}" for name, identifier in joints.items()}
        self._tendons = make_valid(tendon.name for tendon in description.tendons)
        self._shapes: dict[str, str] = {}
        self._materials = PhysicsMaterials(stage, f"{path}/{_MATERIALS}", options.friction.combine)
        self._positions = {
            joint.name: float(first_match(options.joint_positions, joint.name, joint.reference))
            for joint in description.moving_joints
        }

    def write(self) -> RobotPrims:
        description = self._description
        robot = UsdGeom.Xform.Define(self._stage, self._path).GetPrim()
        set_pose(robot, self._options.pose)
        robot.SetCustomDataByKey(_KEY, to_json(replace(description, meshes={})))
        poses = link_poses(description, self._positions)
        for link in description.links:
            self._write_link(link, poses[link.name])
        UsdGeom.Scope.Define(self._stage, f"{self._path}/{_JOINTS}")
        for joint in description.joints:
            self._write_joint(joint)
        if any(loop.first is None for loop in description.loops):
            self._write_anchor()
        for loop in description.loops:
            self._write_loop(loop)
        marked = self._options.mark_tendons
        write_tendons(description, self._stage, self._joints, self._tendons, marked=marked)
        if self._options.self_collisions:
            self._write_exclusions()
        root = self._links[description.root.name] if description.floating else self._path
        self._write_articulation(self._stage.GetPrimAtPath(root))
        return RobotPrims(
            path=self._path,
            articulation=root,
            links=self._links,
            joints=self._joints,
            shapes=self._shapes,
            tendons=self._tendons,
        )

    def _write_articulation(self, prim: Usd.Prim) -> None:
        UsdPhysics.ArticulationRootAPI.Apply(prim)
        set_values(
            prim,
            "PhysxArticulationAPI",
            {
                "physxArticulation:enabledSelfCollisions": self._options.self_collisions,
                "physxArticulation:sleepThreshold": 0.0,
                "physxArticulation:stabilizationThreshold": 0.0,
            },
        )

    def _write_link(self, link: Link, pose: Pose) -> None:
        path = self._links[link.name]
        prim = UsdGeom.Xform.Define(self._stage, path).GetPrim()
        set_pose(prim, pose)
        rigid_body(prim, disable_gravity=self._options.disable_gravity)
        write_mass(prim, link.mass)
        identifiers = make_valid(shape.name for shape in link.shapes)
        options = self._options
        for shape in link.shapes:
            shape_path = self._shapes[shape.name] = f"{path}/{identifiers[shape.name]}"
            written = write_shape(self._stage, shape_path, shape, self._description.meshes)
            if not shape.collides:
                continue
            static, dynamic = options.friction.coefficients(shape.friction)
            self._materials.bind(written, static, dynamic, options.restitution)

    def _write_joint(self, joint: Joint) -> None:
        prim = self._define(joint.kind, joint.name, joint.parent, joint.child, joint.parent_frame, joint.child_frame)
        if joint.kind == "fixed":
            return
        revolute = joint.kind == "revolute"
        instance, unit = ("angular", math.degrees(1.0)) if revolute else ("linear", 1.0)
        if joint.limits is not None:
            prim.GetAttribute("physics:lowerLimit").Set(joint.limits[0] * unit)
            prim.GetAttribute("physics:upperLimit").Set(joint.limits[1] * unit)
        self._write_drive(prim, joint, instance, unit)
        set_values(prim, "PhysxJointAPI", {"physxJoint:armature": joint.armature})
        axis = f"physxJointAxis:{instance}"
        values = {"armature": joint.armature, "staticFrictionEffort": joint.friction}
        values["dynamicFrictionEffort"] = joint.friction
        set_values(prim, f"PhysxJointAxisAPI:{instance}", {f"{axis}:{key}": each for key, each in values.items()})
        state = f"state:{instance}:physics"
        set_values(
            prim,
            f"PhysicsJointStateAPI:{instance}",
            {f"{state}:position": self._positions[joint.name] * unit, f"{state}:velocity": 0.0},
        )

    def _write_drive(self, prim: Usd.Prim, joint: Joint, instance: str, unit: float) -> None:
        """Write the drive that the scene asks for, together with the joint's own spring and damper."""
        drive = first_match(self._options.drives, joint.name, Drive())
        stiffness, damping = drive.stiffness + joint.stiffness, drive.damping + joint.damping
        target = joint.spring_position * joint.stiffness + self._positions[joint.name] * drive.stiffness
        api = UsdPhysics.DriveAPI.Apply(prim, instance)
        api.CreateTypeAttr(UsdPhysics.Tokens.force)
        api.CreateStiffnessAttr(stiffness / unit)
        api.CreateDampingAttr(damping / unit)
        api.CreateTargetPositionAttr(target / stiffness * unit if stiffness else 0.0)
        api.CreateTargetVelocityAttr(0.0)
        max_effort = min(drive.max_effort, math.inf if joint.max_effort is None else joint.max_effort)
        if max_effort < math.inf and (drive.stiffness or drive.damping):  # springs and dampers alone have no limit
            api.CreateMaxForceAttr(max_effort)

    def _write_anchor(self) -> None:
        """Write a body at the robot's frame that does not move.

        Isaac Sim's cloner moves bodies, but not ends of joints at the world.
        """
        prim = UsdGeom.Xform.Define(self._stage, f"{self._path}/{_ANCHOR}").GetPrim()
        set_pose(prim, Pose())
        rigid_body(prim, disable_gravity=True)
        UsdPhysics.RigidBodyAPI(prim).CreateKinematicEnabledAttr(True)
        little = MassProperties(mass=1e-6, center=(0.0,) * 3, inertia=(1e-6,) * 3, axes=(1.0, 0.0, 0.0, 0.0))
        write_mass(prim, little)

    def _write_loop(self, loop: Loop) -> None:
        prim = self._define(loop.kind, loop.name, loop.first, loop.second, loop.first_frame, loop.second_frame)
        joint = UsdPhysics.Joint(prim)
        joint.CreateExcludeFromArticulationAttr(True)
        if loop.first is None:
            joint.GetBody0Rel().SetTargets([Sdf.Path(f"{self._path}/{_ANCHOR}")])

    def _write_exclusions(self) -> None:
        for first, second in self._description.exclusions:
            api = UsdPhysics.FilteredPairsAPI.Apply(self._stage.GetPrimAtPath(self._links[first]))
            api.CreateFilteredPairsRel().AddTarget(Sdf.Path(self._links[second]))

    def _define(
        self, kind: str, name: str, first: str | None, second: str, first_frame: Pose, second_frame: Pose
    ) -> Usd.Prim:
        """Define a joint; the frame of the robot stands for its first link if there is none."""
        joint = _KINDS[kind].Define(self._stage, self._joints[name])
        joint.CreateBody0Rel().SetTargets([Sdf.Path(self._path if first is None else self._links[first])])
        joint.CreateBody1Rel().SetTargets([Sdf.Path(self._links[second])])
        joint.CreateLocalPos0Attr(to_vec(first_frame.position))
        joint.CreateLocalRot0Attr(to_quat(first_frame.orientation))
        joint.CreateLocalPos1Attr(to_vec(second_frame.position))
        joint.CreateLocalRot1Attr(to_quat(second_frame.orientation))
        if kind in ("revolute", "prismatic"):
            joint.CreateAxisAttr(UsdPhysics.Tokens.x)
        return joint.GetPrim()
