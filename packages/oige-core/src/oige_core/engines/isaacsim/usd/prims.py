"""Prims that writers of robots and scenes share: names, poses, schemas, materials and shapes."""

import math
from collections.abc import Iterable, Mapping

import numpy as np
from pxr import Gf, Sdf, Tf, Usd, UsdGeom, UsdPhysics, UsdShade, Vt

from oige_core.engines.isaacsim.usd.description import MassProperties, Mesh, Pose, Shape
from oige_core.scene.assets import Color

__all__ = [
    "PhysicsMaterials",
    "ellipsoid_mesh",
    "make_valid",
    "new_stage",
    "report_contacts",
    "rigid_body",
    "set_color",
    "set_pose",
    "set_values",
    "to_quat",
    "to_vec",
    "write_mass",
    "write_shape",
]

_TYPES = {
    bool: Sdf.ValueTypeNames.Bool,
    int: Sdf.ValueTypeNames.Int,
    float: Sdf.ValueTypeNames.Float,
    str: Sdf.ValueTypeNames.Token,
}

_SDF_RESOLUTION = 256
"""Cells of a signed distance field along the longest edge of its bounding box."""

_ELLIPSOID_RINGS, _ELLIPSOID_SECTORS = 6, 10
"""Of the hull of an ellipsoid: 52 points, within PhysX' limit of 64."""


def new_stage() -> Usd.Stage:
    """Return an empty stage in memory: z up, metres, kilograms."""
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    UsdPhysics.SetStageKilogramsPerUnit(stage, 1.0)
    return stage


def make_valid(names: Iterable[str], reserved: Iterable[str] = ()) -> dict[str, str]:
    """Return a unique USD identifier for each name, which is the name itself where that is one."""
    taken = set(reserved)
    identifiers = {}
    for name in names:
        identifier = Tf.MakeValidIdentifier(name)
        while identifier in taken:
            identifier += "_"
        taken.add(identifier)
        identifiers[name] = identifier
    return identifiers


def to_vec(values: Iterable[float]) -> Gf.Vec3f:
    """Return three numbers as a vector in single precision."""
    return Gf.Vec3f(*map(float, values))


def to_quat(orientation: Iterable[float]) -> Gf.Quatf:
    """Return w, x, y, z as a quaternion of length 1 in single precision."""
    return Gf.Quatf(Gf.Quatd(*map(float, orientation)).GetNormalized())


def set_values(prim: Usd.Prim, schema: str, values: Mapping[str, bool | int | float | str]) -> None:
    """Apply an API schema by name, which need not be installed, and set attributes.

    Args:
        prim: the prim.
        schema: name of the schema, with its instance after a colon.
        values: attributes by full name; their USD types follow from the Python types.
    """
    prim.AddAppliedSchema(schema)
    for name, value in values.items():
        prim.CreateAttribute(name, _TYPES[type(value)], custom=False).Set(value)


def set_pose(prim: Usd.Prim, pose: Pose, scale: Iterable[float] | None = None) -> None:
    """Set the pose of a prim in its parent's frame, and its scale."""
    xform = UsdGeom.Xformable(prim)
    xform.ClearXformOpOrder()
    xform.AddTranslateOp().Set(Gf.Vec3d(*map(float, pose.position)))
    orientation = Gf.Quatd(*map(float, pose.orientation)).GetNormalized()
    xform.AddOrientOp(UsdGeom.XformOp.PrecisionDouble).Set(orientation)
    if scale is not None:
        xform.AddScaleOp(UsdGeom.XformOp.PrecisionDouble).Set(Gf.Vec3d(*map(float, scale)))


def set_color(prim: Usd.Prim, color: Color) -> None:
    """Set the colour and opacity of a shape."""
    shape = UsdGeom.Gprim(prim)
    shape.CreateDisplayColorAttr([to_vec(color[:3])])
    if color[3] != 1.0:
        shape.CreateDisplayOpacityAttr([color[3]])


def report_contacts(prim: Usd.Prim) -> None:
    """Let PhysX report all contacts of a rigid body."""
    set_values(prim, "PhysxContactReportAPI", {"physxContactReport:threshold": 0.0})


def rigid_body(prim: Usd.Prim, *, disable_gravity: bool = False) -> None:
    """Make a prim a rigid body as the embedded engine has it: without damping, sleep and a bound on its speed."""
    UsdPhysics.RigidBodyAPI.Apply(prim)
    values: dict[str, bool | int | float | str] = {
        "physxRigidBody:angularDamping": 0.0,
        "physxRigidBody:linearDamping": 0.0,
        "physxRigidBody:maxAngularVelocity": 1e6,  # degrees per second
        "physxRigidBody:sleepThreshold": 0.0,
        "physxRigidBody:stabilizationThreshold": 0.0,
    }
    if disable_gravity:
        values["physxRigidBody:disableGravity"] = True
    set_values(prim, "PhysxRigidBodyAPI", values)


class PhysicsMaterials:
    """Physics materials below one prim, one for each combination of values.

    Args:
        stage: the stage.
        path: of the prim that contains the materials.
        combine: how PhysX combines the coefficients of two touching shapes: ``max`` or ``multiply``.
    """

    def __init__(self, stage: Usd.Stage, path: str, combine: str = "max") -> None:
        self._stage = stage
        self._path = path
        self._combine = combine
        self._materials: dict[tuple[float, float, float], UsdShade.Material] = {}

    def bind(self, prim: Usd.Prim, static: float, dynamic: float, restitution: float) -> None:
        """Bind a material with these coefficients to a collider."""
        values = static, dynamic, restitution
        if values not in self._materials:
            self._materials[values] = self._create(values)
        binding = UsdShade.MaterialBindingAPI.Apply(prim)
        binding.Bind(self._materials[values], UsdShade.Tokens.weakerThanDescendants, "physics")

    def _create(self, values: tuple[float, float, float]) -> UsdShade.Material:
        name = f"friction_{len(self._materials)}"
        if not self._stage.GetPrimAtPath(self._path):
            UsdGeom.Scope.Define(self._stage, self._path)
        material = UsdShade.Material.Define(self._stage, f"{self._path}/{name}")
        api = UsdPhysics.MaterialAPI.Apply(material.GetPrim())
        api.CreateStaticFrictionAttr(values[0])
        api.CreateDynamicFrictionAttr(values[1])
        api.CreateRestitutionAttr(values[2])
        set_values(
            material.GetPrim(),
            "PhysxMaterialAPI",
            {"physxMaterial:frictionCombineMode": self._combine, "physxMaterial:restitutionCombineMode": "max"},
        )
        return material


def write_mass(prim: Usd.Prim, mass: MassProperties) -> None:
    """Set mass and inertia of a rigid body."""
    api = UsdPhysics.MassAPI.Apply(prim)
    api.CreateMassAttr(mass.mass)
    api.CreateCenterOfMassAttr(to_vec(mass.center))
    api.CreateDiagonalInertiaAttr(to_vec(mass.inertia))
    api.CreatePrincipalAxesAttr(to_quat(mass.axes))


def write_shape(stage: Usd.Stage, path: str, shape: Shape, meshes: Mapping[str, Mesh]) -> Usd.Prim:
    """Write a shape, with collisions unless it is only drawn, and return its prim.

    Ellipsoids that collide are meshes: PhysX does not scale spheres differently along their axes.
    """
    scale = None
    match shape.kind:
        case "sphere":
            sphere = UsdGeom.Sphere.Define(stage, path)
            sphere.CreateRadiusAttr(shape.size[0])
            gprim: UsdGeom.Gprim = sphere
        case "box":
            gprim = UsdGeom.Cube.Define(stage, path)
            gprim.GetPrim().GetAttribute("size").Set(2.0)
            scale = shape.size
        case "capsule" | "cylinder":
            kind = UsdGeom.Capsule if shape.kind == "capsule" else UsdGeom.Cylinder
            gprim = kind.Define(stage, path)
            gprim.CreateRadiusAttr(shape.size[0])
            gprim.CreateHeightAttr(2.0 * shape.size[1])
            gprim.CreateAxisAttr(UsdGeom.Tokens.z)
        case "ellipsoid" if not shape.collides:
            gprim = UsdGeom.Sphere.Define(stage, path)
            gprim.GetPrim().GetAttribute("radius").Set(1.0)
            scale = shape.size
        case "ellipsoid":
            gprim = _write_mesh(stage, path, ellipsoid_mesh(shape.size))
        case _:
            gprim = _write_mesh(stage, path, meshes[str(shape.mesh)])
    prim = gprim.GetPrim()
    extent = UsdGeom.Boundable.ComputeExtentFromPlugins(gprim, Usd.TimeCode.Default())
    gprim.CreateExtentAttr(extent)
    set_pose(prim, shape.pose, scale)
    set_color(prim, shape.color)
    if not shape.visible:
        gprim.CreatePurposeAttr(UsdGeom.Tokens.guide)
    if shape.collides:
        UsdPhysics.CollisionAPI.Apply(prim)
        if prim.IsA(UsdGeom.Mesh):
            api = UsdPhysics.MeshCollisionAPI.Apply(prim)
            is_field = shape.kind == "sdf"
            api.CreateApproximationAttr("sdf" if is_field else UsdPhysics.Tokens.convexHull)
            if is_field:
                resolution = {"physxSDFMeshCollision:sdfResolution": _SDF_RESOLUTION}
                set_values(prim, "PhysxSDFMeshCollisionAPI", resolution)
    return prim


def ellipsoid_mesh(half_axes: Iterable[float]) -> Mesh:
    """Return a triangle mesh whose corners lie on an ellipsoid, with its poles on the z axis."""
    points = [(0.0, 0.0, 1.0)]
    for ring in range(1, _ELLIPSOID_RINGS):
        polar = math.pi * ring / _ELLIPSOID_RINGS
        for sector in range(_ELLIPSOID_SECTORS):
            azimuth = 2.0 * math.pi * sector / _ELLIPSOID_SECTORS
            radius = math.sin(polar)
            points.append((radius * math.cos(azimuth), radius * math.sin(azimuth), math.cos(polar)))
    points.append((0.0, 0.0, -1.0))
    corner = lambda ring, sector: 1 + ring * _ELLIPSOID_SECTORS + sector % _ELLIPSOID_SECTORS  # noqa: E731
    last, faces = len(points) - 1, []
    for sector in range(_ELLIPSOID_SECTORS):
        faces.append((0, corner(0, sector), corner(0, sector + 1)))
        for ring in range(_ELLIPSOID_RINGS - 2):
            low, high = corner(ring + 1, sector), corner(ring, sector)
            faces.append((high, low, corner(ring + 1, sector + 1)))
            faces.append((high, corner(ring + 1, sector + 1), corner(ring, sector + 1)))
        faces.append((last, corner(_ELLIPSOID_RINGS - 2, sector + 1), corner(_ELLIPSOID_RINGS - 2, sector)))
    scaled = (np.array(points) * np.fromiter(half_axes, float)).tolist()
    return Mesh(points=tuple(map(tuple, scaled)), faces=tuple(faces))


def _write_mesh(stage: Usd.Stage, path: str, mesh: Mesh) -> UsdGeom.Mesh:
    points, faces = np.array(mesh.points, np.float32), np.array(mesh.faces, np.int32)
    prim = UsdGeom.Mesh.Define(stage, path)
    prim.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(points))
    prim.CreateFaceVertexCountsAttr(Vt.IntArray([3] * len(faces)))
    prim.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(faces.ravel()))
    prim.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    corners = points[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    prim.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(normals / np.maximum(length, np.finfo(np.float32).tiny)))
    prim.SetNormalsInterpolation(UsdGeom.Tokens.uniform)
    return prim
