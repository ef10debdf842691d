"""Base classes of tasks. ``RLTaskWarp`` imports Warp and is therefore loaded on first use."""

import importlib
from typing import TYPE_CHECKING, Any

from oige_core.tasks.rl_task import RLTask
from oige_core.tasks.steerable import Steerable
from oige_core.tasks.symmetry import SignedPermutation, Symmetry
from oige_core.tasks.task import Task

if TYPE_CHECKING:
    from oige_core.tasks.rl_task_warp import RLTaskWarp

__all__ = ["RLTask", "RLTaskWarp", "SignedPermutation", "Steerable", "Symmetry", "Task"]


def __getattr__(name: str) -> Any:
    if name == "RLTaskWarp":
        return importlib.import_module("oige_core.tasks.rl_task_warp").RLTaskWarp
    raise AttributeError(f"module 'oige_core.tasks' has no attribute '{name}'")
