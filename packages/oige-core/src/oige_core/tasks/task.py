"""The common base of torch tasks and Warp variants."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, NoReturn, TypeVar

import torch

from oige_core.config import EnvConfig, RunConfig
from oige_core.engines.base import Engine
from oige_core.errors import CapabilityError, TaskError
from oige_core.problems import ProblemCounts
from oige_core.randomization.runtime import Randomization, find_views, requested_shapes
from oige_core.scene import Scene
from oige_core.seeding import derive_seed
from oige_core.spec import TaskSpec
from oige_core.tasks.symmetry import Symmetry

__all__ = ["EnvConfigT", "Task"]

PROBLEM_KINDS = ("non_finite_actions", "non_finite_observations", "non_finite_rewards")

EnvConfigT = TypeVar("EnvConfigT", bound=EnvConfig)


class Task(ABC, Generic[EnvConfigT]):
    """A task in all worlds of an engine, as the environment uses it.

    Tasks derive from :class:`~oige_core.tasks.RLTask` or :class:`~oige_core.tasks.RLTaskWarp`. The generic argument is
    the schema of ``task.env``.

    Args:
        config: the validated configuration.
        spec: the task's record.
        engine: an engine that is not built yet.

    Attributes:
        cfg: the ``task.env`` section.
        num_envs: number of worlds, N.
        device: device of every tensor.
        autoreset_mode: when worlds are reset whose episode has ended: ``same_step``, ``next_step`` or ``upstream``.
        max_episode_length: ``episodeLength``, in control steps; see also :attr:`time_limit`.
        control_dt: time of one control step, in seconds.
        observation_shape: shape of one world's observation.
        num_states: size of the privileged state; 0 if there is none.
        observes_bytes: whether observations are bytes; see :attr:`~oige_core.spec.TaskSpec.images`.
        obs_buf: observations ``(N, …)``; float32, or uint8 if they are bytes.
        final_obs_buf: ``(N, …)``; the observations before worlds were reset in the same step.
        states_buf: privileged states ``(N, num_states)``.
        final_states_buf: ``(N, num_states)``; the states before worlds were reset in the same step.
        rew_buf: rewards ``(N,)``.
        terminated_buf: ``(N,)`` bool; the task terminated the episode.
        truncated_buf: ``(N,)`` bool; the episode reached its length.
        failed_buf: ``(N,)`` bool; a problem occurred in the last step (:data:`~oige_core.problems.PROBLEMS`), and the
            episode terminated without reward.
        ended_buf: ``(N,)`` bool; the episode ended in the last step.
        progress_buf: ``(N,)`` int64; control steps since the last reset, including those in ``skipped_buf``.
        skipped_buf: ``(N,)`` int64; control steps that :meth:`stagger` skipped in the episode.
        upstream: whether errors of OmniIsaacGymEnvs that change learning are restored (``task.env.compat=upstream``).
        problem_kinds: kinds of problems that the class counts itself, keys of :data:`~oige_core.problems.PROBLEMS`.
        problem_counts: problems outside of physics, by world.
        extras: entries that the environment adds to ``info``.
        clone_results: whether a step returns new tensors; see :attr:`~oige_core.envs.VecEnv.clone_results`.
        clamped: observations and states of the last step by buffer, clamped to ``clipObservations``; empty if the
            environment has to clamp them.
        randomization: domain randomisation; None if ``task.domain_randomization`` does not enable it.
        symmetries: symmetries of the task, if it declares any, for learners with symmetry augmentation.
    """

    problem_kinds: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: RunConfig, spec: TaskSpec, engine: Engine) -> None:
        self.config = config
        self.cfg: EnvConfigT = config.task.env  # type: ignore[assignment]
        self.spec = spec
        self.observation_shape = spec.shape_for(self.cfg)
        self.num_states = spec.states_for(self.cfg)
        self.observes_bytes = spec.has_bytes(self.cfg)
        self.name = config.task.name
        self.engine = engine
        self.num_envs = engine.num_envs
        self.max_episode_length = self.cfg.episodeLength
        self.control_frequency_inv = self.cfg.controlFrequencyInv
        self.autoreset_mode = self.cfg.autoresetMode
        self.upstream = self.cfg.compat == "upstream"
        further_shapes = requested_shapes(config.task.domain_randomization)
        scene = Scene(engine, config.task.sim, further_shapes=further_shapes)
        try:
            self.set_up_scene(scene)
            self._randomized_views = find_views(
                config.task.domain_randomization, scene.views_by_group, scene.kinematic_bodies
            )
            engine.build(scene)
        except CapabilityError as error:
            raise CapabilityError(f"task {self.name}: {error}") from error
        self.device = engine.device
        self.control_dt = engine.physics_dt * self.control_frequency_inv
        n, device = self.num_envs, self.device
        dtype = torch.uint8 if self.observes_bytes else torch.float32
        self.obs_buf: torch.Tensor = torch.zeros(n, *self.observation_shape, dtype=dtype, device=device)
        self.final_obs_buf: torch.Tensor = self.obs_buf
        self.states_buf: torch.Tensor = torch.zeros(n, self.num_states, device=device)
        self.final_states_buf: torch.Tensor = self.states_buf
        self.rew_buf: torch.Tensor = torch.zeros(n, device=device)
        self.terminated_buf: torch.Tensor = torch.zeros(n, dtype=torch.bool, device=device)
        self.truncated_buf: torch.Tensor = torch.zeros(n, dtype=torch.bool, device=device)
        self.ended_buf: torch.Tensor = torch.zeros(n, dtype=torch.bool, device=device)
        self.failed_buf: torch.Tensor = torch.zeros(n, dtype=torch.bool, device=device)
        self.progress_buf: torch.Tensor = torch.zeros(n, dtype=torch.int64, device=device)
        self.skipped_buf: torch.Tensor = torch.zeros(n, dtype=torch.int64, device=device)
        kinds = (*PROBLEM_KINDS, *self.problem_kinds)
        self.problem_counts = ProblemCounts(kinds, n, device, in_graphs=engine.selects_by_mask)
        self._problems_by_world: dict[str, torch.Tensor] | None = None
        self.extras: dict[str, Any] = {}
        self.clone_results = True
        self.clamped: dict[str, torch.Tensor] = {}
        self.randomization: Randomization | None = None
        self.symmetries: tuple[Symmetry, ...] = ()
        self.generator = torch.Generator(device)
        Task.seed(self, config.seed)

    def _start_randomization(self) -> None:
        """Start domain randomisation after :meth:`post_reset`, whose settings are the values that it changes."""
        if self.config.task.domain_randomization.randomize:
            try:
                self.randomization = Randomization(self, self._randomized_views)
            except CapabilityError as error:
                raise CapabilityError(f"task {self.name}: {error}") from error

    # For tasks to define

    @abstractmethod
    def set_up_scene(self, scene: Scene) -> None:
        """Describe one world and store the views that the scene returns; use them from :meth:`post_reset` on."""

    def post_reset(self) -> None:
        """Look up indices, limits and constants, once, after the worlds are built."""

    def get_extras(self) -> None:
        """Add entries for ``info`` to ``extras``, at the end of a step."""

    @property
    def reset_buf(self) -> NoReturn:
        """Raise an error: OmniIsaacGymEnvs marks worlds to be reset there, and its tasks read and set it.

        Raises:
            TaskError: always.
        """
        raise TaskError(self._no_reset_buf())

    @reset_buf.setter
    def reset_buf(self, _: object) -> NoReturn:
        raise TaskError(self._no_reset_buf())

    def _no_reset_buf(self) -> str:
        return (
            f"{self.name}.reset_buf does not exist: return terminations from is_done, and do not call reset_idx, which "
            "the base class does; ended_buf has the worlds whose episode ended."
        )

    # For environments

    @abstractmethod
    def step(self, actions: torch.Tensor) -> None:
        """Run one control step: physics, observations, terminations, rewards and resets.

        Afterwards the buffers contain the results, with rewards and flags in new tensors, unless ``clone_results`` is
        False. ``extras`` has ``episode_count``, the number of episodes that ended, and ``episode_means``, the means
        over them: 0-d tensors, zero if none ended.

        Args:
            actions: ``(N, num_actions)``; the step clamps them to ``clipActions``.
        """

    @abstractmethod
    def restart(self, worlds: torch.Tensor) -> None:
        """Start new episodes in a selection of worlds and observe all worlds."""

    @abstractmethod
    def reward_terms_by_name(self) -> dict[str, torch.Tensor]:
        """Return the reward terms ``(N,)`` of the last step; none before the first step, or if the task names none."""

    @property
    def time_limit(self) -> int:
        """Number of control steps after which an episode is truncated."""
        return self.max_episode_length - (self.upstream and self.spec.original_ends_early)

    def selection(self, mask: torch.Tensor) -> torch.Tensor:
        """Return the worlds of a bool mask ``(N,)`` as a selection: int64 indices ``(n,)``, or the mask itself."""
        return self.engine.selection(mask)

    def stagger(self, started: torch.Tensor) -> None:
        """Skip a random fraction of the time of the episodes that have just begun.

        Args:
            started: worlds ``(N,)`` bool.
        """
        drawn = torch.randint(self.max_episode_length, started.shape, generator=self.generator, device=self.device)
        for steps in (self.progress_buf, self.skipped_buf):
            torch.where(started, drawn, steps, out=steps)

    def problems_by_world(self) -> dict[str, torch.Tensor]:
        """Return copies of the number of problems of each kind in each world so far, ``(N,)`` int32.

        They are not copies if a captured step returned them and ``clone_results`` is False.
        """
        if self._problems_by_world is None:
            self._problems_by_world = {}
            for counts in (self.engine.problem_counts, self.problem_counts):
                rows = counts.counts.clone().unbind()
                self._problems_by_world.update(zip(counts.kinds, rows, strict=True))
        return dict(self._problems_by_world)

    def problems(self) -> dict[str, int]:
        """Return the number of problems of each kind so far; this waits for the device."""
        return self.engine.problem_counts.totals() | self.problem_counts.totals()

    def seed(self, seed: int) -> None:
        """Restart the random streams of the task and of domain randomisation."""
        self.generator.manual_seed(derive_seed(seed, "task"))
        if self.randomization is not None:
            self.randomization.seed(seed)

    def state_dict(self) -> dict[str, Any]:
        """Return every tensor attribute, the random stream and the counts of problems."""
        tensors = {name: value.clone() for name, value in self._tensors().items()}
        return {
            "tensors": tensors,
            "generator": self.generator.get_state(),
            "problems": self.problem_counts.state_dict(),
            "randomization": None if self.randomization is None else self.randomization.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict` exactly.

        Raises:
            OigeError: the state belongs to the other variant of the task, on torch or on Warp.
        """
        self.generator.set_state(state["generator"].cpu())
        self.problem_counts.load_state_dict(state["problems"])
        self._problems_by_world = None
        if self.randomization is not None:
            self.randomization.load_state_dict(state["randomization"])

    def accepts(self, state: dict[str, Any]) -> bool:
        """Whether the tensors of a :meth:`state_dict` have the shapes and types of the task's tensors.

        They differ if the code of the task has changed since. Domain randomisation must be the same, too. Names with a
        leading underscore are ignored, because the sizes of such tensors may be unknown before the first step.
        """
        own, other = self._tensors(), state["tensors"]
        names = [name for name in own.keys() & other.keys() if not name.startswith("_")]
        return self.randomizes_like(state) and all(_kind(own[name]) == _kind(other[name]) for name in names)

    def randomizes_like(self, state: dict[str, Any]) -> bool:
        """Whether a :meth:`state_dict` was saved with the same domain randomisation."""
        saved = state.get("randomization")
        if self.randomization is None or saved is None:
            return self.randomization is saved
        return self.randomization.accepts(saved)

    def unsaved_attributes(self) -> list[str]:
        """Return the attributes, with their types, that may change in a step but are not in :meth:`state_dict`."""
        return []

    def _tensors(self) -> dict[str, torch.Tensor]:
        return {name: value for name, value in vars(self).items() if isinstance(value, torch.Tensor)}


def _kind(tensor: torch.Tensor) -> tuple[torch.Size, torch.dtype]:
    return tensor.shape, tensor.dtype
