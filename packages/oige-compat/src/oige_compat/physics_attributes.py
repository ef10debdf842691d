"""What becomes of attributes of physics that a script sets, as data.

An attribute acts on prims of some kinds. On others, and where it is in no row, a note says what it would do in Isaac
Sim. A value that changes nothing needs no note.
"""

import fnmatch
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

__all__ = ["ATTRIBUTES", "NEUTRAL_SETTINGS", "PARAMETERS", "Attribute", "Kind", "find_attribute"]

Kind: TypeAlias = Literal["robot", "converted", "body", "part", "collider", "material", "joint", "scene", "other"]
"""Of a prim: part of a robot of OIGE; part of a robot that was converted from a USD file; a rigid body; a body of Isaac
Sim's asset folder that OIGE has, too; a collider that stands still; a material; a joint that the script has added; the
scene of physics; anything else."""


@dataclass(frozen=True)
class Attribute:
    """A row of the table.

    Attributes:
        text: what it does in Isaac Sim.
        acts: kinds of prims on which it acts here, or whose report says what becomes of it.
        neutral: whether a value changes nothing.
    """

    text: str
    acts: frozenset[Kind] = frozenset()
    neutral: Callable[[Any], bool] = lambda value: False


def _row(text: str, acts: str = "", neutral: Any = None) -> Attribute:
    if neutral is None:
        return Attribute(text, frozenset(acts.split()))  # type: ignore[arg-type]
    return Attribute(text, frozenset(acts.split()), neutral if callable(neutral) else lambda value: value == neutral)  # type: ignore[arg-type]


def _is_zero(value: Any) -> bool:
    return not any(value) if hasattr(value, "__len__") else not value


def _is_unlimited(value: float) -> bool:
    return math.isinf(value) or value > 1e30


SOLVER = "a setting of PhysX's solver"
SLEEP = "lets PhysX skip bodies that hardly move"
MESH = "how a mesh collides"
SPEED = "limits the speed of bodies"
EVERYWHERE = "robot converted body part collider other"

ATTRIBUTES: Mapping[str, Attribute] = {
    # Rigid bodies and masses
    "physics:rigidBodyEnabled": _row("whether a prim is a rigid body", "converted body collider", True),
    "physics:kinematicEnabled": _row("lets only programs move a body", "converted body part", False),
    "physics:startsAsleep": _row(SLEEP, "", False),
    "physics:velocity": _row("velocity at which a body starts; set it with set_velocities", "", _is_zero),
    "physics:angularVelocity": _row("velocity at which a body starts; set it with set_velocities", "", _is_zero),
    "physics:mass": _row("mass of a body", "robot converted body", _is_zero),
    "physics:density": _row("density of a body; that of OIGE's robot stays", "converted body material", _is_zero),
    "physics:centerOfMass": _row("centre of mass of a link; that of OIGE's robot stays", "converted body"),
    "physics:diagonalInertia": _row("inertia of a link; that of OIGE's robot stays", "converted body", _is_zero),
    "physics:principalAxes": _row("axes of the inertia of a link; those of OIGE's robot stay", "converted body"),
    "physxRigidBody:disableGravity": _row("lets gravity not act on a body", "robot converted body", False),
    "physxRigidBody:linearDamping": _row("slows a body down", "converted", _is_zero),
    "physxRigidBody:angularDamping": _row("slows the rotation of a body down", "converted", _is_zero),
    "physxRigidBody:maxLinearVelocity": _row(SPEED, "", _is_unlimited),
    "physxRigidBody:maxAngularVelocity": _row(SPEED, "", _is_unlimited),
    "physxRigidBody:maxDepenetrationVelocity": _row("limits the speed at which overlapping bodies part"),
    "physxRigidBody:maxContactImpulse": _row("limits the impulses of contacts", "", _is_unlimited),
    "physxRigidBody:enableGyroscopicForces": _row("gyroscopic torques of a body, which always act here", "", True),
    "physxRigidBody:retainAccelerations": _row(
        "lets a force act in all substeps of a step; here forces always do", EVERYWHERE
    ),
    "physxRigidBody:enableCCD": _row("finds contacts between two steps", "", False),
    "physxRigidBody:enableSpeculativeCCD": _row("finds contacts between two steps", "", False),
    "physxRigidBody:lockedPosAxis": _row("locks a body along axes of the world", "", 0),
    "physxRigidBody:lockedRotAxis": _row("locks rotations about axes of the world", "", 0),
    "physxRigidBody:solver*": _row(SOLVER),
    "physxRigidBody:sleepThreshold": _row(SLEEP),
    "physxRigidBody:stabilizationThreshold": _row(SLEEP),
    "physxRigidBody:contactSlopCoefficient": _row("lets rolling bodies tolerate errors of contacts", "", 0),
    "physxForce:*": _row("a force that acts on a body in each step; use apply_forces of a view"),
    # Colliders and materials
    "physics:collisionEnabled": _row("whether a shape collides", "converted body collider joint", True),
    "physics:approximation": _row(MESH, "converted body collider"),
    "physxCollision:contactOffset": _row(
        "distance at which PhysX prepares contacts; none is needed here", "", -math.inf
    ),
    "physxCollision:restOffset": _row("distance at which bodies rest on each other; here they touch", "", _is_zero),
    "physxCollision:torsionalPatchRadius": _row("friction of contacts against turning", "", _is_zero),
    "physxCollision:minTorsionalPatchRadius": _row("friction of contacts against turning", "", _is_zero),
    "physxConvexHullCollision:*": _row(f"{MESH}; here as its convex hull"),
    "physxConvexDecompositionCollision:*": _row(f"{MESH}; here as its convex hull"),
    "physxSDFMeshCollision:*": _row(f"{MESH}; here as its convex hull"),
    "physxTriangleMeshCollision:*": _row(f"{MESH}; here as its convex hull"),
    "physxContactReport:*": _row("reports contacts, which views measure here", EVERYWHERE),
    "physics:dynamicFriction": _row("friction of shapes", "material"),
    "physics:staticFriction": _row("friction of shapes at rest", "material"),
    "physics:restitution": _row("lets shapes bounce", "material", _is_zero),
    "physxMaterial:frictionCombineMode": _row("how frictions of two shapes combine; here the larger acts", "material"),
    "physxMaterial:restitutionCombineMode": _row(
        "how restitutions combine; there is none here", EVERYWHERE + " material"
    ),
    "physxMaterial:improvePatchFriction": _row("limits friction of PhysX's contacts", "", True),
    "physxMaterial:compliantContact*": _row("contacts that are springs", "", _is_zero),
    "physxMaterial:*": _row("how contacts of a material act"),
    "material:binding:physics": _row(
        "the material of shapes; those of OIGE's robot keep theirs", "converted body collider other", _is_zero
    ),
    "physics:filteredPairs": _row("bodies that do not collide; here only links of one robot", "converted", _is_zero),
    "physics:filteredGroups": _row(
        "groups of shapes that do not collide; here they act within one robot, and worlds never collide", "", _is_zero
    ),
    # Joints, drives and articulations
    "physics:body0": _row("the first body of a joint", "converted joint"),
    "physics:body1": _row("the second body of a joint", "converted joint"),
    "physics:axis": _row("the axis of a joint", "converted joint"),
    "physics:localPos?": _row("the place of a joint", "converted joint"),
    "physics:localRot?": _row("the place of a joint", "converted joint"),
    "physics:lowerLimit": _row("the limit of a joint", "robot converted joint"),
    "physics:upperLimit": _row("the limit of a joint", "robot converted joint"),
    "physics:cone*Limit": _row("the limit of a joint", "converted joint"),
    "physics:jointEnabled": _row("whether a joint holds its bodies", "converted joint", True),
    "physics:excludeFromArticulation": _row("whether a joint closes a loop", "converted joint", False),
    "physics:breakForce": _row("the force that breaks a joint; here joints do not break", "", _is_unlimited),
    "physics:breakTorque": _row("the torque that breaks a joint; here joints do not break", "", _is_unlimited),
    "limit:*": _row("the limits of a joint", "converted joint"),
    "drive:*:physics:stiffness": _row("stiffness of a drive", "robot converted"),
    "drive:*:physics:damping": _row("damping of a drive", "robot converted"),
    "drive:*:physics:maxForce": _row("limit of the effort of a drive", "robot converted"),
    "drive:*:physics:type": _row("whether gains of a drive are for accelerations", "converted", "force"),
    "drive:*:physics:target*": _row("the target of a drive at the start; set it with a view", "", _is_zero),
    "state:*": _row("where a joint starts; set it with a view", "converted", _is_zero),
    "physxJoint:armature": _row("armature of a joint", "robot converted"),
    "physxJoint:jointFriction": _row("friction that grows with the load of a joint", "converted", _is_zero),
    "physxJoint:maxJointVelocity": _row(
        "limits the velocity of a joint; set it with set_max_joint_velocities", "converted", _is_unlimited
    ),
    "physxJointAxis:*": _row("friction and armature of a joint", "converted"),
    "physxLimit:*": _row("springs of the limits of a joint", "converted", _is_zero),
    "physxMimicJoint:*": _row("couples two joints; those of OIGE's robot stay", "converted"),
    "physxTendon:*": _row("couples joints by a tendon; those of OIGE's robot stay", "converted"),
    "physxArticulation:enabledSelfCollisions": _row("whether links collide with each other", "robot converted"),
    "physxArticulation:articulationEnabled": _row("whether joints are those of an articulation", "", True),
    "physxArticulation:solver*": _row(SOLVER),
    "physxArticulation:sleepThreshold": _row(SLEEP),
    "physxArticulation:stabilizationThreshold": _row(SLEEP),
    # The scene
    "physics:gravityDirection": _row("gravity; that of the configuration acts"),
    "physics:gravityMagnitude": _row("gravity; that of the configuration acts"),
    "physxScene:gpu*": _row("buffers of PhysX on a GPU"),
    "physxScene:*": _row("a setting of PhysX"),
}
"""Rows by name of the attribute, which may be a pattern; the first that fits applies."""

PARAMETERS: Mapping[str, Attribute] = {
    "substeps": _row("solver steps per step, of which OIGE's robots have their own number", "", 1),
    "solver_*": _row(SOLVER),
    "bounce_threshold_velocity": _row("the speed from which contacts bounce; here none do"),
    "friction_*": _row("how PhysX computes friction"),
    "enable_sleeping": _row(SLEEP, "", False),
    "enable_stabilization": _row(SLEEP, "", False),
    "enable_ccd": _row("finds contacts between two steps", "", False),
    "sleep_threshold": _row(SLEEP, "", 0.0),
    "stabilization_threshold": _row(SLEEP, "", 0.0),
    "enable_gyroscopic_forces": _row("gyroscopic torques, which always act here", "", True),
    "density": _row("density of bodies without one, 1000 kg/m³ here", "", 1000.0),
    "max_depenetration_velocity": _row("limits the speed at which overlapping bodies part"),
    "contact_offset": _row("distance at which PhysX prepares contacts; none is needed here"),
    "rest_offset": _row("distance at which bodies rest on each other; here they touch", "", 0.0),
}
"""Rows of parameters of the simulation without effect, by name or pattern."""

NEUTRAL_SETTINGS: Mapping[str, Any] = {
    "/physics/physxDispatcher": None,
    "/physics/updateToUsd": None,
    "/physics/update*ToUsd": None,
    "/physics/fabric*": None,
    "/physics/outputVelocitiesLocalSpace": False,
    "/physics/disableContactProcessing": False,
    "/physics/visualization*": None,
}
"""Values of ``carb.settings`` that change nothing in the simulation; None: whatever the value."""


def find_attribute(name: str) -> Attribute | None:
    """Return the row of an attribute, or None."""
    return next((row for pattern, row in ATTRIBUTES.items() if fnmatch.fnmatchcase(name, pattern)), None)
