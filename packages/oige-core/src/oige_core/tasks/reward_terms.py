"""The rewards of a torch task: named terms, their weights, and their sums over episodes."""

import types
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from oige_core.config import RunConfig
from oige_core.engines.base import Engine
from oige_core.errors import OigeError, TaskError, nearest
from oige_core.scene.values import as_number
from oige_core.spec import TaskSpec
from oige_core.tasks import checks
from oige_core.tasks.saved_task import SavedTask
from oige_core.tasks.task import EnvConfigT

__all__ = ["RewardedTask"]


class RewardedTask(SavedTask[EnvConfigT]):
    """A task whose reward is a weighted sum of named terms; see :class:`~oige_core.tasks.RLTask`."""

    unsaved = SavedTask.unsaved | {
        "_terms",
        "_term_names",
        "_statistics",
        "_checking",
        "_first_weights",
        "_no_episodes",
    }

    def __init__(self, config: RunConfig, spec: TaskSpec, engine: Engine) -> None:
        super().__init__(config, spec, engine)
        self._reward_weights: dict[str, float] = {}
        self._first_weights: dict[str, float] = {}  # weights that post_reset sets
        self._weights_changed = False  # set later, for example by a curriculum
        self._no_episodes: dict[str, torch.Tensor] | None = None  # means if no episode ended
        self._name_terms([])
        self._checking = True
        self._terms = torch.zeros(0, self.num_envs, device=self.device)  # weighted terms of the last step
        # Over current episodes: reward, control steps, reward terms.
        self._sums: torch.Tensor = torch.zeros(2, self.num_envs, device=self.device)

    # For tasks to use

    @property
    def reward_weights(self) -> Mapping[str, float]:
        """Weights of reward terms by name; the default is 1.

        They may be set at any time, for example by a curriculum, and apply from the next step on. Assign the whole
        dictionary: ``self.reward_weights = {**self.reward_weights, "energy": -0.1}``.

        Raises:
            OigeError: a weight is not a finite number, or there is no term of that name.
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

    def sum_reward_terms(self, terms: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return the weighted sum ``(N,)`` of this step's reward terms, whose sums per episode are reported.

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
        self._terms = torch.stack(list(terms.values()))
        if self._weights is not None:
            self._terms *= self._weights
        return self._terms.sum(0)

    # For environments

    def reward_terms_by_name(self) -> dict[str, torch.Tensor]:
        """See :class:`~oige_core.tasks.task.Task`."""
        return dict(zip(self._term_names, self._terms.unbind(), strict=False))

    def state_dict(self) -> dict[str, Any]:
        """See :class:`~oige_core.tasks.task.Task`; plain values, arrays and containers that the task keeps, too."""
        return super().state_dict() | {"term_names": list(self._term_names)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :class:`~oige_core.tasks.task.Task`."""
        super().load_state_dict(state)
        if not self._weights_changed:
            self._reward_weights = dict(self._first_weights)
        self._name_terms(state["term_names"])

    def _given_attributes(self) -> set[str]:
        changed = set() if self._weights_changed else {"_reward_weights"}
        return super()._given_attributes() | changed

    def _name_terms(self, names: Iterable[str]) -> None:
        self._term_names = list(names)
        self._statistics = ("return", "length", *(f"reward/{name}" for name in self._term_names))
        self._no_episodes = None
        self._weigh_terms()

    def _weigh_terms(self) -> None:
        """Create the column of weights when terms and weights are known."""
        if not self._term_names or not self._reward_weights:
            self._weights: torch.Tensor | None = None
            return
        self._check_weights(self._reward_weights)
        weights = torch.tensor([self._reward_weights.get(name, 1.0) for name in self._term_names]).unsqueeze(-1)
        if self._weights is None or self._weights.shape != weights.shape:
            self._weights = weights.to(self.device)
        else:
            self._weights.copy_(weights)  # where graphs that were captured read them

    def _check_weights(self, weights: Iterable[str]) -> None:
        for name in weights:
            if name not in self._term_names:
                known = nearest(str(name), self._term_names)
                raise OigeError(f"reward_weights of {self.name}: '{name}' is not a reward term. {known}")

    def _check(
        self,
        method: str,
        what: str,
        value: Any,
        shape: tuple[int, ...],
        dtype: torch.dtype = torch.float32,
        hint: str = "",
    ) -> None:
        buffer = checks.BUFFERS.get(method, "") if what == "result" else ""
        checks.check_tensor(f"{self.name}.{method}: {what}", value, shape, dtype, self.device, hint, buffer)
