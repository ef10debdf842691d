"""The scene of a task, without an engine that builds it."""

import types
from typing import Any, NoReturn, cast

import torch

from oige_core.capabilities import CAPABILITIES
from oige_core.config import RunConfig
from oige_core.engines.base import Engine
from oige_core.registry import find_task, load_spec, load_task_class
from oige_core.scene import Scene

__all__ = ["task_scene"]


def task_scene(config: RunConfig, engine: str) -> Scene:
    """Return the scene that a task describes. Its views do nothing.

    Args:
        config: the validated configuration.
        engine: the engine for which it is described, a key of :data:`~oige_core.capabilities.CAPABILITIES`.

    Raises:
        OigeError: the task is unknown, or its scene invalid for the engine.
        ConfigError: ``task.sim`` has a section that fits no element.
    """
    spec = load_spec(find_task(config.task.name))
    stand_in = cast(Engine, _SceneEngine(engine, config.task.env.numEnvs))
    try:
        load_task_class(spec, warp=config.warp)(config, spec, stand_in)
    except _SceneIsComplete as complete:
        complete.scene.check()
        return complete.scene
    raise AssertionError("a task builds its scene when it is made")


class _SceneIsComplete(Exception):  # noqa: N818 (not an error)
    def __init__(self, scene: Scene) -> None:
        self.scene = scene


class _SceneEngine:
    """Takes a task's scene in place of an engine.

    Args:
        name: of the engine whose capabilities it has.
        num_envs: number of worlds.
    """

    def __init__(self, name: str, num_envs: int) -> None:
        self.name = name
        self.capabilities = CAPABILITIES[name]
        self.num_envs = num_envs
        self.device = torch.device("cpu")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("create_"):
            return lambda element: types.SimpleNamespace(name=element.name)
        raise AttributeError(name)

    def build(self, scene: Scene) -> NoReturn:
        raise _SceneIsComplete(scene)
