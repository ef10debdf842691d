"""Which run a composition starts from, and what the user overrides."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from oige_core.errors import ConfigError
from oige_core.registry import installed_tasks

from oige_train.checkpoint import CheckpointError, CheckpointInfo, checkpoint_path, read_info
from oige_train.config.adoption import run_configuration
from oige_train.config.overrides import literal_text
from oige_train.run_record import RunRecord, is_recorded

__all__ = ["Overrides", "check_same_run", "chosen_task", "last_value", "recorded_run"]


def last_value(arguments: Iterable[str], key: str) -> str | None:
    """Return the value of the last ``key=value``, with or without Hydra's ``+`` and ``++``; None if there is none."""
    values = [
        value for name, equals, value in (a.partition("=") for a in arguments) if equals and name.lstrip("+") == key
    ]
    return values[-1] if values else None


def _chosen_file(arguments: Sequence[str]) -> Path | None:
    """Return the file of the checkpoint that the arguments name; None if they name none, or it does not exist."""
    path = last_value(arguments, "checkpoint")
    if not path:
        return None
    try:
        file = checkpoint_path(literal_text(path))
        return file if file.is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


def chosen_checkpoint(arguments: Sequence[str]) -> CheckpointInfo | None:
    """Return the info of the checkpoint that the arguments name; None without one, or if plain rl_games wrote it.

    Missing and damaged files are reported later, by the checks of checkpoints.
    """
    file = _chosen_file(arguments)
    try:
        return None if file is None else read_info(file, str(file))
    except CheckpointError:
        return None


def chosen_task(arguments: Sequence[str]) -> str | None:
    """Return the task that the arguments name, or else that of the checkpoint that they name.

    The checkpoints of OmniIsaacGymEnvs do not contain it, but ``config.yaml`` in the folder of their run does.

    Raises:
        ConfigError: the checkpoint's task is not installed.
    """
    name = last_value(arguments, "task")
    info = chosen_checkpoint(arguments)
    if name is not None:
        return name
    if info is None:
        file = _chosen_file(arguments)
        return None if file is None else _task_of_folder(file)
    if info.task not in installed_tasks():
        raise ConfigError(
            f"checkpoint={last_value(arguments, 'checkpoint')}: belongs to task {info.task}, which is not "
            "installed; install the package of that task, or add task=<file>.py, the file that registers it."
        )
    return info.task


def _task_of_folder(file: Path) -> str | None:
    """Return the task that ``config.yaml`` in the folder of a checkpoint's run names, if it is one of ours."""
    task = run_configuration(file).get("task")
    name = task.get("name") if isinstance(task, dict) else None
    return name if name in installed_tasks() else None


def recorded_run(arguments: Sequence[str]) -> RunRecord | None:
    """Return the record of the run whose checkpoint the arguments name, if they name its task or none."""
    info = chosen_checkpoint(arguments)
    record = None if info is None else info.run
    return None if record is None or last_value(arguments, "task") not in (None, record.task) else record


class Overrides:
    """The user's overrides, one text ``key=value`` per key.

    Args:
        overrides: Hydra's overrides of one job.

    Attributes:
        of_run: overrides that belong to the run, by key.
        of_command: overrides that belong to the command, such as devices and the viewer, by key.
    """

    def __init__(self, overrides: Iterable[str]) -> None:
        self.of_run: dict[str, str] = {}
        self.of_command: dict[str, str] = {}
        for override in OverridesParser.create().parse_overrides(list(overrides)):
            key = override.key_or_group
            if key in ("task", "train"):
                continue
            value = override.value()
            if not isinstance(value, str):  # text is shown as the user wrote it, without Hydra's quotes
                value = override.get_value_element_as_str()
            text = f"~{key}" if override.is_delete() else f"{key}={value}"
            (self.of_run if is_recorded(key) else self.of_command)[key] = text

    def changes(self, record: RunRecord) -> list[str]:
        """Return the overrides of the run that its record does not contain."""
        return [text for text in self.of_run.values() if text not in record.overrides]

    def on_top_of(self, record: RunRecord | None, *, train: str) -> list[str]:
        """Return the overrides in the record of a run, updated by these.

        Args:
            record: record of the run that is resumed or played, if any.
            train: training configuration in use; recorded overrides of another one are dropped.
        """
        former = () if record is None else record.overrides
        kept = [text for text in former if record and (record.train == train or not text.startswith("train."))]
        return [*(text for text in kept if text.partition("=")[0] not in self.of_run), *self.of_run.values()]


def check_same_run(checkpoint: Path, record: RunRecord | None, active: RunRecord | None) -> None:
    """Refuse a checkpoint whose run is not the one that the composition starts from.

    Raises:
        ConfigError: a sweep is over checkpoints.
    """
    if record is not None and record != active:
        raise ConfigError(
            f"checkpoint={checkpoint}: a sweep over checkpoints is not possible, because each has the configuration of "
            "its own run; start the program once for each."
        )
