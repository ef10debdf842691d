"""The arguments of the command line, turned into those of Hydra."""

import re
from collections.abc import Iterable, Sequence

from oige_core.errors import ConfigError, nearest
from oige_core.registry import InstalledTask, find_task, installed_tasks

from oige_train.run_record import RunRecord

__all__ = ["default_train", "rewrite_overrides"]

GROUPS = ("task", "train")
# Values of these words are names and paths; Hydra's grammar would trip over '[' or '=' in them.
TEXT_WORDS = ("checkpoint", "experiment", "wandb_name", "wandb_group", "recording_dir", "livestream_host")


def rewrite_overrides(arguments: Sequence[str], record: RunRecord | None = None) -> list[str]:
    """Return Hydra's arguments for ours; check the names of tasks and training configurations on the way.

    ``key=value`` becomes ``++key=value`` (force), group choices and Hydra's own words stay as they are. Options come
    last, since Hydra takes all overrides from one place. Without ``task=`` and ``train=``, those of ``record`` hold.
    """
    task, train = ("Cartpole", None) if record is None else (record.task, record.train)
    rewritten: list[str] = []
    options: list[str] = []
    position_of_value = False
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if argument.startswith("-") or position_of_value:
            position_of_value = argument in ("--package", "-p", "--cfg", "-c", "--config-dir", "-cd")
            options.append(argument)
        elif not equals and not argument.startswith("~"):
            raise ConfigError(f"'{argument}': expected key=value, for instance num_envs=64.")
        elif key in GROUPS:
            if key == "task":
                task = value
            else:
                train = value
            rewritten.append(argument)
        elif key[0] in "+~" or key.startswith("hydra") or "@" in key:
            rewritten.append(argument)
        else:
            rewritten.append(f"++{key}={_quoted(key, value)}")
    tasks = [find_task(name) for name in _choices(task)]
    if train is None:
        binding = default_train(tasks[0]) if len(tasks) == 1 else None
        if binding is not None:
            rewritten.append(f"train={binding}")
    elif record is None or train != record.train:
        available = _train_configs(installed_tasks().values())
        for name in _choices(train):
            if name not in available:
                own = _train_configs(tasks)
                raise ConfigError(f"train={name}: unknown training configuration. {nearest(name, own or available)}")
    return rewritten + options


def default_train(task: InstalledTask) -> str | None:
    """Return the training configuration that goes with a task that has no ``<Task>PPO``, such as AntSAC.

    Raises:
        ConfigError: the task has neither.
    """
    if (task.cfg / "train" / f"{task.name}PPO.yaml").is_file():
        return None
    if (task.cfg / "train" / f"{task.name}.yaml").is_file():
        return task.name
    available = ", ".join(_train_configs([task])) or "none"
    raise ConfigError(
        f"task={task.name}: its package has no training configuration {task.name}PPO; name one with train= "
        f"(available: {available})."
    )


def _choices(value: str) -> list[str]:
    return [choice.strip() for choice in value.split(",")]


def _train_configs(tasks: Iterable[InstalledTask]) -> list[str]:
    return sorted({file.stem for task in tasks for file in (task.cfg / "train").glob("*.yaml")})


def _quoted(key: str, value: str) -> str:
    """Quote names and paths that hold characters of Hydra's grammar and are not quoted or escaped already."""
    if key in TEXT_WORDS and re.search(r"[\[\]{}()=: ]", value) and value[:1] not in "'\"" and "\\" not in value:
        escaped = value.replace("'", r"\'")
        return f"'{escaped}'"
    return value
