"""The vectorised environment: a task behind ``gymnasium.vector.VectorEnv``, on torch tensors."""

import contextlib
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from oige_core.envs.arguments import checked_actions, checked_mask, checked_options, checked_seed
from oige_core.errors import ConfigError, OigeError
from oige_core.modes import plain_tensors
from oige_core.render import OffscreenRenderer, viewport_camera
from oige_core.tasks import Symmetry, Task

__all__ = ["VecEnv", "check_render_mode"]

Hook = Callable[[torch.Tensor], torch.Tensor]

AUTORESET_MODES = {"same_step": AutoresetMode.SAME_STEP, "next_step": AutoresetMode.NEXT_STEP}
RENDER_MODES = ("rgb_array",)
RENDER_ADVICE = "oige_core.render.viewer.Viewer(env) shows worlds in a browser."
MIN_IMAGE_WIDTH = 64  # pixels wide


def check_render_mode(render_mode: str | None) -> None:
    """Raise ConfigError unless environments have this render mode."""
    if render_mode not in (None, *RENDER_MODES):
        raise ConfigError(f"render_mode={render_mode!r}: expected 'rgb_array' or None. {RENDER_ADVICE}")


class VecEnv(gym.vector.VectorEnv):
    """Steps all worlds of a task at once.

    ``step`` returns observations ``(N, …)``, rewards ``(N,)``, terminated ``(N,)`` and truncated ``(N,)`` as torch
    tensors on :attr:`device`, and a dictionary:

    * ``final_obs`` ``(N, …)`` and ``_final_obs`` ``(N,)`` bool, with ``autoresetMode: same_step``: the last
      observations of the episodes that ended in this step, whose rows of the observations already show the next
      episode; rows where the mask is False repeat the observations.
    * ``states`` ``(N, num_states)``: privileged states, for tasks with an asymmetric critic. ``final_states`` belong to
      ``final_obs``.
    * ``episode_count`` and ``episode_means``: the number of episodes that ended in this step, and means over them:
      ``return``, ``length`` in control steps and ``reward/<term>``. They are 0-d tensors, all zero where none ended.
    * ``problems``: how often each kind of problem happened in each world since the environment was made, ``(N,)``
      int32 by kind; :data:`oige_core.problems.PROBLEMS` explains the kinds. ``_problems`` ``(N,)`` bool: the worlds in
      which one happened in this step. Their episode terminated without reward, and they are reset.
    * what the task put into its ``extras``.

    With ``autoresetMode: next_step``, the observations of a step that ends episodes are the last ones. The next step
    resets those worlds: it ignores their actions, gives their first observations, a reward of zero and no ending, and
    counts towards no episode. This is what gymnasium calls NEXT_STEP, and what its wrappers of observations need.

    With ``autoresetMode: upstream``, as in OmniIsaacGymEnvs, the observations of a step that ends episodes are the last
    ones, too, but the next step is the first of the new episodes: their first observations are never seen. Gymnasium
    has no such mode, so ``metadata["autoreset_mode"]`` is the string ``"upstream"``, which its wrappers refuse.

    Observations are float32 and clamped to ``clipObservations``; images are uint8 ``(N, rows, columns, channels)``.
    On the CPU, torch has one thread during a step, whatever it has otherwise; physics has its own. A step has no
    gradients: actions may come straight from a policy that is being trained. Every method may be called inside
    ``torch.inference_mode()`` as well as outside it, in any order; the tensors returned are ordinary ones.

    Args:
        task: the task.
        device: device of the tensors taken and returned; by default the simulation's.
        render_mode: ``rgb_array``, for :meth:`render`; None: no images.

    Raises:
        ConfigError: the render mode is unknown.

    Attributes:
        task: the task.
        device: device of the tensors taken and returned.
        num_states: size of the privileged state; 0 if there is none.
        action_hooks: functions applied to actions ``(N, num_actions)`` before they are clamped.
        observation_hooks: functions applied to observations ``(N, …)`` before they are clamped.
        step_hooks: functions called after every step, such as those of a viewer.
    """

    def __init__(self, task: Task, device: torch.device | None = None, render_mode: str | None = None) -> None:
        check_render_mode(render_mode)
        self.task = task
        self.num_envs = task.num_envs
        self.num_states = task.spec.num_states
        self.device = device or task.device
        self._moves = self.device != task.device
        cfg = task.cfg
        self._images = task.spec.images
        limit = np.float32(cfg.clipObservations)
        low, high, dtype = (0, 255, np.uint8) if self._images else (-limit, limit, np.float32)
        self.single_observation_space = gym.spaces.Box(low, high, task.spec.observation_shape, dtype)
        self.single_action_space = gym.spaces.Box(-1.0, 1.0, (task.spec.num_actions,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        mode = AUTORESET_MODES.get(task.autoreset_mode, task.autoreset_mode)
        self.metadata = {
            "autoreset_mode": mode,
            "render_modes": list(RENDER_MODES),
            "render_fps": max(1, round(1.0 / task.control_dt)),
        }
        self.render_mode = render_mode
        self._renderer: OffscreenRenderer | None = None
        self.spec = None
        self.closed = False
        self.action_hooks: list[Hook] = []
        self.observation_hooks: list[Hook] = []
        self.step_hooks: list[Callable[[], None]] = []
        self._clip_actions = float(cfg.clipActions)
        self._clip_observations = float(cfg.clipObservations)
        self._actions_shape = (self.num_envs, task.spec.num_actions)
        self._needs_reset = True
        self._unsaved_are_known = False
        self._stagger_steps = 0  # in which episodes that follow a failure are cut short
        self._threads = _OneTorchThread() if task.device.type == "cpu" else contextlib.nullcontext()

    @plain_tensors
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        """Start a new episode in every world.

        Args:
            seed: restarts the task's random stream; None goes on with it.
            options: ``{"reset_mask": (N,) bool}`` resets those worlds alone. ``{"stagger": True}`` lets the episodes
                that begin now be cut short at random steps, evenly spread over an episode's length, instead of all in
                the same step; and likewise those that follow a failure before that length has passed. A learner then
                always sees all phases of an episode, also where the first episodes fail early.

        Returns:
            Observations ``(N, …)`` and the information of :meth:`step`.

        Raises:
            OigeError: the seed or an option is invalid, or the environment is closed.
        """
        self._check_open()
        task = self.task
        seed, given = checked_seed(seed), checked_options(options)
        mask = given.get("reset_mask")
        if mask is None:
            chosen = torch.ones(self.num_envs, dtype=torch.bool, device=task.device)
        else:
            chosen = checked_mask(mask, self.num_envs, task.device)
            if self._needs_reset and not chosen.all():
                raise OigeError("reset_mask: leaves out worlds that were never reset; reset all worlds first.")
        super().reset(seed=seed)
        if seed is not None:
            task.seed(seed)
        task.restart(task.selection(chosen))
        if given.get("stagger"):
            self._stagger_steps = task.max_episode_length
            task.stagger(chosen)
        elif mask is None:
            self._stagger_steps = 0
        task.ended_buf = task.ended_buf & ~chosen  # the last step has returned the old tensor
        self._needs_reset = False
        return self._out(self._filtered(task.obs_buf)), self._states({})

    @plain_tensors
    def step(
        self, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """Advance every world by one control step.

        Args:
            actions: ``(N, num_actions)``.

        Returns:
            Observations, rewards, terminated, truncated, information: see the class.

        Raises:
            OigeError: the environment was not reset or is closed, or the actions are no numbers or have the wrong
                shape.
        """
        self._check_open()
        if self._needs_reset:
            raise OigeError("step before reset: call reset first.")
        actions = checked_actions(actions, self._actions_shape, self.task.device)
        with self._threads:
            return self._step(actions)

    def _step(
        self, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, dict[str, Any]]:
        task = self.task
        for hook in self.action_hooks:
            actions = hook(actions)
        failed_before = task.terminated_buf
        task.step(actions.clamp(-self._clip_actions, self._clip_actions))
        if self._stagger_steps:
            self._stagger_steps -= 1
            task.stagger(task.terminated_buf if task.autoreset_mode == "same_step" else failed_before)
        for look_on in self.step_hooks:
            look_on()
        info: dict[str, Any] = task.extras
        problems = task.problems_by_world()
        info["problems"] = {kind: self._out(counts) for kind, counts in problems.items()} if self._moves else problems
        info["_problems"] = self._out(task.failed_buf)
        final_observations = observations = self._filtered(task.final_obs_buf)
        if task.autoreset_mode == "same_step":
            if task.obs_buf is not task.final_obs_buf:
                observations = self._filtered(task.obs_buf)
            info["final_obs"] = self._out(final_observations)
            info["_final_obs"] = self._out(task.ended_buf)
        return (
            self._out(observations),
            self._out(task.rew_buf),
            self._out(task.terminated_buf),
            self._out(task.truncated_buf),
            self._states(info),
        )

    @plain_tensors
    def render(self) -> tuple[np.ndarray, ...]:
        """Return an image of each world, ``(height, width, 3)`` uint8; this waits for the device.

        The section ``task.viewport`` sets the camera in each world. All images together have about its
        ``viewport_camera_width`` and ``viewport_camera_height``, but each is at least 64 pixels wide.

        Raises:
            OigeError: the environment was made without ``render_mode``, was not reset or is closed.
        """
        self._check_open()
        if self.render_mode is None:
            raise OigeError(f"render: make the environment with render_mode='rgb_array'. {RENDER_ADVICE}")
        if self._needs_reset:
            raise OigeError("render before reset: call reset first.")
        if self._renderer is None:
            viewport = self.task.config.task.viewport
            width = viewport.viewport_camera_width // math.ceil(math.sqrt(self.num_envs))
            scale = max(width, min(MIN_IMAGE_WIDTH, viewport.viewport_camera_width)) / viewport.viewport_camera_width
            size = (_even(scale * viewport.viewport_camera_width), _even(scale * viewport.viewport_camera_height))
            self._renderer = self.task.engine.create_world_renderer(viewport_camera(viewport, size))
        return tuple(self._renderer.render())

    def _check_open(self) -> None:
        if self.closed:
            raise OigeError("the environment is closed; make a new one.")

    def problems(self) -> dict[str, int]:
        """Return how often each kind of problem happened so far, over all worlds; this waits for the device."""
        return self.task.problems()

    @property
    def state_format(self) -> str:
        """What the engine's state is made of; environments with as many worlds that agree in it can load it."""
        return self.task.engine.state_format

    @property
    def symmetries(self) -> tuple[Symmetry, ...]:
        """Symmetries that the task declares; see :class:`~oige_core.tasks.Symmetry`."""
        return self.task.symmetries

    @plain_tensors
    def state_dict(self) -> dict[str, Any]:
        """Return the whole state of simulation, task and random streams; tensors and plain values only.

        Warns:
            UserWarning: the task has attributes that may change in a step and that a state cannot hold.
        """
        self._warn_of_unsaved_attributes()
        return {
            "kind": self._state_kind(),
            "engine": self.task.engine.state_dict(),
            "task": self.task.state_dict(),
            "needs_reset": self._needs_reset,
            "stagger_steps": self._stagger_steps,
        }

    def accepts(self, state: dict[str, Any]) -> bool:
        """Whether a :meth:`state_dict` of the same :attr:`state_format` is one of the task as it is written now."""
        return self.task.accepts(state["task"])

    @plain_tensors
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict` exactly.

        Raises:
            OigeError: it is no such state, or one of another task, number of worlds, engine or scene; nothing changes.

        Warns:
            UserWarning: the task has attributes that may change in a step and that a state cannot hold.
        """
        self._check_open()
        if not isinstance(state, Mapping) or not {"engine", "task", "needs_reset", "stagger_steps"} <= state.keys():
            raise OigeError(
                f"state of type {type(state).__name__}: expected what state_dict of an environment returned."
            )
        kind = self._state_kind()
        if state.get("kind", kind) != kind:
            raise OigeError(f"this state is one of {state['kind']}: expected one of {kind}.")
        self._warn_of_unsaved_attributes()
        self.task.engine.load_state_dict(state["engine"])
        self.task.load_state_dict(state["task"])
        self._needs_reset = state["needs_reset"]
        self._stagger_steps = state["stagger_steps"]

    def _state_kind(self) -> str:
        return f"{self.task.name} with {self.num_envs} worlds on {self.state_format}"

    def _warn_of_unsaved_attributes(self) -> None:
        """Warn once of what a state leaves out."""
        names = [] if self._unsaved_are_known else self.task.unsaved_attributes()
        self._unsaved_are_known = True
        if names:
            warnings.warn(
                f"states and checkpoints of {self.task.name} leave out {', '.join(names)}: a run that is resumed goes "
                "on exactly only if these never change. Keep what changes in tensors, arrays, numbers or lists of "
                "these, or define state_dict and load_state_dict.",
                stacklevel=4,  # above plain_tensors, too
            )

    def close_extras(self, **kwargs: Any) -> None:
        """Free the engine."""
        self._renderer = None
        self.task.engine.close()

    def _out(self, tensor: torch.Tensor) -> torch.Tensor:
        """Move a tensor to where the user wants it; the call costs even where nothing moves."""
        return tensor.to(self.device) if self._moves else tensor

    def _filtered(self, observations: torch.Tensor) -> torch.Tensor:
        for hook in self.observation_hooks:
            observations = hook(observations)
        if self._images:
            return observations
        return observations.clamp(-self._clip_observations, self._clip_observations)

    def _states(self, info: dict[str, Any]) -> dict[str, Any]:
        if self.num_states:
            info["states"] = self._clamped_states(self.task.states_buf)
            if "final_obs" in info:
                info["final_states"] = self._clamped_states(self.task.final_states_buf)
        return info

    def _clamped_states(self, states: torch.Tensor) -> torch.Tensor:
        return self._out(states.clamp(-self._clip_observations, self._clip_observations))


def _even(size: float) -> int:
    """Return a number of pixels that videos accept, which keep the colours of four pixels together."""
    return max(2, 2 * round(size / 2.0))


class _OneTorchThread:
    """Keeps torch to one thread on the CPU.

    Threads that torch has used once go on waiting for more, busily, and so take the cores from the threads of physics.
    """

    def __enter__(self) -> None:
        self._threads = torch.get_num_threads()
        torch.set_num_threads(1)

    def __exit__(self, *exception: object) -> None:
        torch.set_num_threads(self._threads)
