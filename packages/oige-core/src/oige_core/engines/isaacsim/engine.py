"""The engine that runs a scene in PhysX, inside Isaac Sim or a stand-in for it."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import torch

from oige_core.capabilities import Capability, missing, require
from oige_core.engines.base import GraphRecorder
from oige_core.engines.checks import fail
from oige_core.engines.isaacsim.host import Host, ViewKind
from oige_core.engines.isaacsim.kit_settings import rendering_interval
from oige_core.engines.isaacsim.views.articulation import IsaacArticulationView
from oige_core.engines.isaacsim.views.articulation_state import ArticulationState
from oige_core.engines.isaacsim.views.cameras import IsaacCameraView
from oige_core.engines.isaacsim.views.links import IsaacLinkView
from oige_core.engines.isaacsim.views.rigid import IsaacRigidView
from oige_core.engines.isaacsim.worlds import IsaacWorlds
from oige_core.errors import OigeError
from oige_core.math import grid_positions
from oige_core.problems import ProblemCounts
from oige_core.render import Camera
from oige_core.scene.elements import (
    ArticulationElement,
    BodyElement,
    CameraElement,
    DeformableElement,
    HeightFieldElement,
    LinkSet,
)
from oige_core.scene.scene import Scene
from oige_core.views import Indices

if TYPE_CHECKING:
    from oige_core.engines.isaacsim.usd.stage_map import StageMap

__all__ = ["IsaacSimEngine"]

_log = logging.getLogger(__name__)

_live: list["IsaacSimEngine"] = []


class IsaacSimEngine:
    """Simulates worlds with PhysX; see :class:`~oige_core.engines.base.Engine`.

    Args:
        num_envs: number of worlds.
        host: runs physics. It belongs to this engine from now on.
        env_spacing: distance of neighbouring worlds in the stage, in m.
        prepare: called with the complete scene before its stage is made.
    """

    name = "Isaac Sim"

    def __init__(
        self,
        num_envs: int,
        host: Host,
        env_spacing: float = 5.0,
        prepare: Callable[[Scene], object] = lambda scene: None,
    ) -> None:
        self.num_envs = num_envs
        self.device = host.device
        self.physics_dt = 0.0
        self.capabilities: frozenset[Capability] = host.capabilities
        self._host = host
        self._env_spacing = env_spacing
        self._prepare = prepare
        self._rendering_interval = 1
        self._physics_steps = 0
        self._articulations: list[IsaacArticulationView] = []
        self._rigids: list[IsaacRigidView] = []
        self._links: list[IsaacLinkView] = []
        self._cameras: list[IsaacCameraView] = []
        self._worlds: IsaacWorlds | None = None
        self._loaded = False

    # Methods for scenes

    def create_articulation_view(self, element: ArticulationElement) -> IsaacArticulationView:
        """See :class:`~oige_core.scene.scene.ViewFactory`."""
        view = IsaacArticulationView(element.name, self.num_envs)
        self._articulations.append(view)
        return view

    def create_rigid_view(self, element: BodyElement) -> IsaacRigidView:
        """See :class:`~oige_core.scene.scene.ViewFactory`."""
        view = IsaacRigidView(element, self.num_envs)
        self._rigids.append(view)
        return view

    def create_link_view(self, links: LinkSet) -> IsaacLinkView:
        """See :class:`~oige_core.scene.scene.ViewFactory`."""
        view = IsaacLinkView(links, self.num_envs)
        self._links.append(view)
        return view

    def create_deformable_view(self, element: DeformableElement) -> NoReturn:
        """See :class:`~oige_core.scene.scene.ViewFactory`; scenes on this engine have no soft bodies."""
        raise missing(self, "deformables", f"deformable '{element.name}'")

    def create_camera_view(self, element: CameraElement) -> IsaacCameraView:
        """See :class:`~oige_core.scene.scene.ViewFactory`.

        Raises:
            CapabilityError: the host cannot render, or the camera asks for something that Isaac Sim does not render.
        """
        require(self, "cameras", f"camera '{element.name}'")
        view = IsaacCameraView(element, self.num_envs)
        self._cameras.append(view)
        return view

    # Life cycle

    def build(self, scene: Scene) -> None:
        """See :class:`~oige_core.engines.base.Engine`."""
        if self._worlds is not None:
            raise OigeError("the engine is already built; create a new one for another scene.")
        if _live and self._host.exclusive:
            raise OigeError("another engine runs in this process, and Isaac Sim has one stage: close it first.")
        scene.check()
        _live.append(self)
        try:
            self._build(scene)
        except BaseException:
            self.close()
            raise

    def _build(self, scene: Scene) -> None:
        from oige_core.engines.isaacsim.usd.scene import write_scene
        from oige_core.engines.isaacsim.usd.stage_map import path_in_world

        host = self._host
        self._prepare(scene)
        stage = host.new_stage()
        stage_map = write_scene(scene, stage, gpu=self.device.type != "cpu")
        for name, prims in stage_map.articulations.items():
            if prims.description.floating:
                require(self, "floating_bases", f"articulation '{name}'")
        self.physics_dt = scene.sim.dt
        self._rendering_interval = rendering_interval(scene.sim.rendering_dt, scene.sim.dt)
        paths = [path_in_world(stage_map.world, number) for number in range(self.num_envs)]
        origins, placed = self._place_worlds(scene, stage_map)
        host.clone(stage_map.world, paths, placed)
        host.filter_collisions(stage_map.physics_scene, stage_map.collision_root, paths, stage_map.shared_paths)
        host.play()
        worlds = IsaacWorlds(self, host, stage, stage_map, scene.sim, origins)
        states = {}
        for view in self._articulations:
            element = scene.elements[view.name]
            assert isinstance(element, ArticulationElement)
            states[view.name] = ArticulationState(worlds, element)
            worlds.parts.append(states[view.name])
            view.bind(worlds, states[view.name])
        for view in self._rigids:
            view.bind(worlds)
        for view in self._links:
            view.bind(worlds, states[view.articulation])
        for view in self._cameras:
            view.bind(worlds, self._poses_of(view.parent, states))
        for state in states.values():
            state.check()
        self._worlds = worlds

    def _place_worlds(self, scene: Scene, stage_map: "StageMap") -> tuple[np.ndarray, np.ndarray]:
        """Return the origins of worlds, and where they are cloned to, ``(num_envs, 3)``.

        On terrain, all worlds have the same origin. They are cloned to a grid if all their bodies can be moved from
        there, because overlapping bodies of many worlds would fill the buffers of PhysX when it starts.
        """
        grid = grid_positions(self.num_envs, self._env_spacing).numpy().astype(np.float64)
        if not any(isinstance(element, HeightFieldElement) for element in scene.elements.values()):
            return grid, grid
        origins = np.zeros_like(grid)
        robots = [prims.description for prims in stage_map.articulations.values()]
        movable = all(robot.floating and not robot.loops for robot in robots) and not stage_map.cameras
        return origins, grid if movable else origins

    def _poses_of(
        self, body: str | None, states: dict[str, ArticulationState]
    ) -> Callable[[], tuple[torch.Tensor, torch.Tensor]] | None:
        """Return a function that returns the poses ``(num_envs, …)`` of a rigid body or ``<articulation>/<link>``."""
        if body is None:
            return None
        for rigid in self._rigids:
            if rigid.name == body:
                return rigid.get_world_poses
        articulation, _, link = body.partition("/")
        state = states[articulation]
        column = int(state.shown[state.description.body_names.index(link)])

        def poses() -> tuple[torch.Tensor, torch.Tensor]:
            positions, orientations = state.link_poses()
            return positions[:, column], orientations[:, column]

        return poses

    @property
    def worlds(self) -> IsaacWorlds:
        """The running worlds.

        Raises:
            OigeError: the engine is not built.
        """
        if self._worlds is None:
            raise OigeError("the engine is not built: views can be used after set_up_scene, not in it.")
        return self._worlds

    def host_view(self, kind: ViewKind, name: str) -> Any:
        """Return the release's own view of an element in all worlds, such as its class ``Articulation``.

        Args:
            kind: which view.
            name: of an articulation or a rigid body.
        """
        worlds = self.worlds
        stage_map = worlds.stage_map
        prims = {**stage_map.articulations, **stage_map.rigids}[name]
        return worlds.host.host_view(kind, worlds.pattern(prims.path))

    def step(self, n_substeps: int = 1) -> None:
        """See :class:`~oige_core.engines.base.Engine`."""
        if not isinstance(n_substeps, int) or n_substeps < 1:
            fail(f"{n_substeps!r} physics steps: expected a whole number of at least 1.")
        self.worlds.step(n_substeps)
        frames = self._physics_steps // self._rendering_interval
        self._physics_steps += n_substeps
        if self._physics_steps // self._rendering_interval != frames:
            self.worlds.render()

    def reset(self, worlds: torch.Tensor | None = None) -> None:
        """See :class:`~oige_core.engines.base.Engine`."""
        selected = self.worlds.select(worlds)
        for part in self.worlds.parts:
            part.restore(selected)
        for view in self._articulations:
            view.reset(selected)

    @property
    def selects_by_mask(self) -> bool:
        """See :class:`~oige_core.engines.base.Engine`."""
        return self.worlds.selects_by_mask

    def selection(self, mask: torch.Tensor) -> torch.Tensor:
        """See :class:`~oige_core.engines.base.Engine`."""
        return self.worlds.selection(mask)

    @property
    def layout_version(self) -> int:
        """See :class:`~oige_core.engines.base.Engine`."""
        return 0

    reads: Any = None
    """See :class:`~oige_core.engines.base.Engine`: what is read depends on no graph."""

    def forget_reads(self) -> None:
        """See :class:`~oige_core.engines.base.Engine`."""
        for part in self.worlds.parts:
            part.after_step()

    def graph_recorder(self) -> GraphRecorder | None:
        """See :class:`~oige_core.engines.base.Engine`."""
        return None

    def to_warp(self) -> NoReturn:
        """Raise CapabilityError: PhysX cannot be inside a graph."""
        raise missing(self, "warp", "to_warp", "Use the task without warp=True.")

    def create_geometry(self) -> NoReturn:
        """Raise CapabilityError: Isaac Sim draws its worlds itself."""
        raise missing(self, "drawing", "create_geometry", "Isaac Sim has windows of its own: use headless=False there.")

    def create_grid_renderer(self, camera: Camera, offsets: np.ndarray) -> NoReturn:
        """Raise CapabilityError: Isaac Sim draws its worlds itself."""
        raise missing(self, "drawing", "create_grid_renderer")

    def create_world_renderer(self, camera: Camera) -> NoReturn:
        """Raise CapabilityError: Isaac Sim draws its worlds itself."""
        raise missing(self, "drawing", "create_world_renderer")

    def get_light_directions(self) -> NoReturn:
        """Raise CapabilityError: the lights of Isaac Sim are prims of its stage."""
        raise missing(self, "lights", "get_light_directions")

    def set_light_directions(self, values: torch.Tensor, indices: Indices = None) -> NoReturn:
        """Raise CapabilityError: the lights of Isaac Sim are prims of its stage."""
        raise missing(self, "lights", "set_light_directions")

    def get_light_intensities(self) -> NoReturn:
        """Raise CapabilityError: the lights of Isaac Sim are prims of its stage."""
        raise missing(self, "lights", "get_light_intensities")

    def set_light_intensities(self, values: torch.Tensor, indices: Indices = None) -> NoReturn:
        """Raise CapabilityError: the lights of Isaac Sim are prims of its stage."""
        raise missing(self, "lights", "set_light_intensities")

    def deepest_penetration(self, first: str | None = None, second: str | None = None) -> torch.Tensor:
        """See :class:`~oige_core.engines.base.Engine`.

        Raises:
            CapabilityError: always; the views of PhysX report forces of contacts, but not their depths.
        """
        raise missing(self, "penetration", "deepest_penetration")

    @property
    def problem_counts(self) -> ProblemCounts:
        """See :class:`~oige_core.engines.base.Engine`."""
        return self.worlds.problem_counts

    def problems(self) -> dict[str, int]:
        """See :class:`~oige_core.engines.base.Engine`."""
        return self.problem_counts.totals()

    def record_failures(self, recording: object) -> None:
        """See :class:`~oige_core.engines.base.Engine`; MuJoCo could not repeat what PhysX computed."""

    def take_failures(self) -> list:
        """See :class:`~oige_core.engines.base.Engine`."""
        return []

    def get_gravity(self) -> torch.Tensor:
        """See :class:`~oige_core.engines.base.Engine`."""
        return self.worlds.get_gravity()

    def set_gravity(self, values: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.engines.base.Engine`."""
        self.worlds.set_gravity(values, indices)

    state_format = "physx"

    @property
    def _views(self) -> tuple[IsaacArticulationView | IsaacRigidView | IsaacLinkView | IsaacCameraView, ...]:
        """All views, those of articulations before those of their links."""
        return (*self._articulations, *self._rigids, *self._links, *self._cameras)

    def state_dict(self) -> dict[str, Any]:
        """See :class:`~oige_core.engines.base.Engine`."""
        views = {view.name: view.state_dict() for view in self._views}
        return {"worlds": self.worlds.state_dict(), "views": views}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict` to within a step; the first call says so."""
        if not self._loaded:
            self._loaded = True
            _log.warning(
                "Isaac Sim restores states to within a step, because caches of its solver cannot be read: runs that "
                "continue from here differ a little from uninterrupted ones."
            )
        self.worlds.load_state_dict(state["worlds"])
        for view in self._views:
            view.load_state_dict(state["views"][view.name])

    def close(self) -> None:
        """See :class:`~oige_core.engines.base.Engine`."""
        if self._worlds is not None:
            self._worlds.close()
        if self in _live:
            self._host.close()
            _live.remove(self)
