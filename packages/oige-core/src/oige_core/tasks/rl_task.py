"""The base of every task: life cycle, buffers, episode statistics and random numbers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import torch

from oige_core.config import EnvConfig, RunConfig
from oige_core.engines.base import Engine
from oige_core.registry import TaskSpec
from oige_core.scene import Scene
from oige_core.seeding import derive_seed

__all__ = ["RLTask"]

EnvConfigT = TypeVar("EnvConfigT", bound=EnvConfig)


class RLTask(ABC, Generic[EnvConfigT]):
    """A task that all worlds of an engine play at once.

    A subclass describes one world (:meth:`set_up_scene`), then works on all worlds with tensors whose first dimension
    is the world. One control step calls, in this order: :meth:`pre_physics_step`, ``control_frequency_inv`` physics
    steps, :meth:`get_observations`, :meth:`get_states`, :meth:`is_done`, :meth:`calculate_metrics`, :meth:`get_extras`;
    then :meth:`reset_idx` for the worlds whose episode ended. OmniIsaacGymEnvs calls ``is_done`` after
    ``calculate_metrics``; before it, rewards may depend on how the step ended. The generic argument is the schema of
    ``task.env``.

    Args:
        config: the validated configuration.
        spec: the task's record.
        engine: an engine that is not built yet.

    Attributes:
        cfg: the ``task.env`` section.
        num_envs: number of worlds, N.
        device: device of every tensor.
        control_dt: time of one control step, in seconds.
        obs_buf: observations ``(N, …)``.
        states_buf: privileged states ``(N, num_states)``.
        rew_buf: rewards ``(N,)``.
        terminated_buf: ``(N,)`` bool; the episode ended by the task's own rules.
        truncated_buf: ``(N,)`` bool; the episode reached its length.
        progress_buf: ``(N,)`` int64; control steps since the last reset.
        extras: what the environment hands out as ``info`` besides its own entries.
    """

    def __init__(self, config: RunConfig, spec: TaskSpec, engine: Engine) -> None:
        self.config = config
        self.cfg: EnvConfigT = config.task.env  # type: ignore[assignment]
        self.spec = spec
        self.name = config.task.name
        self.engine = engine
        self.num_envs = engine.num_envs
        self.max_episode_length = self.cfg.episodeLength
        self.control_frequency_inv = self.cfg.controlFrequencyInv
        scene = Scene(engine, config.task.sim)
        self.set_up_scene(scene)
        engine.build(scene)
        self.device = engine.device
        self.control_dt = engine.physics_dt * self.control_frequency_inv
        n, device = self.num_envs, self.device
        self.obs_buf = torch.zeros(n, *spec.observation_shape, device=device)
        self.states_buf = torch.zeros(n, spec.num_states, device=device)
        self.rew_buf = torch.zeros(n, device=device)
        self.terminated_buf = torch.zeros(n, dtype=torch.bool, device=device)
        self.truncated_buf = torch.zeros(n, dtype=torch.bool, device=device)
        self.progress_buf = torch.zeros(n, dtype=torch.int64, device=device)
        self.extras: dict[str, Any] = {}
        self.generator = torch.Generator(device)
        self.seed(config.seed)
        self._term_names: list[str] = []
        self._terms: tuple[torch.Tensor, ...] = ()
        self._ones = torch.ones(n, device=device)
        self._sums = torch.zeros(2, n, device=device)  # of the running episodes: reward, control steps, reward terms
        self.post_reset()

    # For tasks to define

    @abstractmethod
    def set_up_scene(self, scene: Scene) -> None:
        """Describe one world; keep the views that the scene hands out. They can be used from :meth:`post_reset` on."""

    def post_reset(self) -> None:
        """Look up indices, limits and constants, once, when the worlds exist."""

    @abstractmethod
    def pre_physics_step(self, actions: torch.Tensor) -> None:
        """Turn actions ``(N, num_actions)``, clamped to ``clipActions``, into targets, efforts or forces."""

    @abstractmethod
    def get_observations(self) -> torch.Tensor:
        """Set ``obs_buf`` to a new tensor and return it; it is clamped to ``clipObservations`` afterwards."""

    def get_states(self) -> torch.Tensor:
        """Set ``states_buf`` to a new tensor and return it; only for tasks with an asymmetric critic."""
        return self.states_buf

    @abstractmethod
    def calculate_metrics(self) -> None:
        """Set ``rew_buf`` to a new tensor, from terms named by :meth:`sum_reward_terms`."""

    @abstractmethod
    def is_done(self) -> None:
        """Set ``terminated_buf`` to a new tensor. Truncation at ``episodeLength`` is done by the base."""

    def get_extras(self) -> None:
        """Put what shall appear in ``info`` into ``extras``."""

    def reset_idx(self, env_ids: torch.Tensor) -> None:
        """Start new episodes; a task calls this first, then randomises the worlds.

        Args:
            env_ids: ``(n,)`` int64 indices of the worlds.
        """
        self.engine.reset(env_ids)
        self.progress_buf.index_fill_(0, env_ids, 0)
        self._sums.index_fill_(1, env_ids, 0.0)

    # For tasks to use

    def uniform(self, low: float, high: float, *shape: int) -> torch.Tensor:
        """Sample a tensor of ``shape`` uniformly from the task's own random stream."""
        return torch.empty(shape, device=self.device).uniform_(low, high, generator=self.generator)

    def sum_reward_terms(self, terms: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return the sum ``(N,)`` of the parts of this step's reward; their sums per episode are reported by name.

        Args:
            terms: ``(N,)`` each, the same names in every step.
        """
        if not self._term_names:
            self._term_names = list(terms)
            self._sums = torch.zeros(2 + len(terms), self.num_envs, device=self.device)
        self._terms = tuple(terms.values())
        total = self._terms[0]
        for term in self._terms[1:]:
            total = total + term
        return total

    # For environments

    def seed(self, seed: int) -> None:
        """Restart the task's random stream."""
        self.generator.manual_seed(derive_seed(seed, "task"))

    def post_physics_step(self) -> None:
        """Compute observations, states, rewards and endings after the physics of a control step."""
        self.progress_buf += 1
        self.get_observations()
        if self.spec.num_states:
            self.get_states()
        self.is_done()
        self.truncated_buf = (self.progress_buf >= self.max_episode_length) > self.terminated_buf  # and not terminated
        self.calculate_metrics()
        self.get_extras()
        self._sums += torch.stack((self.rew_buf, self._ones, *self._terms))

    def finish_episodes(self, env_ids: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return means over the episodes that ended in these worlds; :meth:`reset_idx` starts counting anew.

        Args:
            env_ids: ``(n,)`` int64 indices, at least one.

        Returns:
            0-d tensors: ``return``, ``length`` in control steps, and ``reward/<term>`` for each reward term.
        """
        means = self._sums.index_select(1, env_ids).mean(dim=1)
        names = ("return", "length", *(f"reward/{name}" for name in self._term_names))
        return dict(zip(names, means.unbind(), strict=True))

    def state_dict(self) -> dict[str, Any]:
        """Return every tensor attribute and the random stream."""
        tensors = {name: value.clone() for name, value in vars(self).items() if isinstance(value, torch.Tensor)}
        return {"tensors": tensors, "term_names": list(self._term_names), "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict` exactly."""
        for name, value in state["tensors"].items():
            setattr(self, name, value.to(self.device, copy=True))
        self._term_names = list(state["term_names"])
        self.generator.set_state(state["generator"].cpu())
