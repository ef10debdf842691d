"""What wrappers ask of an environment."""

from collections.abc import Sequence

from oige_core.envs import VecEnv
from oige_core.errors import ConfigError

__all__ = ["check_autoreset_mode"]


def check_autoreset_mode(env: VecEnv, wrapper: str, modes: Sequence[str]) -> None:
    """Raise ConfigError unless an environment resets worlds in one of the ways that a wrapper can pass on.

    Args:
        env: the environment.
        wrapper: name of the wrapper in messages.
        modes: values of ``autoresetMode``.
    """
    mode = env.task.autoreset_mode
    if mode not in modes:
        raise ConfigError(f"task.env.autoresetMode={mode}: {wrapper} needs {' or '.join(modes)}.")
