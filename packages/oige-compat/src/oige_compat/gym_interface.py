"""``omni.isaac.gym`` and the base classes of tasks in ``omni.isaac.core.tasks``."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import torch

from oige_compat.devices import redirect_cuda
from oige_compat.errors import CompatError, caller
from oige_compat.kit import SimulationApp
from oige_compat.session import restart, session
from oige_compat.world import World

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["BaseTask", "RLTaskInterface", "TaskStopException", "VecEnvBase"]


class TaskStopException(Exception):  # noqa: N818
    """The simulation was stopped."""


class BaseTask(ABC):  # noqa: B024
    """A task: what is in the scene, and what happens before and after steps.

    Args:
        name: name of the task.
        offset: offset of everything, which is not served.

    Raises:
        CompatError: an offset is given.
    """

    def __new__(cls, *arguments: Any, **named: Any) -> "Self":
        """Prepare the devices that the modules of the class name."""
        redirect_cuda(cls)
        return super().__new__(cls)

    def __init__(self, name: str, offset: Any = None) -> None:
        if offset is not None:
            raise CompatError(f"BaseTask(offset=…) (used in {caller()}): offsets of tasks are not served.")
        self._scene: Any = None
        self._name, self._offset = name, offset
        self._task_objects: dict[str, Any] = {}
        if not hasattr(self, "_device"):
            self._device: Any = None

    @property
    def device(self) -> Any:
        """Device of the task's tensors."""
        return self._device

    @property
    def scene(self) -> Any:
        """The scene, in which views have names."""
        return self._scene

    @property
    def name(self) -> str:
        """Name of the task."""
        return self._name

    def set_up_scene(self, scene: Any) -> None:
        """Keep the scene."""
        self._scene = scene

    def pre_step(self, time_step_index: int, simulation_time: float) -> None:  # noqa: B027
        """Do nothing."""

    def post_reset(self) -> None:  # noqa: B027
        """Do nothing."""

    def get_observations(self) -> dict[str, Any]:
        """Return observations.

        Raises:
            NotImplementedError: the task does not say which.
        """
        raise NotImplementedError

    def calculate_metrics(self) -> Any:
        """Return rewards.

        Raises:
            NotImplementedError: the task does not say which.
        """
        raise NotImplementedError

    def is_done(self) -> Any:
        """Return whether episodes end.

        Raises:
            NotImplementedError: the task does not say when.
        """
        raise NotImplementedError

    def cleanup(self) -> None:  # noqa: B027
        """Do nothing."""


class RLTaskInterface(BaseTask):
    """A task of reinforcement learning, whose buffers have one row per world."""

    states_buf: Any
    extras: dict[str, Any]

    @property
    def num_envs(self) -> int:
        """Number of worlds."""
        return self._num_envs  # pyright: ignore[reportAttributeAccessIssue]

    @property
    def num_actions(self) -> int:
        """Size of an action."""
        return self._num_actions  # pyright: ignore[reportAttributeAccessIssue]

    @property
    def num_observations(self) -> int:
        """Size of an observation."""
        return self._num_observations  # pyright: ignore[reportAttributeAccessIssue]

    @property
    def num_states(self) -> int:
        """Size of the state of an asymmetric critic."""
        return self._num_states  # pyright: ignore[reportAttributeAccessIssue]

    @property
    def num_agents(self) -> int:
        """Number of agents per world."""
        return self._num_agents  # pyright: ignore[reportAttributeAccessIssue]

    def get_states(self) -> Any:
        """Return the states of an asymmetric critic."""
        return self.states_buf

    def get_extras(self) -> dict[str, Any]:
        """Return further results of a step."""
        return self.extras

    @abstractmethod
    def pre_physics_step(self, actions: Any) -> None:
        """Convert actions into efforts, targets or forces."""

    @abstractmethod
    def post_physics_step(self) -> tuple[Any, Any, Any, dict[str, Any]]:
        """Return observations, rewards, ends of episodes and further results."""


class VecEnvBase:
    """The environment that owns the world; a training script makes one.

    Args:
        headless: whether there is no window, which there never is.
        sim_device: number of the GPU.
        enable_livestream: not served.
        enable_viewport: for cameras.
        launch_simulation_app: without effect: nothing has to start.
        experience: without effect.
    """

    metadata: Any = None
    spec: Any = None

    def __init__(
        self,
        headless: bool,
        sim_device: int = 0,
        enable_livestream: bool = False,
        enable_viewport: bool = False,
        launch_simulation_app: bool = True,
        experience: str | None = None,
    ) -> None:
        restart()
        self._simulation_app = SimulationApp({"headless": headless})
        if enable_livestream:
            session().note("enable_livestream=True: nothing is streamed.")
        self._render = False
        self._record = False
        self.sim_frame_count = 0
        self._world: Any = None
        self._task: Any = None

    def set_task(
        self,
        task: Any,
        backend: str = "numpy",
        sim_params: dict[str, Any] | None = None,
        init_sim: bool = True,
        rendering_dt: float = 1.0 / 60.0,
    ) -> None:
        """Build the worlds of a task.

        Args:
            task: the task.
            backend: ``torch`` or ``warp``.
            sim_params: parameters of the simulation.
            init_sim: whether to build the worlds now.
            rendering_dt: without effect.

        Raises:
            CompatError: another backend is asked for.
        """
        if backend not in ("torch", "warp"):
            raise CompatError(
                f"set_task(backend='{backend}') (used in {caller()}): only 'torch' and 'warp' are served."
            )
        session().backend = backend
        self._world = World(rendering_dt=rendering_dt, backend=backend, sim_params=sim_params)
        self._world.add_task(task)
        self._task = task
        self._num_envs = task.num_envs
        self.observation_space, self.action_space = task.observation_space, task.action_space
        if init_sim:
            self._world.reset()

    def render(self, mode: str = "human") -> None:
        """Do nothing: there is no window."""

    def close(self) -> None:
        """Free the worlds."""
        if self._world is not None:
            self._world.close()

    def seed(self, seed: int = -1) -> int:
        """Seed the random numbers."""
        from oige_compat.torch_utils.maths import set_seed

        return set_seed(seed)

    def step(self, actions: torch.Tensor) -> Any:
        """Step all worlds: before physics, physics, and after it."""
        self._task.pre_physics_step(actions)
        self._world.step(render=False)
        self.sim_frame_count += 1
        return self._task.post_physics_step()

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        """Reset all worlds and return observations."""
        if seed is not None:
            self.seed(seed)
        self._task.reset()
        return self.step(torch.zeros(self._num_envs, self._task.num_actions, device=self._task.device))[0]

    @property
    def num_envs(self) -> int:
        """Number of worlds."""
        return self._num_envs

    @property
    def simulation_app(self) -> SimulationApp:
        """The application, which runs until the script ends."""
        return self._simulation_app

    @property
    def world(self) -> Any:
        """The world."""
        return self._world

    @property
    def task(self) -> Any:
        """The task."""
        return self._task

    @property
    def render_enabled(self) -> bool:
        """Whether there is a window."""
        return self._render

    def get_number_of_agents(self) -> int:
        """Return the number of agents per world."""
        return 1

    def get_env_state(self) -> None:
        """Return no state: rl_games saves none."""

    def set_env_state(self, env_state: Any) -> None:
        """Do nothing."""

    def update_task_params(self) -> None:
        """Do nothing."""

    def set_train_info(self, env_frames: int, *further: Any, **named: Any) -> None:
        """Do nothing: tasks of this kind do not read the progress of training."""

    def create_viewport_render_product(self, resolution: tuple[int, int] = (1280, 720)) -> None:
        """Refuse to record.

        Raises:
            CompatError: always.
        """
        raise CompatError(f"enable_recording (used in {caller()}): recordings are not served.")
