"""The embedded engine: a scene compiled to one MuJoCo model, run by an executor, read through views."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from oige_core.capabilities import CAPABILITIES
from oige_core.cores import available_cores
from oige_core.engines.base import GraphRecorder
from oige_core.engines.checks import fail
from oige_core.engines.mujoco.compile import CompiledScene, compile_scene
from oige_core.engines.mujoco.executors.batch import BatchExecutor
from oige_core.engines.mujoco.executors.bounds import StateBounds
from oige_core.engines.mujoco.executors.protocol import Executor
from oige_core.engines.mujoco.failures.failure import Failure
from oige_core.engines.mujoco.render.camera_view import MujocoCameraView
from oige_core.engines.mujoco.views import MujocoArticulationView, MujocoDeformableView, MujocoRigidView
from oige_core.engines.mujoco.worlds import Worlds
from oige_core.errors import OigeError
from oige_core.problems import ProblemCounts, Recording
from oige_core.render import Camera
from oige_core.scene.elements import ArticulationElement, BodyElement, CameraElement, DeformableElement, LinkSet
from oige_core.scene.scene import Scene
from oige_core.views import Indices

if TYPE_CHECKING:
    from oige_core.engines.mujoco.render.geometry import MujocoSceneGeometry
    from oige_core.engines.mujoco.render.offscreen import MujocoRenderer
    from oige_core.engines.mujoco.task_arrays.worlds import MujocoWarpWorlds

__all__ = ["MujocoEngine", "on_warp"]


class MujocoEngine:
    """Simulates worlds with MuJoCo; see :class:`~oige_core.engines.base.Engine`.

    Args:
        num_envs: number of worlds.
        device: ``cpu`` for the C engine, ``cuda:N`` for MuJoCo Warp.
        num_threads: threads of the C engine; 0: one per core.
        executor: creates the executor from the compiled scene; by default the device determines it.
    """

    name = "MuJoCo"
    capabilities = CAPABILITIES[name]

    def __init__(
        self,
        num_envs: int,
        device: torch.device | str = "cpu",
        num_threads: int = 0,
        executor: Callable[[CompiledScene, Scene], Executor] | None = None,
    ) -> None:
        self.num_envs = num_envs
        self.device = torch.device(device)
        self.physics_dt = 0.0
        self._num_threads = num_threads
        self._make_executor = executor or self._default_executor
        self._views: list[MujocoArticulationView | MujocoRigidView | MujocoDeformableView] = []
        self._cameras: list[MujocoCameraView] = []
        self._worlds: Worlds | None = None

    # Methods for scenes

    def create_articulation_view(self, element: ArticulationElement) -> MujocoArticulationView:
        """See :class:`~oige_core.scene.scene.ViewFactory`."""
        view = MujocoArticulationView(element.name, self.num_envs)
        self._views.append(view)
        return view

    def create_rigid_view(self, element: BodyElement) -> MujocoRigidView:
        """See :class:`~oige_core.scene.scene.ViewFactory`."""
        return self._create_rigid_view(element.name)

    def create_link_view(self, links: LinkSet) -> MujocoRigidView:
        """See :class:`~oige_core.scene.scene.ViewFactory`."""
        return self._create_rigid_view(links.name)

    def create_deformable_view(self, element: DeformableElement) -> MujocoDeformableView:
        """See :class:`~oige_core.scene.scene.ViewFactory`."""
        view = MujocoDeformableView(element.name, self.num_envs)
        self._views.append(view)
        return view

    def create_camera_view(self, element: CameraElement) -> MujocoCameraView:
        """See :class:`~oige_core.scene.scene.ViewFactory`."""
        camera = MujocoCameraView(element, self.num_envs, self._num_threads or available_cores())
        self._cameras.append(camera)
        return camera

    def _create_rigid_view(self, name: str) -> MujocoRigidView:
        view = MujocoRigidView(name, self.num_envs)
        self._views.append(view)
        return view

    # Life cycle

    def build(self, scene: Scene) -> None:
        """See :class:`~oige_core.engines.base.Engine`."""
        if self._worlds is not None:
            raise OigeError("the engine is already built; create a new one for another scene.")
        scene.check()
        compiled = compile_scene(scene)
        self.physics_dt = scene.sim.dt
        executor = self._make_executor(compiled, scene)
        self.device = executor.device
        bounds = StateBounds(compiled.model, scene.sim.max_position, scene.sim.max_velocity)
        _check_initial_positions(compiled, bounds, scene)
        executor.set_bounds(bounds)
        executor.field("qpos").copy_(torch.as_tensor(compiled.qpos))
        self._worlds = Worlds(self, compiled, executor, scene.sim.substeps)
        for view in (*self._views, *self._cameras):
            view.bind(self._worlds)
        executor.save_initial_state()

    @property
    def worlds(self) -> Worlds:
        """The built worlds.

        Raises:
            OigeError: the engine is not built.
        """
        if self._worlds is None:
            raise OigeError("the engine is not built: views can be used after set_up_scene, not in it.")
        return self._worlds

    @property
    def compiled(self) -> CompiledScene:
        """The compiled scene."""
        return self.worlds.compiled

    @property
    def executor(self) -> Executor:
        """The executor of the built worlds."""
        return self.worlds.executor

    def step(self, n_substeps: int = 1) -> None:
        """See :class:`~oige_core.engines.base.Engine`."""
        if not isinstance(n_substeps, int) or n_substeps < 1:
            fail(f"{n_substeps!r} physics steps: expected a whole number of at least 1.")
        self.worlds.step(n_substeps)

    def reset(self, worlds: torch.Tensor | None = None) -> None:
        """See :class:`~oige_core.engines.base.Engine`."""
        selected = self.worlds.select(worlds)
        self.executor.reset(selected)
        for view in self._views:
            view.reset(selected)
        self.worlds.mark_stale(selected)

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
        return self.executor.layout_version

    @property
    def reads(self) -> Any:
        """See :class:`~oige_core.engines.base.Engine`."""
        return self.worlds.reads

    @reads.setter
    def reads(self, record: Any) -> None:
        self.worlds.reads = record

    def forget_reads(self) -> None:
        """See :class:`~oige_core.engines.base.Engine`."""
        self.worlds.mark_stale(None)

    def graph_recorder(self) -> GraphRecorder | None:
        """See :class:`~oige_core.engines.base.Engine`."""
        return self.executor.graph_recorder()

    def to_warp(self) -> "MujocoWarpWorlds":
        """See :class:`~oige_core.engines.base.Engine`."""
        from oige_core.engines.mujoco.task_arrays.worlds import MujocoWarpWorlds

        return MujocoWarpWorlds(self.worlds)

    def create_geometry(self) -> "MujocoSceneGeometry":
        """See :class:`~oige_core.engines.base.Engine`."""
        from oige_core.engines.mujoco.render.geometry import MujocoSceneGeometry

        return MujocoSceneGeometry(self.worlds)

    def create_grid_renderer(self, camera: Camera, offsets: np.ndarray) -> "MujocoRenderer":
        """See :class:`~oige_core.engines.base.Engine`."""
        from oige_core.engines.mujoco.render.offscreen import MujocoRenderer

        return MujocoRenderer(self.worlds, camera, offsets)

    def create_world_renderer(self, camera: Camera) -> "MujocoRenderer":
        """See :class:`~oige_core.engines.base.Engine`."""
        from oige_core.engines.mujoco.render.offscreen import MujocoRenderer

        return MujocoRenderer(self.worlds, camera)

    def get_light_directions(self) -> torch.Tensor:
        """See :class:`~oige_core.engines.base.Engine`."""
        return self.worlds.appearance.values("sun_directions").clone()

    def set_light_directions(self, values: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.engines.base.Engine`."""
        self.worlds.set_light("sun_directions", values, indices)

    def get_light_intensities(self) -> torch.Tensor:
        """See :class:`~oige_core.engines.base.Engine`."""
        return self.worlds.appearance.values("sun_intensities").clone()

    def set_light_intensities(self, values: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.engines.base.Engine`."""
        self.worlds.set_light("sun_intensities", values, indices)

    def deepest_penetration(self, first: str | None = None, second: str | None = None) -> torch.Tensor:
        """See :class:`~oige_core.engines.base.Engine`."""
        return self.executor.deepest_penetration(self.compiled.contact_pairs(first, second))

    @property
    def problem_counts(self) -> ProblemCounts:
        """See :class:`~oige_core.engines.base.Engine`."""
        return self.executor.problem_counts

    def problems(self) -> dict[str, int]:
        """See :class:`~oige_core.engines.base.Engine`."""
        return self.problem_counts.totals()

    def record_failures(self, recording: Recording) -> None:
        """See :class:`~oige_core.engines.base.Engine`."""
        steps = recording.solver_steps * self.worlds.solver_substeps
        self.executor.record_failures(replace(recording, solver_steps=steps))

    def take_failures(self) -> list[Failure]:
        """See :class:`~oige_core.engines.base.Engine`."""
        return self.executor.take_failures()

    def close(self) -> None:
        """See :class:`~oige_core.engines.base.Engine`."""
        for camera in self._cameras:
            camera.close()
        if self._worlds is not None:
            self._worlds.close()

    def get_gravity(self) -> torch.Tensor:
        """See :class:`~oige_core.engines.base.Engine`."""
        return self.worlds.get_gravity()

    def set_gravity(self, values: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.engines.base.Engine`."""
        self.worlds.set_gravity(values, indices)

    def state_dict(self) -> dict[str, Any]:
        """See :class:`~oige_core.engines.base.Engine`."""
        return {
            **self.worlds.state_dict(),
            "views": {view.name: view.state_dict() for view in self._views},
            "cameras": {camera.name: camera.state_dict() for camera in self._cameras},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :class:`~oige_core.engines.base.Engine`."""
        self.worlds.load_state_dict(state)
        for view in self._views:
            view.load_state_dict(state["views"][view.name])
        for camera in self._cameras:
            if camera.name in state.get("cameras", {}):  # states of older versions have none
                camera.load_state_dict(state["cameras"][camera.name])

    @property
    def state_format(self) -> str:
        """See :class:`~oige_core.engines.base.Engine`."""
        return self.executor.state_format

    def _default_executor(self, compiled: CompiledScene, scene: Scene) -> Executor:
        if self.device.type == "cpu":
            return BatchExecutor(compiled.model, self.num_envs, self._num_threads)
        return on_warp(self.num_envs, self.device)(compiled, scene)


def on_warp(
    num_envs: int, device: torch.device | str, *, deterministic: int | None = None, ordered: bool | None = None
) -> Callable[[CompiledScene, Scene], Executor]:
    """Return a function that creates the MuJoCo Warp executor of a scene.

    Args:
        num_envs: number of worlds.
        device: ``cuda:N``, or ``cpu`` for Warp's CPU device.
        deterministic: bits of ``mujoco_warp.DeterminismType``; None: all of them if the scene is to be deterministic.
        ordered: contacts and constraint rows have an order that does not vary; None: as the scene says.
    """

    def make(compiled: CompiledScene, scene: Scene) -> Executor:
        from oige_core.engines.mujoco.executors.warp import ALL_BITS, WarpExecutor

        config = scene.sim.mujoco
        default_bits = ALL_BITS if config.deterministic else 0
        return WarpExecutor(
            compiled.model,
            num_envs,
            device=str(device),
            max_contacts=config.max_contacts,
            max_constraints=config.max_constraints,
            deterministic=default_bits if deterministic is None else deterministic,
            ordered=config.deterministic if ordered is None else ordered,
            other_models=compiled.other_models(),
        )

    return make


def _check_initial_positions(compiled: CompiledScene, bounds: StateBounds, scene: Scene) -> None:
    """Raise if an element starts so far away that its worlds would count as exploded."""
    outside = np.flatnonzero(~(np.abs(compiled.qpos) <= bounds.qpos))
    if len(outside):
        model = compiled.model
        joint = int(np.searchsorted(model.jnt_qposadr, outside[0], side="right")) - 1
        body = model.body(int(model.jnt_bodyid[joint])).name
        raise OigeError(
            f"'{body}': starts at {compiled.qpos[outside[0]]:g} m, beyond task.sim.max_position="
            f"{scene.sim.max_position:g}; place it closer to the origin or raise task.sim.max_position."
        )
