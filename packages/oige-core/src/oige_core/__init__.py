"""OIGE's core: scenes, engines, views, tasks and vector environments.

Importing it registers every installed task with gymnasium and imports neither torch nor MuJoCo::

    import gymnasium as gym, oige_core
    env = gym.make_vec("oige/Cartpole-v0", num_envs=64)
"""

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import gymnasium as gym

from oige_core.registry import TaskSpec, installed_tasks

if TYPE_CHECKING:
    from oige_core.envs import VecEnv, make_env, make_vec
    from oige_core.tasks import RLTask

__all__ = ["RLTask", "TaskSpec", "VecEnv", "__version__", "installed_tasks", "make_env", "make_vec"]

__version__ = version("oige-core")

_LAZY = {
    "RLTask": "oige_core.tasks",
    "VecEnv": "oige_core.envs",
    "make_env": "oige_core.envs",
    "make_vec": "oige_core.envs",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'oige_core' has no attribute '{name}'")


for _name in installed_tasks():
    gym.register(
        id=f"oige/{_name}-v0",
        entry_point="oige_core.envs.make:make_single",
        vector_entry_point="oige_core.envs:make_vec",
        kwargs={"task": _name},
    )
