"""Cameras of a scene; MuJoCo Warp's ray tracer renders the worlds of either executor, on the simulation's device."""

import copy
import math
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import mujoco
import numpy as np
import torch

from oige_core.engines.checks import check_numbers, check_quaternions, fail, values_of_shape
from oige_core.engines.mujoco.compile import CAMERA_AXES, HIDDEN_GROUP
from oige_core.engines.mujoco.views import MujocoDeformableView
from oige_core.engines.mujoco.worlds import Staleness, Worlds
from oige_core.errors import CapabilityError, OigeError
from oige_core.math import quat_apply, quat_conjugate, quat_mul, quat_to_matrix
from oige_core.scene.elements import CameraElement
from oige_core.selections import host_can_read, is_indices, read_rows, write_rows
from oige_core.views import CameraOutput, Indices

if TYPE_CHECKING:
    from oige_core.engines.mujoco.render.ray_tracer import RayTracer

__all__ = ["MujocoCameraView"]


class MujocoCameraView:
    """See :class:`~oige_core.views.CameraView`.

    Reading an image renders the worlds whose state has changed since the last reading.

    Args:
        element: the camera.
        num_envs: number of worlds.
        num_threads: threads that share the worlds on a CPU.
    """

    def __init__(self, element: CameraElement, num_envs: int, num_threads: int) -> None:
        self.name = element.name
        self.count = num_envs
        self._element = element
        self._num_threads = num_threads
        self._built: Worlds | None = None
        self._stale = Staleness()
        self._tracer: RayTracer | None = None
        self._has_varying_fov = False

    def bind(self, worlds: Worlds) -> None:
        """Render these worlds from now on."""
        self._built = worlds
        self._stale = worlds.watch()
        model = worlds.compiled.model
        camera = model.camera(self.name).id
        rows = model.cam_pos[camera], model.cam_quat[camera], [self._element.horizontal_fov]
        shape, device = (self.count, -1), worlds.device
        tensors = (torch.as_tensor(row, dtype=torch.float32, device=device).expand(shape) for row in rows)
        # In the parent's frame, with MuJoCo's axes, and horizontal fields of view (N, 1) in rad.
        self._positions, self._orientations, self._fovs = (values.contiguous() for values in tensors)
        self._parent = torch.tensor([int(model.cam_bodyid[camera])], device=device)

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
        names = dict.fromkeys(_labels(self._worlds.compiled.model))
        return {name: number for number, name in enumerate(names, start=1)}

    def get_world_poses(self, indices: Indices = None, clone: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
        """See :class:`~oige_core.views.CameraView`."""
        worlds = self._worlds.select(indices)
        positions, orientations = self._poses(worlds, *self._body_poses(worlds))
        return positions, quat_mul(orientations, self._to_scene_axes.expand(len(positions), 4))

    def get_local_poses(self, indices: Indices = None) -> tuple[torch.Tensor, torch.Tensor]:
        """See :class:`~oige_core.views.CameraView`."""
        worlds = self._worlds.select(indices)
        orientations = read_rows(self._orientations, worlds)
        return (
            read_rows(self._positions, worlds, clone=True),
            quat_mul(orientations, self._to_scene_axes.expand(len(orientations), 4)),
        )

    def set_local_poses(
        self,
        translations: torch.Tensor | None = None,
        orientations: torch.Tensor | None = None,
        indices: Indices = None,
    ) -> None:
        """See :class:`~oige_core.views.CameraView`."""
        worlds = self._worlds.select(indices)
        if translations is not None:
            write_rows(self._positions, self._values("translations", translations, worlds, 3), worlds)
        if orientations is not None:
            values = self._values("orientations", orientations, worlds, 4, check=check_quaternions)
            values = quat_mul(values, quat_conjugate(self._to_scene_axes).expand(len(values), 4))
            write_rows(self._orientations, values / torch.linalg.vector_norm(values, dim=-1, keepdim=True), worlds)
        self._stale.mark(worlds)

    def get_horizontal_fovs(self, indices: Indices = None) -> torch.Tensor:
        """See :class:`~oige_core.views.CameraView`."""
        return read_rows(self._fovs, self._worlds.select(indices), clone=True).squeeze(-1)

    def set_horizontal_fovs(self, values: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.CameraView`."""
        worlds = self._worlds.select(indices)
        write_rows(self._fovs, self._values("values", values, worlds, check=_check_fovs).unsqueeze(-1), worlds)
        self._vary_fov()
        self._stale.mark(worlds)

    def _vary_fov(self) -> None:
        """Use the field of view of each world from now on."""
        if not self._has_varying_fov:
            self._has_varying_fov = True
            self.close()  # the rays of the tracer do not vary
            self._worlds.drop_graphs()

    def _values(
        self, what: str, values: Any, worlds: torch.Tensor | None, *shape: int, check: Any = None
    ) -> torch.Tensor:
        n = self.count if worlds is None else len(worlds)
        check = check or partial(check_numbers, what)
        return values_of_shape(what, values, (n, *shape), self._worlds.device, worlds, check=check).to(torch.float32)

    def get_rgb(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.CameraView`."""
        return self._read("rgb", indices, clone)

    def get_depth(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.CameraView`."""
        return self._read("depth", indices, clone)

    def get_segmentation(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.CameraView`."""
        return self._read("segmentation", indices, clone)

    def state_dict(self) -> dict[str, Any]:
        """Return the poses and fields of view."""
        return {
            "positions": self._positions.clone(),
            "orientations": self._orientations.clone(),
            "fovs": self._fovs.clone(),
            "has_varying_fov": self._has_varying_fov,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._positions.copy_(state["positions"])
        self._orientations.copy_(state["orientations"])
        self._fovs.copy_(state["fovs"])
        if state["has_varying_fov"]:
            self._vary_fov()
        self._stale.mark(None)

    def close(self) -> None:
        """Free threads and memory."""
        if self._tracer is not None:
            self._tracer.close()
            self._tracer = None

    def _read(self, output: CameraOutput, indices: Indices, clone: bool) -> torch.Tensor:
        if output not in self._element.outputs:
            raise OigeError(f"camera '{self.name}': has no {output}; name it in outputs of add_camera.")
        worlds = self._worlds.select(indices)
        if self._tracer is None:
            self._tracer = self._create_tracer()
            self._stale.mark(None)
        if self._stale:
            self._render(self._tracer, self._stale.take())
        return read_rows(self._tracer.images[output], worlds, clone)

    def _render(self, tracer: "RayTracer", stale: torch.Tensor | None) -> None:
        """Render a selection of worlds."""
        if is_indices(stale):
            if host_can_read(stale):
                stale = stale.unique()
            else:  # a GPU would have to be waited for
                stale = torch.zeros(self.count, dtype=torch.bool, device=stale.device).index_fill_(0, stale, True)
        bodies = self._body_poses(stale)
        places = read_rows(self._worlds.model_values("geom_pos"), stale).to(torch.float32)
        turned = self._worlds.own_values("geom_quat")
        turned = None if turned is None else read_rows(turned, stale).to(torch.float32)
        geom_positions, geom_orientations = self._mounted_geoms.poses(*bodies, places, turned)
        positions, orientations = self._poses(stale, *bodies)
        looks = self._worlds.looks()
        if self._has_varying_fov:
            slope = torch.tan(0.5 * self._fovs.squeeze(-1)) * (self._element.height / self._element.width)
            looks = replace(looks, fovy=torch.rad2deg(2.0 * torch.atan(slope)))
        tracer.render(
            (geom_positions, quat_to_matrix(geom_orientations)),
            (positions, quat_to_matrix(orientations)),
            stale,
            looks.rows(stale),
            self._soft_vertices(stale),
        )

    def _soft_vertices(self, worlds: torch.Tensor | None) -> torch.Tensor | None:
        """Return the vertices ``(n, nflexvert, 3)`` of all soft bodies of selected worlds; None if there are none."""
        if not self._soft_bodies:
            return None
        return torch.cat([view.get_simulation_mesh_nodal_positions(worlds) for view in self._soft_bodies], dim=1)

    def _poses(
        self, worlds: torch.Tensor | None, positions: torch.Tensor, orientations: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return world poses ``(n, 3)``, ``(n, 4)`` of the camera from those of all bodies, ``(n, bodies, …)``."""
        positions, orientations = (poses.index_select(1, self._parent)[:, 0] for poses in (positions, orientations))
        local = read_rows(self._positions, worlds)
        return positions + quat_apply(orientations, local), quat_mul(
            orientations, read_rows(self._orientations, worlds)
        )

    def _body_poses(self, worlds: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return positions ``(n, bodies, 3)`` and orientations ``(n, bodies, 4)`` of all bodies of selected worlds."""
        fields = self._worlds.fresh("xpos"), self._worlds.fresh("xquat")
        positions, orientations = (read_rows(field, worlds).to(torch.float32) for field in fields)
        return positions, orientations

    @cached_property
    def _mounted_geoms(self) -> "_Mounted":
        model = self._worlds.compiled.model
        return _Mounted(model.geom_bodyid, model.geom_quat, self._worlds.device)

    @cached_property
    def _soft_bodies(self) -> list[MujocoDeformableView]:
        views = [MujocoDeformableView(name, self.count) for name in self._worlds.compiled.deformables]
        for view in views:
            view.bind(self._worlds)
        return views

    @cached_property
    def _to_scene_axes(self) -> torch.Tensor:
        return quat_conjugate(torch.tensor([CAMERA_AXES], device=self._worlds.device))

    def _create_tracer(self) -> "RayTracer":
        from oige_core.engines.mujoco.render.ray_tracer import RayTracer

        element, worlds = self._element, self._worlds
        labels = _labels(worlds.compiled.model)
        # MuJoCo Warp reads the groups of the model: this camera has a model with groups of its own.
        model = copy.copy(worlds.compiled.model)
        hidden = np.array([not {label, label.partition("/")[0]}.isdisjoint(element.hidden) for label in labels], bool)
        model.geom_group[hidden[: model.ngeom]] = HIDDEN_GROUP
        model.flex_rgba[hidden[model.ngeom :], 3] = 0.0
        ids = self.segmentation_ids
        try:
            return RayTracer(
                model,
                self.count,
                device=worlds.device,
                camera=self.name,
                size=self.resolution,
                outputs=element.outputs,
                labels=[ids[label] for label in labels],
                samples_per_pixel=element.samples_per_pixel,
                far=element.far,
                num_threads=self._num_threads,
                varying_fov=self._has_varying_fov,
            )
        except CapabilityError as error:
            raise CapabilityError(f"camera '{self.name}': {error}") from error


class _Mounted:
    """Geoms fixed to bodies.

    Args:
        bodies: ``(k,)`` ids of the bodies.
        orientations: ``(k, 4)`` in their frames, unless worlds have their own.
        device: of the tensors.
    """

    def __init__(self, bodies: np.ndarray, orientations: np.ndarray, device: torch.device) -> None:
        self._bodies = torch.as_tensor(bodies, dtype=torch.int64, device=device)
        self._orientations = torch.as_tensor(orientations, dtype=torch.float32, device=device)

    def poses(
        self,
        positions: torch.Tensor,
        orientations: torch.Tensor,
        places: torch.Tensor,
        turned: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return world poses ``(n, k, 3)``, ``(n, k, 4)``.

        Args:
            positions: ``(n, bodies, 3)`` of all bodies.
            orientations: ``(n, bodies, 4)`` of all bodies.
            places: ``(n, k, 3)`` positions of the geoms in the frames of their bodies.
            turned: ``(n, k, 4)`` their orientations there; None: the same in all worlds.
        """
        positions, orientations = (poses.index_select(1, self._bodies) for poses in (positions, orientations))
        offsets = quat_apply(orientations, places)
        return positions + offsets, quat_mul(orientations, self._orientations if turned is None else turned)


def _check_fovs(values: torch.Tensor) -> None:
    if not bool(((values > 0.0) & (values < math.pi)).all()):
        fail("fields of view outside of 0 to π: expected angles between them, in rad.")


def _labels(model: mujoco.MjModel) -> list[str]:
    """Return for each geom and then for each soft body the name of the element or link that it belongs to."""
    geoms = [model.body(body).name if body else model.geom(geom).name for geom, body in enumerate(model.geom_bodyid)]
    return geoms + [mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_FLEX, flex) for flex in range(model.nflex)]
