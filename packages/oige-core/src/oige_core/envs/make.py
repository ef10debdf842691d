"""From a configuration, or a task's name, to an environment."""

from collections.abc import Mapping
from typing import Any

import torch

from oige_core.config import RunConfig, compose, validate
from oige_core.devices import resolve_devices
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.envs.vec_env import VecEnv
from oige_core.errors import CapabilityError
from oige_core.modes import plain_tensors
from oige_core.registry import find_task

__all__ = ["make_env", "make_vec"]


@plain_tensors
def make_env(config: RunConfig) -> VecEnv:
    """Build the worlds of a validated configuration.

    Args:
        config: from :func:`oige_core.config.validate`.

    Raises:
        OigeError: the engine, the device or a scene element is not available.
    """
    spec = find_task(config.task.name).spec().for_config(config.task.env)
    task_class = spec.load(warp=config.warp)
    if config.physics_engine != "mujoco":
        raise CapabilityError(
            f"physics_engine={config.physics_engine}: {config.task.name} runs on PhysX inside Isaac Sim only; "
            "use physics_engine=mujoco."
        )
    devices = resolve_devices(config)
    engine = MujocoEngine(config.task.env.numEnvs, devices.simulation, config.num_threads)
    return VecEnv(task_class(config, spec, engine), torch.device(devices.pipeline))


def make_vec(task: str, num_envs: int | None = None, overrides: Mapping[str, Any] | None = None, **root: Any) -> VecEnv:
    """Build the environment of an installed task: what ``gymnasium.make_vec("oige/<Task>-v0", …)`` calls.

    Args:
        task: name of the task.
        num_envs: number of worlds; by default the task's own.
        overrides: values by dotted key, for example ``{"task.env.episodeLength": 100}``.
        root: values of root keys: ``seed=1``, ``sim_device="cpu"``.

    Raises:
        OigeError: the task is unknown or the configuration invalid.
    """
    installed = find_task(task)
    values = dict(overrides or {}) | root
    if num_envs is not None:
        values["num_envs"] = num_envs
    return make_env(validate(compose(installed, values), installed.spec()))
