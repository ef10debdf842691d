"""Writes a small stage on which the conventions of PhysX show."""

import math
from dataclasses import dataclass

from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics

from oige_core.engines.isaacsim.usd.description import Joint, Link, MassProperties, Pose, RobotDescription, Shape
from oige_core.engines.isaacsim.usd.prims import PhysicsMaterials, report_contacts, rigid_body, set_pose, write_shape
from oige_core.engines.isaacsim.usd.robot import RobotOptions, write_robot
from oige_core.engines.isaacsim.usd.stage_map import WORLDS
from oige_core.scene.assets import Drive
from oige_core.scene.values import Vector3

__all__ = ["ProbePaths", "write_probe"]

_CUBE = Shape(
    name="cube",
    kind="box",
    size=(0.1, 0.1, 0.1),
    pose=Pose(),
    color=(0.5, 0.5, 0.5, 1.0),
    visible=True,
    collides=True,
    friction=None,
)


@dataclass(frozen=True, kw_only=True)
class ProbePaths:
    """Where things are; those of world 0 stand for all worlds.

    Attributes:
        physics_scene: the physics scene: gravity 9.81 m/s² downwards, 100 steps per second.
        collision_root: below it, collision groups may be created.
        world: world 0.
        ground: a plane at height 0 that all worlds share.
        box: a cube with edges of 0.2 m and a mass of 1 kg at (0, 0, 5), turned by 90° about x. Its centre of mass is at
            (0, 0, 0.1) in its frame, its principal moments of inertia are 0.01, 0.02, 0.03 kg·m².
        cube: a cube with edges of 0.2 m and a mass of 1 kg at (2, 0, 5), whose contacts are reported and whose material
            has the coefficients 0.7 (static friction), 0.5 (dynamic friction) and 0.2 (restitution).
        pusher: a kinematic cube with edges of 0.2 m at (4, 0, 5).
        arm: the root of a floating robot at (0, 2, 5): two links with the mass properties of the box, the second 1 m
            above the first, where a joint about y moves it from -1 to 2 rad. Its drive has 10 N·m/rad and
            0.5 N·m·s/rad.
        post: the root of a fixed robot at (0, -2, 5): a link of 2 kg turns about z on one that does not move.
    """

    physics_scene: str = "/World/physicsScene"
    collision_root: str = "/World/collisions"
    world: str = f"{WORLDS}/env_0"
    ground: str = "/World/ground"
    box: str = f"{WORLDS}/env_0/box"
    cube: str = f"{WORLDS}/env_0/cube"
    pusher: str = f"{WORLDS}/env_0/pusher"
    arm: str
    post: str


def write_probe(stage: Usd.Stage) -> ProbePaths:
    """Write one world with bodies and robots, the ground and the physics scene to an empty stage."""
    UsdGeom.Xform.Define(stage, "/World")
    UsdGeom.Scope.Define(stage, WORLDS)
    _write_scene(stage, ProbePaths.physics_scene)
    plane = UsdGeom.Plane.Define(stage, ProbePaths.ground)
    plane.CreateAxisAttr(UsdGeom.Tokens.z)
    UsdPhysics.CollisionAPI.Apply(plane.GetPrim())
    materials = PhysicsMaterials(stage, "/World/materials")
    materials.bind(plane.GetPrim(), 0.5, 0.5, 0.0)
    UsdGeom.Xform.Define(stage, ProbePaths.world)
    turned = Pose(position=(0.0, 0.0, 5.0), orientation=(math.sqrt(0.5), math.sqrt(0.5), 0.0, 0.0))
    _write_cube(stage, ProbePaths.box, turned, center=(0.0, 0.0, 0.1))
    cube = _write_cube(stage, ProbePaths.cube, Pose(position=(2.0, 0.0, 5.0)), center=(0.0, 0.0, 0.0))
    report_contacts(stage.GetPrimAtPath(ProbePaths.cube))
    materials.bind(cube, 0.7, 0.5, 0.2)
    _write_cube(stage, ProbePaths.pusher, Pose(position=(4.0, 0.0, 5.0)), center=(0.0, 0.0, 0.0))
    UsdPhysics.RigidBodyAPI(stage.GetPrimAtPath(ProbePaths.pusher)).CreateKinematicEnabledAttr(True)
    options = RobotOptions(pose=Pose(position=(0.0, 2.0, 5.0)), drives={".*": Drive(stiffness=10.0, damping=0.5)})
    arm = write_robot(_arm(), stage, f"{ProbePaths.world}/arm", options)
    options = RobotOptions(pose=Pose(position=(0.0, -2.0, 5.0)))
    post = write_robot(_post(), stage, f"{ProbePaths.world}/post", options)
    return ProbePaths(arm=arm.articulation, post=post.articulation)


def _write_scene(stage: Usd.Stage, path: str) -> None:
    scene = UsdPhysics.Scene.Define(stage, path)
    scene.CreateGravityDirectionAttr(Gf.Vec3f(0.0, 0.0, -1.0))
    scene.CreateGravityMagnitudeAttr(9.81)
    prim = scene.GetPrim()
    prim.AddAppliedSchema("PhysxSceneAPI")
    prim.CreateAttribute("physxScene:timeStepsPerSecond", Sdf.ValueTypeNames.UInt, custom=False).Set(100)


def _write_cube(stage: Usd.Stage, path: str, pose: Pose, center: Vector3) -> Usd.Prim:
    """Write a rigid body with one shape, and return the prim of the shape."""
    body = UsdGeom.Xform.Define(stage, path).GetPrim()
    set_pose(body, pose)
    rigid_body(body)
    mass = UsdPhysics.MassAPI.Apply(body)
    mass.CreateMassAttr(1.0)
    mass.CreateCenterOfMassAttr(Gf.Vec3f(*center))
    mass.CreateDiagonalInertiaAttr(Gf.Vec3f(0.01, 0.02, 0.03))
    mass.CreatePrincipalAxesAttr(Gf.Quatf(1.0))
    return write_shape(stage, f"{path}/shape", _CUBE, {})


def _link(name: str, mass: float, height: float) -> Link:
    properties = MassProperties(
        mass=mass, center=(0.0, 0.0, 0.1), inertia=(0.01, 0.02, 0.03), axes=(1.0, 0.0, 0.0, 0.0)
    )
    return Link(name=name, pose=Pose(position=(0.0, 0.0, height)), mass=properties)


def _arm() -> RobotDescription:
    x_to_y = (math.sqrt(0.5), 0.0, 0.0, math.sqrt(0.5))
    joint = Joint(
        name="bend",
        kind="revolute",
        parent="base",
        child="tip",
        parent_frame=Pose(position=(0.0, 0.0, 1.0), orientation=x_to_y),
        child_frame=Pose(orientation=x_to_y),
        limits=(-1.0, 2.0),
    )
    return RobotDescription(
        name="arm", floating=True, links=(_link("base", 1.0, 0.0), _link("tip", 1.0, 1.0)), joints=(joint,)
    )


def _post() -> RobotDescription:
    x_to_z = (math.sqrt(0.5), 0.0, -math.sqrt(0.5), 0.0)
    hold = Joint(name="hold", kind="fixed", parent=None, child="foot", parent_frame=Pose())
    turn = Joint(
        name="turn",
        kind="revolute",
        parent="foot",
        child="head",
        parent_frame=Pose(position=(0.0, 0.0, 1.0), orientation=x_to_z),
        child_frame=Pose(orientation=x_to_z),
    )
    return RobotDescription(
        name="post", floating=False, links=(_link("foot", 1.0, 0.0), _link("head", 2.0, 1.0)), joints=(hold, turn)
    )
