"""Images of geoms at given poses and of soft bodies, several worlds in each image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
import torch

from oige_core.engines.mujoco.appearance import Looks
from oige_core.engines.mujoco.render.colors import geom_color
from oige_core.engines.mujoco.render.geoms import is_visible
from oige_core.engines.mujoco.render.lights import add_lights
from oige_core.engines.mujoco.render.meshes import add_height_field, add_mesh, read_height_field, read_mesh
from oige_core.engines.mujoco.render.ray_tracer import Poses, RayTracer
from oige_core.render.appearance import SHADE, SUN, TILE, terrain_texture

__all__ = ["GeomRenderer"]

CAMERA = "camera"
_Geom = mujoco.mjtGeom


class GeomRenderer:
    """Renders the visible geoms of a model at any poses, in sunlight.

    No camera can be added to a compiled model, and one image may show several worlds. So the geoms are compiled into a
    model of their own, with a camera and lights.

    Args:
        model: the simulated model.
        offsets: ``(n, 3)`` positions in an image of the n worlds that it shows, in metres.
        num_images: number of images that are rendered at once.
        size: width and height of an image, in pixels.
        fov: vertical field of view of the camera, in degrees.
        samples: rays along each axis of a pixel; geoms thinner than a pixel need several, at quadratic cost.
        ground: whether ground planes are rendered.
        sun: direction in which sunlight travels; a low sun makes slopes visible.
        device: device that renders.
        meshes: numbers of meshes of the model that geoms may have instead of their own.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        offsets: np.ndarray,
        *,
        num_images: int = 1,
        size: tuple[int, int],
        fov: float,
        samples: int = 1,
        ground: bool = True,
        sun: tuple[float, float, float] = SUN,
        device: torch.device | str = "cpu",
        meshes: Sequence[int] = (),
    ) -> None:
        self._offsets = offsets
        self._num_images = num_images
        self._device = torch.device(device)
        # Geoms of the world body are the same in all worlds: those of worlds at one place are rendered once.
        distinct = np.unique(offsets, axis=0, return_index=True)[1]
        rendered: list[tuple[int, int]] = []  # worlds and geoms
        for world in range(len(offsets)):
            for geom in filter(lambda geom: is_visible(model, geom), range(model.ngeom)):
                if model.geom_type[geom] == int(_Geom.mjGEOM_PLANE):
                    is_needed = ground and world == 0
                else:
                    is_needed = world in distinct or model.geom_bodyid[geom] != 0
                if is_needed:
                    rendered.append((world, geom))
        soft = [(world, flex) for world in range(len(offsets)) for flex in range(model.nflex)]
        # The ray tracer shows everything as opaque. So each opacity is rendered apart, and blended with the rest.
        opacities = [geom_color(model, geom)[3] for _, geom in rendered]
        soft_opacities = [float(model.flex_rgba[flex, 3]) for _, flex in soft]
        self._layers: list[_Layer] = []
        for opacity in [1.0, *sorted({each for each in opacities + soft_opacities if 0.0 < each < 1.0})]:
            shown = [place for place, own in zip(rendered, opacities, strict=True) if own in (1.0, opacity)]
            surfaces = [place for place, own in zip(soft, soft_opacities, strict=True) if own in (1.0, opacity)]
            composed = _compose(model, [geom for _, geom in shown], [flex for _, flex in surfaces], fov, sun, meshes)
            tracer = RayTracer(
                composed,
                num_images,
                device=self._device,
                camera=CAMERA,
                size=size,
                samples_per_pixel=samples,
                shadows=True,
            )
            vertices = [
                (world, model.flex_vertadr[flex] + vertex)
                for world, flex in surfaces
                for vertex in range(model.flex_vertnum[flex])
            ]
            self._layers.append(_Layer(opacity, shown, vertices, tracer, composed, _mesh_numbers(model, composed)))

    def render(
        self,
        positions: np.ndarray,
        rotations: np.ndarray,
        camera: np.ndarray,
        target: np.ndarray,
        looks: Looks | None = None,
        vertices: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return images ``(num_images, height, width, 3)`` uint8, red, green and blue.

        Args:
            positions: ``(num_images, n, ngeom, 3)`` of the geoms in their worlds, in metres.
            rotations: ``(num_images, n, ngeom, 3, 3)`` of the geoms.
            camera: ``(num_images, 3)`` or ``(3,)``: position of the camera, in metres.
            target: ``(num_images, 3)`` or ``(3,)``: the point that the camera looks at, in metres; z is up.
            looks: sizes and colours of all worlds, ``(num_images · n, ngeom, …)``, where they differ between worlds.
            vertices: ``(num_images, n, nflexvert, 3)`` of the soft bodies in their worlds, if there are any, in metres.
        """
        looks = looks or Looks()
        camera, target = (np.broadcast_to(point, (self._num_images, 3)) for point in (camera, target))
        view = self._tensor(camera), self._tensor(_look_at(camera, target))
        positions = positions + self._offsets[:, None]
        if vertices is None:
            vertices = np.zeros((self._num_images, len(self._offsets), 0, 3))
        vertices = vertices + self._offsets[:, None]
        opaque, *transparent = (
            self._render_layer(layer, positions, rotations, vertices, view, looks) for layer in self._layers
        )
        if not transparent:
            return opaque
        blended = opaque.astype(np.float32)
        for layer, image in zip(self._layers[1:], transparent, strict=True):
            blended += layer.opacity * (image.astype(np.float32) - opaque)
        return np.rint(blended.clip(0.0, 255.0)).astype(np.uint8)

    def _render_layer(
        self,
        layer: "_Layer",
        positions: np.ndarray,
        rotations: np.ndarray,
        vertices: np.ndarray,
        view: Poses,
        looks: Looks,
    ) -> np.ndarray:
        worlds, geoms = _columns(layer.rendered)
        xpos, xmat = positions[:, worlds, geoms], rotations[:, worlds, geoms]
        own = self._compose_looks(layer, looks)
        composed = layer.composed
        meshes = np.flatnonzero(composed.geom_type == int(_Geom.mjGEOM_MESH))
        if len(meshes):
            numbers = composed.geom_dataid[None] if own.meshes is None else own.meshes.cpu().numpy()
            places, turns = _mesh_frames(composed)
            numbers = numbers[:, meshes]
            xpos[:, meshes] += (xmat[:, meshes] @ places[numbers][..., None])[..., 0]
            xmat[:, meshes] = xmat[:, meshes] @ turns[numbers]
        surfaces = None
        if layer.vertices:
            places, columns = _columns(layer.vertices)
            surfaces = self._tensor(vertices[:, places, columns])
        layer.tracer.render((self._tensor(xpos), self._tensor(xmat)), view, looks=own, vertices=surfaces)
        return layer.tracer.images["rgb"].cpu().numpy().copy()

    def _compose_looks(self, layer: "_Layer", looks: Looks) -> Looks:
        """Return sizes, meshes and colours of the geoms of a layer; planes and terrain keep theirs."""
        worlds, geoms = _columns(layer.rendered)
        kinds = layer.composed.geom_type

        def composed(values: torch.Tensor | None, own: np.ndarray, *fixed: _Geom) -> torch.Tensor | None:
            if values is None:
                return None
            values = values.view(self._num_images, -1, *values.shape[1:])[:, worlds, geoms].to(torch.float32)
            is_fixed = torch.from_numpy(np.isin(kinds, [int(kind) for kind in fixed])).to(self._device)
            return torch.where(is_fixed.unsqueeze(-1), self._tensor(own), values)

        meshes = None
        if looks.meshes is not None:
            numbers = looks.meshes.view(self._num_images, -1, looks.meshes.shape[-1])[:, worlds, geoms].to(torch.int64)
            is_mesh = torch.from_numpy(kinds == int(_Geom.mjGEOM_MESH)).to(self._device)
            own = torch.from_numpy(layer.composed.geom_dataid).to(self._device)
            known = torch.from_numpy(layer.mesh_numbers).to(self._device)
            meshes = torch.where(is_mesh, known[numbers].to(own.dtype), own)
        textured = _Geom.mjGEOM_PLANE, _Geom.mjGEOM_HFIELD
        return Looks(
            sizes=composed(looks.sizes, layer.composed.geom_size, *textured, _Geom.mjGEOM_MESH),
            meshes=meshes,
            colors=composed(looks.colors, layer.composed.geom_rgba, *textured),
        )

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self._device)


@dataclass(frozen=True)
class _Layer:
    """Opaque geoms, and those of one opacity.

    Attributes:
        opacity: above 0, at most 1.
        rendered: worlds and geoms.
        vertices: worlds, and numbers among all vertices of soft bodies in a world.
        tracer: renders them.
        composed: the model of the geoms.
        mesh_numbers: numbers in it of the meshes of the simulated model; −1: it does not have them.
    """

    opacity: float
    rendered: list[tuple[int, int]]
    vertices: list[tuple[int, int]]
    tracer: RayTracer
    composed: mujoco.MjModel
    mesh_numbers: np.ndarray


def _compose(
    model: mujoco.MjModel,
    geoms: Sequence[int],
    flexes: Sequence[int],
    fov: float,
    sun: tuple[float, float, float],
    meshes: Sequence[int],
) -> mujoco.MjModel:
    """Return a model of these geoms and soft bodies of another model, in this order, with a camera and lights.

    It also has further meshes.
    """
    spec = mujoco.MjSpec()
    # Contacts of many robots at one place would not fit into memory.
    spec.option.disableflags = mujoco.mjtDisableBit.mjDSBL_CONTACT
    spec.worldbody.add_camera(name=CAMERA, fovy=fov)
    add_lights(spec, sun)
    known: set[str] = set()
    for geom in geoms:
        color = geom_color(model, geom)
        added = spec.worldbody.add_body().add_geom(
            type=_Geom(int(model.geom_type[geom])), size=model.geom_size[geom], rgba=color, mass=1.0
        )
        number = int(model.geom_dataid[geom])
        match added.type:
            case _Geom.mjGEOM_PLANE:
                added.size = [0.0, 0.0, 1.0]
                added.rgba = [1.0, 1.0, 1.0, color[3]]
                added.material = f"plane{geom}"
                _add_checkers(spec, added.material, color[:3])
            case _Geom.mjGEOM_HFIELD:
                field = read_height_field(model, number)
                added.hfieldname = f"hfield{number}"
                if added.hfieldname not in known:
                    add_height_field(spec, added.hfieldname, field)
                    known.add(added.hfieldname)
                added.rgba = [1.0, 1.0, 1.0, color[3]]
                added.material = f"terrain{geom}"
                if added.material not in known:
                    _add_texture(spec, added.material, terrain_texture(field.heights, field.spacing, color))
                    known.add(added.material)
            case _Geom.mjGEOM_MESH | _Geom.mjGEOM_SDF:
                added.type = _Geom.mjGEOM_MESH
                added.meshname = _mesh_name(number)
                if added.meshname not in known:
                    add_mesh(spec, added.meshname, *read_mesh(model, number))
                    known.add(added.meshname)
    for number in meshes:
        if _mesh_name(number) not in known:
            add_mesh(spec, _mesh_name(number), *read_mesh(model, number))
    for flex in flexes:
        _add_surface(spec, model, flex)
    return spec.compile()


def _add_surface(spec: mujoco.MjSpec, model: mujoco.MjModel, flex: int) -> None:
    """Add the surface of a soft body, whose vertices are given when it is rendered."""
    count, first = int(model.flex_vertnum[flex]), int(model.flex_elemdataadr[flex])
    # MuJoCo Warp refuses surfaces whose vertices all belong to one body.
    bodies = [spec.worldbody.add_body(name=f"flex{len(spec.flexes)}_{number}").name for number in range(2)]
    spec.add_flex(
        dim=2,
        vert=np.zeros(3 * count).tolist(),
        vertbody=[bodies[0]] * (count - 1) + [bodies[1]],
        elem=model.flex_elem[first : first + 3 * int(model.flex_elemnum[flex])].tolist(),
        radius=model.flex_radius[flex],
        rgba=model.flex_rgba[flex],
        edgedamping=1.0,  # without any force, MuJoCo would warn
    )


def _add_material(spec: mujoco.MjSpec, name: str, **options: Any) -> None:
    """Add a material with the texture of the same name."""
    material = spec.add_material(name=name, specular=0.0, **options)
    material.textures[int(mujoco.mjtTextureRole.mjTEXROLE_RGB)] = name


def _add_checkers(spec: mujoco.MjSpec, name: str, color: tuple[float, ...]) -> None:
    spec.add_texture(
        name=name,
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        rgb1=color,
        rgb2=[SHADE * part for part in color],
        width=64,
        height=64,
    )
    _add_material(spec, name, texrepeat=[1.0 / TILE, 1.0 / TILE])


def _add_texture(spec: mujoco.MjSpec, name: str, image: np.ndarray) -> None:
    height, width = image.shape[:2]
    texture = spec.add_texture(name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, width=width, height=height, nchannel=3)
    texture.data = np.rint(255.0 * image).astype(np.uint8).tobytes()
    _add_material(spec, name)


def _mesh_name(number: int) -> str:
    return f"mesh{number}"


def _mesh_numbers(model: mujoco.MjModel, composed: mujoco.MjModel) -> np.ndarray:
    """Return the numbers ``(nmesh + 1,)`` of meshes of a model in another one; −1 for none, also at the end."""
    known = {composed.mesh(mesh).name: mesh for mesh in range(composed.nmesh)}
    return np.array([*(known.get(_mesh_name(mesh), -1) for mesh in range(model.nmesh)), -1])


def _mesh_frames(model: mujoco.MjModel) -> tuple[np.ndarray, np.ndarray]:
    """Return translations ``(nmesh, 3)`` and rotations ``(nmesh, 3, 3)`` by which the compiler has moved meshes."""
    rotations = np.empty((model.nmesh, 9))
    for mesh in range(model.nmesh):
        mujoco.mju_quat2Mat(rotations[mesh], model.mesh_quat[mesh])
    return model.mesh_pos.copy(), rotations.reshape(-1, 3, 3)


def _columns(pairs: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Return the first and the second numbers of pairs."""
    return [first for first, _ in pairs], [second for _, second in pairs]


def _look_at(camera: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return rotations ``(n, 3, 3)`` of upright cameras at ``camera`` ``(n, 3)`` that look at ``target`` ``(n, 3)``."""
    back = camera - target
    back = back / np.linalg.norm(back, axis=1, keepdims=True)
    right = np.cross([0.0, 0.0, 1.0], back)
    right = right / np.linalg.norm(right, axis=1, keepdims=True)
    return np.stack([right, np.cross(back, right), back], axis=2)
