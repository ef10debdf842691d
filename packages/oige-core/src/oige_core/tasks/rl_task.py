"""The base class of torch tasks: life cycle, episode statistics and random numbers."""

import functools
import math
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from oige_core.config import RunConfig
from oige_core.engines.base import Engine
from oige_core.errors import TaskError
from oige_core.randomization.signal_path import SignalPath
from oige_core.spec import TaskSpec
from oige_core.tasks import checks, selection
from oige_core.tasks.reward_terms import RewardedTask
from oige_core.tasks.step_capture import StepCapture
from oige_core.tasks.task import EnvConfigT
from oige_core.warp_version import has_warp

if TYPE_CHECKING:
    from oige_core.tasks.fused_step import FusedStep

__all__ = ["RLTask"]


class RLTask(RewardedTask[EnvConfigT]):
    """A task on torch tensors.

    A subclass describes one world (:meth:`set_up_scene`), then works on all worlds with tensors whose first dimension
    is the world. One control step calls, in this order: :meth:`pre_physics_step`, ``control_frequency_inv`` physics
    steps, :meth:`get_observations`, :meth:`get_states`, :meth:`is_done`, :meth:`calculate_metrics`, :meth:`get_extras`;
    then :meth:`reset_idx`, :meth:`get_observations` and :meth:`get_states` for the worlds whose episode ended.
    OmniIsaacGymEnvs calls ``is_done`` after ``calculate_metrics``. Here it is called before, so that rewards may depend
    on terminations. Arguments and further attributes are those of :class:`~oige_core.tasks.task.Task`.

    These methods return new tensors, and the base class assigns the buffers. The returned tensors are checked in the
    first step, and with ``debug=True`` in every step. In later steps, a world with a NaN observation or reward ends its
    episode, as a world whose physics failed does.

    Worlds to reset come as a *selection*: on the CPU int64 indices ``(n,)``, on a GPU a bool mask ``(N,)``, because a
    step must not wait for the GPU to count them. Views and :meth:`uniform`, :meth:`assign` and :meth:`rows` accept
    both, and in both ``len(worlds)`` is the number of rows to compute. On a GPU the step is captured in CUDA graphs,
    unless ``task.env.captureStep`` is False: its Python code then runs only during the capture, so that it must not
    branch on values that change from step to step. If a task cannot be captured, a warning says why, and it runs
    without graphs.

    Attributes:
        no_timeout: worlds ``(N,)`` bool whose episodes do not end, because a user drives their robots; None: no world.
        capture: the captured step; None on the CPU.
    """

    unsaved = RewardedTask.unsaved | {"capture", "_began", "_fused", "_problems_by_world"}

    def __init__(self, config: RunConfig, spec: TaskSpec, engine: Engine) -> None:
        checks.check_methods(type(self))
        super().__init__(config, spec, engine)
        n, device = self.num_envs, self.device
        self._began = False  # whether reset_idx of this class was called
        self._ones = torch.ones(1, n, device=device)
        self._fused = self._fuse() if engine.selects_by_mask and has_warp() else None
        self.no_timeout: torch.Tensor | None = None
        self.capture = StepCapture.of(self)
        self.post_reset()
        self._start_randomization()

    def _fuse(self) -> "FusedStep":
        from oige_core.tasks.fused_step import FusedStep  # needs Warp, which is an extra

        return FusedStep(self.problem_counts, self.engine.problem_counts, self.cfg.clipActions)

    # For tasks to define

    @abstractmethod
    def pre_physics_step(self, actions: torch.Tensor) -> None:
        """Convert actions ``(N, num_actions)``, clamped to ``clipActions``, into targets, efforts or forces."""

    @abstractmethod
    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Return observations of a selection of worlds, or of all if None; the base class clamps them later.

        It is called for all worlds after physics, then for the worlds that were reset.

        Args:
            worlds: the selection; views accept it as ``indices``.

        Returns:
            ``(len(worlds), …)``: rows of the selected worlds for indices, and rows of all worlds for a mask or None.
        """

    def get_states(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Return privileged states ``(len(worlds), num_states)``; only for tasks with an asymmetric critic.

        Args:
            worlds: as in :meth:`get_observations`, which is called before.
        """
        raise TaskError(f"{self.name} has {self.num_states} states in its TaskSpec but no get_states.")

    @abstractmethod
    def is_done(self) -> torch.Tensor:
        """Return whether episodes terminate, ``(N,)`` bool."""

    def is_cut_short(self) -> torch.Tensor:
        """Return whether episodes are truncated, ``(N,)`` bool: by default when they reach :attr:`time_limit`."""
        return self.progress_buf >= self.time_limit

    @abstractmethod
    def calculate_metrics(self) -> torch.Tensor:
        """Return rewards ``(N,)``, as a rule from :meth:`sum_reward_terms`."""

    def reset_idx(self, worlds: torch.Tensor) -> None:
        """Start new episodes; a task calls this first, then randomises the worlds.

        Args:
            worlds: the selection: indices ``(n,)`` int64 or a mask ``(N,)`` bool.
        """
        self._began = True
        self.engine.reset(worlds)
        if self._fused is not None and worlds.dtype == torch.bool:
            self._fused.begin_episodes(worlds, self.progress_buf, self.skipped_buf, self._sums)
            return
        for buffer in (self.progress_buf, self.skipped_buf, self._sums.t()):
            selection.clear(buffer, worlds)

    # For tasks to use

    def uniform(self, low: float, high: float, *shape: int) -> torch.Tensor:
        """Sample a tensor of ``shape`` uniformly from the task's own random stream."""
        return torch.empty(shape, device=self.device).uniform_(low, high, generator=self.generator)

    def assign(self, target: torch.Tensor, worlds: torch.Tensor, values: torch.Tensor | float) -> torch.Tensor:
        """Return a copy of ``target`` ``(N, …)`` in which the rows of a selection are ``values``.

        Args:
            target: the tensor, which does not change because callers may hold it.
            worlds: the selection.
            values: ``(len(worlds), …)``, a tensor that can be expanded to that shape, or a number.
        """
        return selection.assign(target, worlds, values)

    def rows(self, values: torch.Tensor, worlds: torch.Tensor | None) -> torch.Tensor:
        """Return the rows of ``values`` ``(N, …)`` that belong to a selection, ``(len(worlds), …)``; all if None."""
        return selection.rows(values, worlds)

    def mean(self, values: torch.Tensor, worlds: torch.Tensor) -> torch.Tensor:
        """Return the mean of ``values`` ``(N,)`` over a selection as a 0-d tensor, 0 if it is empty."""
        return selection.mean_of(values, worlds)

    def ignore_while_reset(self, values: torch.Tensor) -> torch.Tensor:
        """Return actions or forces ``(N, …)``, with ``compat=upstream`` zero in the worlds that this step resets.

        This is about ``autoresetMode=upstream``, in which a step resets worlds before their physics.
        """
        if not self.upstream or self.autoreset_mode != "upstream":
            return values
        return values.masked_fill(self.ended_buf.view(-1, *[1] * (values.ndim - 1)), 0.0)

    def uniform_noise(self, scale: torch.Tensor, n: int) -> torch.Tensor:
        """Sample noise of 16 random bits ``(n, k)`` between plus and minus ``scale`` ``(k,)``.

        Four numbers from one draw of 64 bits take a third of the time of :meth:`uniform`.
        """
        drawn = torch.empty((n * len(scale) + 3) // 4, dtype=torch.int64, device=self.device)
        drawn.random_(-(2**63), None, generator=self.generator)
        return drawn.view(torch.int16)[: n * len(scale)].view(n, len(scale)).float().mul_(scale / 2**15)

    # For environments

    def step(self, actions: torch.Tensor) -> None:
        """See :class:`~oige_core.tasks.task.Task`."""
        if self.capture is not None and not self._checking:
            self.capture.step(actions)
            return
        self.begin_step(actions)
        self.engine.step(self.control_frequency_inv)
        self.end_step()
        self._checking = self.config.debug

    def begin_step(self, actions: torch.Tensor) -> None:
        """Run the part of a control step before physics; see :meth:`step`."""
        self.clamped = {}
        randomization = self.randomization
        if randomization is not None:
            randomization.begin_step()
        if self._fused is None:
            self.problem_counts.clear_failed()
            self.engine.problem_counts.clear_failed()
        else:
            self._problems_by_world = None
        if self.autoreset_mode == "upstream" and (worlds := self._ended_worlds()) is not None:
            self._reset(worlds, noise_was_drawn=self.upstream)
        if randomization is not None and randomization.actions is not None:
            actions = randomization.actions.apply(actions)
        self.pre_physics_step(self._usable(actions))
        if randomization is not None:
            randomization.before_physics()

    def end_step(self) -> None:
        """Run the part of a control step after physics: results and resets."""
        self.extras = {}
        if self.randomization is not None:
            self.randomization.after_physics()
        ended_before, failed_before = self.ended_buf, self.failed_buf
        self.post_physics_step()
        if self.randomization is not None and self.randomization.observations is not None:
            self._transmit(self.randomization.observations)
        if self.autoreset_mode == "next_step":
            self._reset_instead_of_step(ended_before, failed_before)
        self.final_obs_buf, self.final_states_buf = self.obs_buf, self.states_buf
        worlds = self._finish_episodes()
        if worlds is not None and self.autoreset_mode == "same_step":
            self._reset_and_observe(worlds)

    def restart(self, worlds: torch.Tensor) -> None:
        """See :class:`~oige_core.tasks.task.Task`."""
        self.clamped = {}
        if self._checking:
            self._began = False
        self._reset(worlds, noise_was_drawn=False)
        if not self._began:
            raise TaskError(f"{self.name}.reset_idx: {checks.NO_RESET_OF_THE_BASE.format('worlds')}")
        observed_before = self.obs_buf
        self._observe()
        self._contain_first_observations(worlds)
        if self.randomization is not None and self.randomization.observations is not None:
            observed = self.randomization.observations.apply_first(self.rows(self.obs_buf, worlds), worlds)
            self.obs_buf = self._assign(observed_before, worlds, observed)  # nothing arrives in other worlds

    def post_physics_step(self) -> None:
        """Compute observations, states, terminations and rewards after the physics of a control step."""
        n = self.num_envs
        self.progress_buf += 1
        self._observe()
        terminated = self.is_done()
        if self._checking:
            self._check("is_done", "result", terminated, (n,), torch.bool)
            self._check_new("is_done", terminated, self.terminated_buf)
        self.terminated_buf, truncated = terminated, self.is_cut_short()
        if self._checking:
            self._check("is_cut_short", "result", truncated, (n,), torch.bool)
        self.truncated_buf = truncated > terminated  # and not terminated
        if self.no_timeout is not None:
            self.terminated_buf = self.terminated_buf > self.no_timeout
            self.truncated_buf = self.truncated_buf > self.no_timeout
        rewards = self.calculate_metrics()
        if self._checking:
            self._check("calculate_metrics", "result", rewards, (n,))
            self._check_new("calculate_metrics", rewards, self.rew_buf)
        self.rew_buf = rewards
        self._end_failed_episodes()
        self.get_extras()

    # Resets

    def _reset(self, worlds: torch.Tensor, *, noise_was_drawn: bool) -> None:
        """Reset a selection of worlds, then randomise them; see :meth:`Randomization.reset`."""
        self._select(self.reset_idx, worlds)
        if self.randomization is not None:
            self.randomization.reset(worlds, noise_was_drawn=noise_was_drawn)

    def _transmit(self, signal: SignalPath) -> None:
        """Randomise the observations after physics; rewards and terminations are those of the true ones."""
        if self.upstream:
            # OmniIsaacGymEnvs draws the noise of the next episode for its last observation already.
            ended = self.selection(self.terminated_buf | self.truncated_buf)
            if len(ended):
                signal.begin_noise(ended)
        self.obs_buf = signal.apply(self.obs_buf)

    def _finish_episodes(self) -> torch.Tensor | None:
        """Mark the worlds whose episode has ended and report means over them; :meth:`reset_idx` then clears the sums.

        Returns:
            The worlds as a selection; None if it is known that there are none.
        """
        if self._fused is not None:
            flags = self.terminated_buf, self.truncated_buf
            self.ended_buf, count, means = self._fused.finish_episodes(*flags, self._sums)
            worlds = self.ended_buf
        else:
            self.ended_buf = self.terminated_buf | self.truncated_buf
            worlds, count = self.selection(self.ended_buf), self.ended_buf.count_nonzero()
            means = selection.mean_of(self._sums, worlds) if len(worlds) else None
        self.extras |= {"episode_count": count, "episode_means": self._by_statistic(means)}
        self.extras["episode_means"] |= self.finish_episodes(worlds)
        return worlds if len(worlds) else None

    def finish_episodes(self, worlds: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return statistics of the episodes that ended in this step; a subclass may add its own by name.

        Args:
            worlds: the selection of worlds in which they ended; it may be empty.

        Returns:
            0-d tensors, any value if no episode ended: ``return``, ``length`` in control steps, and ``reward/<term>``
            for each reward term.
        """
        return self.extras["episode_means"]

    def _ended_worlds(self) -> torch.Tensor | None:
        """Return the worlds whose episode has ended, as a selection; None if it is known that there are none."""
        worlds = self.selection(self.ended_buf)
        return worlds if worlds.shape[0] else None

    def _reset_instead_of_step(self, worlds: torch.Tensor, failed_before: torch.Tensor) -> None:
        """Turn the computed step into a reset in worlds ``(N,)`` bool: no reward, no termination, no truncation.

        During ``reset_idx``, ``failed_buf`` marks those in which the step that ended the episode failed.
        """
        self.rew_buf = self.rew_buf.masked_fill(worlds, 0.0)
        self.terminated_buf = self.terminated_buf > worlds  # and not reset
        self.truncated_buf = self.truncated_buf > worlds
        selected = self.selection(worlds)
        if len(selected):
            failed_now, self.failed_buf = self.failed_buf, torch.where(worlds, failed_before, self.failed_buf)
            self._reset_and_observe(selected)
            self.failed_buf = failed_now

    def _reset_and_observe(self, worlds: torch.Tensor) -> None:
        self._reset(worlds, noise_was_drawn=self.upstream)
        observations = self._select(self.get_observations, worlds)
        if self._checking or len(observations) != len(worlds):
            self._check_observations("get_observations(worlds)", observations, len(worlds))
        observations = self._as_original(observations)
        if self.randomization is not None and self.randomization.observations is not None:
            observations = self.randomization.observations.apply_first(observations, worlds)
        self.obs_buf = self._assign(self.obs_buf, worlds, observations)
        if self.num_states:
            states = self._select(self.get_states, worlds)
            if self._checking or len(states) != len(worlds):
                self._check_states("get_states(worlds)", states, len(worlds))
            self.states_buf = self._assign(self.states_buf, worlds, states)
        if self._fused is None:
            self._contain_first_observations(worlds)
        elif self._observed_numbers():
            self._fused.clear_unseen(worlds, None if self.observes_bytes else self.obs_buf, self.states_buf)

    def _assign(self, target: torch.Tensor, worlds: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Return a copy of observations or states in which the rows of a selection are ``values``."""
        if self._fused is None or not target.is_floating_point():
            return selection.assign(target, worlds, values)
        return self._fused.assign(target, worlds, values)

    def _select(self, method: Callable[[torch.Tensor], Any], worlds: torch.Tensor) -> Any:
        """Call a method of the task with a selection of worlds; errors of torch explain what a mask is."""
        try:
            return method(worlds)
        except (RuntimeError, IndexError) as error:
            checks.note_on_masks(f"{self.name}.{method.__name__}", worlds, error)
            raise

    def _by_statistic(self, means: torch.Tensor | None) -> dict[str, torch.Tensor]:
        """Return means ``(sums,)`` by name: ``return``, ``length`` and ``reward/<term>``; zeros if None."""
        if means is not None:
            return dict(zip(self._statistics, means.unbind(), strict=True))
        if self._no_episodes is None:
            self._no_episodes = self._by_statistic(torch.zeros(len(self._sums), device=self.device))
        return dict(self._no_episodes)

    # Observations

    def _observe(self) -> None:
        """Observe all worlds."""
        observations = self.get_observations()
        if self._checking:
            self._check_observations("get_observations", observations, self.num_envs)
            self._check_new("get_observations", observations, self.obs_buf)
        self.obs_buf = self._as_original(observations)
        if self.num_states:
            states = self.get_states()
            if self._checking:
                self._check_states("get_states", states, self.num_envs)
                self._check_new("get_states", states, self.states_buf)
            self.states_buf = states

    def _as_original(self, observations: torch.Tensor) -> torch.Tensor:
        """Return images as :attr:`TaskSpec.images` says; other observations, and bytes, as they are."""
        if self.spec.images and not self.observes_bytes:
            return observations.transpose(1, 2).contiguous() / 255.0
        return observations

    def _check_observations(self, method: str, values: Any, count: int) -> None:
        dtype, shape = torch.float32, (count, *self.observation_shape)
        if self.spec.images:
            dtype = torch.uint8
            if not self.observes_bytes:
                columns, rows, channels = self.observation_shape
                shape = (count, rows, columns, channels)
        self._check(method, "result", values, shape, dtype, ", as its TaskSpec says")

    def _check_states(self, method: str, values: Any, count: int) -> None:
        self._check(method, "result", values, (count, self.num_states), hint=", as its TaskSpec says")

    def _check_new(self, method: str, value: torch.Tensor, before: torch.Tensor) -> None:
        checks.check_new_tensor(f"{self.name}.{method}", value, before)

    # Failures

    def _usable(self, actions: torch.Tensor) -> torch.Tensor:
        """Return clamped actions, zeros in worlds where one is not finite, whose episode ends."""
        # A step that resets a world ignores its actions.
        ignored = self.ended_buf if self.autoreset_mode == "next_step" else None
        if self._fused is not None:
            return self._fused.begin(actions, ignored)
        actions = actions.clamp(-self.cfg.clipActions, self.cfg.clipActions)
        if ignored is not None:
            actions = actions.masked_fill(ignored.unsqueeze(-1), 0.0)  # also if it is NaN
        if self._surely_finite(actions):
            return actions
        finite = _finite_rows(actions)
        self.problem_counts.add("non_finite_actions", ~finite)
        return torch.where(finite.unsqueeze(-1), actions, 0.0)

    def _end_failed_episodes(self) -> None:
        """Terminate episodes of failed worlds, without reward and with finite observations; add up rewards."""
        if self._fused is not None:
            self._end_failed_episodes_fused(self._fused)
            return
        self._contain_failures()
        self._sums += torch.cat((self.rew_buf.unsqueeze(0), self._ones, self._terms))

    def _end_failed_episodes_fused(self, fused: "FusedStep") -> None:
        if not self.observes_bytes:
            self.obs_buf = fused.copy(self.obs_buf)
        if self.num_states:
            self.states_buf = fused.copy(self.states_buf)
        observed = None if self.observes_bytes else self.obs_buf, self.states_buf
        flags = self.terminated_buf, self.truncated_buf
        results = fused.end_failed_episodes(*observed, self.rew_buf, self._terms, *flags, self._sums)
        self.rew_buf, self._terms, self.terminated_buf, self.truncated_buf, self.failed_buf = results

    def _contain_failures(self) -> None:
        counts, physics = self.problem_counts, self.engine.problem_counts
        if self._surely_finite(self.rew_buf, *self._observed_numbers()) and not (
            counts.may_have_failed or physics.may_have_failed
        ):
            self.failed_buf = torch.zeros_like(self.failed_buf)
            return
        finite = self._contain_observations()
        counts.add("non_finite_observations", ~finite)
        counts.add("non_finite_rewards", finite > (self.rew_buf.abs() < math.inf))
        failed = self.failed_buf = counts.failed | physics.failed
        self.rew_buf = self.rew_buf.masked_fill(failed, 0.0)
        self._terms = self._terms.masked_fill(failed, 0.0)
        self.terminated_buf = self.terminated_buf | failed
        self.truncated_buf = self.truncated_buf > failed
        self._problems_by_world = None

    def _contain_first_observations(self, worlds: torch.Tensor) -> None:
        """Count the selected worlds whose first observation is not finite, and replace it."""
        numbers = self._observed_numbers()
        if not numbers or self._surely_finite(*numbers):
            return
        finite = self._contain_observations()
        # Failures before the reset are counted already, and these worlds may have been observed again.
        was_reset = selection.as_mask(worlds, self.num_envs)
        self.problem_counts.add("non_finite_observations", was_reset > finite)
        self._problems_by_world = None

    def _observed_numbers(self) -> list[torch.Tensor]:
        """Return observations, unless they are images, and states, if there are any."""
        return [*([] if self.observes_bytes else [self.obs_buf]), *([self.states_buf] if self.num_states else [])]

    def _surely_finite(self, *values: torch.Tensor) -> bool:
        """Whether all numbers are finite, by a cheap test; False if the test would have to wait for a GPU.

        A sum is not finite if a number is not; ``isfinite`` of all numbers takes three times as long.
        """
        return not self.engine.selects_by_mask and all(math.isfinite(each.sum()) for each in values)

    def _contain_observations(self) -> torch.Tensor:
        """Zero observations and states of worlds in which one is not finite; return the mask ``(N,)`` of the others."""
        rows = [_finite_rows(values.flatten(1)) for values in self._observed_numbers()]
        finite = functools.reduce(torch.logical_and, rows) if rows else torch.ones_like(self.failed_buf)
        if not self.observes_bytes:
            self.obs_buf = torch.where(finite.view(-1, *[1] * (self.obs_buf.ndim - 1)), self.obs_buf, 0.0)
        if self.num_states:
            self.states_buf = torch.where(finite.unsqueeze(-1), self.states_buf, 0.0)
        return finite


def _finite_rows(values: torch.Tensor) -> torch.Tensor:
    """Return which rows of ``(N, k)`` are finite, ``(N,)`` bool; their largest number is NaN if one of them is."""
    return torch.linalg.vector_norm(values, math.inf, dim=1) < math.inf
