"""MuJoCo Warp's ray tracer, which renders the cameras of a scene and the images of recordings."""

import copy
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import mujoco
import mujoco_warp as mjw
import torch
import warp as wp

from oige_core.engines.mujoco.appearance import Looks
from oige_core.engines.mujoco.compile import HIDDEN_GROUP
from oige_core.engines.mujoco.executors.graphs import Graphs
from oige_core.errors import CapabilityError, one_line
from oige_core.render.appearance import SKY
from oige_core.selections import is_indices, is_mask, write_rows
from oige_core.views import CameraOutput

__all__ = ["Poses", "RayTracer"]

Poses = tuple[torch.Tensor, torch.Tensor]
"""Positions ``(n, …, 3)``, in metres, and rotation matrices ``(n, …, 3, 3)``, float32."""

# A camera of a world that is not rendered looks at the sky from here, so that its rays end at once.
_AWAY = (0.0, 0.0, 1e6), ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0))

_PIXELS: dict[CameraOutput, tuple[int, torch.dtype]] = {
    "rgb": (3, torch.uint8),
    "depth": (1, torch.float32),
    "segmentation": (1, torch.int32),
}


class RayTracer:
    """Renders one camera in many worlds. The caller gives the poses of geoms and camera; nothing is simulated.

    On a GPU, rendering neither waits for the device nor allocates outside of torch's allocator, so that it can be
    captured in a CUDA graph once it has run.

    Args:
        model: of each world; geoms of :data:`HIDDEN_GROUP` and above are not rendered.
        num_worlds: number of worlds.
        device: device that renders.
        camera: name of the camera.
        size: width and height of an image, in pixels.
        outputs: what is rendered.
        labels: ``(ngeom + nflex,)`` values of geoms and soft bodies in segmentation images, in which the background is
            0.
        samples_per_pixel: rays along each axis of a pixel, whose colours are averaged.
        shadows: whether lights cast shadows.
        far: how far along the camera's axis it sees, in metres; None: as far as the model says.
        num_threads: threads that share the worlds on a CPU.
        varying_fov: whether fields of view may differ between worlds; rays are then not computed in advance.

    Attributes:
        images: ``(num_worlds, height, width, channels)`` by output, as last rendered.

    Raises:
        CapabilityError: MuJoCo Warp cannot render the model.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        num_worlds: int,
        *,
        device: torch.device,
        camera: str,
        size: tuple[int, int],
        outputs: Sequence[CameraOutput] = ("rgb",),
        labels: Sequence[int] = (),
        samples_per_pixel: int = 1,
        shadows: bool = False,
        far: float | None = None,
        num_threads: int = 1,
        varying_fov: bool = False,
    ) -> None:
        self._graphs = Graphs(device)
        self._camera = model.camera(camera).id
        self._num_geoms = model.ngeom
        self._labels = torch.tensor([0, *labels], dtype=torch.int32, device=device)
        self._away: Poses = (torch.tensor(_AWAY[0], device=device), torch.tensor(_AWAY[1], device=device))
        width, height = size
        self.images: dict[CameraOutput, torch.Tensor] = {}
        for output in outputs:
            channels, dtype = _PIXELS[output]
            self.images[output] = torch.zeros(num_worlds, height, width, channels, dtype=dtype, device=device)
        threads = 1 if device.type == "cuda" else min(num_threads, num_worlds)
        with wp.ScopedDevice(self._graphs.warp_device):
            try:
                warp_model = mjw.put_model(model)
            except (NotImplementedError, ValueError) as error:
                raise CapabilityError(f"MuJoCo Warp cannot render this model: {one_line(error)}") from error
            # Each thread has room for its part of the worlds.
            self._parts = [
                _Part(
                    model,
                    warp_model,
                    -(-num_worlds // threads),
                    far=far,
                    cam_res=size,
                    cam_active=[camera],
                    render_rgb="rgb" in outputs,
                    render_depth="depth" in outputs,
                    render_seg="segmentation" in outputs,
                    samples_per_pixel=samples_per_pixel,
                    use_shadows=shadows,
                    use_precomputed_rays=not varying_fov,
                )
                for _ in range(threads)
            ]
            wp.synchronize_device()
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._graphs.load(self._parts[0].launch)  # otherwise threads would compile the same kernels at once

    def render(
        self,
        geoms: Poses,
        camera: Poses,
        worlds: torch.Tensor | None = None,
        looks: Looks | None = None,
        vertices: torch.Tensor | None = None,
    ) -> None:
        """Render worlds into :attr:`images`; images of other worlds stay as they are.

        Args:
            geoms: poses of the geoms of n worlds, ``(n, ngeom, …)``.
            camera: poses of the camera in these worlds, ``(n, …)``.
            worlds: ``(n,)`` numbers of the worlds, each once; or a mask ``(num_worlds,)`` of bool, then n is the number
                of all worlds; None: all.
            looks: what differs between these worlds besides poses. What was once given must be given from then on.
            vertices: ``(n, nflexvert, 3)`` positions of the vertices of soft bodies, if there are any, in metres.
        """
        looks = looks or Looks()
        if is_mask(worlds):
            camera = (
                torch.where(worlds.view(-1, 1), camera[0], self._away[0]),
                torch.where(worlds.view(-1, 1, 1), camera[1], self._away[1]),
            )
        count, threads = len(geoms[0]), len(self._parts)
        bounds = [count * i // threads for i in range(threads + 1)]

        def work(index: int) -> None:
            rows = slice(bounds[index], bounds[index + 1])
            if rows.start == rows.stop:
                return
            part = self._parts[index]
            place = (geoms[0][rows], geoms[1][rows]), (camera[0][rows], camera[1][rows])
            surfaces = None if vertices is None else vertices[rows]
            part.render(self._graphs, *place, self._camera, looks.rows(rows), surfaces)
            for output, images in self.images.items():
                rendered = self._read(output, part, rows.stop - rows.start).view(-1, *images.shape[1:])
                selected = None if worlds is None else worlds[rows]
                write_rows(images if is_indices(selected) else images[rows], rendered, selected)

        with self._graphs.on_torch_stream():
            if self._pool is None:
                work(0)
            else:
                list(self._pool.map(work, range(threads)))

    def _read(self, output: CameraOutput, part: "_Part", n: int) -> torch.Tensor:
        """Return an output of the first ``n`` worlds of a part, ``(n, pixels, channels)`` or without channels."""
        context, tensor = part.context, wp.to_torch
        if output == "rgb":
            packed = tensor(context.rgb_data)[:n].contiguous().view(torch.uint8).view(n, -1, 4)  # blue, green, red, 255
            rgb = packed.new_empty(n, packed.shape[1], 3)
            for channel in range(3):  # faster than flipping them
                rgb[..., channel] = packed[..., 2 - channel]
            return rgb
        if output == "depth":
            depth = tensor(context.depth_data)[:n]
            return depth.masked_fill(depth == 0, torch.inf)
        number, kind = tensor(context.seg_data)[:n].unbind(dim=-1)
        return self._labels[1 + number + self._num_geoms * (kind == int(mujoco.mjtObj.mjOBJ_FLEX))]

    def close(self) -> None:
        """Free threads and memory."""
        if self._pool is not None:
            self._pool.shutdown()
        self._parts.clear()


class _Part:
    """The worlds that one thread renders.

    Args:
        model: of each world.
        warp_model: the same, from ``mujoco_warp.put_model``.
        count: maximum number of worlds.
        far: how far the camera sees, in metres; None: as far as the model says.
        options: further arguments of ``mujoco_warp.create_render_context``.

    Attributes:
        context: the rendered pixels.
    """

    def __init__(
        self, model: mujoco.MjModel, warp_model: Any, count: int, *, far: float | None, **options: Any
    ) -> None:
        rest = mujoco.MjData(model)
        mujoco.mj_kinematics(model, rest)
        mujoco.mj_comPos(model, rest)
        mujoco.mj_camlight(model, rest)
        mujoco.mj_flex(model, rest)
        self._count = count
        self._model = copy.copy(warp_model)  # fields that differ between worlds are replaced
        self._own: dict[str, torch.Tensor] = {}
        self._data: Any = mjw.put_data(model, rest, nworld=count, nconmax=1, njmax=1)
        self.context: Any = mjw.create_render_context(
            model,
            nworld=count,
            enabled_geom_groups=list(range(HIDDEN_GROUP)),
            background_color=(*SKY, 1.0),
            **options,
        )
        if far is not None:
            self.context.zfar = far if far < math.inf else 0.0  # 0: no limit

    def render(
        self,
        graphs: Graphs,
        geoms: Poses,
        camera: Poses,
        camera_id: int,
        looks: Looks,
        vertices: torch.Tensor | None,
    ) -> None:
        """Render as many worlds as there are poses into :attr:`context`."""
        data, tensor = self._data, wp.to_torch
        n = len(geoms[0])
        for target, values in (
            (tensor(data.geom_xpos)[:n], geoms[0]),
            (tensor(data.geom_xmat)[:n], geoms[1]),
            (tensor(data.cam_xpos)[:n, camera_id], camera[0]),
            (tensor(data.cam_xmat)[:n, camera_id], camera[1]),
        ):
            target.copy_(values)
        if vertices is not None:
            tensor(data.flexvert_xpos)[:n] = vertices
        if looks.sun_directions is not None:
            tensor(data.light_xdir)[:n, 0] = looks.sun_directions
        if looks.sizes is not None:
            self._field("geom_size")[:n] = looks.sizes
        if looks.meshes is not None:
            self._field("geom_dataid")[:n] = looks.meshes
        if looks.colors is not None:
            self._field("geom_rgba")[:n] = looks.colors
        if looks.sunlight is not None:
            self._field("light_diffuse")[:n, 0] = looks.sunlight
        if looks.fovy is not None:
            self._field("cam_fovy")[:n, camera_id] = looks.fovy
        data.nworld = n  # the number of worlds that MuJoCo Warp renders
        graphs.launch(self.launch)

    def _field(self, name: str) -> torch.Tensor:
        """Return a field of the model with values for each world, allocated by torch."""
        if name not in self._own:
            shared = getattr(self._model, name)
            own = wp.to_torch(shared).expand(self._count, *wp.to_torch(shared).shape[1:]).contiguous()
            setattr(self._model, name, wp.from_torch(own, dtype=shared.dtype))
            self._own[name] = own
        return self._own[name]

    def launch(self) -> None:
        """Launch the kernels that render."""
        mjw.refit_bvh(self._model, self._data, self.context)
        mjw.render(self._model, self._data, self.context)
