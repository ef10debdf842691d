"""Pictures of worlds for people, ray traced by MuJoCo Warp: no screen, no GL library, on a CPU or a GPU."""

from typing import Any

import mujoco
import mujoco_warp as mjw
import numpy as np
import warp as wp

from oige_core.engines.mujoco.compile import HIDDEN_GROUP
from oige_core.engines.mujoco.render.geometry import geom_color, height_field
from oige_core.engines.mujoco.render.traced_worlds import TracedWorlds
from oige_core.render.appearance import AMBIENT, HEADLIGHT, SHADE, SUN, SUNLIGHT, TILE, terrain_texture
from oige_core.warp_runtime import init_warp

__all__ = ["RayTracer"]

_Geom = mujoco.mjtGeom


class RayTracer:
    """Renders the geoms of a model, at any poses, in sunlight.

    A compiled model takes no camera. Geoms of the same looks are therefore compiled into a model of their own, and
    where they are is written into its data.

    Args:
        model: the simulated model.
        offsets: ``(n, 3)`` where in a picture the n worlds are that are seen in it, in metres.
        pictures: number of pictures that are rendered at once.
        size: width and height of a picture, in pixels.
        fov: vertical angle of the camera, in degrees.
        samples: per pixel and axis; what is thinner than a pixel needs several, at a cost that grows as their square.
        ground: whether ground planes are drawn.
        sun: direction in which the sun shines; low, it shows slopes.
        device: Warp's name of the device that renders.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        offsets: np.ndarray,
        *,
        pictures: int = 1,
        size: tuple[int, int],
        fov: float,
        samples: int = 1,
        ground: bool = True,
        sun: tuple[float, float, float] = SUN,
        device: str = "cpu",
    ) -> None:
        init_warp()
        self._offsets = offsets
        self._shape = (pictures, size[1], size[0])
        self._device = device
        # Ground that is the same for all worlds is there once.
        places = np.unique(offsets, axis=0, return_index=True)[1]
        self._drawn = [
            (world, geom)
            for world in range(len(offsets))
            for geom in range(model.ngeom)
            if _is_drawn(model, geom, ground=ground)
            and (world == 0 or model.geom_type[geom] != int(_Geom.mjGEOM_PLANE))
            and (world in places or model.geom_bodyid[geom] != 0)
        ]
        staged = self._stage(model, fov, sun)
        self._mesh_frames = [_mesh_frame(staged, geom) for geom in range(staged.ngeom)]
        with wp.ScopedDevice(device):
            self._worlds = TracedWorlds(
                staged,
                mjw.put_model(staged),
                pictures,
                cam_res=size,
                render_rgb=True,
                use_shadows=True,
                samples_per_pixel=samples,
            )
            self._rgb: Any = wp.zeros(self._shape, dtype=wp.vec3)

    def render(
        self, positions: np.ndarray, rotations: np.ndarray, camera: np.ndarray, look_at: np.ndarray
    ) -> np.ndarray:
        """Return pictures ``(pictures, height, width, 3)``, red, green and blue from 0 to 255.

        Args:
            positions: ``(pictures, n, ngeom, 3)`` of the geoms in their worlds, in metres.
            rotations: ``(pictures, n, ngeom, 3, 3)`` of the geoms.
            camera: ``(pictures, 3)`` or ``(3,)``: where the camera is, in metres.
            look_at: ``(pictures, 3)`` or ``(3,)``: the point that it looks at, in metres; up is up.
        """
        worlds, geoms = (list(index) for index in zip(*self._drawn, strict=True))
        xpos = (positions + self._offsets[:, None])[:, worlds, geoms]
        xmat = rotations[:, worlds, geoms]
        for index, frame in enumerate(self._mesh_frames):
            if frame is not None:
                xpos[:, index] += xmat[:, index] @ frame[0]
                xmat[:, index] = xmat[:, index] @ frame[1]
        pictures = self._shape[0]
        camera, look_at = (np.broadcast_to(point, (pictures, 3)) for point in (camera, look_at))
        with wp.ScopedDevice(self._device):
            data = self._worlds.data
            data.geom_xpos.assign(xpos.astype(np.float32))
            data.geom_xmat.assign(xmat.astype(np.float32))
            data.cam_xpos.assign(camera[:, None].astype(np.float32))
            data.cam_xmat.assign(_aim(camera, look_at)[:, None].astype(np.float32))
            self._worlds.draw()
            mjw.get_rgb(self._worlds.context, 0, self._rgb)
            return np.rint(self._rgb.numpy() * 255.0).astype(np.uint8)

    def _stage(self, model: mujoco.MjModel, fov: float, sun: tuple[float, float, float]) -> mujoco.MjModel:
        """Return a model of what is drawn, in that order, with a camera and lights."""
        spec = mujoco.MjSpec()
        # Contacts of many robots at one place would not fit into memory.
        spec.option.disableflags = mujoco.mjtDisableBit.mjDSBL_CONTACT
        spec.worldbody.add_camera(name="camera", fovy=fov)
        spec.worldbody.add_light(
            dir=sun,
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
            diffuse=[SUNLIGHT] * 3,
            specular=[0.1, 0.1, 0.1],
            castshadow=True,
        )
        spec.visual.headlight.ambient = [AMBIENT] * 3
        spec.visual.headlight.diffuse = [HEADLIGHT] * 3
        spec.visual.headlight.specular = [0.05, 0.05, 0.05]
        known: set[str] = set()
        for _, geom in self._drawn:
            color = geom_color(model, geom)
            drawn = spec.worldbody.add_body().add_geom(
                type=_Geom(int(model.geom_type[geom])), size=model.geom_size[geom], rgba=color, mass=1.0
            )
            data = int(model.geom_dataid[geom])
            match drawn.type:
                case _Geom.mjGEOM_PLANE:
                    drawn.size = [0.0, 0.0, 1.0]
                    drawn.rgba = [1.0, 1.0, 1.0, color[3]]
                    drawn.material = f"plane{geom}"
                    _add_checkers(spec, drawn.material, color[:3])
                case _Geom.mjGEOM_HFIELD:
                    drawn.hfieldname = f"hfield{data}"
                    if drawn.hfieldname not in known:
                        _add_height_field(spec, drawn.hfieldname, model, data)
                        known.add(drawn.hfieldname)
                    drawn.rgba = [1.0, 1.0, 1.0, color[3]]
                    drawn.material = f"terrain{geom}"
                    if drawn.material not in known:
                        _add_texture(spec, drawn.material, terrain_texture(*height_field(model, data), color))
                        known.add(drawn.material)
                case _Geom.mjGEOM_MESH | _Geom.mjGEOM_SDF:
                    drawn.type = _Geom.mjGEOM_MESH
                    drawn.meshname = f"mesh{data}"
                    if drawn.meshname not in known:
                        _add_mesh(spec, drawn.meshname, model, data)
                        known.add(drawn.meshname)
        return spec.compile()


def _is_drawn(model: mujoco.MjModel, geom: int, *, ground: bool) -> bool:
    if model.geom_type[geom] == int(_Geom.mjGEOM_PLANE) and not ground:
        return False
    return model.geom_group[geom] < HIDDEN_GROUP and geom_color(model, geom)[3] > 0


def _add_material(spec: mujoco.MjSpec, name: str, **options: Any) -> None:
    """Add a material of the texture of that name."""
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


def _add_texture(spec: mujoco.MjSpec, name: str, picture: np.ndarray) -> None:
    height, width = picture.shape[:2]
    texture = spec.add_texture(name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, width=width, height=height, nchannel=3)
    texture.data = np.rint(255.0 * picture).astype(np.uint8).tobytes()
    _add_material(spec, name)


def _add_height_field(spec: mujoco.MjSpec, name: str, model: mujoco.MjModel, number: int) -> None:
    rows, columns = int(model.hfield_nrow[number]), int(model.hfield_ncol[number])
    first = int(model.hfield_adr[number])
    spec.add_hfield(
        name=name,
        nrow=rows,
        ncol=columns,
        size=model.hfield_size[number],
        userdata=model.hfield_data[first : first + rows * columns],
    )


def _add_mesh(spec: mujoco.MjSpec, name: str, model: mujoco.MjModel, number: int) -> None:
    first, count = int(model.mesh_vertadr[number]), int(model.mesh_vertnum[number])
    first_face, faces = int(model.mesh_faceadr[number]), int(model.mesh_facenum[number])
    spec.add_mesh(
        name=name,
        uservert=model.mesh_vert[first : first + count].ravel(),
        userface=model.mesh_face[first_face : first_face + faces].ravel(),
        inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,
    )


def _mesh_frame(staged: mujoco.MjModel, geom: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return where the compiler has moved a mesh to, and how it has turned it, or None for other geoms."""
    if staged.geom_type[geom] != int(_Geom.mjGEOM_MESH):
        return None
    number = int(staged.geom_dataid[geom])
    rotation = np.empty(9)
    mujoco.mju_quat2Mat(rotation, staged.mesh_quat[number])
    return staged.mesh_pos[number].copy(), rotation.reshape(3, 3)


def _aim(camera: np.ndarray, look_at: np.ndarray) -> np.ndarray:
    """Return orientations ``(n, 3, 3)`` of upright cameras at ``camera`` ``(n, 3)`` that look at ``look_at``."""
    back = camera - look_at
    back = back / np.linalg.norm(back, axis=1, keepdims=True)
    right = np.cross([0.0, 0.0, 1.0], back)
    right = right / np.linalg.norm(right, axis=1, keepdims=True)
    return np.stack([right, np.cross(back, right), back], axis=2)
