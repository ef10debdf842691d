"""The installed tasks as the panel offers them: their files, their defaults and their checkpoints."""

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

from oige_core.errors import OigeError
from oige_core.registry import find_task, installed_specs, load_config, load_spec
from oige_train.config.overrides import TRAIN_CFG, default_train
from oige_train.pretrained import PRETRAINED, policy_files
from oige_train.run_folder import RUNS

__all__ = ["TaskFiles", "default_num_envs", "suggest_checkpoint", "task_files", "task_names", "task_package"]


@dataclass(frozen=True)
class TaskFiles:
    """The files that a user opens to change a task.

    Attributes:
        source: module of the task's class.
        task: YAML file of the task.
        train: YAML file of its training.
    """

    source: Path
    task: Path
    train: Path


def task_names(*, cameras: bool) -> tuple[str, ...]:
    """Return the names of the installed tasks, sorted.

    Args:
        cameras: whether to include tasks that observe camera images.

    Raises:
        OigeError: no task is installed.
    """
    names = tuple(sorted(name for name, spec in installed_specs().items() if cameras or not spec.images))
    if not names:
        raise OigeError("no task is installed; install a package that has some, for example oige-tasks-classic.")
    return names


def task_package(name: str) -> str:
    """Return the name of the package that contains a task."""
    return find_task(name).entry_point.module.partition(".")[0]


def task_files(name: str) -> TaskFiles:
    """Return the files of a task.

    Raises:
        OigeError: the module of its class is missing.
    """
    task = find_task(name)
    module = load_spec(task).task.partition(":")[0]
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        raise OigeError(f"task '{name}': its module {module} cannot be found; correct the task's record.")
    own = default_train(task)
    folder = task.cfg if own is None or own == name else TRAIN_CFG
    return TaskFiles(
        source=Path(found.origin),
        task=task.cfg / "task" / f"{name}.yaml",
        train=folder / "train" / f"{own or f'{name}PPO'}.yaml",
    )


def default_num_envs(name: str) -> int:
    """Return the number of worlds in the YAML file of a task.

    Raises:
        OigeError: the file is wrong.
    """
    return load_config(name).task.env.numEnvs


def suggest_checkpoint(name: str, folder: Path | None, *, test: bool) -> str:
    """Return the checkpoint that a user probably means, which need not exist.

    For playing it is the best policy of a run, for resuming its newest checkpoint. Without a run, it is the policy that
    came with the task, for playing, or else where the best policy of a run will be.

    Args:
        name: name of the task.
        folder: folder of the task's last run in this session, if any; else the newest one in ``runs`` is used.
        test: whether the checkpoint will be played.
    """
    folders = [
        path
        for path in RUNS.glob(f"{name}*")
        if re.fullmatch(rf"{re.escape(name)}(_\d+)?", path.name) and path.is_dir()
    ]
    folders.sort(key=_newest, reverse=True)
    for candidate in ([folder] if folder is not None else []) + folders:
        best = candidate / "nn" / f"{name}.pth"
        if test and best.is_file():
            return str(best)
        files = sorted((candidate / "nn").glob("*.pth"), key=lambda file: file.stat().st_mtime_ns)
        if files:
            return str(files[-1])
    if test and policy_files(find_task(name))[0].is_file():
        return PRETRAINED
    return str(RUNS / name / "nn" / f"{name}.pth")


def _newest(folder: Path) -> int:
    """Return when the newest checkpoint of a run was written; 0 if there is none."""
    return max((file.stat().st_mtime_ns for file in (folder / "nn").glob("*.pth")), default=0)
