"""Terrain: meshes outside the worlds that collide, as height fields on which all worlds stand."""

import numpy as np
import torch
from oige_core.scene import Material, Scene
from pxr import Gf, Usd, UsdGeom

from oige_compat.assets.bodies import collides
from oige_compat.assets.shapes import read_surface
from oige_compat.assets.stages import Frames
from oige_compat.building.heights import Heights, heights_of_mesh
from oige_compat.building.world import FirstWorld, last_name
from oige_compat.errors import CompatError
from oige_compat.session import BASE, Session

__all__ = ["add_terrain", "place_worlds"]


def add_terrain(world: FirstWorld, scene: Scene) -> None:
    """Add colliding meshes outside the worlds as height fields, and say what differs.

    The worlds then stand at their own places on the stage, so that poses in the engine are those on the stage.

    Raises:
        CompatError: a mesh has no area.
    """
    meshes = [prim for prim in _outside(world) if prim.IsA(UsdGeom.Mesh) and collides(prim)]
    for prim in meshes:
        heights = _heights(prim)
        surface = read_surface(prim, Frames(world.session.stage), world.report())
        for text in heights.differences:
            world.session.note(f"{prim.GetPath()}: {text}")
        scene.add_height_field(
            last_name(str(prim.GetPath())),
            heights.values,
            horizontal_scale=heights.spacing,
            origin=heights.origin,
            material=None if surface.friction is None else Material(friction=surface.friction),
        )
    if meshes:
        world.session.places = world.session.offsets
        world.session.offsets = torch.zeros_like(world.session.offsets)
        world.origin = Gf.Matrix4d(1.0)


def place_worlds(current: Session) -> None:
    """Move what the worlds contain to the places of the worlds on terrain; the engine starts all at the first."""
    if current.engine is None or not current.on_terrain or not bool((current.places != current.places[0]).any()):
        return
    shift = (current.places - current.places[0]).to(current.engine.device)
    for view in current.on_terrain:
        positions, orientations = view.get_world_poses()
        view.set_world_poses(positions + shift, orientations)


def _outside(world: FirstWorld) -> list[Usd.Prim]:
    prims = iter(world.session.stage.Traverse())
    found = []
    for prim in prims:
        if str(prim.GetPath()) == BASE or prim == world.prim:
            prims.PruneChildren()
        else:
            found.append(prim)
    return found


def _heights(prim: Usd.Prim) -> Heights:
    mesh = UsdGeom.Mesh(prim)
    points, counts, corners = (
        np.asarray(attribute.Get() if attribute.HasAuthoredValue() else [])
        for attribute in (mesh.GetPointsAttr(), mesh.GetFaceVertexCountsAttr(), mesh.GetFaceVertexIndicesAttr())
    )
    if not len(points) or not len(corners):
        raise CompatError(f"{prim.GetPath()}: a terrain without points or faces; expected a mesh of triangles.")
    matrix = np.asarray(UsdGeom.XformCache().GetLocalToWorldTransform(prim))  # rows are transformed: p · matrix
    points = points.astype(float) @ matrix[:3, :3] + matrix[3, :3]
    return heights_of_mesh(str(prim.GetPath()), points, _triangles(counts.astype(int), corners.astype(int)))


def _triangles(counts: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Return triangles ``(m, 3)`` of faces with any number of corners."""
    if (counts == 3).all():
        return corners.reshape(-1, 3)
    faces = np.split(corners, np.cumsum(counts)[:-1])
    return np.array([(face[0], face[i], face[i + 1]) for face in faces for i in range(1, len(face) - 1)])
