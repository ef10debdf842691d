"""The environment for Stable-Baselines3."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv as StableBaselines3VecEnv

from oige_core.envs import VecEnv
from oige_core.wrappers.checks import check_autoreset_mode
from oige_core.wrappers.numpy_vec_env import NumpyVecEnv

__all__ = ["StableBaselines3Env"]


class StableBaselines3Env(StableBaselines3VecEnv):
    """Adapts an environment to ``stable_baselines3.common.vec_env.VecEnv``, which uses NumPy arrays.

    The ``infos`` of worlds whose episode ended have ``terminal_observation``, ``TimeLimit.truncated`` and ``episode``
    with return and length, as ``Monitor`` reports them. ``seed`` sets the seed of the next reset.

    Args:
        env: an environment with ``autoresetMode=same_step``.

    Raises:
        ConfigError: the environment has another autoreset mode.
    """

    def __init__(self, env: VecEnv) -> None:
        check_autoreset_mode(env, "StableBaselines3Env", ("same_step",))
        self.env = env
        self._arrays = NumpyVecEnv(env)
        self._actions = np.zeros(())
        self._returns = np.zeros(env.num_envs)
        self._lengths = np.zeros(env.num_envs, dtype=np.int64)
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> np.ndarray:
        """Reset all worlds with the seed that was set last, and return observations ``(N, …)``."""
        observations, _ = self._arrays.reset(seed=self._seeds[0])
        self._reset_seeds()
        self._reset_options()
        self._returns[:] = 0.0
        self._lengths[:] = 0
        return observations

    def step_async(self, actions: np.ndarray) -> None:
        """Store actions ``(N, num_actions)`` for :meth:`step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Return observations, rewards ``(N,)``, dones ``(N,)`` bool and a dictionary for each world."""
        observations, rewards, terminated, truncated, info = self._arrays.step(self._actions)
        ended = terminated | truncated
        self._returns += rewards
        self._lengths += 1
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for world in np.flatnonzero(ended):
            infos[world] = {
                "terminal_observation": info["final_obs"][world],
                "TimeLimit.truncated": bool(truncated[world]),
                "episode": {"r": float(self._returns[world]), "l": int(self._lengths[world])},
            }
        self._returns[ended] = 0.0
        self._lengths[ended] = 0
        return observations, rewards, ended, infos

    def get_images(self) -> Sequence[np.ndarray | None]:
        """Return an image of each world, ``(height, width, 3)`` uint8."""
        return self.env.render()

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute of the environment, repeated for each world."""
        return [getattr(self.env, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Raise OigeError, because worlds share all attributes."""
        raise AttributeError(f"{attr_name}: worlds have no attributes of their own; set it on env.env or env.env.task.")

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """Raise OigeError, because worlds share all methods."""
        raise AttributeError(f"{method_name}: worlds have no methods of their own; call it on env.env or env.env.task.")

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Return False for each world: none is wrapped."""
        return [False] * len(list(self._get_indices(indices)))
