from collections.abc import Iterable
from typing import Any

import gymnasium as gym

class VecEnv:
    num_envs: int
    observation_space: gym.Space
    action_space: gym.Space
    _seeds: list[int | None]
    def __init__(self, num_envs: int, observation_space: gym.Space, action_space: gym.Space) -> None: ...
    def _reset_seeds(self) -> None: ...
    def _reset_options(self) -> None: ...
    def _get_indices(self, indices: Any) -> Iterable[int]: ...
