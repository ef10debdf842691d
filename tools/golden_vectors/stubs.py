"""Modules that stand in for Isaac Sim, so that OmniIsaacGymEnvs can be imported without it."""

import importlib
import importlib.util
import sys
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
import warp as wp

__all__ = ["RLTaskInterface", "Stub", "install"]

STUB_ROOTS = ("omni", "carb", "pxr", "isaacsim", "torchvision", "wandb")
UTILITIES = Path("source/extensions/isaacsim.core.utils/python/impl")  # in a checkout of Isaac Sim
REAL = ("isaacsim.core.utils.torch", "isaacsim.core.utils.warp")
ALIASES = {f"omni.isaac.core.utils.{name}": f"isaacsim.core.utils.{name}" for name in ("torch", "warp")}
ALIASES["gym"] = "gymnasium"


class _Anything(type):
    def __getattr__(cls, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        child = _Anything(name, (Stub,), {})
        setattr(cls, name, child)
        return child


class Stub(metaclass=_Anything):
    """A class that accepts any call; its attributes, and those of its instances, are such classes too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __getattr__(self, name: str) -> type:
        return getattr(type(self), name)


class RLTaskInterface:
    """The base class of tasks in Isaac Sim, as far as tasks use it."""

    def __init__(self, name: str, offset: Any = None) -> None:
        self._name = name

    def set_up_scene(self, scene: Any) -> None:
        """Add the task's objects to the scene."""

    def get_states(self) -> Any:
        """Return the states of an asymmetric critic."""
        return self.states_buf

    def get_extras(self) -> Any:
        """Return further results of a step."""
        return self.extras

    def __getattr__(self, name: str) -> Any:
        public = ("name", "device", "num_envs", "num_observations", "num_actions", "num_states", "num_agents")
        if name in public:
            return self.__dict__[f"_{name}"]
        raise AttributeError(f"{type(self).__name__} has no attribute {name}")


class _StubModule(ModuleType):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = RLTaskInterface if name in ("RLTaskInterface", "BaseTask") else _Anything(name, (Stub,), {})
        setattr(self, name, value)
        return value


class _Finder:
    """Finds stubs, real functions of Isaac Sim, and modules under other names."""

    def __init__(self, isaac_sim: Path) -> None:
        self.isaac_sim = isaac_sim

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        for alias, real in ALIASES.items():
            if name == alias or name.startswith(f"{alias}."):
                return ModuleSpec(name, _Alias(real + name.removeprefix(alias)))
        for package in REAL:
            if name == package or name.startswith(f"{package}."):
                return self._real(name)
        if name.split(".")[0] in STUB_ROOTS:
            return ModuleSpec(name, _Stubs(), is_package=True)
        return None

    def _real(self, name: str) -> ModuleSpec | None:
        place = self.isaac_sim / UTILITIES / Path(*name.split(".")[3:])
        file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        return importlib.util.spec_from_file_location(name, file)


class _Alias(Loader):
    def __init__(self, real: str) -> None:
        self.real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return importlib.import_module(self.real)

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[self.real] = module


class _Stubs(Loader):
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _StubModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def install(original: Path, isaac_sim: Path) -> None:
    """Make ``omniisaacgymenvs`` importable in this process.

    Args:
        original: checkout of OmniIsaacGymEnvs.
        isaac_sim: checkout of Isaac Sim.

    Raises:
        FileNotFoundError: a folder is not such a checkout.
        ModuleNotFoundError: scipy is missing.
    """
    for folder, file in ((original, "omniisaacgymenvs/tasks/cartpole.py"), (isaac_sim, UTILITIES / "torch/maths.py")):
        if not (folder / file).is_file():
            raise FileNotFoundError(f"{folder} has no {file}: pass a checkout, see --help.")
    if importlib.util.find_spec("scipy") is None:
        raise ModuleNotFoundError(
            "Isaac Sim's functions need scipy: uv run --with scipy python -m tools.golden_vectors …"
        )
    sys.meta_path.insert(0, _Finder(isaac_sim))  # type: ignore[arg-type]
    sys.path.insert(0, str(original))
    # Names that newer releases have removed.
    former_names = (
        (np, "Inf", np.inf),
        (torch._C, "_jit_set_nvfuser_enabled", lambda _: None),
        (wp.types, "array", wp.array),
    )
    for module, name, value in former_names:
        if not hasattr(module, name):
            setattr(module, name, value)
