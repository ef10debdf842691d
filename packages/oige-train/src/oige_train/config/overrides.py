"""Translate the arguments of the command line into Hydra's.

Values of keys that hold text (names, paths, choices) are taken literally: ``experiment=1e-3`` and ``checkpoint=it's``
mean exactly that, although Hydra's grammar would parse a number or fail at the quote. With ``--multirun``, commas
separate the values of a sweep, texts included, and ``${key}`` stands for the value of another key.
"""

import dataclasses
import re
import typing
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from oige_core.config.fields import field_type, takes_text
from oige_core.errors import ConfigError, nearest
from oige_core.registry import installed_tasks, load_spec
from oige_core.spec import InstalledTask
from omegaconf import OmegaConf

from oige_train.config.sweep import is_launched
from oige_train.config.user_files import NO_FILES, UserFiles
from oige_train.run_record import RunRecord
from oige_train.schema import ALGORITHMS, CONFIG, TrainRunConfig, train_sections

__all__ = ["SHORTCUTS", "TRAIN_CFG", "default_train", "given_shortcuts", "literal_text", "rewrite_overrides"]

TRAIN_CFG = Path(__file__).resolve().parent.parent / "cfg"

GROUPS = ("task", "train")
BASE = "PPO"
"""Training configuration of tasks that have none of their own."""

SHORTCUTS = {
    "num_envs": "task.env.numEnvs",
    "max_iterations": f"{CONFIG}.max_epochs",
    "experiment": f"{CONFIG}.name",
}
"""Root keys that, unless empty, override the YAML files' value of another key."""

FLAGS = ("--multirun", "-m", "--resolve", "--hydra-help", "--info", "-i")
SHOWN = ("job", "hydra", "all")
# With the values that each option takes; empty: any text.
OPTIONS_WITH_VALUE = {"--cfg": SHOWN, "-c": SHOWN, "--package": (), "-p": (), "--config-dir": (), "-cd": ()}
SWEEP = re.compile(r"(choice|glob|range|shuffle|sort|tag|interval)\(.*\)\Z", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class _Arguments:
    """Arguments by kind: overrides as (argument, prefix ``+``, ``++``, ``~`` or none, key, value), and options."""

    overrides: list[tuple[str, str, str, str]]
    options: list[str]

    @property
    def multirun(self) -> bool:
        """Whether the arguments ask for a sweep."""
        return bool({"-m", "--multirun"} & set(self.options)) or any(
            (key, value) == ("hydra.mode", "MULTIRUN") for _, _, key, value in self.overrides
        )

    def last(self, key: str) -> str | None:
        """Return the last value of a key."""
        return next((value for _, _, name, value in reversed(self.overrides) if name == key), None)


def rewrite_overrides(
    arguments: Sequence[str],
    record: RunRecord | None = None,
    files: UserFiles = NO_FILES,
    *,
    launches: bool = False,
) -> list[str]:
    """Return the arguments for Hydra.

    ``key=value`` becomes ``++key=value`` (force); group choices and keys of Hydra are not changed. Options come last,
    because Hydra expects all overrides together. Without ``task=`` and ``train=``, those of ``record`` are used.

    Args:
        arguments: arguments of the command line.
        record: record of the run that is resumed or played, if any.
        files: the user's YAML files.
        launches: whether launchers and sweepers other than Hydra's basic ones are allowed.

    Raises:
        ConfigError: an argument is malformed, has several values without ``--multirun``, or names a task or a training
            configuration that does not exist.
    """
    sorted_arguments = _sort(arguments)
    multirun = sorted_arguments.multirun
    task, train = sorted_arguments.last("task"), sorted_arguments.last("train")
    if task is None:
        task = "Cartpole" if record is None else record.task
    if train is None and record is not None:
        train = record.train
    tasks = [files.installed_task(name, record) for name in _choices(task)]
    schemas = list(_sections(tasks))
    if train is not None and (record is None or train != record.train):
        available = [*_train_configs(installed_tasks().values()), *files.names("train")]
        for name in _choices(train):
            if name not in available:
                own = [*_train_configs(tasks), *files.names("train")]
                raise ConfigError(f"train={name}: unknown training configuration. {nearest(name, own or available)}")

    rewritten: list[str] = []
    for argument, prefix, key, value in sorted_arguments.overrides:
        if key in ("hydra/launcher", "hydra/sweeper") and value != "basic" and not launches:
            raise ConfigError(f"{argument}: expected {key}=basic, or nothing; only oige-train has others.")
        types = [field_type(TrainRunConfig, key, sections) for sections in schemas]
        if key in GROUPS or key.startswith("hydra") or "@" in key or prefix == "~":
            override = argument
        else:
            if is_launched():
                pass
            elif any(map(takes_text, types)):
                value = _literal(value, multirun=multirun)
            elif list[str] in types:
                value = _literal_list(value)
            override = f"{prefix or '++'}{key}={value}"
        _check(argument, override, key, multirun=multirun, lists=any("list" in str(kind) for kind in types))
        rewritten.append(override)

    if train is None:
        binding = _bound_train(task, tasks[0], files) if len(tasks) == 1 else None
        if binding is not None:
            rewritten.append(f"train={binding}")
        train = binding or f"{task}PPO"
    for name in _choices(train):
        files.check_defaults("train", name)
    return rewritten + sorted_arguments.options


def literal_text(value: str) -> str:
    """Return the text that a value means: the value without quotes that enclose it."""
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"" and value[0] not in value[1:-1]:
        return value[1:-1]
    return value


def default_train(task: InstalledTask) -> str | None:
    """Return the training configuration of a task without ``<Task>PPO``: ``<Task>``, as for AntSAC, or the base."""
    if (task.cfg / "train" / f"{task.name}PPO.yaml").is_file():
        return None
    return task.name if (task.cfg / "train" / f"{task.name}.yaml").is_file() else BASE


def _bound_train(choice: str, task: InstalledTask, files: UserFiles) -> str | None:
    """Return the training configuration of a value of ``task=``; None: ``<choice>PPO``."""
    if files.find("train", f"{choice}PPO") is not None:
        return None
    if choice == task.name:
        return default_train(task)
    own = f"{task.name}PPO"
    return own if files.find("train", own) is not None else default_train(task) or own


def given_shortcuts(arguments: Sequence[str]) -> dict[str, Any]:
    """Return a configuration of the keys that the root keys among ``arguments`` stand for.

    Its values are interpolations of the root keys, so that it fits every run of a sweep.
    """
    given = _sort(arguments)
    layer = OmegaConf.create({})
    for root, key in SHORTCUTS.items():
        empty = ("",) if field_type(TrainRunConfig, root, {}) is str else ("", "null")
        if literal_text(given.last(root) or "") not in empty:
            OmegaConf.update(layer, key, f"${{{root}}}")
    return typing.cast(dict[str, Any], OmegaConf.to_container(layer, resolve=False))


def _sort(arguments: Sequence[str]) -> _Arguments:
    overrides: list[tuple[str, str, str, str]] = []
    options: list[str] = []
    remaining = list(arguments)
    while remaining:
        argument = remaining.pop(0)
        if argument.startswith("-"):
            options += _option(argument, remaining)
            continue
        match = re.match(r"(\+\+?|~|)([^=]*)(=?)(.*)\Z", argument, re.DOTALL)
        assert match is not None
        prefix, key, equals, value = match.groups()
        if not key or (not equals and prefix != "~"):
            raise ConfigError(f"'{argument}': expected key=value without spaces, for instance {_example(argument)}.")
        overrides.append((argument, prefix, key, value))
    return _Arguments(overrides, options)


def _option(argument: str, remaining: list[str]) -> list[str]:
    """Return an option of Hydra and its value, which is removed from ``remaining`` unless it follows ``=``."""
    name, equals, value = argument.partition("=")
    key = name.lstrip("-").replace("-", "_")
    if key in GROUPS or field_type(TrainRunConfig, key, {}) is not None:
        raise ConfigError(f"{argument}: unknown option; write settings as {key}={value or '<value>'}.")
    if name not in (*FLAGS, *OPTIONS_WITH_VALUE) or (equals and name in FLAGS):
        known = [option for option in (*FLAGS, *OPTIONS_WITH_VALUE, "--help", "--version") if option[1] == "-"]
        raise ConfigError(
            f"{argument}: unknown option. {nearest(argument, known)} Write settings as key=value, without dashes."
        )
    if name in FLAGS:
        return [argument]
    option = [argument]
    if not equals:
        if not remaining:
            raise ConfigError(f"{argument}: expected a value after it.")
        value = remaining.pop(0)
        option.append(value)
    if OPTIONS_WITH_VALUE[name] and value not in OPTIONS_WITH_VALUE[name]:
        raise ConfigError(f"{name} {value}: expected one of {', '.join(OPTIONS_WITH_VALUE[name])}.")
    return option


def _example(argument: str) -> str:
    """Return the override that an argument without ``=`` probably stands for, or else any override."""
    if argument.endswith(".pth"):
        return f"checkpoint={argument}"
    return f"task={argument}" if argument in installed_tasks() else "num_envs=64"


def _sections(tasks: Iterable[InstalledTask]) -> Iterator[dict[str, Any]]:
    """Yield, by section, the schemas that a run of one of ``tasks`` may have."""
    for task in tasks:
        for algorithm in ALGORITHMS:
            yield {"task.env": load_spec(task).env, **train_sections(algorithm)}


def _check(argument: str, override: str, key: str, *, multirun: bool, lists: bool) -> None:
    """Raise ConfigError if Hydra cannot parse an override, or if it has several values without a sweep."""
    try:
        parsed = OverridesParser.create().parse_override(override)
    except (HydraException, ValueError, RecursionError) as error:
        if re.fullmatch(r"[A-Za-z_][\w/@$-]*(\.[\w$-]+)*", key, re.ASCII):
            raise ConfigError(
                f"{argument}: cannot be parsed; write lists as [1,2], and put text with special characters in '…' "
                "inside a second pair of quotes for the shell."
            ) from error
        raise ConfigError(f"'{argument}': expected key=value with a key such as task.env.episodeLength.") from error
    if parsed.is_sweep_override() and not multirun:
        alternative = f", or write [{argument.partition('=')[2]}] for a list" if lists else ""
        raise ConfigError(f"{argument}: several values; add --multirun to start one run for each{alternative}.")


def _literal(value: str, *, multirun: bool) -> str:
    """Return Hydra's notation of literal text; in a sweep, of the texts between commas."""
    if not multirun:
        return _quoted(literal_text(value))
    if SWEEP.match(value):
        return value
    if literal_text(value) != value:
        return _quoted(literal_text(value))
    return ",".join(_quoted(part.strip(), interpolate=True) for part in value.split(","))


def _literal_list(value: str) -> str:
    """Return Hydra's notation of a list of literal texts, or ``value`` if it is not a list."""
    if not (value.startswith("[") and value.endswith("]")):
        return value
    texts = [literal_text(part.strip()) for part in value[1:-1].split(",")]
    return f"[{','.join(_quoted(text) for text in texts if text)}]"


def _quoted(text: str, *, interpolate: bool = False) -> str:
    if not interpolate:
        # OmegaConf's escape of an interpolation; backslashes before it are doubled.
        text = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    # Hydra's escape of a quote; backslashes before it and at the end are doubled.
    text = re.sub(r"(\\*)'", r"\1\1\\'", text)
    text = re.sub(r"(\\+)\Z", r"\1\1", text)
    return f"'{text}'"


def _choices(value: str) -> list[str]:
    return [choice.strip() for choice in value.split(",")]


def _train_configs(tasks: Iterable[InstalledTask]) -> list[str]:
    folders = [TRAIN_CFG, *(task.cfg for task in tasks)]
    return sorted({file.stem for folder in folders for file in (folder / "train").glob("*.yaml")})
