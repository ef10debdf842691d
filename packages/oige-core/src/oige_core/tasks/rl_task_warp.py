"""The base class of Warp variants, whose whole control step is one CUDA graph."""

from abc import abstractmethod
from typing import Any, ClassVar

import torch
import warp as wp

from oige_core.config import RunConfig
from oige_core.engines.base import Engine
from oige_core.errors import OigeError, TaskError
from oige_core.randomization.runtime import Randomization
from oige_core.randomization.schema import check_warp_draws
from oige_core.spec import TaskSpec
from oige_core.tasks import episode_kernels as kernels
from oige_core.tasks.checks import NO_RESET_OF_THE_BASE
from oige_core.tasks.selection import assign, rows
from oige_core.tasks.task import EnvConfigT, Task
from oige_core.views import ArticulationView
from oige_core.warp_arrays import ArticulationArrays

__all__ = ["RLTaskWarp"]


class RLTaskWarp(Task[EnvConfigT]):
    """A task on Warp arrays, the variant that ``warp=True`` selects; the life cycle is that of ``RLTask``.

    One control step is :meth:`pre_physics_step`, ``control_frequency_inv`` physics steps, :meth:`get_observations`,
    :meth:`get_states`, :meth:`is_done`, :meth:`calculate_metrics`, then :meth:`reset_idx` for the worlds whose episode
    ended. These methods are called when the step is captured and not in every step. Each launches kernels and must not
    branch on values in Python. Arrays are created in :meth:`post_reset` as attributes, are not replaced later, and are
    part of a checkpoint. Nothing waits for the device. Arguments and further attributes are those of
    :class:`~oige_core.tasks.task.Task`.

    Attributes:
        reward_names: names of the reward terms, whose sums per episode are reported.
        actions: ``(N, num_actions)``, clamped to ``clipActions``.
        observations: ``(N, …)``; the step returns them clamped to ``clipObservations``.
        states: ``(N, num_states)``.
        reward_terms: ``(N, len(reward_names))``.
        rewards: ``(N,)``.
        terminated: ``(N,)`` bool.
        truncated: ``(N,)`` bool.
        ended: ``(N,)`` bool.
        progress: ``(N,)`` int64, control steps since the last reset.
        random: ``(N,)`` states of the random streams of the worlds, for :func:`~oige_core.warp_arrays.uniform`.
    """

    reward_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: RunConfig, spec: TaskSpec, engine: Engine) -> None:
        check_warp_draws(config.task.domain_randomization)
        super().__init__(config, spec, engine)
        n, sums = self.num_envs, 2 + len(self.reward_names)
        self._worlds = engine.to_warp()
        self.actions = self.zeros(n, spec.num_actions)
        self.observations = wp.from_torch(self.obs_buf)
        self.states = wp.from_torch(self.states_buf)
        self.reward_terms = self.zeros(n, len(self.reward_names))
        self.rewards = wp.from_torch(self.rew_buf)
        self.terminated = wp.from_torch(self.terminated_buf)
        self.truncated = wp.from_torch(self.truncated_buf)
        self.ended = wp.from_torch(self.ended_buf)
        self.progress = wp.from_torch(self.progress_buf)
        self._skipped = wp.from_torch(self.skipped_buf)
        self._seeds = torch.zeros(n, dtype=torch.int32, device=self.device)
        self.random = wp.from_torch(self._seeds, dtype=wp.uint32)
        self._final_observations = self.zeros(*self.observations.shape)
        self._final_states = self.zeros(*self.states.shape)
        self._chosen = self.zeros(n, dtype=wp.bool)
        counts = self.problem_counts
        self._problem_rows = {kind: row for row, kind in enumerate(counts.kinds)}
        counts.in_graphs = True
        self._counts, self._failed = wp.from_torch(counts.counts), wp.from_torch(counts.failed)
        self._physics_failed = wp.from_torch(engine.problem_counts.failed)
        self._sums = self.zeros(n, sums)
        self._finished = self.zeros(sums + 1)
        self._checking = True
        self._begins = False  # whether reset_idx of the subclass calls that of this class
        self._started = False  # whether the worlds were ever reset
        self.seed(config.seed)
        self.post_reset()
        self._start_randomization()
        # Arrays that were created with Warp were filled on Warp's own stream.
        wp.synchronize_device(wp.device_from_torch(self.device))
        self._arrays = self._own_arrays()
        self._tensors_of = {name: wp.to_torch(array) for name, array in self._arrays.items()}
        if self.autoreset_mode == "same_step":
            self.final_obs_buf = self._tensors_of["_final_observations"]
            self.final_states_buf = self._tensors_of["_final_states"]
        self._replay_step = self._worlds.capture_step(
            self.control_frequency_inv, self._launch_before_physics, self._launch_after_physics
        )
        self._replay_restart = self._worlds.capture(self._launch_restart)
        self._replay_read = self._worlds.capture(self._worlds.launch_read)

    # For tasks to define

    @abstractmethod
    def pre_physics_step(self) -> None:
        """Launch kernels that convert ``actions`` into efforts or targets."""

    @abstractmethod
    def get_observations(self) -> None:
        """Launch kernels that compute ``observations``."""

    def get_states(self) -> None:
        """Launch kernels that compute ``states``; only for tasks with an asymmetric critic."""

    @abstractmethod
    def is_done(self) -> None:
        """Launch kernels that compute ``terminated``. The base class truncates at :attr:`time_limit`."""

    @abstractmethod
    def calculate_metrics(self) -> None:
        """Launch kernels that compute ``reward_terms`` and ``rewards``."""

    def reset_idx(self, mask: wp.array) -> None:
        """Launch kernels that start new episodes; a task calls this first, then randomises the worlds of the mask.

        Args:
            mask: ``(N,)`` bool.
        """
        self._begins = True
        wp.launch(kernels.begin_episodes, self.num_envs, inputs=[mask, self.progress, self._skipped, self._sums])
        self._worlds.launch_reset(mask)

    # For tasks to use

    def arrays(self, view: ArticulationView) -> ArticulationArrays:
        """Return an articulation of the scene as Warp arrays; for use in :meth:`post_reset`."""
        return self._worlds.articulation(view)

    def zeros(self, *shape: int, dtype: Any = wp.float32) -> wp.array:
        """Return an array of zeros on the task's device; for use in :meth:`post_reset`."""
        return wp.zeros(shape, dtype=dtype, device=wp.device_from_torch(self.device))

    # For environments

    def seed(self, seed: int) -> None:
        """See :class:`~oige_core.tasks.task.Task`; each world has its own stream."""
        super().seed(seed)
        self._seeds.random_(generator=self.generator)

    def step(self, actions: torch.Tensor) -> None:
        """See :class:`~oige_core.tasks.task.Task`."""
        random, ended_before = self.randomization, self.ended_buf
        if random is not None:
            actions = self._begin_random_step(random, actions)
        limit = self.cfg.clipActions
        given = torch.clamp(actions, -limit, limit, out=self._tensors_of["actions"])
        if self.autoreset_mode == "next_step":
            given.masked_fill_(self._tensors_of["ended"].unsqueeze(-1), 0.0)  # also if it is NaN, because it is ignored
        counted = self.problem_counts.counts.clone() if self._checking else None
        self._replay_step()
        if counted is not None:
            self._check(counted)
        self.rew_buf, self.terminated_buf = self._copy("rewards"), self._copy("terminated")
        self.truncated_buf, self.ended_buf = self._copy("truncated"), self._copy("ended")
        self.failed_buf, self._problems_by_world = self.problem_counts.failed.clone(), None
        *means, count = self._copy("_finished").unbind()
        names = ("return", "length", *(f"reward/{name}" for name in self.reward_names))
        self.extras = {"episode_means": dict(zip(names, means, strict=True)), "episode_count": count.long()}
        self.get_extras()
        if random is not None:
            self._end_random_step(random, self.ended_buf if self.autoreset_mode == "same_step" else ended_before)

    def _begin_random_step(self, random: Randomization, actions: torch.Tensor) -> torch.Tensor:
        """Randomise what is due before the captured step; return its actions."""
        random.begin_step()
        if random.changes_states:
            self._replay_read()
        if self.autoreset_mode == "upstream":
            self._randomize(random, self.ended_buf, noise_was_drawn=self.upstream)
        return actions if random.actions is None else random.actions.apply(actions)

    def _end_random_step(self, random: Randomization, was_reset: torch.Tensor) -> None:
        """Add noise to the observations of the captured step, and randomise the worlds ``(N,)`` that it has reset."""
        same_step, signal = self.autoreset_mode == "same_step", random.observations
        if signal is not None:
            if self.upstream and (ended := self.selection(self.ended_buf)).shape[0]:
                signal.begin_noise(ended)  # see RLTask
            last = self._tensors_of["_final_observations" if same_step else "observations"]
            self.obs_buf = self.final_obs_buf = signal.apply(last)
        if self.autoreset_mode != "upstream":
            self._randomize(random, was_reset, noise_was_drawn=self.upstream)

    def _randomize(self, random: Randomization, was_reset: torch.Tensor, *, noise_was_drawn: bool) -> None:
        """Randomise worlds ``(N,)`` that have been reset, and add noise to their first observations."""
        worlds = self.selection(was_reset)
        if len(worlds):
            random.reset(worlds, noise_was_drawn=noise_was_drawn)
            if random.observations is not None:
                observed = rows(self._tensors_of["observations"], worlds)
                first = random.observations.apply_first(observed, worlds)
                self.obs_buf = assign(self.obs_buf, worlds, first)
                if self.autoreset_mode != "same_step":
                    self.final_obs_buf = self.obs_buf

    def restart(self, worlds: torch.Tensor) -> None:
        """See :class:`~oige_core.tasks.task.Task`.

        With ``task.env.compat=upstream``, as in the Warp variants of OmniIsaacGymEnvs, only the first call starts new
        episodes, and every call sets ``progress`` to 1.
        """
        chosen = self._tensors_of["_chosen"].zero_()
        chosen.copy_(assign(chosen, worlds, True))
        counted = chosen.clone() if self.upstream else None
        if self.upstream and self._started:
            chosen.zero_()
        self._started = True
        self._replay_restart()
        if counted is not None:
            self._tensors_of["progress"].masked_fill_(counted, 1)
        if not self._begins:
            raise TaskError(f"{self.name}.reset_idx: {NO_RESET_OF_THE_BASE.format('mask')}")
        self._tensors_of["ended"].logical_and_(~chosen)
        if self.randomization is not None:
            self._randomize(self.randomization, chosen, noise_was_drawn=False)

    def reward_terms_by_name(self) -> dict[str, torch.Tensor]:
        """See :class:`~oige_core.tasks.task.Task`."""
        return dict(zip(self.reward_names, self._tensors_of["reward_terms"].unbind(1), strict=True))

    def accepts(self, state: dict[str, Any]) -> bool:
        """See :class:`~oige_core.tasks.task.Task`; loading states of the torch task raises OigeError."""
        if _is_of_tensors(state):
            return True
        return state["tensors"].keys() == self._tensors_of.keys() and super().accepts(state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :class:`~oige_core.tasks.task.Task`."""
        if _is_of_tensors(state):
            raise OigeError(f"this state of {self.name} is not one of its Warp variant; resume without warp=True.")
        if others := state["tensors"].keys() ^ self._tensors_of.keys():
            names = ", ".join(sorted(others))
            raise OigeError(
                f"this state belongs to another version of {self.name}, with other arrays ({names}); "
                "reset the environment instead."
            )
        super().load_state_dict(state)
        for name, value in state["tensors"].items():
            self._tensors_of[name].copy_(value)
        self._replay_read()

    def _check(self, counted: torch.Tensor) -> None:
        """Raise if a step computed NaN or replaced an array; all arrays have the right shape and type from the start.

        Args:
            counted: the counts of problems before the step; NaNs have been replaced since.
        """
        for kind, method in (
            ("non_finite_observations", "get_observations or get_states"),
            ("non_finite_rewards", "calculate_metrics"),
        ):
            row = self._problem_rows[kind]
            worlds = (self.problem_counts.counts[row] > counted[row]).nonzero().squeeze(-1).tolist()
            if worlds:
                raise TaskError(
                    f"{self.name}.{method}: NaN or infinite in world {worlds[0]}, and in {len(worlds)} of "
                    f"{self.num_envs} worlds: expected finite numbers."
                )
        arrays = self._own_arrays()
        for name in arrays.keys() | self._arrays.keys():
            if arrays.get(name) is not self._arrays.get(name):
                raise TaskError(
                    f"{self.name}.{name}: is another array than after post_reset: expected arrays that are created in "
                    "post_reset and written by kernels."
                )
        self._checking = self.config.debug

    def _own_arrays(self) -> dict[str, wp.array]:
        return {name: value for name, value in vars(self).items() if isinstance(value, wp.array)}

    def _tensors(self) -> dict[str, torch.Tensor]:
        return self._tensors_of

    def _copy(self, name: str) -> torch.Tensor:
        return self._tensors_of[name].clone()

    def _launch_before_physics(self) -> None:
        self._failed.zero_()
        self._physics_failed.zero_()
        row = self._problem_rows["non_finite_actions"]
        wp.launch(kernels.check_actions, self.num_envs, inputs=[self.actions, row, self._counts, self._failed])
        if self.autoreset_mode == "upstream":
            self._launch_reset(self.ended)
        elif self.autoreset_mode == "next_step":
            wp.copy(self._chosen, self.ended)
        self.pre_physics_step()

    def _launch_after_physics(self) -> None:
        n = self.num_envs
        wp.launch(kernels.count_step, n, inputs=[self.progress])
        self._launch_observe()
        self.terminated.zero_()  # also if the task does not compute it
        self.is_done()
        wp.launch(
            kernels.end_episodes,
            n,
            inputs=[self.progress, self.time_limit, self.terminated],
            outputs=[self.truncated, self.ended],
        )
        self.calculate_metrics()
        wp.launch(
            kernels.end_failed_episodes,
            n,
            inputs=[
                self._physics_failed,
                self._problem_rows["non_finite_observations"],
                self._problem_rows["non_finite_rewards"],
                self.observations.reshape((n, -1)),
                self.states,
                self.rewards,
                self.reward_terms,
                self._counts,
                self._failed,
            ],
            outputs=[self.terminated, self.truncated, self.ended],
        )
        if self.autoreset_mode == "next_step":
            outputs = [self.rewards, self.terminated, self.truncated, self.ended]
            wp.launch(kernels.discard_step, n, inputs=[self._chosen], outputs=outputs)
        self._finished.zero_()
        wp.launch(
            kernels.sum_rewards,
            n,
            inputs=[self.rewards, self.reward_terms, self.ended],
            outputs=[self._sums, self._finished],
        )
        wp.launch(kernels.average, self._sums.shape[1], inputs=[self._finished])
        if self.autoreset_mode == "same_step":
            wp.copy(self._final_observations, self.observations)
            if self.num_states:
                wp.copy(self._final_states, self.states)
            self._launch_reset(self.ended)
            self._launch_observe()
        elif self.autoreset_mode == "next_step":
            self._launch_reset(self._chosen)
            self._launch_observe()

    def _launch_restart(self) -> None:
        self._launch_reset(self._chosen)
        self._launch_observe()

    def _launch_reset(self, mask: wp.array) -> None:
        self.reset_idx(mask)
        self._worlds.launch_write(mask)

    def _launch_observe(self) -> None:
        self.get_observations()
        if self.num_states:
            self.get_states()


def _is_of_tensors(state: dict[str, Any]) -> bool:
    """Whether a state belongs to the torch task, which is the only one that stores the names of its reward terms."""
    return "term_names" in state
