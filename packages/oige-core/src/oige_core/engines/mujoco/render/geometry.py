"""The geometry of worlds for the viewer, from the compiled model."""

from collections.abc import Sequence

import mujoco
import numpy as np
import trimesh

from oige_core.engines.mujoco.render.colors import geom_color
from oige_core.engines.mujoco.render.geoms import is_visible, kinematics
from oige_core.engines.mujoco.render.meshes import HeightField, read_height_field, read_mesh
from oige_core.engines.mujoco.variants import with_variant
from oige_core.engines.mujoco.worlds import Worlds
from oige_core.render.appearance import terrain_texture
from oige_core.render.geometry import Ground, Shape, ShapeLooks, SoftShape
from oige_core.render.height_field_mesh import height_field_mesh

__all__ = ["MujocoSceneGeometry"]

BACKING_DEPTH = 0.05  # m; of a plane below the lowest point of a terrain
_Geom = mujoco.mjtGeom
# For each axis of a mesh, the number of MuJoCo's size that scales it.
_AXES = {_Geom.mjGEOM_SPHERE: (0, 0, 0), _Geom.mjGEOM_CAPSULE: (0, 0, 1), _Geom.mjGEOM_CYLINDER: (0, 0, 1)}
_CURVED = (_Geom.mjGEOM_SPHERE, _Geom.mjGEOM_CAPSULE, _Geom.mjGEOM_ELLIPSOID)
_ABSENT = 1e-6  # scale of shapes that a world does not have
_CREASE = np.radians(30.0)  # angle between faces of a mesh from which it has an edge there


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
        visible = [geom for geom in range(model.ngeom) if geom not in planes and is_visible(model, geom)]
        self._bodies = sorted({int(model.geom_bodyid[geom]) for geom in visible} - {0})
        self.num_bodies = len(self._bodies)
        self.body_names: Sequence[str] = [model.body(body).name for body in self._bodies]
        robot = _first_mover(model, self._bodies)
        self.robot: Sequence[int] = [index for index, body in enumerate(self._bodies) if body in robot]
        self._firsts: list[int] = []  # the first geom of each shape
        self._present: list[tuple[str, int] | None] = []  # body and variant without which worlds lack each shape
        variants = worlds.compiled.variants
        varying = {geom for each in variants.values() for geom in each.geoms}
        shapes = self._merge(model, [geom for geom in visible if geom not in varying])
        for name, each in variants.items():
            for number in range(each.count):
                shapes += self._merge(
                    with_variant(model, [each], number),
                    [geom for geom in visible if geom in each.geoms],
                    (name, number),
                )
        self.shapes: Sequence[Shape] = shapes
        self._soft = [flex for flex in range(model.nflex) if model.flex_rgba[flex, 3] > 0]
        self.soft_shapes: Sequence[SoftShape] = [_soft_shape(model, flex) for flex in self._soft]
        self._terrains = [
            (model.geom_pos[geom].copy(), read_height_field(model, int(model.geom_dataid[geom])))
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

    def soft_vertices(self, worlds: Sequence[int]) -> list[np.ndarray]:
        """See :class:`~oige_core.render.geometry.SceneGeometry`."""
        model = self._worlds.compiled.model
        ends = model.flex_vertadr + model.flex_vertnum
        vertices = np.stack([data.flexvert_xpos.astype(np.float32) for data in kinematics(self._worlds, worlds)])
        return [vertices[:, model.flex_vertadr[flex] : ends[flex]] for flex in self._soft]

    def looks(self, worlds: Sequence[int]) -> ShapeLooks:
        """See :class:`~oige_core.render.geometry.SceneGeometry`."""
        model, looks = self._worlds.compiled.model, self._worlds.looks()
        scales = colors = None
        if looks.colors is not None:
            colors = looks.colors[list(worlds)][:, self._firsts, :3].cpu().numpy()
        if looks.sizes is not None:
            sizes, own = looks.sizes[list(worlds)][:, self._firsts].cpu().numpy(), model.geom_size[self._firsts]
            axes = [_AXES.get(_Geom(int(kind)), (0, 1, 2)) for kind in model.geom_type[self._firsts]]
            ratios = np.divide(sizes, own, out=np.ones_like(sizes), where=own > 0)
            scales = np.take_along_axis(ratios, np.array(axes)[None], axis=2).astype(np.float32)
        if any(self._present):
            scales = np.ones((len(worlds), len(self.shapes), 3), np.float32) if scales is None else scales
            chosen = {name: each[list(worlds)].cpu().numpy() for name, each in self._worlds.variants.items()}
            for shape, variant in enumerate(self._present):
                if variant is not None:
                    name, number = variant
                    scales[:, shape] = np.where(chosen[name] == number, 1.0, _ABSENT)[:, None]
        return ShapeLooks(scales, colors)

    def floor(self, x: float, y: float) -> float:
        """See :class:`~oige_core.render.geometry.SceneGeometry`."""
        floor = -np.inf if self.ground is None else self.ground.height
        for position, terrain in self._terrains:
            heights = terrain.heights
            row, column = (
                round((point - middle) / step + 0.5 * (count - 1))
                for point, middle, step, count in zip((x, y), position, terrain.spacing, heights.shape, strict=False)
            )
            if 0 <= row < heights.shape[0] and 0 <= column < heights.shape[1]:
                floor = max(floor, float(position[2] + heights[row, column]))
        return floor

    def _merge(
        self, model: mujoco.MjModel, geoms: Sequence[int], variant: tuple[str, int] | None = None
    ) -> list[Shape]:
        """Return one shape for the geoms of a body that have one colour and are all curved or all flat.

        Geoms of which a body has one in each world are shapes of their own.

        Args:
            model: the model.
            geoms: ids of the geoms.
            variant: name of the body and number of the variant to which they belong.
        """
        several = {geom for geoms in self._worlds.compiled.shapes.values() for geom in geoms.values() if len(geoms) > 1}
        groups: dict[tuple, list[trimesh.Trimesh]] = {}
        for geom in geoms:
            body = int(model.geom_bodyid[geom])
            kind = _Geom(int(model.geom_type[geom]))
            terrain = int(model.geom_dataid[geom]) if kind == _Geom.mjGEOM_HFIELD else None
            mesh = _mesh(model, geom)
            smooth = kind in _CURVED or (kind == _Geom.mjGEOM_MESH and _is_curved(mesh))
            key = body, geom_color(model, geom), smooth, terrain, geom if geom in several else None
            if key not in groups:
                self._firsts.append(geom)
                self._present.append(variant)
            groups.setdefault(key, []).append(mesh)
        shapes = []
        for (body, color, smooth, terrain, _), meshes in groups.items():
            texture = None
            if terrain is not None:
                field = read_height_field(model, terrain)
                texture = terrain_texture(field.heights, field.spacing, color)
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
                    texture=texture,
                )
            )
        return shapes


def _soft_shape(model: mujoco.MjModel, flex: int) -> SoftShape:
    first, count = int(model.flex_elemdataadr[flex]), int(model.flex_elemnum[flex])
    return SoftShape(
        name=mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_FLEX, flex),
        faces=model.flex_elem[first : first + 3 * count].reshape(count, 3).astype(np.uint32),
        color=tuple(model.flex_rgba[flex].tolist()),
    )


def _first_mover(model: mujoco.MjModel, bodies: Sequence[int]) -> set[int]:
    """Return the first of the bodies that has a joint or is kinematic, and all of its descendants."""
    for root in bodies:
        if model.body_dofnum[root] or model.body_mocapid[root] >= 0:
            tree = {root}
            for body in range(root + 1, model.nbody):  # children come after their parents
                if int(model.body_parentid[body]) in tree:
                    tree.add(body)
            return tree
    return set()


def _mesh(model: mujoco.MjModel, geom: int) -> trimesh.Trimesh:
    """Return a geom as triangles, in the frame of its body, in metres."""
    size, number = model.geom_size[geom], int(model.geom_dataid[geom])
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
            mesh = _terrain_mesh(read_height_field(model, number))
        case _:  # meshes, and signed distance fields, which are made from meshes
            mesh = trimesh.Trimesh(*read_mesh(model, number), process=False)
    pose = np.eye(4)
    rotation = np.empty(9)
    mujoco.mju_quat2Mat(rotation, model.geom_quat[geom])
    pose[:3, :3] = rotation.reshape(3, 3)
    pose[:3, 3] = model.geom_pos[geom]
    mesh.apply_transform(pose)
    return mesh


def _is_curved(mesh: trimesh.Trimesh) -> bool:
    """Return whether nearly all of a mesh's faces meet their neighbours without an edge."""
    return bool((mesh.face_adjacency_angles < _CREASE).mean() > 0.9)


def _terrain_mesh(field: HeightField) -> trimesh.Trimesh:
    half_x, half_y = field.size[:2]
    vertices, faces = height_field_mesh(field.heights, field.spacing)
    # Renderers miss single pixels where a large triangle meets small ones; a plane of the same colour lies behind them.
    x, y, z = 2 * half_x, 2 * half_y, vertices[:, 2].min() - BACKING_DEPTH
    backing = [(0.0, 0.0, z), (x, 0.0, z), (x, y, z), (0.0, y, z)]
    faces = np.concatenate([faces, len(vertices) + np.array([(0, 1, 2), (0, 2, 3)])])
    return trimesh.Trimesh(np.concatenate([vertices, backing]) - (half_x, half_y, 0.0), faces, process=False)
