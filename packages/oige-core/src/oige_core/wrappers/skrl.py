"""The environment for skrl."""

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from skrl.envs.wrappers.torch import Wrapper

from oige_core.envs import VecEnv
from oige_core.wrappers.checks import check_autoreset_mode

__all__ = ["SkrlEnv"]


class SkrlEnv(Wrapper):
    """Adapts an environment to skrl's ``Wrapper``, whose tensors stay on the device.

    skrl's trainers call ``reset`` once; worlds then reset themselves.

    Args:
        env: an environment with ``autoresetMode=same_step``.

    Raises:
        ConfigError: the environment has another autoreset mode.
    """

    def __init__(self, env: VecEnv) -> None:
        check_autoreset_mode(env, "SkrlEnv", ("same_step",))
        super().__init__(env)
        self._states: torch.Tensor | None = None

    @property
    def observation_space(self) -> gym.Space:
        """Observation space of one world."""
        return self._env.single_observation_space

    @property
    def action_space(self) -> gym.Space:
        """Action space of one world."""
        return self._env.single_action_space

    @property
    def state_space(self) -> gym.Space | None:
        """Space of one world's privileged states; None if the task has none."""
        if not self._env.num_states:
            return None
        return gym.spaces.Box(-np.inf, np.inf, (self._env.num_states,), np.float32)

    def reset(self) -> tuple[torch.Tensor, dict[str, Any]]:
        """Return observations ``(N, …)`` in float32, with images flattened, and information."""
        observations, info = self._env.reset()
        self._states = info.get("states")
        return _flat(observations), info

    def step(self, actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, Any]:
        """Return observations ``(N, …)``, rewards, terminated and truncated ``(N, 1)``, and information."""
        observations, rewards, terminated, truncated, info = self._env.step(actions)
        self._states = info.get("states")
        return _flat(observations), rewards[:, None], terminated[:, None], truncated[:, None], info

    def state(self) -> torch.Tensor | None:
        """Return the privileged states ``(N, num_states)`` of the last step."""
        return self._states

    def render(self, *_: Any, **__: Any) -> tuple[np.ndarray, ...] | None:
        """Return an image of each world if the environment has a render mode, and None otherwise."""
        return self._env.render() if self._env.render_mode else None

    def close(self) -> None:
        """Close the environment."""
        self._env.close()


def _flat(observations: torch.Tensor) -> torch.Tensor:
    return observations.flatten(1).to(torch.float32)
