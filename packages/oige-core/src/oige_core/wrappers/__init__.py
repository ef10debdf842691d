"""Adapters of the environment for other libraries; each adapter imports its library on first use."""

import importlib
from typing import TYPE_CHECKING, Any

from oige_core.errors import CapabilityError

if TYPE_CHECKING:
    from oige_core.wrappers.numpy_vec_env import NumpyVecEnv
    from oige_core.wrappers.rsl_rl import RslRlEnv
    from oige_core.wrappers.skrl import SkrlEnv
    from oige_core.wrappers.stable_baselines3 import StableBaselines3Env

__all__ = ["NumpyVecEnv", "RslRlEnv", "SkrlEnv", "StableBaselines3Env"]

_MODULES = {
    "NumpyVecEnv": ("numpy_vec_env", "numpy"),
    "RslRlEnv": ("rsl_rl", "rsl-rl-lib"),
    "SkrlEnv": ("skrl", "skrl[torch]"),
    "StableBaselines3Env": ("stable_baselines3", "stable-baselines3"),
}
"""Module of each wrapper, and the distribution that the wrapper needs."""


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'oige_core.wrappers' has no attribute '{name}'")
    module, distribution = _MODULES[name]
    try:
        return getattr(importlib.import_module(f"oige_core.wrappers.{module}"), name)
    except ModuleNotFoundError as error:
        raise CapabilityError(f"{name}: {error.name} is not installed; install it with {distribution}.") from error
