"""The embedded engine: a scene compiled to one MuJoCo model, run by an executor, read through views."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from oige_core.capabilities import CAPABILITIES
from oige_core.engines.mujoco.checks import WorldChecker, check_numbers, fail, values_of_shape
from oige_core.engines.mujoco.compile import CompiledScene, compile_scene
from oige_core.engines.mujoco.executors.batch import BatchExecutor, available_cores
from oige_core.engines.mujoco.executors.protocol import FORCE_FIELDS, REFRESHED_FIELDS, Executor, StateBounds
from oige_core.engines.mujoco.render.camera_view import MujocoCameraView
from oige_core.engines.mujoco.views import MujocoArticulationView, MujocoRigidView
from oige_core.errors import OigeError
from oige_core.problems import ProblemCounts
from oige_core.render import Camera
from oige_core.scene.elements import ArticulationElement, CameraElement, LinkSet, RigidElement
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
        executor: makes the executor from the compiled scene; by default the device decides.
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
        self._views: list[MujocoArticulationView | MujocoRigidView] = []
        self._cameras: list[MujocoCameraView] = []
        self._compiled: CompiledScene | None = None
        self._executor: Executor | None = None
        self._check_worlds = WorldChecker(num_envs)
        self._solver_substeps = 1
        self._stale_worlds: list[torch.Tensor] = []
        self._joint_state_stale = True
        self._all_stale = True
        self._refresh_in_step = False
        self._refreshed_was_read = False
        self._wrenches_pending = False
        self._known_fields: set[str] = set()
        self._own_fields: set[str] = set()

    # What a scene needs

    def create_articulation_view(self, element: ArticulationElement) -> MujocoArticulationView:
        """See :class:`~oige_core.scene.scene.ViewFactory`."""
        view = MujocoArticulationView(self, element.name)
        self._views.append(view)
        return view

    def create_rigid_view(self, element: RigidElement) -> MujocoRigidView:
        """See :class:`~oige_core.scene.scene.ViewFactory`."""
        return self._create_rigid_view(element.name)

    def create_link_view(self, links: LinkSet) -> MujocoRigidView:
        """See :class:`~oige_core.scene.scene.ViewFactory`."""
        return self._create_rigid_view(links.name)

    def create_camera_view(self, element: CameraElement) -> MujocoCameraView:
        """See :class:`~oige_core.scene.scene.ViewFactory`."""
        camera = MujocoCameraView(self, element, self._num_threads or available_cores())
        self._cameras.append(camera)
        return camera

    def _create_rigid_view(self, name: str) -> MujocoRigidView:
        view = MujocoRigidView(self, name)
        self._views.append(view)
        return view

    # Life cycle

    def build(self, scene: Scene) -> None:
        """See :class:`~oige_core.engines.base.Engine`."""
        if self._executor is not None:
            raise OigeError("the engine is built already; make a new one for another scene.")
        scene.check()
        self._compiled = compile_scene(scene)
        self.physics_dt = scene.sim.dt
        self._solver_substeps = scene.sim.substeps
        self._executor = self._make_executor(self._compiled, scene)
        self.device = self._executor.device
        bounds = StateBounds(self._compiled.model, scene.sim.max_position, scene.sim.max_velocity)
        self._check_initial_positions(bounds, scene)
        self._executor.set_bounds(bounds)
        self._executor.field("qpos").copy_(torch.as_tensor(self._compiled.qpos))
        for view in self._views:
            view.bind()
        self._executor.save_initial_state()

    def step(self, n_substeps: int = 1) -> None:
        """See :class:`~oige_core.engines.base.Engine`."""
        if not isinstance(n_substeps, int) or n_substeps < 1:
            fail(f"{n_substeps!r} physics steps: expected a whole number of at least 1.")
        # A task that reads refreshed fields after a step will do so after the next: the two are cheaper in one call.
        self._refresh_in_step = self._refreshed_was_read
        self._refreshed_was_read = False
        self.executor.step(n_substeps * self._solver_substeps, refresh=self._refresh_in_step)
        self._after_step(stale=not self._refresh_in_step)

    def step_between(self, n_substeps: int, before: Callable[[], None], after: Callable[[], None]) -> None:
        """Advance all worlds between two pieces of Warp work; see the executor."""
        self.executor.step_between(n_substeps * self._solver_substeps, before, after)
        self._after_step(stale=True)

    def _after_step(self, *, stale: bool) -> None:
        self._all_stale = stale
        self._stale_worlds.clear()
        self._joint_state_stale = True
        for camera in self._cameras:
            camera.mark_stale(None)
        if self._wrenches_pending:
            self.executor.field("xfrc_applied").zero_()
            self._wrenches_pending = False

    def reset(self, env_ids: torch.Tensor | None = None) -> None:
        """See :class:`~oige_core.engines.base.Engine`."""
        env_ids = self.world_indices(env_ids)
        self.executor.reset(env_ids)
        for view in self._views:
            view.reset(env_ids)
        self.mark_stale(env_ids)

    def to_warp(self) -> "MujocoWarpWorlds":
        """See :class:`~oige_core.engines.base.Engine`."""
        from oige_core.engines.mujoco.task_arrays.worlds import MujocoWarpWorlds

        return MujocoWarpWorlds(self)

    def create_geometry(self) -> "MujocoSceneGeometry":
        """See :class:`~oige_core.engines.base.Engine`."""
        from oige_core.engines.mujoco.render.geometry import MujocoSceneGeometry

        return MujocoSceneGeometry(self)

    def create_grid_renderer(self, camera: Camera, offsets: np.ndarray) -> "MujocoRenderer":
        """See :class:`~oige_core.engines.base.Engine`."""
        from oige_core.engines.mujoco.render.offscreen import MujocoRenderer

        return MujocoRenderer(self, camera, offsets)

    def create_world_renderer(self, camera: Camera) -> "MujocoRenderer":
        """See :class:`~oige_core.engines.base.Engine`."""
        from oige_core.engines.mujoco.render.offscreen import MujocoRenderer

        return MujocoRenderer(self, camera)

    @property
    def problem_counts(self) -> ProblemCounts:
        """See :class:`~oige_core.engines.base.Engine`."""
        return self.executor.problem_counts

    def problems(self) -> dict[str, int]:
        """See :class:`~oige_core.engines.base.Engine`."""
        return self.problem_counts.totals()

    def close(self) -> None:
        """See :class:`~oige_core.engines.base.Engine`."""
        if self._executor is not None:
            for camera in self._cameras:
                camera.close()
            self._executor.close()
            self._executor = None

    def get_gravity(self) -> torch.Tensor:
        """See :class:`~oige_core.engines.base.Engine`."""
        return self.model_values("opt.gravity").to(torch.float32, copy=True)

    def set_gravity(self, values: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.engines.base.Engine`."""
        worlds = self.world_indices(indices)
        values = values_of_shape("gravity", values, (self.num_envs if worlds is None else len(worlds), 3), self.device)
        check_numbers("gravity", values)
        gravity = self.own_model_field("opt.gravity")
        gravity[slice(None) if worlds is None else worlds] = values.to(gravity)
        self.model_changed(["opt.gravity"], worlds)

    def state_dict(self) -> dict[str, Any]:
        """See :class:`~oige_core.engines.base.Engine`."""
        return {
            "executor": self.executor.state_dict(),
            "views": {view.name: view.state_dict() for view in self._views},
            "model_fields": sorted(self._own_fields),
            "wrenches_pending": self._wrenches_pending,
            "refresh_in_step": self._refresh_in_step,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :class:`~oige_core.engines.base.Engine`."""
        self.executor.load_state_dict(state["executor"])
        # What was changed in this engine alone goes back to what the model says.
        changed_here = self._own_fields - set(state["model_fields"])
        for name in changed_here:
            self.executor.model_field(name).copy_(self._compiled_values(name))
        self.executor.model_changed(changed_here)
        self._own_fields.update(state["model_fields"])
        for view in self._views:
            view.load_state_dict(state["views"][view.name])
        self._wrenches_pending = state["wrenches_pending"]
        self._refresh_in_step = state["refresh_in_step"]
        self.mark_stale(None)

    @property
    def state_format(self) -> str:
        """See :class:`~oige_core.engines.base.Engine`."""
        return self.executor.state_format

    # What views need

    @property
    def executor(self) -> Executor:
        """The executor of the built worlds."""
        if self._executor is None:
            raise OigeError("the engine is not built (or closed): views can be used after set_up_scene, not in it.")
        return self._executor

    @property
    def compiled(self) -> CompiledScene:
        """The compiled scene."""
        if self._compiled is None:
            raise OigeError("the engine is not built: views can be used after set_up_scene, not in it.")
        return self._compiled

    def world_indices(self, indices: Indices) -> torch.Tensor | None:
        """Return world indices as an int64 tensor on the device; None stands for all worlds."""
        return None if indices is None else self._check_worlds(indices, self.device)

    def model_values(self, name: str) -> torch.Tensor:
        """Return a model field ``(num_envs, …)`` to read; reading gives the worlds no copies of their own."""
        if name in self._own_fields:
            return self.executor.model_field(name)
        return self._compiled_values(name)

    def own_model_field(self, name: str) -> torch.Tensor:
        """Return the worlds' own values ``(num_envs, …)`` of a model field, to write; then :meth:`model_changed`."""
        self._own_fields.add(name)
        return self.executor.model_field(name)

    def model_changed(self, names: Iterable[str], env_ids: torch.Tensor | None) -> None:
        """Say that model fields of worlds were written."""
        self.executor.model_changed(names, env_ids)
        self.mark_stale(env_ids)

    def _compiled_values(self, name: str) -> torch.Tensor:
        model = self.compiled.model
        values = model.opt.gravity if name == "opt.gravity" else getattr(model, name)
        return torch.as_tensor(values, device=self.device).expand(self.num_envs, *values.shape)

    def set_initial_joint_state(
        self,
        qpos: slice | torch.Tensor,
        dofs: slice | torch.Tensor,
        positions: torch.Tensor | None,
        velocities: torch.Tensor | None,
    ) -> None:
        """Change the joint state that a reset restores; the current state stays."""
        for name, columns, values in (("qpos", qpos, positions), ("qvel", dofs, velocities)):
            if values is not None:
                initial = self.executor.initial_field(name)
                initial[:, columns] = values.to(initial)

    def mark_stale(self, env_ids: torch.Tensor | None) -> None:
        """Say that positions or velocities of worlds were written, so that what was read of them no longer fits."""
        self._joint_state_stale = True
        for camera in self._cameras:
            camera.mark_stale(env_ids)
        if env_ids is None:
            self._all_stale = True
        elif not self._all_stale:
            self._stale_worlds.append(env_ids)

    def mark_wrenches(self) -> None:
        """Say that external wrenches were written; they act during the next step alone."""
        self._wrenches_pending = True

    def update_joint_state(self) -> None:
        """Bring the tensors of the executor's ``joint_state`` up to date."""
        if self._joint_state_stale:
            self.executor.joint_state()
            self._joint_state_stale = False

    def fresh(self, name: str) -> torch.Tensor:
        """Return a refreshed field, true of the current state."""
        assert name in REFRESHED_FIELDS
        values = self.executor.field(name)
        self._make_fresh(name)
        return values

    def fresh_mass_matrix(self) -> torch.Tensor:
        """Return the joint-space inertia, true of the current state."""
        if "M" not in self._known_fields:
            self.executor.mass_matrix()  # asking for it makes the executor compute it
        self._make_fresh("M")
        return self.executor.mass_matrix()

    def force(self, name: str) -> torch.Tensor:
        """Return a force field, as the last physics step left it."""
        assert name in FORCE_FIELDS
        return self.executor.field(name)

    def _make_fresh(self, name: str) -> None:
        self._refreshed_was_read = True
        if name not in self._known_fields:  # the executor has not computed it yet
            self._known_fields.add(name)
            self._all_stale = True
        if self._all_stale or (self._stale_worlds and self.device.type == "cuda"):
            self.executor.refresh()
        elif self._stale_worlds:
            self.executor.refresh(torch.cat(self._stale_worlds))
        self._all_stale = False
        self._stale_worlds.clear()

    def _check_initial_positions(self, bounds: StateBounds, scene: Scene) -> None:
        """Raise where an element starts so far away that its worlds would count as exploded."""
        outside = np.flatnonzero(~(np.abs(self.compiled.qpos) <= bounds.qpos))
        if len(outside):
            model = self.compiled.model
            joint = int(np.searchsorted(model.jnt_qposadr, outside[0], side="right")) - 1
            body = model.body(int(model.jnt_bodyid[joint])).name
            raise OigeError(
                f"'{body}': starts at {self.compiled.qpos[outside[0]]:g} m, beyond task.sim.max_position="
                f"{scene.sim.max_position:g}; place it closer to the origin or raise task.sim.max_position."
            )

    def _default_executor(self, compiled: CompiledScene, scene: Scene) -> Executor:
        if self.device.type == "cpu":
            return BatchExecutor(compiled.model, self.num_envs, self._num_threads)
        return on_warp(self.num_envs, self.device)(compiled, scene)


def on_warp(num_envs: int, device: torch.device | str) -> Callable[[CompiledScene, Scene], Executor]:
    """Return what makes the executor of a scene on MuJoCo Warp.

    Args:
        num_envs: number of worlds.
        device: ``cuda:N``, or ``cpu`` for Warp's CPU device.
    """

    def make(compiled: CompiledScene, scene: Scene) -> Executor:
        from oige_core.engines.mujoco.executors.warp import WarpExecutor

        config = scene.sim.mujoco
        return WarpExecutor(
            compiled.model,
            num_envs,
            device=str(device),
            max_contacts=config.max_contacts,
            max_constraints=config.max_constraints,
        )

    return make
