"""The bases of tasks."""

from oige_core.tasks.rl_task import RLTask
from oige_core.tasks.task import Task

__all__ = ["RLTask", "Task"]
