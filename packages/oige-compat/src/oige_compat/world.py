"""``World``, ``SimulationContext`` and ``Scene`` of ``omni.isaac.core``."""

import importlib
from typing import Any

from oige_compat.articulation_view import ArticulationView
from oige_compat.async_tasks import ensure_loop, finish_tasks, run_tasks
from oige_compat.building import build
from oige_compat.building.terrain import place_worlds
from oige_compat.errors import CompatError, TellsMissing, caller, refuse_parameters
from oige_compat.physx_schema import PhysxSceneAPI
from oige_compat.randomization.randomizer import note_without_effect
from oige_compat.session import Ground, session
from oige_compat.soft_bodies import DeformablePrimView
from oige_compat.views import PrimView, RigidPrimView, XFormPrimView

__all__ = ["PhysicsContext", "Scene", "SimulationContext", "World"]


class _Registry:
    """Views and prims by name."""

    def __init__(self) -> None:
        self.articulation_views: dict[str, ArticulationView] = {}
        self.rigid_prim_views: dict[str, RigidPrimView] = {}
        self.xform_prim_views: dict[str, XFormPrimView] = {}
        self.deformable_prim_views: dict[str, DeformablePrimView] = {}
        self.others: dict[str, Any] = {}

    @property
    def articulated_views(self) -> dict[str, ArticulationView]:
        """Views of articulations by name."""
        return self.articulation_views

    def group(self, item: Any) -> dict[str, Any]:
        """Return the group to which an object belongs."""
        for kind, group in (
            (ArticulationView, self.articulation_views),
            (RigidPrimView, self.rigid_prim_views),
            (XFormPrimView, self.xform_prim_views),
            (DeformablePrimView, self.deformable_prim_views),
        ):
            if isinstance(item, kind):
                return group
        return self.others

    def groups(self) -> tuple[dict[str, Any], ...]:
        """Return all groups."""
        views = self.articulation_views, self.rigid_prim_views, self.xform_prim_views, self.deformable_prim_views
        return *views, self.others


class Scene(TellsMissing):
    """Names of views and prims."""

    def __init__(self) -> None:
        self._scene_registry = _Registry()

    def add(self, obj: Any) -> Any:
        """Add a view or prim and return it.

        Raises:
            CompatError: the name is in use.
        """
        if self.object_exists(obj.name):
            raise CompatError(f"scene.add('{obj.name}') (used in {caller()}): this name is in use; choose another one.")
        self._scene_registry.group(obj)[obj.name] = obj
        if isinstance(obj, DeformablePrimView) and obj not in session().views:
            session().views.append(obj)  # scripts have classes of their own that do not call its constructor
        return obj

    def object_exists(self, name: str) -> bool:
        """Whether there is a view or prim of that name."""
        return any(name in group for group in self._scene_registry.groups())

    def get_object(self, name: str) -> Any:
        """Return the view or prim of that name, or None."""
        return next((group[name] for group in self._scene_registry.groups() if name in group), None)

    def remove_object(self, name: str, registry_only: bool = False) -> None:
        """Forget the name."""
        for group in self._scene_registry.groups():
            group.pop(name, None)

    def clear(self, registry_only: bool = False) -> None:
        """Forget all names."""
        self._scene_registry = _Registry()

    def add_default_ground_plane(
        self,
        z_position: float = 0.0,
        name: str = "default_ground_plane",
        prim_path: str = "/World/defaultGroundPlane",
        static_friction: float | None = None,
        dynamic_friction: float | None = None,
        restitution: float | None = None,
    ) -> None:
        """Add the ground plane.

        Its friction is that which is given, or that of the configuration; in Isaac Sim it is 0.5 if none is given.
        """
        current = session()
        current.stage.DefinePrim(prim_path, "Xform")
        friction = static_friction if dynamic_friction is None else dynamic_friction
        current.ground = Ground(float(z_position), None if friction is None else float(friction))
        if friction is not None and static_friction not in (None, friction):
            current.note(f"{prim_path}: static_friction={static_friction}: the dynamic friction {friction} acts.")
        if restitution:
            current.note(f"{prim_path}: restitution={restitution}: contacts of the engine have none.")

    def add_ground_plane(
        self,
        size: float | None = None,
        z_position: float = 0.0,
        name: str = "ground_plane",
        prim_path: str = "/World/groundPlane",
        static_friction: float | None = None,
        dynamic_friction: float | None = None,
        restitution: float | None = None,
        color: Any = None,
    ) -> None:
        """Add a ground plane, which is always infinite."""
        self.add_default_ground_plane(z_position, name, prim_path, static_friction, dynamic_friction, restitution)


class PhysicsContext(TellsMissing):
    """The physics scene.

    Args:
        params: parameters of the simulation.
    """

    prim_path = "/physicsScene"

    def __init__(self, params: dict[str, Any]) -> None:
        self._params = params
        self._physx_scene_api = PhysxSceneAPI.Apply(session().stage.GetPrimAtPath(self.prim_path))

    def get_physics_dt(self) -> float:
        """Return the time of a physics step in s."""
        return self._params["dt"]

    def get_gravity(self) -> tuple[list[float], float]:
        """Return direction and magnitude in m/s²."""
        gravity = self._params["gravity"]
        magnitude = sum(part**2 for part in gravity) ** 0.5
        return [part / magnitude if magnitude else 0.0 for part in gravity], magnitude

    def set_gravity(self, value: float) -> None:
        """Set the acceleration along z in m/s²."""
        self._params["gravity"] = [0.0, 0.0, float(value)]
        if session().engine is not None:
            _PhysicsSimView().set_gravity(self._params["gravity"])

    def is_gpu_dynamics_enabled(self) -> bool:
        """Whether the worlds are on a GPU."""
        return str(self._params.get("sim_device", "cpu")).startswith("cuda")

    def enable_gpu_dynamics(self, flag: bool) -> None:
        """Do nothing: the device of the pipeline decides."""


class _PhysicsSimView(TellsMissing):
    """Properties of the whole simulation."""

    def set_gravity(self, gravity: Any) -> None:
        """Set the acceleration x, y, z in m/s² in all worlds."""
        import torch

        engine = session().engine
        assert engine is not None
        engine.set_gravity(torch.tensor([list(gravity)], device=engine.device).expand(engine.num_envs, 3))


class SimulationContext(TellsMissing):
    """Steps the simulation.

    Args:
        physics_dt: time of a physics step in s; that of ``sim_params`` precedes.
        rendering_dt: without effect.
        stage_units_in_meters: must be 1.
        backend: must be ``torch``.
        sim_params: parameters of the simulation.
        further: ``device``, which that of ``sim_params`` precedes; ``set_defaults`` and ``physics_prim_path`` have no
            effect.

    Raises:
        CompatError: there are other parameters.
    """

    _instance: "SimulationContext | None" = None

    def __init__(
        self,
        physics_dt: float | None = None,
        rendering_dt: float | None = None,
        stage_units_in_meters: float | None = None,
        backend: str = "numpy",
        sim_params: dict[str, Any] | None = None,
        **further: Any,
    ) -> None:
        if stage_units_in_meters not in (None, 1.0):
            raise CompatError(f"stage_units_in_meters={stage_units_in_meters} (used in {caller()}): expected 1.")
        device = further.pop("device", None)
        refuse_parameters(type(self), further.keys() - {"set_defaults", "physics_prim_path"})
        self._sim_params = {
            "dt": physics_dt or 1.0 / 60.0,
            "gravity": [0.0, 0.0, -9.81],
            "sim_device": device or "cpu",
            **(sim_params or {}),
        }
        self._physics_context = PhysicsContext(self._sim_params)
        self._physics_sim_view = _PhysicsSimView()
        self.backend = backend
        self._steps = 0
        SimulationContext._instance = self
        ensure_loop()

    @classmethod
    def instance(cls) -> "SimulationContext | None":
        """Return the last one that was made."""
        return SimulationContext._instance

    @property
    def device(self) -> str:
        """Device of the tensors."""
        return str(self._sim_params.get("sim_device", "cpu"))

    @property
    def backend_utils(self) -> Any:
        """Functions on tensors."""
        return importlib.import_module("omni.isaac.core.utils.torch")

    def get_physics_context(self) -> PhysicsContext:
        """Return the physics scene."""
        return self._physics_context

    def get_physics_dt(self) -> float:
        """Return the time of a physics step in s."""
        return self._sim_params["dt"]

    @property
    def stage(self) -> Any:
        """The stage."""
        return session().stage

    @property
    def physics_sim_view(self) -> _PhysicsSimView:
        """Properties of the whole simulation."""
        return self._physics_sim_view

    @property
    def current_time_step_index(self) -> int:
        """Number of physics steps."""
        return self._steps

    @property
    def current_time(self) -> float:
        """Simulated time in s."""
        return self._steps * self.get_physics_dt()

    def step(self, render: bool = True) -> None:
        """Simulate one physics step."""
        engine = session().engine
        if engine is None:
            raise CompatError(f"world.step (used in {caller()}): the worlds do not exist; call world.reset first.")
        for articulation in session().damped:
            articulation.damp()
        engine.step(1)
        self._steps += 1
        if render:
            run_tasks()

    def render(self) -> None:
        """Run coroutines of the script; there is no window."""
        run_tasks()

    def is_playing(self) -> bool:
        """Whether the worlds exist."""
        return session().engine is not None

    def is_stopped(self) -> bool:
        """Whether the worlds do not exist."""
        return not self.is_playing()

    def play(self) -> None:
        """Do nothing: the simulation plays."""

    pause = stop = play

    def close(self) -> None:
        """Free the worlds."""
        engine = session().engine
        if engine is not None:
            engine.close()

    clear_instance = close


class World(SimulationContext):
    """Steps the simulation of tasks, with a scene."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._scene = Scene()
        self._tasks: list[Any] = []

    @property
    def scene(self) -> Scene:
        """Names of views and prims."""
        return self._scene

    def add_task(self, task: Any) -> None:
        """Add the task, of which there may be one.

        Raises:
            CompatError: there is another one.
        """
        if self._tasks:
            raise CompatError(f"world.add_task (used in {caller()}): only one task is served.")
        self._tasks.append(task)

    def get_current_tasks(self) -> dict[str, Any]:
        """Return tasks by name."""
        return {task.name: task for task in self._tasks}

    def reset(self, soft: bool = False) -> None:
        """Build the worlds at first, restore their initial state, and let the task look at them."""
        current = session()
        if current.engine is None:
            for task in self._tasks:
                task.set_up_scene(self._scene)
            build(current, self._sim_params, self._tasks)
            for view in (*self._scene._scene_registry.articulation_views.values(),):
                view.initialize(self._physics_sim_view)
            for view in self._scene._scene_registry.rigid_prim_views.values():
                view.initialize(self._physics_sim_view)
        elif not soft:
            current.engine.reset()
            for articulation in current.damped:
                articulation.forget()
            place_worlds(current)
            for view in current.views:
                if isinstance(view, PrimView):
                    view.post_reset()
        for task in self._tasks:
            task.post_reset()
            note_without_effect(task)
        finish_tasks()
