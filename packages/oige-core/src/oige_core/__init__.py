"""OIGE's core: scenes, engines, views, tasks and vector environments.

Importing it registers every installed task with gymnasium and imports neither torch nor MuJoCo::

    import gymnasium as gym, oige_core
    env = gym.make_vec("oige/Cartpole-v0", num_envs=64)

What a task needs can be imported from here, rotations from :mod:`oige_core.math`, and
controllers of robot arms from :mod:`oige_core.control`.
"""

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from oige_core.config import (
    ControlConfig,
    EnvConfig,
    Renamed,
    RunConfig,
    check_choice,
    check_positive,
    check_range,
    control_steps,
    unread,
)
from oige_core.errors import ConfigError, OigeError
from oige_core.registration import add_to_gymnasium, register_task
from oige_core.registry import find_task, installed_tasks, load_config
from oige_core.seeding import derive_seed
from oige_core.spec import TaskSpec

if TYPE_CHECKING:
    from oige_core.envs import VecEnv, make_env, make_vec
    from oige_core.scene import ArticulationAsset, DeformableAsset, Drive, Material, RigidAsset, Scene
    from oige_core.tasks import RLTask, RLTaskWarp, SignedPermutation, Steerable, Symmetry, Task
    from oige_core.terrain import HeightSampler, TerrainMap, curriculum_map, mixed_map
    from oige_core.views import ArticulationView, CameraView, DeformablePrimView, FramedView, RigidPrimView

__all__ = [
    "ArticulationAsset",
    "ArticulationView",
    "CameraView",
    "ConfigError",
    "ControlConfig",
    "DeformableAsset",
    "DeformablePrimView",
    "Drive",
    "EnvConfig",
    "FramedView",
    "HeightSampler",
    "Material",
    "OigeError",
    "RLTask",
    "RLTaskWarp",
    "Renamed",
    "RigidAsset",
    "RigidPrimView",
    "RunConfig",
    "Scene",
    "SignedPermutation",
    "Steerable",
    "Symmetry",
    "Task",
    "TaskSpec",
    "TerrainMap",
    "VecEnv",
    "__version__",
    "check_choice",
    "check_positive",
    "check_range",
    "control_steps",
    "curriculum_map",
    "derive_seed",
    "find_task",
    "installed_tasks",
    "load_config",
    "make_env",
    "make_vec",
    "mixed_map",
    "register_task",
    "unread",
]

__version__ = version("oige-core")

# Names whose modules import torch, which are imported on first use.
_LAZY = {
    "oige_core.envs": ("VecEnv", "make_env", "make_vec"),
    "oige_core.scene": ("ArticulationAsset", "DeformableAsset", "Drive", "Material", "RigidAsset", "Scene"),
    "oige_core.tasks": ("RLTask", "RLTaskWarp", "SignedPermutation", "Steerable", "Symmetry", "Task"),
    "oige_core.terrain": ("HeightSampler", "TerrainMap", "curriculum_map", "mixed_map"),
    "oige_core.views": ("ArticulationView", "CameraView", "DeformablePrimView", "FramedView", "RigidPrimView"),
}


def __getattr__(name: str) -> Any:
    for module, names in _LAZY.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module 'oige_core' has no attribute '{name}'")


for _name in installed_tasks():
    add_to_gymnasium(_name)
