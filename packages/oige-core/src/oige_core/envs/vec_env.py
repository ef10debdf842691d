"""The vectorised environment: a task behind ``gymnasium.vector.VectorEnv``, on torch tensors."""

import contextlib
import math
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from oige_core.envs.arguments import checked_actions, checked_mask, checked_options, checked_seed
from oige_core.errors import ConfigError, OigeError
from oige_core.modes import plain_tensors
from oige_core.problems import Recording
from oige_core.render import OffscreenRenderer, viewport_camera
from oige_core.tasks import Symmetry, Task

if TYPE_CHECKING:
    from oige_core.engines.mujoco.failures.failure import Failure

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
      ``return``, ``length`` in control steps and ``reward/<term>``. They are 0-d tensors, and zero if no episode ended.
    * ``problems``: number of problems in each world since the environment was made, ``(N,)`` int32 by kind.
      :data:`oige_core.problems.PROBLEMS` explains the kinds. ``_problems`` ``(N,)`` bool marks the worlds with a
      problem in this step. Their episode terminates without reward, and they are reset.
    * the entries of the task's ``extras``.

    With ``autoresetMode: next_step``, the observations of a step that ends episodes are the last ones. The next step
    resets those worlds: it ignores their actions, returns their first observations, a reward of zero and no
    termination or truncation, and does not belong to an episode. gymnasium calls this NEXT_STEP, and its observation
    wrappers require it.

    With ``autoresetMode: upstream``, as in OmniIsaacGymEnvs, the observations of a step that ends episodes are also the
    last ones, but the next step is the first of the new episodes. Their first observations are never returned. With
    ``compat: upstream``, this is the default of all tasks but AnymalTerrain. gymnasium has no such mode, so
    ``metadata["autoreset_mode"]`` is the string ``"upstream"``, which its wrappers reject.

    Observations are float32 and clamped to ``clipObservations``; images are uint8 ``(N, rows, columns, channels)``.
    On the CPU, torch uses one thread during a step, regardless of its setting; physics has its own threads. A step does
    not track gradients, so actions may come directly from a policy in training. All methods may be called inside and
    outside ``torch.inference_mode()``, in any order. They return ordinary tensors.

    Args:
        task: the task.
        device: device of arguments and returned tensors; by default that of the simulation.
        render_mode: ``rgb_array``, for :meth:`render`; None: no images.

    Raises:
        ConfigError: the render mode is unknown.

    Attributes:
        task: the task.
        device: device of arguments and returned tensors.
        num_states: size of the privileged state; 0 if there is none.
        action_hooks: functions applied to actions ``(N, num_actions)`` before they are clamped.
        observation_hooks: functions applied to observations ``(N, …)`` before they are clamped.
        step_hooks: functions called after every step, such as those of a viewer.
    """

    def __init__(self, task: Task, device: torch.device | None = None, render_mode: str | None = None) -> None:
        check_render_mode(render_mode)
        self.task = task
        self.num_envs = task.num_envs
        self.num_states = task.num_states
        self.device = device or task.device
        self._moves = self.device != task.device
        cfg = task.cfg
        self._images = task.observes_bytes
        limit = np.float32(cfg.clipObservations)
        low, high, dtype = (0, 255, np.uint8) if self._images else (-limit, limit, np.float32)
        self.single_observation_space = gym.spaces.Box(low, high, task.observation_shape, dtype)
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
        self._clip_observations = float(cfg.clipObservations)
        self._actions_shape = (self.num_envs, task.spec.num_actions)
        self._needs_reset = True
        self._unsaved_are_known = False
        self._stagger_steps = 0  # steps in which episodes after a failure are staggered
        self._threads = _OneTorchThread() if task.device.type == "cpu" else contextlib.nullcontext()

    @property
    def clone_results(self) -> bool:
        """Whether ``step`` returns new tensors, which is the default.

        If False, it may return live tensors, also in ``info``: valid until the next ``step``, ``reset`` or
        ``load_state_dict``, and not to be written. A step that is captured in CUDA graphs then returns the same tensors
        as the last one, until it is captured again, and launches nothing outside of its graphs but a copy of the
        actions. Programs that copy the results anyway, such as learners, save time in this way.
        """
        return self.task.clone_results

    @clone_results.setter
    def clone_results(self, clone: bool) -> None:
        self.task.clone_results = bool(clone)

    @plain_tensors
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        """Start a new episode in every world.

        Args:
            seed: restarts the task's random stream; None continues it.
            options: ``{"reset_mask": (N,) bool}`` resets only the selected worlds. ``{"stagger": True}`` randomises the
                initial progress of episodes, so that worlds do not time out in the same step. It also applies to
                episodes after early failures, within the first episode length.

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
        task.ended_buf = task.ended_buf & ~chosen  # the previous step returned the old tensor
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
            OigeError: the environment was not reset or is closed, or the actions are not numbers or have the wrong
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
        if self._stagger_steps and not task.clone_results:
            failed_before = failed_before.clone()  # the step may overwrite it
        task.step(actions)
        if self._stagger_steps:
            self._stagger_steps -= 1
            task.stagger(task.terminated_buf if task.autoreset_mode == "same_step" else failed_before)
        for step_hook in self.step_hooks:
            step_hook()
        info: dict[str, Any] = task.extras
        problems = task.problems_by_world()
        info["problems"] = {kind: self._out(counts) for kind, counts in problems.items()} if self._moves else problems
        info["_problems"] = self._out(task.failed_buf)
        final_observations = observations = self._observed("final_obs_buf")
        if task.autoreset_mode == "same_step":
            if task.obs_buf is not task.final_obs_buf:
                observations = self._observed("obs_buf")
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
        """Return the number of problems of each kind in all worlds so far; this waits for the device."""
        return self.task.problems()

    def record_failures(self, limit: int, notes: dict[str, str] | None = None) -> None:
        """Keep the last states of each world that diverges or explodes from now on.

        Only the embedded engine does. The C engine keeps up to 32 control steps, MuJoCo Warp the last one.

        Args:
            limit: number of worlds; later failures are only counted.
            notes: texts by name that describe the run, for a reader of the file; by default the task's name.
        """
        task = self.task
        notes = {"task": task.name} | (notes or {})
        task.engine.record_failures(Recording(limit=limit, solver_steps=task.control_frequency_inv, notes=notes))

    def take_failures(self) -> "list[Failure]":
        """Return the recorded failures since the last call; this waits for the device."""
        return self.task.engine.take_failures()

    @property
    def state_format(self) -> str:
        """Format of the engine's state; environments with the same format and number of worlds can load it."""
        return self.task.engine.state_format

    @property
    def symmetries(self) -> tuple[Symmetry, ...]:
        """Symmetries that the task declares; see :class:`~oige_core.tasks.Symmetry`."""
        return self.task.symmetries

    @plain_tensors
    def state_dict(self) -> dict[str, Any]:
        """Return the whole state of simulation, task and random streams; tensors and plain values only.

        Warns:
            UserWarning: the task has attributes that may change in a step and that a state cannot contain.
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
        """Whether a :meth:`state_dict` of the same :attr:`state_format` has what the current code needs."""
        return self.task.accepts(state["task"]) and _has_keys(state["engine"], self.task.engine.state_dict())

    @plain_tensors
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict` exactly.

        Raises:
            OigeError: it is not such a state, or belongs to another task, number of worlds, engine, scene or domain
                randomisation. Nothing changes in this case.

        Warns:
            UserWarning: the task has attributes that may change in a step and that a state cannot contain.
        """
        self._check_open()
        if not isinstance(state, Mapping) or not {"engine", "task", "needs_reset", "stagger_steps"} <= state.keys():
            raise OigeError(
                f"state of type {type(state).__name__}: expected what state_dict of an environment returned."
            )
        kind = self._state_kind()
        if state.get("kind", kind) != kind:
            raise OigeError(f"this state belongs to {state['kind']}: expected one of {kind}.")
        if not self.task.randomizes_like(state["task"]):
            raise OigeError(
                "this state was saved with other domain randomisation: expected the same task.domain_randomization."
            )
        self._warn_of_unsaved_attributes()
        self.task.engine.load_state_dict(state["engine"])
        self.task.load_state_dict(state["task"])
        self._needs_reset = state["needs_reset"]
        self._stagger_steps = state["stagger_steps"]

    def _state_kind(self) -> str:
        return f"{self.task.name} with {self.num_envs} worlds on {self.state_format}"

    def _warn_of_unsaved_attributes(self) -> None:
        """Warn once about attributes that a state does not contain."""
        names = [] if self._unsaved_are_known else self.task.unsaved_attributes()
        self._unsaved_are_known = True
        if names:
            warnings.warn(
                f"states and checkpoints of {self.task.name} leave out {', '.join(names)}: a resumed run is exact "
                "only if these never change. Store values that change in tensors, arrays, numbers or lists of these, "
                "or define state_dict and load_state_dict.",
                stacklevel=4,  # also above plain_tensors
            )

    def close_extras(self, **kwargs: Any) -> None:
        """Free the engine."""
        self._renderer = None
        self.task.engine.close()

    def _out(self, tensor: torch.Tensor) -> torch.Tensor:
        """Move a tensor to the user's device; the check avoids the cost of a call that moves nothing."""
        return tensor.to(self.device) if self._moves else tensor

    def _observed(self, buffer: str) -> torch.Tensor:
        """Return observations of the last step, filtered by hooks and clamped."""
        if buffer in self.task.clamped and not self.observation_hooks:
            return self.task.clamped[buffer]
        return self._filtered(getattr(self.task, buffer))

    def _filtered(self, observations: torch.Tensor) -> torch.Tensor:
        for hook in self.observation_hooks:
            observations = hook(observations)
        if self._images:
            return observations
        return observations.clamp(-self._clip_observations, self._clip_observations)

    def _states(self, info: dict[str, Any]) -> dict[str, Any]:
        if self.num_states:
            info["states"] = self._clamped_states("states_buf")
            if "final_obs" in info:
                info["final_states"] = self._clamped_states("final_states_buf")
        return info

    def _clamped_states(self, buffer: str) -> torch.Tensor:
        states = self.task.clamped.get(buffer)
        if states is None:
            states = getattr(self.task, buffer).clamp(-self._clip_observations, self._clip_observations)
        return self._out(states)


def _even(size: float) -> int:
    """Return an even number of pixels, which videos require."""
    return max(2, 2 * round(size / 2.0))


class _OneTorchThread:
    """Limits torch to one thread on the CPU.

    Threads that torch has used once busy-wait for more work on the cores that physics needs.
    """

    def __enter__(self) -> None:
        self._threads = torch.get_num_threads()
        torch.set_num_threads(1)

    def __exit__(self, *exception: object) -> None:
        torch.set_num_threads(self._threads)


def _has_keys(state: Mapping[str, Any], needed: Mapping[str, Any]) -> bool:
    """Whether a state has all keys of another one, section by section."""
    return all(
        _has_keys(state.get(key, {}), value) if isinstance(value, Mapping) else key in state
        for key, value in needed.items()
    )
