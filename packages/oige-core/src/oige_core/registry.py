"""The tasks that are installed, found through the ``oige.tasks`` entry points of task packages.

An entry point ``Name = "package.module:RECORD"`` names a :class:`TaskSpec`, a record that imports neither torch nor an
engine, so that listing tasks and checking a configuration take milliseconds. The configuration of a task is
``<package>/cfg/task/<Name>.yaml``, its training configurations ``<package>/cfg/train/<Name>PPO.yaml`` and so on.
"""

import contextlib
import functools
import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oige_core.config.schema import EnvConfig
from oige_core.errors import ConfigError, OigeError, nearest

if TYPE_CHECKING:
    from oige_core.tasks import Task

__all__ = ["InstalledTask", "TaskSpec", "UnknownTaskError", "find_task", "installed_specs", "installed_tasks"]

ENTRY_POINT_GROUP = "oige.tasks"


class UnknownTaskError(ConfigError):
    """The named task is not installed."""


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """What is known of a task before torch is imported.

    Attributes:
        task: ``"module:Class"`` of the :class:`~oige_core.tasks.RLTask`.
        env: schema of the ``task.env`` section of its YAML.
        observation_shape: shape of one world's observation.
        num_actions: size of one world's action.
        num_states: size of the privileged state of an asymmetric critic; 0 if there is none.
        warp_task: ``"module:Class"`` of the :class:`~oige_core.tasks.RLTaskWarp` that ``warp=True`` selects, if any.
        demo: overrides, ``key=value``, that ``oige-demo`` adds; None: the task's robots cannot be driven by
            hand, it is no :class:`~oige_core.tasks.Steerable`.
        images: observations are images: rows × columns × channels of bytes, 0 to 255, in place of floats.
        sizes: those of the other values that depend on ``task.env``, as a function of it; see :meth:`for_config`.
    """

    task: str
    env: type[EnvConfig]
    observation_shape: tuple[int, ...]
    num_actions: int
    num_states: int = 0
    warp_task: str | None = None
    demo: tuple[str, ...] | None = None
    images: bool = False
    sizes: Callable[[Any], Mapping[str, Any]] | None = None

    def for_config(self, env: EnvConfig) -> "TaskSpec":
        """Return the record with the sizes that a validated ``task.env`` section gives the task."""
        return self if self.sizes is None else replace(self, **self.sizes(env))

    def check_warp(self, name: str) -> None:
        """Raise unless there is a Warp variant.

        Args:
            name: how the message calls the task.

        Raises:
            ConfigError: there is none; the message names the installed tasks that have one.
        """
        if self.warp_task is None:
            others = [name for name, spec in installed_specs().items() if spec.warp_task is not None]
            choice = f" or choose {', '.join(others)}" if others else ""
            raise ConfigError(f"warp=True: {name} has no Warp variant; leave warp out{choice}.")

    def load(self, *, warp: bool = False) -> "type[Task]":
        """Import and return the class of the task, or of its Warp variant.

        Raises:
            ConfigError: the task has no Warp variant.
        """
        if warp:
            self.check_warp(self.task.partition(":")[2])
        target = self.warp_task if warp else self.task
        assert target is not None
        module, _, name = target.partition(":")
        return getattr(importlib.import_module(module), name)


@dataclass(frozen=True, kw_only=True)
class InstalledTask:
    """An entry point of a task package, not yet imported.

    Attributes:
        name: the name that ``task=`` takes.
        package: distribution that brings the task.
        cfg: folder of the package's ``task/`` and ``train/`` configuration groups.
    """

    name: str
    package: str
    cfg: Path
    entry_point: importlib.metadata.EntryPoint

    def spec(self) -> TaskSpec:
        """Import the task's record (torch is not imported).

        Raises:
            OigeError: the entry point names no record.
        """
        where = f"task '{self.name}' of {self.package}: its entry point {self.entry_point.value}"
        try:
            record: Any = importlib.import_module(self.entry_point.module)
        except ModuleNotFoundError as error:
            # A module that the package itself lacks is a mistake of its author's, who needs the traceback.
            if not f"{self.entry_point.module}.".startswith(f"{error.name}."):
                raise
            raise OigeError(f"{where} cannot be imported ({error}); correct the package's pyproject.toml.") from error
        for name in self.entry_point.attr.split("."):
            record = getattr(record, name, None)
        if not isinstance(record, TaskSpec):
            found = "nothing" if record is None else type(record).__name__
            raise OigeError(f"{where} names {found}, expected a TaskSpec; correct the package's pyproject.toml.")
        return record


@functools.cache
def installed_tasks() -> dict[str, InstalledTask]:
    """Return the installed tasks by name, sorted, without importing them.

    Raises:
        OigeError: two packages bring a task of the same name.
    """
    tasks: dict[str, InstalledTask] = {}
    for entry_point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
        package = entry_point.dist.name if entry_point.dist else entry_point.module.partition(".")[0]
        if entry_point.name in tasks:
            raise OigeError(
                f"task '{entry_point.name}' is brought by both {tasks[entry_point.name].package} and {package}; "
                "uninstall one of them."
            )
        root = importlib.util.find_spec(entry_point.module.partition(".")[0])
        if root is None or not root.submodule_search_locations:
            raise OigeError(f"task '{entry_point.name}' of {package}: '{entry_point.module}' cannot be imported.")
        cfg = Path(root.submodule_search_locations[0]) / "cfg"
        tasks[entry_point.name] = InstalledTask(
            name=entry_point.name, package=package, cfg=cfg, entry_point=entry_point
        )
    return dict(sorted(tasks.items()))


def installed_specs() -> dict[str, TaskSpec]:
    """Return the records of the installed tasks by name, without those whose entry point names none."""
    specs = {}
    for task in installed_tasks().values():
        with contextlib.suppress(OigeError):
            specs[task.name] = task.spec()
    return specs


def find_task(name: str) -> InstalledTask:
    """Return the installed task of that name.

    Raises:
        UnknownTaskError: there is none; the message offers the nearest names.
    """
    tasks = installed_tasks()
    if not isinstance(name, str) or name not in tasks:
        raise UnknownTaskError(f"task={name}: unknown task '{name}'. {nearest(str(name), tasks)}")
    return tasks[name]
