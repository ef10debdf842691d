"""Names of ``pxr`` for :mod:`oige_compat.served`."""

from oige_compat.served_names import Row, below

__all__ = ["SCHEMAS"]

ONLY_PHYSX = "of PhysX, which the embedded engine does not have; has no effect"

ADDED_JOINT = (
    "a joint that code adds; between links of an articulation it is part of it, and elsewhere fixed, spherical and "
    "free revolute joints hold bodies together"
)

SCHEMAS: dict[str, Row] = {
    **below(
        "pxr",
        "served",
        {
            "Gf": "vectors, quaternions and matrices",
            "Gf.*": "vectors, quaternions and matrices",
            "Sdf": "paths and types of attributes",
            "Sdf.Path": "the path of a prim",
            "Sdf.ValueTypeNames.*": "types of attributes",
            "Sdf.ValueTypeNames": "types of attributes",
            "Vt": "arrays",
            "Vt.*": "arrays",
            "Tf": "tokens and errors",
            "Usd": "stages and prims",
            "Usd.Stage.GetPrimAtPath": "returns the prim at a path",
            "Usd.Stage.DefinePrim": "makes a prim at a path",
            "Usd.Prim.GetPath": "returns the path of a prim",
            "Usd.Prim.GetPrim": "returns the prim itself",
            "Usd.Prim.GetName": "returns the name of a prim",
            "Usd.Prim.GetChildren": "returns the children of a prim",
            "Usd.Prim.GetParent": "returns the parent of a prim",
            "Usd.Prim.IsValid": "whether there is such a prim",
            "Usd.Prim.HasAPI": "whether a prim has a schema",
            "Usd.Prim.GetAttribute": "returns an attribute of a prim",
            "Usd.Prim.CreateAttribute": "adds an attribute to a prim",
            "Usd.Attribute.Set": "sets an attribute",
            "Usd.Attribute.Get": "returns the value of an attribute",
            "UsdGeom": "shapes and poses",
            "UsdGeom.Xform.Define": "makes a prim with a pose",
            "UsdGeom.Xform": "a prim with a pose",
            "UsdPhysics": "bodies, joints and drives",
            "UsdPhysics.DriveAPI": "drives of joints: gains, targets and limits of effort",
            "UsdPhysics.DriveAPI.*": "drives of joints: gains, targets and limits of effort",
            "UsdPhysics.RigidBodyAPI": "rigid bodies",
            "UsdPhysics.CollisionAPI": "shapes that collide",
            "UsdPhysics.MassAPI": "masses of bodies",
            "UsdPhysics.ArticulationRootAPI": "the root of an articulation",
            "PhysxSchema": "settings of PhysX",
        },
    ),
    **below(
        "pxr",
        "approximated",
        {
            "UsdGeom.Xformable": "poses of prims",
            "UsdGeom.Xformable.*": "poses of prims",
            "UsdLux": "lights; only images show them",
            "UsdLux.*": "lights; only images show them",
            "UsdShade": "materials of shapes",
            "UsdShade.*": "materials of shapes; friction takes effect, colours do not",
            "UsdPhysics.RigidBodyAPI.*": "rigid bodies; kinematic bodies and bodies that are switched off are kept",
            "UsdPhysics.CollisionAPI.*": "shapes that collide",
            "UsdPhysics.MassAPI.*": "masses of bodies",
            "UsdPhysics.ArticulationRootAPI.*": "the root of an articulation",
            "UsdPhysics.MaterialAPI": "friction and restitution",
            "UsdPhysics.MaterialAPI.*": "friction and restitution; here one coefficient of friction",
            **{
                f"UsdPhysics.{name}{rest}": text
                for name, text in {
                    "LimitAPI": "limits of the axes of a joint",
                    "Joint": ADDED_JOINT,
                    "FixedJoint": ADDED_JOINT,
                    "RevoluteJoint": ADDED_JOINT,
                    "SphericalJoint": ADDED_JOINT,
                    "PrismaticJoint": ADDED_JOINT,
                    "MeshCollisionAPI": "how a mesh collides; here as its convex hull, or a bounding shape",
                    "CollisionGroup": "groups of shapes that do not collide; here they act between links of one robot",
                    "FilteredPairsAPI": "pairs of bodies that do not collide; here they act between links of one robot",
                }.items()
                for rest in ("", ".*")
            },
            "UsdUtils": "tools of USD",
            "UsdUtils.*": "tools of USD",
            "PhysxSchema.PhysxTendonAxisAPI": "tendons",
            "PhysxSchema.PhysxTendonAxisAPI.*": "tendons",
            "PhysxSchema.PhysxJointAPI": "armature, friction and maximum velocity of joints",
            "PhysxSchema.PhysxJointAPI.*": "armature, friction and maximum velocity of joints",
            "PhysxSchema.PhysxRigidBodyAPI": f"damping and gravity of bodies; also settings {ONLY_PHYSX}",
            "PhysxSchema.PhysxRigidBodyAPI.*": f"damping and gravity of bodies; also settings {ONLY_PHYSX}",
            "PhysxSchema.PhysxArticulationAPI": f"self-collisions; also settings {ONLY_PHYSX}",
            "PhysxSchema.PhysxArticulationAPI.*": f"self-collisions; also settings {ONLY_PHYSX}",
            "PhysxSchema.PhysxCollisionAPI": f"distances of contacts {ONLY_PHYSX}",
            "PhysxSchema.PhysxCollisionAPI.*": f"distances of contacts {ONLY_PHYSX}",
            "PhysxSchema.PhysxContactReportAPI": "measures contact forces; here views measure them without it",
            "PhysxSchema.PhysxContactReportAPI.*": "measures contact forces; here views measure them without it",
            "PhysxSchema.PhysxSceneAPI": f"settings of the scene {ONLY_PHYSX}",
            "PhysxSchema.PhysxSceneAPI.*": f"settings of the scene {ONLY_PHYSX}",
        },
    ),
    **below(
        "pxr",
        "missing",
        {
            "Usd.*": "stages and prims",
            "Sdf.*": "layers of a stage",
            "UsdGeom.*": "shapes and poses",
            "UsdPhysics.*": "bodies, joints and drives",
            "PhysxSchema.PhysxDeformableBodyAPI": "deformable bodies",
            "PhysxSchema.*": "settings of PhysX",
            "PhysicsSchemaTools": "tools of physics in USD",
            "PhysicsSchemaTools.*": "tools of physics in USD",
            "Ar.*": "addresses of files",
            "Tf.*": "tokens and errors",
            "Semantics": "labels for segmentation",
            "Semantics.*": "labels for segmentation",
            "*": "part of USD",
        },
    ),
}
"""State and text by name."""
