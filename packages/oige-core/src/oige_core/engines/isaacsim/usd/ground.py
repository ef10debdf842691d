"""Writes what all worlds stand on."""

import numpy as np
from pxr import Gf, Usd, UsdGeom, UsdPhysics, Vt

from oige_core.engines.isaacsim.usd.description import Pose
from oige_core.engines.isaacsim.usd.prims import set_color, set_pose, set_values
from oige_core.scene.elements import GroundPlaneElement, HeightFieldElement

__all__ = ["write_ground_plane", "write_height_field"]

_CONTACT_OFFSET = 0.002  # m
_DRAWN = 500.0  # half the edge of the square that is drawn, in metres


def write_ground_plane(element: GroundPlaneElement, stage: Usd.Stage, path: str) -> Usd.Prim:
    """Write an infinite plane for collisions and a large square that is drawn.

    Args:
        element: the plane.
        stage: the stage.
        path: of the new prim, which holds both.

    Returns:
        the prim with the collider.
    """
    ground = UsdGeom.Xform.Define(stage, path).GetPrim()
    set_pose(ground, Pose(position=(0.0, 0.0, element.height)))
    plane = UsdGeom.Plane.Define(stage, f"{path}/collider")
    plane.CreateAxisAttr(UsdGeom.Tokens.z)
    plane.CreatePurposeAttr(UsdGeom.Tokens.guide)
    _make_collide(plane.GetPrim())
    corners = _DRAWN * np.array([(-1.0, -1.0, 0.0), (1.0, -1.0, 0.0), (1.0, 1.0, 0.0), (-1.0, 1.0, 0.0)])
    upwards = np.tile((0.0, 0.0, 1.0), (4, 1))
    square = _write_mesh(stage, f"{path}/surface", corners, np.array([[0, 1, 2, 3]]), upwards)
    set_color(square, element.material.color)
    return plane.GetPrim()


def write_height_field(element: HeightFieldElement, stage: Usd.Stage, path: str) -> Usd.Prim:
    """Write terrain as two triangles per cell, which meet along the line from ``[i, j]`` to ``[i + 1, j + 1]``.

    These are the triangles of the embedded engine.

    Args:
        element: the terrain.
        stage: the stage.
        path: of the new prim.

    Returns:
        the mesh, which is the collider.
    """
    rows, columns = element.heights.shape
    x, y = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    scale = element.horizontal_scale
    points = np.stack([x * scale, y * scale, element.heights], axis=-1).reshape(-1, 3)
    corner = (x * columns + y)[:-1, :-1].ravel()
    along_x, along_y, opposite = corner + columns, corner + 1, corner + columns + 1
    faces = np.stack([corner, along_x, opposite, corner, opposite, along_y], axis=-1).reshape(-1, 3)
    slopes = np.gradient(element.heights, scale)
    normals = np.stack([-slopes[0], -slopes[1], np.ones_like(slopes[0])], axis=-1).reshape(-1, 3)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    mesh = _write_mesh(stage, path, points, faces, normals)
    set_pose(mesh, Pose(position=element.origin))
    set_color(mesh, element.material.color)
    _make_collide(mesh)
    UsdPhysics.MeshCollisionAPI.Apply(mesh).CreateApproximationAttr(UsdPhysics.Tokens.none)
    return mesh


def _make_collide(prim: Usd.Prim) -> None:
    """Let a shape collide. Contacts of a plane begin centimetres ahead by default, and slow feet that pass over it."""
    UsdPhysics.CollisionAPI.Apply(prim)
    set_values(prim, "PhysxCollisionAPI", {"physxCollision:contactOffset": _CONTACT_OFFSET})


def _write_mesh(stage: Usd.Stage, path: str, points: np.ndarray, faces: np.ndarray, normals: np.ndarray) -> Usd.Prim:
    """Write a mesh.

    Args:
        stage: the stage.
        path: of the new prim.
        points: ``(n, 3)`` in metres.
        faces: ``(m, corners)`` indices of points, counter-clockwise from outside.
        normals: ``(n, 3)`` outwards at the points, of length 1.
    """
    mesh = UsdGeom.Mesh.Define(stage, path)
    mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(points.astype(np.float32)))
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(faces), faces.shape[1], dtype=np.int32)))
    mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(faces.astype(np.int32).ravel()))
    mesh.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(normals.astype(np.float32)))
    mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    mesh.CreateExtentAttr([Gf.Vec3f(*points.min(0).tolist()), Gf.Vec3f(*points.max(0).tolist())])
    return mesh.GetPrim()
