"""Cameras of a scene, which the renderer of Isaac Sim draws. They have been tested with doubles only."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from oige_core.engines.checks import check_numbers, check_quaternions, fail, values_of_shape
from oige_core.engines.isaacsim.sensors import ANNOTATORS, TiledCameras
from oige_core.engines.isaacsim.worlds import IsaacWorlds
from oige_core.errors import CapabilityError, ConfigError, OigeError
from oige_core.math import quat_apply, quat_mul
from oige_core.scene.elements import CameraElement
from oige_core.selections import read_rows, write_rows
from oige_core.views import CameraOutput, Indices

__all__ = ["IsaacCameraView"]

Poses = tuple[torch.Tensor, torch.Tensor]


class IsaacCameraView:
    """See :class:`~oige_core.views.CameraView`.

    Args:
        element: the camera.
        num_envs: number of worlds.

    Raises:
        CapabilityError: the camera asks for something that the renderer does not offer.
    """

    def __init__(self, element: CameraElement, num_envs: int) -> None:
        missing = [output for output in element.outputs if output not in ANNOTATORS]
        if missing:
            raise CapabilityError(
                f"camera '{element.name}': outputs={', '.join(missing)}: the engine Isaac Sim renders "
                f"{' and '.join(ANNOTATORS)} only; use physics_engine=mujoco."
            )
        if element.hidden:
            raise CapabilityError(
                f"camera '{element.name}': hidden={', '.join(element.hidden)}: in Isaac Sim, all cameras see the same; "
                "use physics_engine=mujoco."
            )
        self.name = element.name
        self.count = num_envs
        self.parent = element.parent
        self._element = element
        self._built: IsaacWorlds | None = None
        self._cameras: TiledCameras | None = None

    def bind(self, worlds: IsaacWorlds, parent: Callable[[], Poses] | None) -> None:
        """Render these worlds from now on.

        Args:
            worlds: running worlds.
            parent: returns poses of the parent ``(num_envs, 3)``, ``(num_envs, 4)`` in its world; None: the world.

        Raises:
            ConfigError: Isaac Sim was started without a renderer.
        """
        if not getattr(worlds.host, "renders", False):
            raise ConfigError(f"camera '{self.name}': set task.sim.enable_cameras=True, which starts the renderer.")
        self._built, self._parent_poses = worlds, parent
        rows = self._element.position, self._element.orientation, (self._element.horizontal_fov,)
        self._positions, self._orientations, self._fovs = (
            torch.tensor(row, dtype=torch.float32, device=worlds.device).repeat(self.count, 1) for row in rows
        )
        self._moved = False

    @property
    def _worlds(self) -> IsaacWorlds:
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
        """Raise CapabilityError: the camera has no segmentation."""
        raise CapabilityError(f"camera '{self.name}': the engine Isaac Sim renders no segmentation.")

    def get_world_poses(self, indices: Indices = None, clone: bool = True) -> Poses:
        """See :class:`~oige_core.views.CameraView`."""
        worlds = self._worlds.select(indices)
        positions, orientations = self._positions, self._orientations
        if self._parent_poses is not None:
            origin, turn = self._parent_poses()
            positions, orientations = origin + quat_apply(turn, positions), quat_mul(turn, orientations)
        return read_rows(positions, worlds, clone=True), read_rows(orientations, worlds, clone=True)

    def get_local_poses(self, indices: Indices = None) -> Poses:
        """See :class:`~oige_core.views.CameraView`."""
        worlds = self._worlds.select(indices)
        return read_rows(self._positions, worlds, clone=True), read_rows(self._orientations, worlds, clone=True)

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
            write_rows(self._orientations, values / torch.linalg.vector_norm(values, dim=-1, keepdim=True), worlds)
        self._moved = True

    def get_horizontal_fovs(self, indices: Indices = None) -> torch.Tensor:
        """See :class:`~oige_core.views.CameraView`."""
        return read_rows(self._fovs, self._worlds.select(indices), clone=True).squeeze(-1)

    def set_horizontal_fovs(self, values: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.CameraView`."""
        worlds = self._worlds.select(indices)
        write_rows(self._fovs, self._values("values", values, worlds, check=_check_fovs).unsqueeze(-1), worlds)
        self._moved = True

    def _values(
        self, what: str, values: Any, worlds: torch.Tensor | None, *shape: int, check: Any = None
    ) -> torch.Tensor:
        n = self.count if worlds is None else len(worlds)
        check = check or partial(check_numbers, what)
        return values_of_shape(what, values, (n, *shape), self._worlds.device, worlds, check=check).to(torch.float32)

    def get_rgb(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.CameraView`."""
        return self._read("rgb", indices)

    def get_depth(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.CameraView`."""
        return self._read("depth", indices)

    def get_segmentation(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Raise CapabilityError: the camera has no segmentation."""
        raise CapabilityError(f"camera '{self.name}': the engine Isaac Sim renders no segmentation.")

    def _read(self, output: CameraOutput, indices: Indices) -> torch.Tensor:
        if output not in self._element.outputs:
            raise OigeError(f"camera '{self.name}': has no {output}; name it in outputs of add_camera.")
        worlds = self._worlds
        if self._cameras is None:
            size = (self._element.width, self._element.height)
            self._cameras = TiledCameras(self._paths(), size, self._element.outputs, worlds.host.render)
        if self._moved:
            self._write_prims()
        worlds.render(again=self._moved)
        self._moved = False
        return read_rows(self._cameras.read(output, worlds.device), worlds.select(indices))

    def _paths(self) -> list[str]:
        from oige_core.engines.isaacsim.usd.stage_map import path_in_world

        path = self._worlds.stage_map.cameras[self.name].path
        return [path_in_world(path, number) for number in range(self.count)]

    def _write_prims(self) -> None:
        """Write poses and focal lengths to the stage; in all worlds, because clones follow the first one otherwise."""
        from oige_core.engines.isaacsim.usd.cameras import move_camera

        stage = self._worlds.stage
        rows = (self._positions.tolist(), self._orientations.tolist(), self._fovs.squeeze(-1).tolist())
        for path, position, orientation, fov in zip(self._paths(), *rows, strict=True):
            move_camera(stage.GetPrimAtPath(path), position, orientation, fov)

    def state_dict(self) -> dict[str, Any]:
        """Return the poses and fields of view."""
        return {
            "positions": self._positions.clone(),
            "orientations": self._orientations.clone(),
            "fovs": self._fovs.clone(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._positions.copy_(state["positions"])
        self._orientations.copy_(state["orientations"])
        self._fovs.copy_(state["fovs"])
        self._moved = True


def _check_fovs(values: torch.Tensor) -> None:
    """Refuse angles of no image."""
    if not bool(((values > 0) & (values < math.pi)).all()):
        fail("fields of view: expected angles between 0 and π rad.")
