"""Reads geometry of links: what collides, and what is only drawn."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from oige_core.errors import OigeError
from pxr import Gf, Usd, UsdGeom, UsdPhysics, UsdShade

from oige_compat.assets.report import Report
from oige_compat.assets.stages import Frames, rigid_inverse

__all__ = ["Shape", "Surface", "is_geometry", "read_shape", "read_surface"]

_AXES = {"X": 0, "Y": 1, "Z": 2}
_GREY = (0.7, 0.7, 0.7, 1.0)
_CONE_SECTORS = 48


@dataclass(frozen=True, kw_only=True)
class Surface:
    """A physics material.

    Attributes:
        friction: coefficient of dynamic friction; None: that of the scene.
        density: in kg/m³; 0: none.
    """

    friction: float | None = None
    density: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A shape of a link.

    Attributes:
        path: of its prim.
        kind: of the shape.
        size: as MuJoCo's sizes, in m; empty for a mesh.
        pose: in the link's frame ``(4, 4)``; the points of a mesh are in the link's frame already.
        points: of a mesh ``(n, 3)``, in m.
        faces: triangles of a mesh ``(m, 3)``.
        color: red, green, blue, opacity.
        visible: whether it is drawn.
        collides: whether it collides.
        surface: material of a shape that collides.
        mass: in kg, which the file states; 0: it follows from the density.
        density: in kg/m³, which the file states for this shape; 0: it follows from the link or the material.
    """

    path: str
    kind: Literal["sphere", "ellipsoid", "box", "capsule", "cylinder", "mesh"]
    size: tuple[float, ...] = ()
    pose: np.ndarray
    points: np.ndarray | None = None
    faces: np.ndarray | None = None
    color: tuple[float, ...] = _GREY
    visible: bool = True
    collides: bool = False
    surface: Surface = Surface()
    mass: float = 0.0
    density: float = 0.0


def is_geometry(prim: Usd.Prim) -> bool:
    """Return whether a prim is geometry."""
    return prim.IsA(UsdGeom.Gprim)


def read_shape(prim: Usd.Prim, link: Usd.Prim, frames: Frames, report: Report) -> Shape | None:
    """Return the shape of a prim; None: it neither collides nor is drawn.

    Args:
        prim: geometry.
        link: the rigid body that it belongs to.
        frames: of the stage.
        report: gets what differs.

    Raises:
        OigeError: a mesh is damaged.
    """
    collides = prim.HasAPI(UsdPhysics.CollisionAPI)
    if collides and not UsdPhysics.CollisionAPI(prim).GetCollisionEnabledAttr().Get():
        collides = False
    image = UsdGeom.Imageable(prim)
    drawn = image.ComputeVisibility() != UsdGeom.Tokens.invisible
    visible = drawn and image.ComputePurpose() in (UsdGeom.Tokens.default_, UsdGeom.Tokens.render)
    if not visible and not collides:
        return None
    matrix = rigid_inverse(frames.rigid(link)) @ frames.full(prim)
    geometry = _geometry(prim, matrix, collides=collides, report=report)
    if geometry is None:
        return None
    mass = density = 0.0
    if collides and prim.HasAPI(UsdPhysics.MassAPI):
        api = UsdPhysics.MassAPI(prim)
        mass = float(api.GetMassAttr().Get() or 0.0) * frames.kilograms
        density = float(api.GetDensityAttr().Get() or 0.0) * frames.kilograms / frames.meters**3
        if Gf.IsClose(api.GetDiagonalInertiaAttr().Get() or Gf.Vec3f(0), Gf.Vec3f(0), 0.0) is False and prim != link:
            report.add("approximated", prim.GetPath(), "the collider's own inertia is that of its shape")
    return Shape(
        path=str(prim.GetPath()),
        color=_color(prim),
        visible=visible,
        collides=collides,
        surface=read_surface(prim, frames, report) if collides else Surface(),
        mass=mass,
        density=density,
        **geometry,
    )


def read_surface(prim: Usd.Prim, frames: Frames, report: Report) -> Surface:
    """Return the physics material that is bound to a prim."""
    material, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial("physics")
    if not material or not material.GetPrim().HasAPI(UsdPhysics.MaterialAPI):
        return Surface()
    api, path = UsdPhysics.MaterialAPI(material), material.GetPath()
    static, dynamic = float(api.GetStaticFrictionAttr().Get() or 0.0), float(api.GetDynamicFrictionAttr().Get() or 0.0)
    if not math.isclose(static, dynamic, rel_tol=1e-5):
        report.add("approximated", path, f"static friction {static:g} is the dynamic friction {dynamic:g}")
    if restitution := float(api.GetRestitutionAttr().Get() or 0.0):
        report.add("lost", path, f"restitution {restitution:g}; contacts of the engine have none")
    mode = material.GetPrim().GetAttribute("physxMaterial:frictionCombineMode")
    named = str(mode.Get()) if mode and mode.HasAuthoredValue() else "average"
    if named != "max":
        text = f"frictions of two touching shapes combine as the larger one instead of '{named}'"
        report.add("approximated", path, text)
    density = float(api.GetDensityAttr().Get() or 0.0) * frames.kilograms / frames.meters**3
    return Surface(friction=dynamic, density=density)


def _geometry(prim: Usd.Prim, matrix: np.ndarray, *, collides: bool, report: Report) -> dict | None:
    """Return kind, size, pose, and points of a shape."""
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    path = prim.GetPath()
    if not lengths.all():
        report.add("lost", path, "a shape of zero scale")
        return None
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = matrix[:3, :3] / lengths, matrix[:3, 3]
    if np.linalg.det(pose[:3, :3]) < 0.0:
        pose[:3, 2] *= -1.0  # the shapes below look the same in this mirror
    sheared = np.abs(pose[:3, :3].T @ pose[:3, :3] - np.eye(3)).max() > 1e-4
    if sheared and not prim.IsA(UsdGeom.Mesh):
        report.add("approximated", path, "the shape is sheared by scales above it; it has no shear")
        left, _, right = np.linalg.svd(pose[:3, :3])
        pose[:3, :3] = left @ right
    if prim.IsA(UsdGeom.Sphere):
        radius = float(UsdGeom.Sphere(prim).GetRadiusAttr().Get())
        if np.ptp(lengths) > 1e-4 * lengths.max():
            if not collides:
                return {"kind": "ellipsoid", "size": tuple(radius * lengths), "pose": pose}
            text = f"the sphere is scaled by {', '.join(f'{each:g}' for each in lengths)}; its radius has the largest"
            report.add("approximated", path, text)
        return {"kind": "sphere", "size": (radius * lengths.max(),), "pose": pose}
    if prim.IsA(UsdGeom.Cube):
        half = 0.5 * float(UsdGeom.Cube(prim).GetSizeAttr().Get())
        return {"kind": "box", "size": tuple(half * lengths), "pose": pose}
    if prim.IsA(UsdGeom.Capsule) or prim.IsA(UsdGeom.Cylinder):
        return _round(prim, lengths, pose, report)
    if prim.IsA(UsdGeom.Cone):
        if collides:
            report.add("approximated", path, f"the cone is a convex hull with {_CONE_SECTORS} corners")
        points, faces = _cone(UsdGeom.Cone(prim))
    elif prim.IsA(UsdGeom.Mesh):
        points, faces = _triangles(UsdGeom.Mesh(prim))
        kind = _note_mesh(prim, report) if collides else ""
        if kind in ("boundingCube", "boundingSphere") and len(points):
            return _bounding(kind, points, pose, lengths)
    else:
        kind = "lost"
        report.add(kind, path, f"geometry of type {prim.GetTypeName()}{', with its collisions' * collides}")
        return None
    points = points @ matrix[:3, :3].T + matrix[:3, 3]
    if np.linalg.det(matrix[:3, :3]) < 0.0:
        faces = faces[:, ::-1]
    if not _is_solid(points) or not len(faces):
        if collides:
            raise OigeError(f"collider {path}: its {len(points)} points lie in one plane; expected a body with volume.")
        report.add("lost", path, "a drawn mesh without volume")
        return None
    return {"kind": "mesh", "pose": np.eye(4), "points": points, "faces": faces}


def _round(prim: Usd.Prim, lengths: np.ndarray, pose: np.ndarray, report: Report) -> dict:
    kind = "capsule" if prim.IsA(UsdGeom.Capsule) else "cylinder"
    axis = _AXES[str(prim.GetAttribute("axis").Get())]
    across = np.delete(lengths, axis)
    if np.ptp(across) > 1e-4 * across.max():
        report.add("approximated", prim.GetPath(), f"the radius of the {kind} has the larger of its two scales")
    turned = pose.copy()
    turned[:3, :3] = pose[:3, [(axis + 1) % 3, (axis + 2) % 3, axis]]  # z is the axis in MuJoCo
    radius = float(prim.GetAttribute("radius").Get()) * across.max()
    half = 0.5 * float(prim.GetAttribute("height").Get()) * lengths[axis]
    if half <= 0.0:
        return {"kind": "sphere", "size": (radius,), "pose": turned}
    return {"kind": kind, "size": (radius, half), "pose": turned}


def _note_mesh(prim: Usd.Prim, report: Report) -> str:
    """Note how a mesh collides, and return the approximation that the file asks for."""
    named = "none"
    if prim.HasAPI(UsdPhysics.MeshCollisionAPI):
        named = str(UsdPhysics.MeshCollisionAPI(prim).GetApproximationAttr().Get())
    if named == "convexHull":
        report.add("converted", prim.GetPath(), "the mesh collides as its convex hull, as the file asks")
    elif named not in ("boundingCube", "boundingSphere"):
        report.add("approximated", prim.GetPath(), f"the mesh collides as its convex hull instead of '{named}'")
    return named


def _bounding(kind: str, points: np.ndarray, pose: np.ndarray, lengths: np.ndarray) -> dict:
    low, high = points.min(axis=0), points.max(axis=0)
    placed = pose.copy()
    placed[:3, 3] += pose[:3, :3] @ (0.5 * (low + high) * lengths)
    if kind == "boundingCube":
        return {"kind": "box", "size": tuple(0.5 * (high - low) * lengths), "pose": placed}
    radius = np.linalg.norm((points - 0.5 * (low + high)) * lengths, axis=1).max()
    return {"kind": "sphere", "size": (float(radius),), "pose": placed}


def _triangles(mesh: UsdGeom.Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Return the points of a mesh and its faces, cut into triangles."""
    points = np.array(mesh.GetPointsAttr().Get() or [], float).reshape(-1, 3)
    counts = np.array(mesh.GetFaceVertexCountsAttr().Get() or [], int)
    corners = np.array(mesh.GetFaceVertexIndicesAttr().Get() or [], int)
    if counts.sum() != len(corners) or (len(corners) and not 0 <= corners.min() <= corners.max() < len(points)):
        raise OigeError(f"mesh {mesh.GetPath()}: its faces name points that it does not have; correct the file.")
    starts = np.cumsum(counts) - counts
    faces = [
        (corners[start], corners[start + corner], corners[start + corner + 1])
        for start, count in zip(starts, counts, strict=True)
        for corner in range(1, count - 1)
    ]
    triangles = np.array(faces, int).reshape(-1, 3)
    if mesh.GetOrientationAttr().Get() == UsdGeom.Tokens.leftHanded:
        triangles = triangles[:, ::-1]
    return points, triangles


def _cone(cone: UsdGeom.Cone) -> tuple[np.ndarray, np.ndarray]:
    radius, height = float(cone.GetRadiusAttr().Get()), float(cone.GetHeightAttr().Get())
    axis = _AXES[str(cone.GetAxisAttr().Get())]
    angles = np.linspace(0.0, 2.0 * math.pi, _CONE_SECTORS, endpoint=False)
    points = np.zeros((_CONE_SECTORS + 1, 3))
    points[:-1, (axis + 1) % 3], points[:-1, (axis + 2) % 3] = radius * np.cos(angles), radius * np.sin(angles)
    points[:-1, axis], points[-1, axis] = -0.5 * height, 0.5 * height
    count = _CONE_SECTORS
    sides = [(number, (number + 1) % count, count) for number in range(count)]
    base = [(0, number + 1, number) for number in range(1, count - 1)]
    return points, np.array(sides + base, int)


def _is_solid(points: np.ndarray) -> bool:
    """Return whether points span a volume."""
    if len(points) < 4:
        return False
    spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return bool(spread[2] > 1e-6 * spread[0])


def _color(prim: Usd.Prim) -> tuple[float, ...]:
    """Return the colour of a prim: its own, otherwise that of its material."""
    gprim = UsdGeom.Gprim(prim)
    colors, opacities = gprim.GetDisplayColorAttr().Get(), gprim.GetDisplayOpacityAttr().Get()
    if colors:
        return (*map(float, colors[0]), float(opacities[0]) if opacities else 1.0)
    material, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial()
    if material:
        for shader in material.GetPrim().GetAllChildren():
            for name in ("inputs:diffuseColor", "inputs:diffuse_color_constant", "inputs:diffuse_tint"):
                value = shader.GetAttribute(name).Get() if shader.HasAttribute(name) else None
                if value is not None:
                    return (*map(float, value), 1.0)
    return _GREY
