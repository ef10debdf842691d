"""Cameras: MuJoCo Warp's ray tracer draws the worlds of either executor, on the simulation's device."""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import mujoco
import torch

from oige_core.engines.mujoco.compile import CAMERA_AXES, HIDDEN_GROUP
from oige_core.engines.mujoco.worlds import Staleness, Worlds
from oige_core.errors import CapabilityError, OigeError
from oige_core.math import quat_apply, quat_conjugate, quat_mul, quat_to_matrix
from oige_core.scene.elements import CameraElement
from oige_core.views import CameraOutput, Indices

if TYPE_CHECKING:
    from oige_core.engines.mujoco.render.traced_worlds import TracedWorlds

__all__ = ["MujocoCameraView"]


class MujocoCameraView:
    """See :class:`~oige_core.views.CameraView`.

    Only worlds whose state has changed since they were drawn are drawn. On the CPU they are divided among threads.

    Args:
        element: the camera.
        num_envs: number of worlds.
        num_threads: threads to draw with on the CPU.
    """

    def __init__(self, element: CameraElement, num_envs: int, num_threads: int) -> None:
        self.name = element.name
        self.count = num_envs
        self._element = element
        self._num_threads = num_threads
        self._built: Worlds | None = None
        self._stale = Staleness()
        self._tracer: _RayTracer | None = None

    def bind(self, worlds: Worlds) -> None:
        """Draw these worlds from now on."""
        self._built = worlds
        self._stale = worlds.watch()

    @property
    def _worlds(self) -> Worlds:
        if self._built is None:
            raise OigeError(f"'{self.name}': views can be used after set_up_scene, not in it.")
        return self._built

    @property
    def resolution(self) -> tuple[int, int]:
        """See :class:`~oige_core.views.CameraView`."""
        return self._element.width, self._element.height

    @property
    def horizontal_fov(self) -> float:
        """See :class:`~oige_core.views.CameraView`."""
        return self._element.horizontal_fov

    @property
    def segmentation_ids(self) -> dict[str, int]:
        """See :class:`~oige_core.views.CameraView`."""
        names = dict.fromkeys(_geom_labels(self._worlds.compiled.model))
        return {name: number for number, name in enumerate(names, start=1)}

    def get_world_poses(self, indices: Indices = None, clone: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
        """See :class:`~oige_core.views.CameraView`."""
        model = self._worlds.compiled.model
        camera = model.camera(self.name).id
        mounted = _Mounted(model.cam_bodyid, model.cam_pos, model.cam_quat, self._worlds.device)
        positions, orientations = mounted.poses(*self._body_poses(self._worlds.world_indices(indices)))
        axes = torch.tensor(CAMERA_AXES, device=self._worlds.device).expand(len(positions), 4)
        return positions[:, camera], quat_mul(orientations[:, camera], quat_conjugate(axes))

    def get_rgb(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.CameraView`."""
        return self._read("rgb", indices, clone)

    def get_depth(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.CameraView`."""
        return self._read("depth", indices, clone)

    def get_segmentation(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.CameraView`."""
        return self._read("segmentation", indices, clone)

    def close(self) -> None:
        """Free threads and memory."""
        if self._tracer is not None:
            self._tracer.close()
            self._tracer = None

    def _read(self, output: CameraOutput, indices: Indices, clone: bool) -> torch.Tensor:
        if output not in self._element.outputs:
            raise OigeError(f"camera '{self.name}': has no {output}; name it in outputs of add_camera.")
        wanted = self._worlds.world_indices(indices)
        if self._tracer is None:
            self._tracer = _RayTracer(self._worlds, self._element, self._num_threads, self.segmentation_ids)
            self._stale.mark(None)
        if self._stale:
            worlds = self._stale.take()
            worlds = None if worlds is None else worlds.unique()
            self._tracer.draw(worlds, *self._body_poses(worlds))
        images = self._tracer.images[output]
        if wanted is not None:
            return images.index_select(0, wanted)
        return images.clone() if clone else images

    def _body_poses(self, worlds: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return positions ``(n, bodies, 3)`` and orientations ``(n, bodies, 4)`` of all bodies of worlds."""
        fields = self._worlds.fresh("xpos"), self._worlds.fresh("xquat")
        positions, orientations = (field if worlds is None else field.index_select(0, worlds) for field in fields)
        return positions.to(torch.float32), orientations.to(torch.float32)


class _Mounted:
    """Things fixed to bodies: geoms or cameras.

    Args:
        bodies: ``(k,)`` ids of the bodies.
        positions: ``(k, 3)`` in their frames.
        orientations: ``(k, 4)`` in their frames.
        device: of the tensors.
    """

    def __init__(self, bodies: Any, positions: Any, orientations: Any, device: torch.device) -> None:
        self._bodies = torch.as_tensor(bodies, dtype=torch.int64, device=device)
        self._positions = torch.as_tensor(positions, dtype=torch.float32, device=device)
        self._orientations = torch.as_tensor(orientations, dtype=torch.float32, device=device)

    def poses(self, positions: torch.Tensor, orientations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return world poses ``(n, k, 3)``, ``(n, k, 4)`` from those of all bodies."""
        at, turned = positions.index_select(1, self._bodies), orientations.index_select(1, self._bodies)
        return at + quat_apply(turned, self._positions.expand_as(at)), quat_mul(turned, self._orientations)


class _RayTracer:
    """Draws one camera of any worlds.

    Args:
        worlds: the built worlds.
        element: the camera.
        num_threads: threads to draw with on the CPU.
        segmentation_ids: numbers of what is seen, by name.

    Attributes:
        images: ``(N, height, width, channels)`` by output.
    """

    def __init__(
        self, worlds: Worlds, element: CameraElement, num_threads: int, segmentation_ids: dict[str, int]
    ) -> None:
        self._graphs = worlds.executor.graphs  # first: it starts Warp
        import mujoco_warp as mjw
        import warp as wp

        model, device = worlds.compiled.model, worlds.device
        if model.nflex:
            raise CapabilityError(f"camera '{element.name}': the embedded engine's cameras see no deformable bodies.")
        self._wp = wp
        self._size = element.height, element.width
        self._geoms = _Mounted(model.geom_bodyid, model.geom_pos, model.geom_quat, device)
        self._cameras = _Mounted(model.cam_bodyid, model.cam_pos, model.cam_quat, device)
        self._labels = torch.tensor(
            [0, *(segmentation_ids[name] for name in _geom_labels(model))], dtype=torch.int32, device=device
        )
        n, (height, width) = worlds.num_envs, self._size
        kinds = {"rgb": (3, torch.uint8), "depth": (1, torch.float32), "segmentation": (1, torch.int32)}
        self.images: dict[CameraOutput, torch.Tensor] = {
            output: torch.zeros(n, height, width, kinds[output][0], dtype=kinds[output][1], device=device)
            for output in element.outputs
        }
        threads = 1 if device.type == "cuda" else min(num_threads, n)
        with wp.ScopedDevice(self._graphs.warp_device):
            try:
                warp_model = mjw.put_model(model)
            except (NotImplementedError, ValueError) as error:
                raise CapabilityError(
                    f"camera '{element.name}': MuJoCo Warp cannot draw this model: {error}"
                ) from error
            # Each thread has room for its part of the worlds.
            self._slots = [self._make_slots(model, warp_model, element, -(-n // threads)) for _ in range(threads)]
            wp.synchronize_device()
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._compiled = False

    def _make_slots(self, model: mujoco.MjModel, warp_model: Any, element: CameraElement, size: int) -> "TracedWorlds":
        from oige_core.engines.mujoco.render.traced_worlds import TracedWorlds

        # MuJoCo Warp reads the groups of the model, which others read, too.
        groups = model.geom_group.copy()
        try:
            model.geom_group[_is_hidden(model, element)] = HIDDEN_GROUP
            slots = TracedWorlds(
                model,
                warp_model,
                size,
                cam_res=(element.width, element.height),
                cam_active=[element.name],
                render_rgb="rgb" in element.outputs,
                render_depth="depth" in element.outputs,
                render_seg="segmentation" in element.outputs,
                samples_per_pixel=element.samples_per_pixel,
            )
        finally:
            model.geom_group[:] = groups
        slots.context.zfar = element.far if element.far < float("inf") else 0.0  # 0: no end
        return slots

    def draw(self, worlds: torch.Tensor | None, positions: torch.Tensor, orientations: torch.Tensor) -> None:
        """Draw worlds into :attr:`images`.

        Args:
            worlds: ``(n,)`` numbers of the worlds, each once; all if None.
            positions: ``(n, bodies, 3)`` of their bodies.
            orientations: ``(n, bodies, 4)`` of their bodies.
        """
        count, n = len(positions), len(self._slots)
        parts = [slice(count * i // n, count * (i + 1) // n) for i in range(n)]

        def work(slots: "TracedWorlds", part: slice) -> None:
            if part.start < part.stop:
                self._draw(slots, part if worlds is None else worlds[part], positions[part], orientations[part])

        graphs = self._graphs
        with self._wp.ScopedDevice(graphs.warp_device), self._wp.ScopedStream(graphs.stream()):
            # Kernels are compiled and loaded when they are first launched, which threads must not do at once.
            if self._pool is None or not self._compiled:
                for slots, part in zip(self._slots, parts, strict=True):
                    work(slots, part)
                self._compiled = True
            else:
                list(self._pool.map(work, self._slots, parts))

    def _draw(
        self, slots: "TracedWorlds", rows: slice | torch.Tensor, positions: torch.Tensor, orientations: torch.Tensor
    ) -> None:
        """Draw worlds that fit into the slots; ``rows`` are theirs in :attr:`images`."""
        n, data, tensor = len(positions), slots.data, self._wp.to_torch
        for mounted, at, turned in (
            (self._geoms, data.geom_xpos, data.geom_xmat),
            (self._cameras, data.cam_xpos, data.cam_xmat),
        ):
            place, orientation = mounted.poses(positions, orientations)
            tensor(at)[:n] = place
            tensor(turned)[:n] = quat_to_matrix(orientation)
        data.nworld = n  # the ray tracer draws so many
        slots.draw()
        for output, images in self.images.items():
            images[rows] = self._read(output, slots, n).view(n, *images.shape[1:])

    def _read(self, output: CameraOutput, slots: "TracedWorlds", n: int) -> torch.Tensor:
        """Return an output of the worlds in the first ``n`` slots, pixels in one row."""
        context, tensor = slots.context, self._wp.to_torch
        if output == "rgb":
            packed = tensor(context.rgb_data)[:n].contiguous().view(torch.uint8).view(n, -1, 4)  # blue, green, red, 255
            rgb = packed.new_empty(n, packed.shape[1], 3)
            for channel in range(3):  # faster than flipping them
                rgb[..., channel] = packed[..., 2 - channel]
            return rgb
        if output == "depth":
            depth = tensor(context.depth_data)[:n]
            return depth.masked_fill(depth == 0, torch.inf)
        return self._labels[tensor(context.seg_data)[:n, :, 0] + 1]

    def close(self) -> None:
        """Free threads and memory."""
        if self._pool is not None:
            self._pool.shutdown()
        self._slots.clear()


def _geom_labels(model: mujoco.MjModel) -> list[str]:
    """Return for each geom the name of the element or link that it belongs to."""
    return [model.body(body).name if body else model.geom(geom).name for geom, body in enumerate(model.geom_bodyid)]


def _is_hidden(model: mujoco.MjModel, element: CameraElement) -> list[bool]:
    """Return for each geom whether a camera leaves it out."""
    return [not {label, label.partition("/")[0]}.isdisjoint(element.hidden) for label in _geom_labels(model)]
