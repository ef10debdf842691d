"""Makes environments from a configuration, or from a task's name."""

import dataclasses
import logging
import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import torch

from oige_core.config import RunConfig
from oige_core.config.fields import engine_of
from oige_core.config.load import check_overrides
from oige_core.devices import resolve_devices, unused_gpu
from oige_core.engines.base import Engine
from oige_core.envs.vec_env import VecEnv, check_render_mode
from oige_core.errors import CapabilityError, ConfigError, nearest
from oige_core.garbage import uncollected
from oige_core.modes import plain_tensors
from oige_core.registry import find_task, load_config, load_spec, load_task_class
from oige_core.spec import TaskSpec

__all__ = ["make_env", "make_single", "make_vec"]

_log = logging.getLogger(__name__)

PROGRAM_KEYS = {
    "headless": "Show worlds with oige_core.render.viewer.Viewer(env), or render images with render_mode='rgb_array'.",
    "test": "An environment is the same for training and for playing.",
    "torch_deterministic": "Call torch.use_deterministic_algorithms(True).",
}
"""Root keys that an environment does not read, with advice for library users."""


@uncollected()
@plain_tensors
def make_env(config: RunConfig, render_mode: str | None = None) -> VecEnv:
    """Build the worlds of a validated configuration.

    Args:
        config: from :func:`oige_core.registry.load_config`.
        render_mode: ``rgb_array`` enables :meth:`~oige_core.envs.VecEnv.render`.

    Raises:
        OigeError: the engine, the device or a scene element is not available.
    """
    check_render_mode(render_mode)
    spec = load_spec(find_task(config.task.name))
    create_engine = _import_engine(config, render_mode)  # first: its message names the extra that a task needs, too
    task_class = load_task_class(spec, warp=config.warp)
    devices = resolve_devices(config)
    engine = create_engine(devices.simulation)
    return VecEnv(task_class(config, spec, engine), torch.device(devices.pipeline), render_mode)


def _import_engine(config: RunConfig, render_mode: str | None) -> Callable[[str], Engine]:
    """Import the engine that ``physics_engine`` names, and no other; return a function that makes it on a device."""
    if engine_of(config.physics_engine) == "isaacsim":
        from oige_core.engines.isaacsim.start import create_engine

        return lambda device: create_engine(config, device, render_mode)
    from oige_core.engines.mujoco.engine import MujocoEngine

    return lambda device: MujocoEngine(config.task.env.numEnvs, device, config.num_threads)


def make_vec(
    task: str,
    num_envs: int | None = None,
    overrides: Mapping[str, Any] | None = None,
    *,
    render_mode: str | None = None,
    **root: Any,
) -> VecEnv:
    """Build the environment of an installed task: what ``gymnasium.make_vec("oige/<Task>-v0", …)`` calls.

    Args:
        task: name of the task.
        num_envs: number of worlds; by default that of the task. ``gymnasium.make_vec`` makes one by default.
        overrides: values by dotted key, for example ``{"task.env.episodeLength": 100}``.
        render_mode: ``rgb_array`` enables :meth:`~oige_core.envs.VecEnv.render`.
        root: values of root keys: ``seed=1``, ``sim_device="cpu"``.

    Warns:
        UserWarning: physics runs on the CPU and torch has several threads. These busy-wait for their next operation on
            the cores that physics needs, which made a loop of small networks and steps 5 to 20 times slower. Call
            ``torch.set_num_threads(1)``, or start Python with ``OMP_WAIT_POLICY=passive`` if large networks benefit
            from threads.

    Raises:
        OigeError: the task is unknown, the configuration invalid, an argument unknown, given twice, or supported
            only by training programs.
    """
    check_render_mode(render_mode)
    installed = find_task(task)
    spec = load_spec(installed)
    for name, value in root.items():
        _check_argument(name, value, spec)
    arguments = root if num_envs is None else root | {"num_envs": num_envs}
    check_overrides(overrides)
    values = dict(overrides or {})
    for key in values:
        argument = "num_envs" if key == "task.env.numEnvs" else key
        if argument in arguments:
            raise ConfigError(
                f"overrides: {key!r} is also given as the argument {argument}={arguments[argument]!r}; "
                "set only one of them."
            )
    config = load_config(installed, values | arguments)
    for key, advice in PROGRAM_KEYS.items():
        value = getattr(config, key)
        if value != getattr(RunConfig, key):
            raise ConfigError(f"{key}={value}: only programs such as oige-train support this. {advice}")
    if note := unused_gpu(config):
        _log.warning(note)
    env = make_env(config, render_mode)
    if env.task.device.type == "cpu":
        _warn_of_waiting_threads()
    return env


def _warn_of_waiting_threads() -> None:
    """Warn if torch's threads will busy-wait on the cores that physics uses."""
    threads = torch.get_num_threads()
    if threads > 1 and os.environ.get("OMP_WAIT_POLICY", "").lower() != "passive":
        warnings.warn(
            f"torch has {threads} threads, which busy-wait between operations and slow down physics, often "
            "several times: call torch.set_num_threads(1), or set OMP_WAIT_POLICY=passive before Python starts.",
            stacklevel=3,
        )


def make_single(task: str, **_: Any) -> NoReturn:
    """Refuse ``gymnasium.make("oige/<Task>-v0")``.

    Args:
        task: name of the task.

    Raises:
        CapabilityError: always; the message names the call to use instead.
    """
    raise CapabilityError(
        f"oige/{task}-v0 steps many worlds at once: make it with gymnasium.make_vec('oige/{task}-v0', num_envs=1), "
        "without vectorization_mode."
    )


def _check_argument(name: str, value: Any, spec: TaskSpec) -> None:
    """Raise ConfigError with advice unless a name is that of a root key."""
    keys = [field.name for field in dataclasses.fields(RunConfig) if field.name not in ("task", "task_name")]
    if name in keys:
        return
    own = [field.name for field in dataclasses.fields(spec.env)]
    if name in own:
        advice = f"Pass it as overrides={{'task.env.{name}': {value!r}}}."
    else:
        advice = (
            f"{nearest(name, [*keys, 'render_mode', 'overrides'])} All other keys go into overrides={{key: value}}."
        )
    raise ConfigError(f"{name}: unknown argument of make_vec. {advice}")
