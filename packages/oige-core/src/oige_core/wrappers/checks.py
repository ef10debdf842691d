"""Checks of the environment that wrappers share."""

from collections.abc import Sequence

from oige_core.envs import VecEnv
from oige_core.errors import ConfigError

__all__ = ["check_autoreset_mode"]


def check_autoreset_mode(env: VecEnv, wrapper: str, modes: Sequence[str]) -> None:
    """Raise ConfigError unless an environment has one of the autoreset modes that a wrapper supports.

    Args:
        env: the environment.
        wrapper: name of the wrapper in messages.
        modes: supported values of ``autoresetMode``.
    """
    mode = env.task.autoreset_mode
    if mode not in modes:
        raise ConfigError(f"task.env.autoresetMode={mode}: {wrapper} needs {' or '.join(modes)}.")
