"""The environment on NumPy arrays, as gymnasium's own vector environments are."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorWrapper

from oige_core.envs import VecEnv
from oige_core.wrappers.checks import check_autoreset_mode

__all__ = ["NumpyVecEnv"]


class NumpyVecEnv(VectorWrapper):
    """A vector environment on NumPy arrays, for gymnasium's vector wrappers and other code.

    ``info`` follows gymnasium's convention: every value is an array ``(N, …)``, or a dictionary of such arrays, and
    ``_<key>`` ``(N,)`` bool marks the worlds that have the value. Values that belong to no single world, such as the
    means over episodes, are in :attr:`batch_info`. On a GPU every step copies its results to the CPU.

    Args:
        env: an environment with ``autoresetMode`` ``same_step`` or ``next_step``. Wrappers that change observations
            require ``next_step``.

    Attributes:
        batch_info: entries of the last ``info`` that are not per world, with tensors converted to numbers.

    Raises:
        ConfigError: gymnasium does not know the environment's autoreset mode.
    """

    def __init__(self, env: VecEnv) -> None:
        check_autoreset_mode(env, "NumpyVecEnv", ("same_step", "next_step"))
        super().__init__(env)
        self.batch_info: dict[str, Any] = {}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """See :meth:`~oige_core.envs.VecEnv.reset`."""
        observations, info = self.env.reset(seed=seed, options=options)
        return _array(observations), self._per_world(info)

    def step(
        self, actions: np.ndarray | torch.Tensor
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """See :meth:`~oige_core.envs.VecEnv.step`."""
        observations, rewards, terminated, truncated, info = self.env.step(torch.as_tensor(actions))
        return _array(observations), _array(rewards), _array(terminated), _array(truncated), self._per_world(info)

    def _per_world(self, info: Mapping[str, Any]) -> dict[str, Any]:
        """Return the entries that are per world, with masks, and store the others."""
        arrays, self.batch_info = _split(info, self.num_envs)
        everywhere = np.ones(self.num_envs, dtype=np.bool_)
        masks = {f"_{key}": everywhere for key in arrays if not key.startswith("_")}
        if "_final_states" in masks:
            masks["_final_states"] = arrays["_final_obs"]
        return masks | arrays


def _split(info: Mapping[str, Any], num_envs: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the entries per world as arrays, and the others with tensors converted to numbers."""
    arrays: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for key, value in info.items():
        if isinstance(value, Mapping):
            inner, rest = _split(value, num_envs)
            arrays |= {key: inner} if inner else {}
            others |= {key: rest} if rest else {}
        elif isinstance(value, torch.Tensor):
            array = _array(value)
            if array.ndim and len(array) == num_envs:
                arrays[key] = array
            else:
                others[key] = array if array.ndim else array.item()
        else:
            others[key] = value
    return arrays, others


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.cpu().numpy()
