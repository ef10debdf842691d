"""The installed tasks, found through the ``oige.tasks`` entry points of task packages.

An entry point ``Name = "package.module:RECORD"`` names a :class:`~oige_core.spec.TaskSpec`, a record that imports
neither torch nor an engine, so that listing tasks and checking a configuration take milliseconds. The configuration of
a task is ``<package>/cfg/task/<Name>.yaml``, its training configurations ``<package>/cfg/train/<Name>PPO.yaml`` and so
on.
"""

import contextlib
import functools
import importlib
import importlib.metadata
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oige_core.config import RunConfig, compose, validate
from oige_core.config.fields import check_overrides_have_effect, leaf_keys
from oige_core.config.renamed import name_here, rename_keys
from oige_core.errors import ConfigError, OigeError, nearest
from oige_core.spec import InstalledTask, TaskSpec

if TYPE_CHECKING:
    from oige_core.tasks import Task

__all__ = [
    "ENTRY_POINT_GROUP",
    "UnknownTaskError",
    "add_task",
    "check_task",
    "config_folders",
    "find_task",
    "installed_specs",
    "installed_tasks",
    "load_config",
    "load_spec",
    "load_task_class",
]

ENTRY_POINT_GROUP = "oige.tasks"

_registered: dict[str, InstalledTask] = {}
"""Tasks that :func:`~oige_core.registration.register_task` added, by name."""


class UnknownTaskError(ConfigError):
    """The named task is not installed."""


@functools.cache
def installed_tasks() -> dict[str, InstalledTask]:
    """Return the installed and the registered tasks by name, sorted, without importing them.

    Raises:
        OigeError: two packages provide a task of the same name.
    """
    tasks: dict[str, InstalledTask] = {}
    for entry_point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
        package = entry_point.dist.name if entry_point.dist else entry_point.module.partition(".")[0]
        if entry_point.name in tasks:
            raise OigeError(
                f"task '{entry_point.name}' is provided by both {tasks[entry_point.name].package} and {package}; "
                "uninstall one of them."
            )
        root = importlib.util.find_spec(entry_point.module.partition(".")[0])
        if root is None or not root.submodule_search_locations:
            raise OigeError(f"task '{entry_point.name}' of {package}: '{entry_point.module}' cannot be imported.")
        cfg = Path(root.submodule_search_locations[0]) / "cfg"
        tasks[entry_point.name] = InstalledTask(
            name=entry_point.name, package=package, cfg=cfg, entry_point=entry_point
        )
    return dict(sorted((tasks | _registered).items()))


def add_task(task: InstalledTask) -> None:
    """Add a task that no entry point names, or replace it; see :func:`~oige_core.registration.register_task`."""
    _registered[task.name] = task
    installed_tasks.cache_clear()


def find_task(name: str) -> InstalledTask:
    """Return the installed task of that name.

    Raises:
        UnknownTaskError: there is none; the message suggests the nearest names.
    """
    tasks = installed_tasks()
    if not isinstance(name, str) or name not in tasks:
        known = nearest(str(name), tasks) if tasks else "No task is installed: install a package that has it."
        raise UnknownTaskError(f"task={name}: unknown task '{name}'. {known}")
    return tasks[name]


def load_spec(task: InstalledTask) -> TaskSpec[Any]:
    """Import and return the record of a task (torch is not imported).

    Raises:
        OigeError: the entry point does not name a record.
    """
    if task.spec is not None:
        return task.spec
    where = f"task '{task.name}' of {task.package}: its entry point {task.entry_point.value}"
    try:
        record: Any = importlib.import_module(task.entry_point.module)
    except ModuleNotFoundError as error:
        # A missing module of the package itself is an error of its author, who needs the traceback.
        if not f"{task.entry_point.module}.".startswith(f"{error.name}."):
            raise
        raise OigeError(f"{where} cannot be imported ({error}); correct the package's pyproject.toml.") from error
    for name in task.entry_point.attr.split("."):
        record = getattr(record, name, None)
    if not isinstance(record, TaskSpec):
        found = "nothing" if record is None else type(record).__name__
        raise OigeError(f"{where} names {found}, expected a TaskSpec; correct the package's pyproject.toml.")
    return record


def installed_specs() -> dict[str, TaskSpec[Any]]:
    """Return the records of the installed tasks by name, without entry points that do not name a record."""
    specs = {}
    for task in installed_tasks().values():
        with contextlib.suppress(OigeError):
            specs[task.name] = load_spec(task)
    return specs


def load_task_class(spec: TaskSpec[Any], *, warp: bool = False) -> "type[Task]":
    """Import and return the class of a task, or of its Warp variant.

    Raises:
        ConfigError: the task has no Warp variant.
    """
    if warp:
        _check_warp(spec, spec.task.partition(":")[2])
    target = spec.warp_task if warp else spec.task
    assert target is not None
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def config_folders() -> list[Path]:
    """Return the folders of configuration groups of the installed tasks, sorted."""
    return sorted({task.cfg for task in installed_tasks().values()})


def load_config(task: str | InstalledTask, overrides: Mapping[str, Any] | None = None) -> RunConfig:
    """Return the validated configuration of a task, for library use.

    Args:
        task: the installed task, or its name.
        overrides: values by dotted key; see :func:`~oige_core.config.compose`.

    Raises:
        OigeError: the task is unknown, or a value is unknown, of the wrong type or out of range.
    """
    installed = find_task(task) if isinstance(task, str) else task
    spec = load_spec(installed)
    folders = sorted({installed.cfg, *config_folders()})
    root = compose(folders, installed.name, overrides)
    overridden = {leaf for key, value in (overrides or {}).items() for leaf in leaf_keys(key, value)}
    root, _ = rename_keys(root, spec.renamed, overridden=overridden)
    config = validate(root, sections={"task.env": spec.env})
    check_task(config, installed, spec)
    check_overrides_have_effect(config, [name_here(key, spec.renamed) for key in sorted(overridden)])
    return config


def check_task(config: RunConfig, task: InstalledTask, spec: TaskSpec[Any]) -> None:
    """Check that a configuration matches its task.

    Raises:
        ConfigError: the name in the YAML file of the task, by which its class is looked up, is not that of the task, or
            a Warp variant is selected that does not exist.
    """
    if config.task.name != task.name:
        raise ConfigError(
            f"task.name={config.task.name}: expected {task.name}; correct the name in task/{task.name}.yaml."
        )
    if config.warp:
        _check_warp(spec, task.name)


def _check_warp(spec: TaskSpec[Any], name: str) -> None:
    """Raise ConfigError with the tasks that have a Warp variant, unless this task has one."""
    if spec.warp_task is None:
        others = [name for name, spec in installed_specs().items() if spec.warp_task is not None]
        choice = f" or choose {', '.join(others)}" if others else ""
        raise ConfigError(f"warp=True: {name} has no Warp variant; leave warp out{choice}.")
