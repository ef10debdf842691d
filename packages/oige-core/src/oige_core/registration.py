"""Tasks that a script, a notebook or a file registers while it runs, without a package."""

import atexit
import dataclasses
import importlib
import importlib.util
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
from omegaconf import OmegaConf

from oige_core.config.load import plain_value
from oige_core.config.schema import EnvConfig
from oige_core.errors import ConfigError, OigeError
from oige_core.registry import ENTRY_POINT_GROUP, add_task, find_task, installed_tasks, load_spec, load_task_class
from oige_core.spec import InstalledTask, TaskSpec

if TYPE_CHECKING:
    from oige_core.tasks import Task

__all__ = ["TASK_FILE", "add_to_gymnasium", "load_task_file", "register_task", "with_registered_tasks"]

SECTIONS = ("task", "train")
TASK_FILE = re.compile(r"(?P<file>.+\.py)(:(?P<name>\w+))?")
"""What ``task=`` says of a task in a file: the file, and the name of the class after a colon."""


def add_to_gymnasium(name: str) -> None:
    """Let ``gymnasium.make_vec("oige/<name>-v0")`` make the environment of a task."""
    gym.register(
        id=f"oige/{name}-v0",
        entry_point="oige_core.envs.make:make_single",
        vector_entry_point="oige_core.envs:make_vec",
        kwargs={"task": name},
    )


def register_task(
    name: str,
    task: "type[Task]",
    *,
    base: str | None = None,
    config: Mapping[str, Any] | None = None,
    env: type[EnvConfig] | None = None,
    observation_shape: tuple[int, ...] | Callable[[Any], tuple[int, ...]] | None = None,
    num_actions: int | None = None,
    num_states: int | Callable[[Any], int] | None = None,
) -> InstalledTask:
    """Register a task until the process ends, so that it can be used like an installed one.

    ``make_vec(name)`` and ``gymnasium.make_vec("oige/<name>-v0")`` then make its environment. To train it, call this
    function at the top level of a Python file, and give the file as the task: ``oige-train task=my_task.py``. A second
    registration of the same class replaces the first one, as notebooks need.

    Args:
        name: the value of ``task=``, in CamelCase.
        task: the class, defined at the top level of its module.
        base: an installed task, whose record, configuration and training configurations are inherited, and its
            description unless the class has observations or actions of its own.
        config: values by dotted key, as on the command line: ``{"task.env.episodeLength": 100,
            "train.params.config.gamma": 0.995}``. Without ``base``, they are the whole configuration of the task.
        env: schema of ``task.env``; None: that of ``base``.
        observation_shape: see :class:`~oige_core.spec.TaskSpec`; None: that of ``base``.
        num_actions: size of one world's action; None: that of ``base``.
        num_states: size of the privileged state; None: that of ``base``, or 0.

    Returns:
        The registered task.

    Raises:
        ConfigError: the name is not in CamelCase or belongs to another task, ``base`` is unknown, or a key of
            ``config`` does not begin with ``task.`` or ``train.``.
        OigeError: the class cannot be imported, or without ``base`` an argument that describes the task is missing.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name, re.ASCII):
        raise ConfigError(f"register_task: name={name!r}: expected letters and digits in CamelCase, such as ReachCube.")
    from oige_core.tasks import Task

    if not isinstance(task, type) or not issubclass(task, Task):
        raise OigeError(f"register_task: task={task!r}: expected a class that derives from RLTask.")
    if "<locals>" in task.__qualname__:
        raise OigeError(f"register_task: {task.__qualname__}: expected a class at the top level of a module.")
    target = f"{task.__module__}:{task.__qualname__}"
    other = installed_tasks().get(name)
    if other is not None and (other.spec is None or other.spec.task != target):
        raise ConfigError(f"register_task: name={name!r}: {other.package} has a task {name}; choose another name.")
    given = {
        "env": env,
        "observation_shape": observation_shape,
        "num_actions": num_actions,
        "num_states": num_states,
    }
    parent = None if base is None else find_task(base)
    spec = _record(task, target, None if parent is None else load_spec(parent), given)
    sections = _sections(config or {})
    cfg = Path(tempfile.mkdtemp(prefix="oige-task-"))
    atexit.register(shutil.rmtree, cfg, ignore_errors=True)
    _write_files(cfg, name, parent, sections)
    registered = InstalledTask(
        name=name,
        package=task.__module__,
        cfg=cfg,
        entry_point=EntryPoint(name, target, ENTRY_POINT_GROUP),
        spec=spec,
    )
    add_task(registered)
    if f"oige/{name}-v0" not in gym.registry:
        add_to_gymnasium(name)
    return registered


def load_task_file(value: str) -> InstalledTask:
    """Run a Python file that registers a task, and return the task.

    Args:
        value: ``my_task.py``, or ``my_task.py:Name`` for one of several tasks.

    Raises:
        ConfigError: there is no such file, its name is that of another module, it has a syntax error, imports a module
            that is not installed, or does not register that task.
    """
    match = TASK_FILE.fullmatch(value)
    file = Path(match["file"] if match else value).expanduser().resolve()
    if match is None or not file.is_file():
        raise ConfigError(f"task={value}: expected a Python file, but there is no such file.")
    module = _import_file(file, value)
    names = [task.name for task in installed_tasks().values() if task.spec is not None and task.package == module]
    if not names:
        raise ConfigError(f"task={value}: registers no task; call oige_core.register_task(…) at the top level.")
    wanted = match["name"] or names[0]
    if wanted not in names or (match["name"] is None and len(names) > 1):
        choices = " or ".join(f"task={match['file']}:{name}" for name in names)
        raise ConfigError(f"task={value}: expected one of the tasks that the file registers, {choices}.")
    task = dataclasses.replace(find_task(wanted), file=value)
    add_task(task)
    return task


def with_registered_tasks(arguments: list[str]) -> list[str]:
    """Return arguments of the command line in which each ``task=<file>.py`` is replaced by the task that it registers.

    Raises:
        ConfigError: see :func:`load_task_file`.
    """

    def replaced(argument: str) -> str:
        key, _, value = argument.partition("=")
        if key.lstrip("+") != "task" or ".py" not in value:
            return argument
        names = [load_task_file(part).name if TASK_FILE.fullmatch(part) else part for part in value.split(",")]
        return f"{key}={','.join(names)}"

    return [replaced(argument) for argument in arguments]


def _record(task: "type[Task]", target: str, base: TaskSpec[Any] | None, given: Mapping[str, Any]) -> TaskSpec[Any]:
    """Return the record of a task: that of its base with the given values, or one of these values only."""
    values = {key: value for key, value in given.items() if value is not None}
    if base is not None:
        parent = load_task_class(base)
        demo = base.demo if issubclass(task, parent) else None
        description = base.description if _has_interface_of(task, parent) and not values.keys() - {"env"} else None
        return dataclasses.replace(base, task=target, warp_task=None, demo=demo, description=description, **values)
    for key in ("env", "observation_shape", "num_actions"):
        if key not in values:
            raise OigeError(f"register_task: {key} is missing; it is required without base=<an installed task>.")
    return TaskSpec(task=target, **values)


def _has_interface_of(task: type, base: type) -> bool:
    """Whether a class inherits observations, states and actions, so that the description of ``base`` applies."""
    methods = ("get_observations", "get_states", "pre_physics_step")
    return all(getattr(task, name, None) is getattr(base, name, None) for name in methods)


def _sections(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the contents of the sections ``task`` and ``train``."""
    root = OmegaConf.create({section: {} for section in SECTIONS})
    for key, value in config.items():
        if not isinstance(key, str) or not key.startswith(tuple(f"{section}." for section in SECTIONS)):
            raise ConfigError(
                f"register_task: config[{key!r}]: expected a key that begins with task. or train., such as "
                "task.env.episodeLength."
            )
        OmegaConf.update(root, key, plain_value(key, value), force_add=True)
    sections = OmegaConf.to_container(root)
    assert isinstance(sections, dict)
    return {str(key): value for key, value in sections.items()}


def _write_files(cfg: Path, name: str, base: InstalledTask | None, sections: Mapping[str, Any]) -> None:
    """Write the YAML files of a task and of its training, which inherit from those of its base."""
    for section in SECTIONS:
        (cfg / section).mkdir()
    inherited = {} if base is None else {"defaults": [base.name, "_self_"]}
    _save(cfg / "task" / f"{name}.yaml", {**inherited, **sections["task"], "name": name})
    own = "" if base is None else base.name
    there = [] if base is None else sorted(file.stem for file in (base.cfg / "train").glob(f"{own}*.yaml"))
    suffix = re.compile(rf"{own}((PPO|\w*SAC)(_\w+)?)?")  # not that of CartpoleCamera for Cartpole
    names = {stem: name + stem.removeprefix(own) for stem in there if suffix.fullmatch(stem)}
    for parent, child in names.items():
        _save(cfg / "train" / f"{child}.yaml", {"defaults": [parent, "_self_"]})
    if sections["train"]:
        parent = next((stem for stem in (f"{own}PPO", own) if stem in names), "PPO")
        child = names.get(parent, f"{name}PPO")
        _save(cfg / "train" / f"{child}.yaml", {"defaults": [parent, "_self_"], **sections["train"]})


def _save(file: Path, content: dict[str, Any]) -> None:
    OmegaConf.save(OmegaConf.create(content), file)


def _import_file(file: Path, value: str) -> str:
    """Import a file as ``python file.py`` would find it, and return the name of the module."""
    module = file.stem
    if not module.isidentifier():
        raise ConfigError(f"task={value}: expected a file name that can be imported, such as my_task.py; rename it.")
    if str(file.parent) not in sys.path:
        sys.path.insert(0, str(file.parent))
        importlib.invalidate_caches()
    found = importlib.util.find_spec(module)
    origin = None if found is None else found.origin
    if origin is None or Path(origin).resolve() != file:
        raise ConfigError(f"task={value}: its name is that of the module {module} at {origin}; rename the file.")
    try:
        importlib.import_module(module)
    except SyntaxError as error:
        place = Path(error.filename or file).name
        raise ConfigError(
            f"task={value}: {place} has a mistake in line {error.lineno} ({error.msg}: {(error.text or '').strip()}); "
            "correct it."
        ) from error
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"task={value}: it imports {error.name}, which is not installed; install it, or correct the import."
        ) from error
    return module
