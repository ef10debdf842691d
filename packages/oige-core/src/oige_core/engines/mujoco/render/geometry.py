"""The look of worlds, from the compiled model."""

import copy
from collections.abc import Iterator, Sequence

import mujoco
import numpy as np
import trimesh

from oige_core.engines.mujoco.compile import HIDDEN_GROUP
from oige_core.engines.mujoco.worlds import Worlds
from oige_core.render.appearance import terrain_texture
from oige_core.render.geometry import Ground, Shape
from oige_core.render.height_field_mesh import height_field_mesh

__all__ = ["MujocoSceneGeometry", "geom_color", "height_field", "kinematics"]

BACKING_DEPTH = 0.05  # m; of a plane below the lowest point of a terrain
_NEUTRAL = (0.5, 0.5, 0.5, 1.0)  # the colour of a geom that names none; its material's holds then
_STATE_FIELDS = ("qpos", "mocap_pos", "mocap_quat")
_MODEL_FIELDS = ("body_pos", "body_quat")  # worlds whose fixed roots were moved have their own
_Geom = mujoco.mjtGeom
_CURVED = (_Geom.mjGEOM_SPHERE, _Geom.mjGEOM_CAPSULE, _Geom.mjGEOM_ELLIPSOID)


def kinematics(worlds: Worlds, numbers: Sequence[int]) -> Iterator[mujoco.MjData]:
    """Yield, for each world of these numbers in turn, data in which bodies and geoms are where they are at present.

    The worlds' own fields stay as they are, so that viewing has no side effects. On a GPU this waits for it.
    """
    rows = list(numbers)
    model = copy.copy(worlds.compiled.model)
    data = mujoco.MjData(model)
    states = {name: worlds.executor.field(name)[rows].cpu().numpy() for name in _STATE_FIELDS}
    moved = {name: worlds.model_values(name)[rows].cpu().numpy() for name in _MODEL_FIELDS}
    for index in range(len(rows)):
        for name, values in states.items():
            getattr(data, name)[:] = values[index]
        for name, values in moved.items():
            getattr(model, name)[:] = values[index]
        mujoco.mj_kinematics(model, data)
        yield data


def geom_color(model: mujoco.MjModel, geom: int) -> tuple[float, float, float, float]:
    """Return the colour of a geom, red, green, blue and opacity from 0 to 1."""
    material = int(model.geom_matid[geom])
    own = model.geom_rgba[geom]
    color = model.mat_rgba[material] if material >= 0 and np.allclose(own, _NEUTRAL) else own
    red, green, blue, opacity = map(float, color)
    return red, green, blue, opacity


class MujocoSceneGeometry:
    """See :class:`~oige_core.render.geometry.SceneGeometry`.

    Args:
        worlds: the built worlds.
    """

    def __init__(self, worlds: Worlds) -> None:
        self._worlds = worlds
        model = worlds.compiled.model
        planes = np.flatnonzero(model.geom_type == int(_Geom.mjGEOM_PLANE))
        self.ground = (
            Ground(float(model.geom_pos[planes[0], 2]), geom_color(model, planes[0])[:3]) if len(planes) else None
        )
        visible = [geom for geom in range(model.ngeom) if _is_visible(model, geom)]
        self._bodies = sorted({int(model.geom_bodyid[geom]) for geom in visible} - {0})
        self.num_bodies = len(self._bodies)
        robot = _first_mover(model, self._bodies)
        self.robot: Sequence[int] = [index for index, body in enumerate(self._bodies) if body in robot]
        self.shapes: Sequence[Shape] = self._merge(model, visible)
        self._terrains = [
            (model.geom_pos[geom].copy(), *height_field(model, int(model.geom_dataid[geom])))
            for geom in np.flatnonzero(model.geom_type == int(_Geom.mjGEOM_HFIELD))
        ]

    def poses(self, worlds: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """See :class:`~oige_core.render.geometry.SceneGeometry`."""
        positions = np.empty((len(worlds), self.num_bodies, 3), np.float32)
        orientations = np.empty((len(worlds), self.num_bodies, 4), np.float32)
        for index, data in enumerate(kinematics(self._worlds, worlds)):
            positions[index] = data.xpos[self._bodies]
            orientations[index] = data.xquat[self._bodies]
        return positions, orientations

    def floor(self, x: float, y: float) -> float:
        """See :class:`~oige_core.render.geometry.SceneGeometry`."""
        floor = -np.inf if self.ground is None else self.ground.height
        for position, heights, spacing in self._terrains:
            row, column = (
                round((point - middle) / step + 0.5 * (count - 1))
                for point, middle, step, count in zip((x, y), position, spacing, heights.shape, strict=False)
            )
            if 0 <= row < heights.shape[0] and 0 <= column < heights.shape[1]:
                floor = max(floor, float(position[2] + heights[row, column]))
        return floor

    def _merge(self, model: mujoco.MjModel, geoms: Sequence[int]) -> list[Shape]:
        """Return one shape for the geoms of a body that have one colour and are all curved or all flat."""
        groups: dict[tuple, list[trimesh.Trimesh]] = {}
        for geom in geoms:
            body = int(model.geom_bodyid[geom])
            kind = _Geom(int(model.geom_type[geom]))
            terrain = int(model.geom_dataid[geom]) if kind == _Geom.mjGEOM_HFIELD else None
            key = (body, geom_color(model, geom), kind in _CURVED, terrain)
            groups.setdefault(key, []).append(_mesh(model, geom))
        shapes = []
        for (body, color, smooth, terrain), meshes in groups.items():
            firsts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])
            shapes.append(
                Shape(
                    body=self._bodies.index(body) if body else None,
                    vertices=np.concatenate([mesh.vertices for mesh in meshes]).astype(np.float32),
                    faces=np.concatenate([mesh.faces + n for mesh, n in zip(meshes, firsts, strict=False)]).astype(
                        np.uint32
                    ),
                    color=color,
                    smooth=smooth,
                    texture=None if terrain is None else terrain_texture(*height_field(model, terrain), color),
                )
            )
        return shapes


def _is_visible(model: mujoco.MjModel, geom: int) -> bool:
    is_plane = model.geom_type[geom] == int(_Geom.mjGEOM_PLANE)
    return not is_plane and model.geom_group[geom] < HIDDEN_GROUP and geom_color(model, geom)[3] > 0


def _first_mover(model: mujoco.MjModel, bodies: Sequence[int]) -> set[int]:
    """Return the first of the bodies that has a joint or is moved by hand, with all that hangs on it."""
    for root in bodies:
        if model.body_dofnum[root] or model.body_mocapid[root] >= 0:
            tree = {root}
            for body in range(root + 1, model.nbody):  # children come after their parents
                if int(model.body_parentid[body]) in tree:
                    tree.add(body)
            return tree
    return set()


def _mesh(model: mujoco.MjModel, geom: int) -> trimesh.Trimesh:
    """Return a geom as triangles, in the frame of its body."""
    size = model.geom_size[geom]
    creation = trimesh.creation
    match _Geom(int(model.geom_type[geom])):
        case _Geom.mjGEOM_SPHERE:
            mesh = creation.icosphere(subdivisions=2, radius=size[0])
        case _Geom.mjGEOM_ELLIPSOID:
            mesh = creation.icosphere(subdivisions=2)
            mesh.apply_scale(size)
        case _Geom.mjGEOM_CAPSULE:
            mesh = creation.capsule(height=2 * size[1], radius=size[0], count=(12, 12))
        case _Geom.mjGEOM_CYLINDER:
            mesh = creation.cylinder(radius=size[0], height=2 * size[1], sections=24)
        case _Geom.mjGEOM_BOX:
            mesh = creation.box(extents=2 * size)
        case _Geom.mjGEOM_HFIELD:
            mesh = _height_field(model, int(model.geom_dataid[geom]))
        case _:  # meshes, and signed distance fields, which are made from meshes
            number = int(model.geom_dataid[geom])
            first, count = model.mesh_vertadr[number], model.mesh_vertnum[number]
            first_face, face_count = model.mesh_faceadr[number], model.mesh_facenum[number]
            mesh = trimesh.Trimesh(
                model.mesh_vert[first : first + count],
                model.mesh_face[first_face : first_face + face_count],
                process=False,
            )
    pose = np.eye(4)
    rotation = np.empty(9)
    mujoco.mju_quat2Mat(rotation, model.geom_quat[geom])
    pose[:3, :3] = rotation.reshape(3, 3)
    pose[:3, 3] = model.geom_pos[geom]
    mesh.apply_transform(pose)
    return mesh


def height_field(model: mujoco.MjModel, number: int) -> tuple[np.ndarray, tuple[float, float]]:
    """Return the heights of a height field, ``(rows along x, columns along y)``, and their spacing, in metres."""
    rows, columns = int(model.hfield_nrow[number]), int(model.hfield_ncol[number])
    first = int(model.hfield_adr[number])
    half_x, half_y, height, _ = model.hfield_size[number]
    # MuJoCo's rows run along y.
    heights = model.hfield_data[first : first + rows * columns].reshape(rows, columns).T.astype(np.float64) * height
    return heights, (2 * half_x / (columns - 1), 2 * half_y / (rows - 1))


def _height_field(model: mujoco.MjModel, number: int) -> trimesh.Trimesh:
    half_x, half_y = model.hfield_size[number, :2]
    vertices, faces = height_field_mesh(*height_field(model, number))
    # Where a large triangle meets small ones, renderers leave out single pixels. Below is more of the same ground then.
    x, y, z = 2 * half_x, 2 * half_y, vertices[:, 2].min() - BACKING_DEPTH
    backing = [(0.0, 0.0, z), (x, 0.0, z), (x, y, z), (0.0, y, z)]
    faces = np.concatenate([faces, len(vertices) + np.array([(0, 1, 2), (0, 2, 3)])])
    return trimesh.Trimesh(np.concatenate([vertices, backing]) - (half_x, half_y, 0.0), faces, process=False)
