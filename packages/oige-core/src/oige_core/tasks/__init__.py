"""The base classes of tasks."""

from oige_core.tasks.rl_task import RLTask

__all__ = ["RLTask"]
