"""Tasks of OmniIsaacGymEnvs, made without a simulator."""

import contextlib
import importlib
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, ModuleType, SimpleNamespace
from typing import Any

import torch
from omegaconf import OmegaConf

__all__ = ["ROOT", "in_python", "load_config", "locals_of", "make_task"]

ROOT = "omniisaacgymenvs"


def load_config(original: Path, task: str, overrides: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of a task, from the files of the original, with all values resolved.

    Args:
        original: checkout of OmniIsaacGymEnvs.
        task: name of its file.
        overrides: values by dotted key, for example ``num_envs`` or ``task.env.episodeLength``.
    """
    importlib.import_module(f"{ROOT}.utils.hydra_cfg.hydra_utils")  # registers its resolvers
    folder = original / ROOT / "cfg"
    values: Any = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))
    root = {key: value for key, value in values.items() if key not in ("defaults", "hydra", "wandb_name")}
    chosen: Any = OmegaConf.load(folder / "task" / f"{task}.yaml")
    bases = [each for each in chosen.pop("defaults", []) if isinstance(each, str) and each != "_self_"]
    merged = OmegaConf.merge(*(OmegaConf.load(folder / "task" / f"{base}.yaml") for base in bases), chosen)
    config = OmegaConf.merge(root, {"task": merged})
    on_cpu = {"sim_device": "cpu", "pipeline": "cpu", "rl_device": "cpu", "headless": True}
    for key, value in (on_cpu | overrides).items():
        OmegaConf.update(config, key, value)
    return OmegaConf.to_container(config, resolve=True)  # type: ignore[return-value]


def make_task(original: Path, task: str, class_path: str, **overrides: Any) -> Any:
    """Return an instance of a class of the original, without scene and views.

    Args:
        original: checkout of OmniIsaacGymEnvs.
        task: name of its YAML file.
        class_path: ``module:Class``, the module relative to ``omniisaacgymenvs.tasks``.
        overrides: as in :func:`load_config`, with two underscores for a dot.
    """
    values = {key.replace("__", "."): value for key, value in overrides.items()}
    config = load_config(original, task, values)
    module, name = class_path.split(":")
    world = SimpleNamespace(is_playing=lambda: True)
    env = SimpleNamespace(world=world, render_enabled=False)
    with contextlib.redirect_stdout(io.StringIO()):
        sim_config = importlib.import_module(f"{ROOT}.utils.config_utils.sim_config").SimConfig(config)
        cls = getattr(importlib.import_module(f"{ROOT}.tasks.{module}"), name)
        return cls(name=task, sim_config=sim_config, env=env)


@contextlib.contextmanager
def in_python(*modules: ModuleType) -> Iterator[None]:
    """Replace the TorchScript functions of modules by the Python functions of which they were compiled."""
    replaced = []
    for module in modules:
        for name, value in vars(module).items():
            if isinstance(value, torch.jit.ScriptFunction):
                replaced.append((module, name, value))
    for module, name, value in replaced:
        setattr(module, name, value._torchdynamo_inline)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for module, name, value in replaced:
            setattr(module, name, value)


def locals_of(function: Any, call: Callable[[], object]) -> dict[str, Any]:
    """Return the local variables of a function of the original, as they are when it returns.

    Args:
        function: a Python function or method; for a TorchScript function, see :func:`in_python`.
        call: a call that leads to one call of the function.
    """
    code = getattr(function, "_torchdynamo_inline", function)
    code = getattr(code, "__func__", code).__code__
    found: dict[str, Any] = {}

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code is not code:
            return None
        if event == "return":
            found.update({name: _copy(value) for name, value in frame.f_locals.items()})
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    if not found:
        raise RuntimeError(f"{function} was not called in Python")
    return found


def _copy(value: Any) -> Any:
    return value.clone() if isinstance(value, torch.Tensor) else value
