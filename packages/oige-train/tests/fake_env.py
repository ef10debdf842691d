"""An environment on torch tensors, small enough to reckon by hand."""

from typing import Any

import torch
from gymnasium import spaces


class FakeEnv:
    """Worlds whose observation is a step counter; each step pays ``reward`` and worlds end as ``endings`` says.

    Args:
        num_envs: number of worlds.
        num_states: size of the privileged state.
        endings: by step from 1 on, what ends in every world: ``"terminated"``, ``"truncated"``, ``"both"`` or nothing.
        reward: what each step pays.
    """

    state_format = "episodes that were written down"
    mirrors = ()

    def __init__(
        self, num_envs: int, num_states: int = 0, endings: dict[int, str] | None = None, reward: float = 1.0
    ) -> None:
        self.num_envs, self.num_states = num_envs, num_states
        self.device = torch.device("cpu")
        self.single_observation_space = spaces.Box(-100.0, 100.0, (3,))
        self.single_action_space = spaces.Box(-1.0, 1.0, (2,))
        self.endings, self.reward = endings or {}, reward
        self.steps = 0
        self.actions: list[torch.Tensor] = []

    def _observe(self) -> torch.Tensor:
        return torch.full((self.num_envs, 3), float(self.steps))

    def _info(self) -> dict[str, Any]:
        return {"states": torch.ones(self.num_envs, self.num_states)} if self.num_states else {}

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, ...]:
        return self._observe(), self._info()

    def step(self, actions: torch.Tensor) -> tuple[Any, ...]:
        self.steps += 1
        self.actions.append(actions)
        ending = self.endings.get(self.steps, "")
        flags = [torch.full((self.num_envs,), ending in (name, "both")) for name in ("terminated", "truncated")]
        return self._observe(), torch.full((self.num_envs,), self.reward), *flags, self._info()

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def accepts(self, state: dict[str, Any]) -> bool:
        return True

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps = state["steps"]
