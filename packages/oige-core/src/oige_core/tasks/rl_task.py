"""The base of tasks on torch tensors: life cycle, episode statistics and random numbers."""

import dataclasses
import functools
import math
import types
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from oige_core.config import RunConfig
from oige_core.engines.base import Engine
from oige_core.errors import OigeError, TaskError, nearest
from oige_core.registry import TaskSpec
from oige_core.scene.values import as_number
from oige_core.tasks.checks import NO_RESET_OF_THE_BASE, check_new_tensor, check_tensor
from oige_core.tasks.state import UNSAVED, decode_into, encode, is_constant, shared_memory
from oige_core.tasks.task import EnvConfigT, Task

__all__ = ["RLTask"]

FEW_TERMS = range(2, 5)  # of a reward; so many are added up sooner one by one than stacked


class RLTask(Task[EnvConfigT]):
    """A task on torch tensors.

    A subclass describes one world (:meth:`set_up_scene`), then works on all worlds with tensors whose first dimension
    is the world. One control step calls, in this order: :meth:`pre_physics_step`, ``control_frequency_inv`` physics
    steps, :meth:`get_observations`, :meth:`get_states`, :meth:`is_done`, :meth:`calculate_metrics`, :meth:`get_extras`;
    then :meth:`reset_idx` and :meth:`observe_again` for the worlds whose episode ended. OmniIsaacGymEnvs calls
    ``is_done`` after ``calculate_metrics``; before it, rewards may depend on how the step ended. Arguments and
    attributes are those of :class:`~oige_core.tasks.task.Task`.

    What these methods compute is checked in the first step, and with ``debug=True`` in every step. In later steps, a
    world whose observation or reward is NaN ends its episode, like one whose physics failed.

    A checkpoint holds the attributes of a task that are tensors, NumPy arrays, numbers, strings or random generators,
    or lists, tuples, sets, deques or dictionaries of these. A task that keeps anything else between steps adds it to
    :meth:`state_dict`, and :meth:`load_state_dict` puts it back; a warning names what would be lost.

    Attributes:
        endless: worlds ``(N,)`` bool whose episodes do not end, because somebody drives their robots; None: no such.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let tasks with observations of their own observe all worlds again, unless they say how to observe some."""
        super().__init_subclass__(**kwargs)
        for owner in cls.__mro__:
            if "observe_again" in vars(owner):
                break
            if "get_observations" in vars(owner) or "get_states" in vars(owner):
                cls.observe_again = RLTask.observe_again  # not that of a base further on, which knows nothing of them
                break

    def __init__(self, config: RunConfig, spec: TaskSpec, engine: Engine) -> None:
        super().__init__(config, spec, engine)
        n, device = self.num_envs, self.device
        self._reward_weights: dict[str, float] = {}
        self._first_weights: dict[str, float] = {}  # those that post_reset sets
        self._weights_changed = False  # since the task was made, as a curriculum does
        self._name_terms([])
        self._checking = True
        self._began = False  # whether reset_idx of this class was called
        self._terms: Sequence[torch.Tensor] | torch.Tensor = ()  # of the last step
        self._ones = torch.ones(n, device=device)
        self._sums = torch.zeros(2, n, device=device)  # of the running episodes: reward, control steps, reward terms
        self.endless: torch.Tensor | None = None
        self.post_reset()

    # For tasks to define

    @abstractmethod
    def pre_physics_step(self, actions: torch.Tensor) -> None:
        """Turn actions ``(N, num_actions)``, clamped to ``clipActions``, into targets, efforts or forces."""

    @abstractmethod
    def get_observations(self) -> torch.Tensor:
        """Set ``obs_buf`` to a new tensor and return it; it is clamped to ``clipObservations`` afterwards."""

    def observe_again(self, env_ids: torch.Tensor) -> None:
        """Bring observations and states up to date for worlds ``(n,)`` that were reset at the end of a step.

        By default all worlds are observed again. A task may set the buffers to new tensors instead, in which these
        worlds' rows alone differ, which is faster where there is much to observe. It is not inherited by a class that
        defines :meth:`get_observations` or :meth:`get_states`.
        """
        self._observe()

    def get_states(self) -> torch.Tensor:
        """Set ``states_buf`` to a new tensor and return it; only for tasks with an asymmetric critic."""
        return self.states_buf

    @abstractmethod
    def calculate_metrics(self) -> None:
        """Set ``rew_buf`` to a new tensor, from terms named by :meth:`sum_reward_terms`."""

    @abstractmethod
    def is_done(self) -> None:
        """Set ``terminated_buf`` to a new tensor. Truncation at ``episodeLength`` is done by the base."""

    def reset_idx(self, env_ids: torch.Tensor) -> None:
        """Start new episodes; a task calls this first, then randomises the worlds.

        Args:
            env_ids: ``(n,)`` int64 indices of the worlds.
        """
        self._began = True
        self.engine.reset(env_ids)
        self.progress_buf.index_fill_(0, env_ids, 0)
        self.skipped_buf.index_fill_(0, env_ids, 0)
        self._sums.index_fill_(1, env_ids, 0.0)

    # For tasks to use

    @property
    def reward_weights(self) -> Mapping[str, float]:
        """Factors of reward terms by name, 1 for those without.

        They may be set at any time, as a curriculum does, and hold from the next step on. They are set as a whole:
        ``self.reward_weights = {**self.reward_weights, "energy": -0.1}``.

        Raises:
            OigeError: a weight is no finite number, or there is no term of that name.
        """
        return types.MappingProxyType(self._reward_weights)

    @reward_weights.setter
    def reward_weights(self, weights: Mapping[str, float]) -> None:
        title = f"reward_weights of {self.name}"
        if not isinstance(weights, Mapping):
            raise OigeError(f"{title}={weights!r}: expected a dictionary of numbers by name of the term.")
        numbers = {name: as_number(weight, f"{title}: {name}") for name, weight in weights.items()}
        if self._term_names:
            self._check_weights(numbers)
            self._weights_changed = True
        else:
            self._first_weights = numbers
        self._reward_weights = numbers
        self._weigh_terms()

    def uniform(self, low: float, high: float, *shape: int) -> torch.Tensor:
        """Sample a tensor of ``shape`` uniformly from the task's own random stream."""
        return torch.empty(shape, device=self.device).uniform_(low, high, generator=self.generator)

    def sum_reward_terms(self, terms: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return the weighted sum ``(N,)`` of the parts of this step's reward, whose sums per episode are reported.

        Args:
            terms: ``(N,)`` each, before :attr:`reward_weights`; the same names in every step.

        Raises:
            OigeError: a weight has no term of its name, or a term has the wrong shape or is NaN.
        """
        if not self._term_names:
            self._name_terms(terms)
            self._sums = torch.zeros(2 + len(terms), self.num_envs, device=self.device)
        elif list(terms) != self._term_names:
            raise TaskError(
                f"{self.name}.calculate_metrics: this step's reward terms are {', '.join(terms)}, those of the first "
                f"step were {', '.join(self._term_names)}: expected the same names in the same order."
            )
        if self._checking:
            for name, values in terms.items():
                self._check("calculate_metrics", f"reward term '{name}'", values, (self.num_envs,))
        self._terms = list(terms.values())
        if self._weights is None and len(terms) in FEW_TERMS:
            return functools.reduce(torch.add, self._terms)
        rows = torch.stack(self._terms)
        if self._weights is not None:
            rows *= self._weights
            self._terms = rows
        return rows.sum(0)

    # For environments

    def step(self, actions: torch.Tensor) -> None:
        """See :class:`~oige_core.tasks.task.Task`."""
        self.extras = {}
        self.problem_counts.clear_failed()
        self.engine.problem_counts.clear_failed()
        ended_before, failed_before = self.ended_buf, self.failed_buf
        if self.autoreset_mode == "upstream":
            env_ids = ended_before.nonzero().squeeze(-1)
            if env_ids.shape[0]:
                self.reset_idx(env_ids)
        elif self.autoreset_mode == "next_step":
            actions = actions.masked_fill(ended_before.unsqueeze(-1), 0.0)  # also if it is NaN: it is ignored
        self.pre_physics_step(self._finite(actions))
        self.engine.step(self.control_frequency_inv)
        self.post_physics_step()
        self._checking = self.config.debug
        if self.autoreset_mode == "next_step":
            self._reset_instead_of_step(ended_before, failed_before)
        self.final_obs_buf, self.final_states_buf = self.obs_buf, self.states_buf
        self.ended_buf = self.terminated_buf | self.truncated_buf
        env_ids = self.ended_buf.nonzero().squeeze(-1)
        if count := env_ids.shape[0]:
            self.extras["episode_means"] = self.finish_episodes(env_ids)
            self.extras["episode_count"] = count
            if self.autoreset_mode == "same_step":
                self._reset_and_observe(env_ids)

    def _reset_instead_of_step(self, worlds: torch.Tensor, failed_before: torch.Tensor) -> None:
        """Let the step that was just computed be a reset in worlds ``(N,)`` bool: no reward, no ending.

        ``reset_idx`` sees in which of them the step failed that ended the episode.
        """
        self.rew_buf = self.rew_buf.masked_fill(worlds, 0.0)
        self.terminated_buf = self.terminated_buf > worlds  # and not reset
        self.truncated_buf = self.truncated_buf > worlds
        env_ids = worlds.nonzero().squeeze(-1)
        if env_ids.shape[0]:
            failed_now, self.failed_buf = self.failed_buf, torch.where(worlds, failed_before, self.failed_buf)
            self._reset_and_observe(env_ids)
            self.failed_buf = failed_now

    def _reset_and_observe(self, env_ids: torch.Tensor) -> None:
        self.reset_idx(env_ids)
        self.observe_again(env_ids)
        self._contain_first_observations(env_ids)

    def _contain_first_observations(self, env_ids: torch.Tensor) -> None:
        """Count the worlds ``(n,)`` whose first observation is not finite, and give finite ones out."""
        numbers = self._observed_numbers()
        if not numbers or self._surely_finite(*numbers):
            return
        unseen = self._zero_non_finite_observations()
        # What failed before the reset is counted already, and may have been observed again.
        was_reset = torch.zeros_like(unseen).index_fill_(0, env_ids, True)
        self.problem_counts.add("non_finite_observations", unseen & was_reset)
        self._problems_by_world = None

    def restart(self, env_ids: torch.Tensor) -> None:
        """See :class:`~oige_core.tasks.task.Task`."""
        if self._checking:
            self._began = False
        self.reset_idx(env_ids)
        if not self._began:
            raise TaskError(f"{self.name}.reset_idx: {NO_RESET_OF_THE_BASE.format('env_ids')}")
        self._observe()
        self._contain_first_observations(env_ids)

    def reward_terms_by_name(self) -> dict[str, torch.Tensor]:
        """See :class:`~oige_core.tasks.task.Task`."""
        return dict(zip(self._term_names, self._terms, strict=False))

    def post_physics_step(self) -> None:
        """Compute observations, states, rewards and endings after the physics of a control step."""
        self.progress_buf += 1
        self._observe()
        terminated, rewards = self.terminated_buf, self.rew_buf
        self.is_done()
        if self._checking:
            self._check("is_done", "terminated_buf", self.terminated_buf, (self.num_envs,), torch.bool)
            self._check_new("is_done", "terminated_buf", self.terminated_buf, terminated)
        self.truncated_buf = (self.progress_buf >= self.max_episode_length) > self.terminated_buf  # and not terminated
        if self.endless is not None:
            self.terminated_buf = self.terminated_buf > self.endless
            self.truncated_buf = self.truncated_buf > self.endless
        self.calculate_metrics()
        if self._checking:
            self._check("calculate_metrics", "rew_buf", self.rew_buf, (self.num_envs,))
            self._check_new("calculate_metrics", "rew_buf", self.rew_buf, rewards)
        self._end_failed_episodes()
        self.get_extras()
        if isinstance(self._terms, torch.Tensor):
            self._sums += torch.cat((self.rew_buf.unsqueeze(0), self._ones.unsqueeze(0), self._terms))
        else:
            self._sums += torch.stack((self.rew_buf, self._ones, *self._terms))

    def finish_episodes(self, env_ids: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return means over the episodes that ended in these worlds; :meth:`reset_idx` starts counting anew.

        Args:
            env_ids: ``(n,)`` int64 indices, at least one.

        Returns:
            0-d tensors: ``return``, ``length`` in control steps, and ``reward/<term>`` for each reward term.
        """
        means = self._sums.index_select(1, env_ids).sum(1) / env_ids.shape[0]
        return dict(zip(self._statistics, means.unbind(), strict=True))

    def state_dict(self) -> dict[str, Any]:
        """See :class:`~oige_core.tasks.task.Task`; plain values, arrays and containers that the task keeps, too."""
        given = self._given_attributes()
        others = {name: encode(value) for name, value in vars(self).items() if name not in given}
        return super().state_dict() | {
            "term_names": list(self._term_names),
            "values": {name: value for name, value in others.items() if value is not UNSAVED},
            "shared_memory": shared_memory(self._kept()),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :class:`~oige_core.tasks.task.Task`.

        Tensors are overwritten, so that views of them stay views of them.
        """
        if "term_names" not in state:
            raise OigeError(f"this state of {self.name} is one of its Warp variant; resume with warp=True.")
        super().load_state_dict(state)
        replaced = self._replaced_tensors(state["shared_memory"])
        for name, value in (state["values"] | state["tensors"]).items():
            current = getattr(self, name, None)
            setattr(self, name, decode_into(current, value, self.device, name=name, replaced=replaced))
        if not self._weights_changed:
            self._reward_weights = dict(self._first_weights)
        self._name_terms(state["term_names"])

    def unsaved_attributes(self) -> list[str]:
        """See :class:`~oige_core.tasks.task.Task`."""
        if type(self).state_dict is not RLTask.state_dict:
            return []
        given, configured = self._given_attributes(), _sections(self.config)
        return [
            f"{name} ({type(value).__name__})"
            for name, value in vars(self).items()
            if name not in given
            and encode(value) is UNSAVED
            and not is_constant(value)
            and not any(value is section for section in configured)
        ]

    def _kept(self) -> dict[str, Any]:
        """Return the attributes that are state of the task, tensors included."""
        given = self._given_attributes() - self._tensors().keys()
        return {name: value for name, value in vars(self).items() if name not in given}

    def _replaced_tensors(self, together: Iterable[Sequence[str]]) -> set[str]:
        """Return the names of tensors that must not be overwritten when a state is loaded.

        Users hold the outcome of the last step. Others share memory here and had values of their own in the state.

        Args:
            together: names of tensors of the state that share memory.
        """
        groups = [set(names) for names in together]
        replaced: set[str] = set(_OUTCOME)
        for names in map(set, shared_memory(self._kept())):
            if names & replaced or not any(names <= group for group in groups):
                replaced |= names
        return replaced

    def _given_attributes(self) -> set[str]:
        """Attributes that are no state of the task: they are given, or saved elsewhere."""
        given = {"config", "cfg", "spec", "engine", "generator", "extras", "problem_counts", *_PRIVATE}
        if not self._weights_changed:
            given.add("_reward_weights")
        return given | self._tensors().keys()

    def _name_terms(self, names: Iterable[str]) -> None:
        self._term_names = list(names)
        self._statistics = ("return", "length", *(f"reward/{name}" for name in self._term_names))
        self._weigh_terms()

    def _weigh_terms(self) -> None:
        """Make the column of weights, once terms and weights are known."""
        self._weights: torch.Tensor | None = None
        if self._term_names and self._reward_weights:
            self._check_weights(self._reward_weights)
            weights = [self._reward_weights.get(name, 1.0) for name in self._term_names]
            self._weights = torch.tensor(weights, device=self.device).unsqueeze(-1)

    def _check_weights(self, weights: Iterable[str]) -> None:
        for name in weights:
            if name not in self._term_names:
                known = nearest(str(name), self._term_names)
                raise OigeError(f"reward_weights of {self.name}: '{name}' is no reward term. {known}")

    def _observe(self) -> None:
        observations, states = self.obs_buf, self.states_buf
        self.get_observations()
        if self._checking:
            dtype = torch.uint8 if self.spec.images else torch.float32
            shape = (self.num_envs, *self.spec.observation_shape)
            self._check("get_observations", "obs_buf", self.obs_buf, shape, dtype, ", as its TaskSpec says")
            self._check_new("get_observations", "obs_buf", self.obs_buf, observations)
        if self.spec.num_states:
            self.get_states()
            if self._checking:
                shape = (self.num_envs, self.spec.num_states)
                self._check("get_states", "states_buf", self.states_buf, shape, hint=", as its TaskSpec says")
                self._check_new("get_states", "states_buf", self.states_buf, states)

    def _check(
        self,
        method: str,
        what: str,
        value: Any,
        shape: tuple[int, ...],
        dtype: torch.dtype = torch.float32,
        hint: str = "",
    ) -> None:
        check_tensor(f"{self.name}.{method}: {what}", value, shape, dtype, self.device, hint)

    def _check_new(self, method: str, what: str, value: torch.Tensor, before: torch.Tensor) -> None:
        check_new_tensor(f"{self.name}.{method}: {what}", value, before)

    def _finite(self, actions: torch.Tensor) -> torch.Tensor:
        """Return actions with zeros in place of the rows that are not finite, which end their episode."""
        if self._surely_finite(actions):
            return actions
        finite = actions.isfinite().all(dim=1)
        self.problem_counts.add("non_finite_actions", ~finite)
        return actions.masked_fill(~finite.unsqueeze(-1), 0.0)

    def _end_failed_episodes(self) -> None:
        """Terminate episodes in which something went wrong, without reward and with finite observations."""
        counts, physics = self.problem_counts, self.engine.problem_counts
        failed = counts.failed | physics.failed
        if self._surely_finite(self.rew_buf, *self._observed_numbers()) and not failed.any():
            self.failed_buf = failed
            return
        unseen = self._zero_non_finite_observations()
        counts.add("non_finite_observations", unseen)
        counts.add("non_finite_rewards", ~self.rew_buf.isfinite() & ~unseen)
        failed = self.failed_buf = counts.failed | physics.failed
        self.rew_buf = self.rew_buf.masked_fill(failed, 0.0)
        if isinstance(self._terms, torch.Tensor):
            self._terms = self._terms.masked_fill(failed, 0.0)
        else:
            self._terms = [term.masked_fill(failed, 0.0) for term in self._terms]
        self.terminated_buf = self.terminated_buf | failed
        self.truncated_buf = self.truncated_buf & ~failed
        self._problems_by_world = None

    def _observed_numbers(self) -> list[torch.Tensor]:
        """Return observations, unless they are images, and states, if there are any."""
        return [*([] if self.spec.images else [self.obs_buf]), *([self.states_buf] if self.spec.num_states else [])]

    def _surely_finite(self, *values: torch.Tensor) -> bool:
        """Whether all numbers are finite, found out at little cost; False on a GPU, for which one would have to wait.

        A sum is not finite where a number is not; ``isfinite`` of all numbers takes three times as long.
        """
        return self.device.type == "cpu" and all(math.isfinite(each.sum()) for each in values)

    def _zero_non_finite_observations(self) -> torch.Tensor:
        """Zero observations and states of worlds in which one is not finite; return the mask ``(N,)`` of these."""
        unseen = torch.zeros_like(self.failed_buf)
        for values in self._observed_numbers():
            unseen = unseen | ~values.flatten(1).isfinite().all(dim=1)
        if not self.spec.images:
            self.obs_buf = self.obs_buf.masked_fill(unseen.view(-1, *[1] * (self.obs_buf.ndim - 1)), 0.0)
        if self.spec.num_states:
            self.states_buf = self.states_buf.masked_fill(unseen.unsqueeze(-1), 0.0)
        return unseen


_OUTCOME = (
    "obs_buf",
    "final_obs_buf",
    "final_states_buf",
    "states_buf",
    "rew_buf",
    "terminated_buf",
    "truncated_buf",
    "ended_buf",
    "failed_buf",
)
_PRIVATE = ("_terms", "_term_names", "_statistics", "_checking", "_began", "_problems_by_world", "_first_weights")


def _sections(config: Any) -> list[Any]:
    """Return a configuration and all its sections."""
    if not dataclasses.is_dataclass(config):
        return []
    return [config, *(part for value in vars(config).values() for part in _sections(value))]
