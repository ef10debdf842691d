"""Folders of YAML files that the user adds with ``--config-dir`` or ``hydra.searchpath``.

Their files precede installed ones of the same name. A file of the group ``task`` names its task with ``name``; values
that it does not set are those of the installed file of that task.
"""

import contextlib
import contextvars
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from oige_core.config.defaults import SELF, load_yaml
from oige_core.config.fields import leaf_keys
from oige_core.errors import ConfigError, nearest
from oige_core.registry import UnknownTaskError, find_task, installed_tasks, load_spec
from oige_core.spec import InstalledTask
from omegaconf import OmegaConf

from oige_train.run_record import RunRecord

__all__ = ["MAIN_FILE", "NO_FILES", "OPTIONS", "UserFiles", "active_user_files", "using"]

GROUPS = ("task", "train")
OPTIONS = ("--config-dir", "-cd")
"""Options that name a folder with files of the user."""
SEARCH_PATH = "hydra.searchpath"
MAIN_FILE = "config.yaml"
IN_CHECKOUT = ("cfg", "omniisaacgymenvs/cfg")
"""Where the folders ``task`` and ``train`` are in a checkout of OmniIsaacGymEnvs."""


@dataclass(frozen=True)
class UserFiles:
    """The user's YAML files.

    Attributes:
        folders: folders with the groups ``task`` and ``train``; the first one that has a file wins.
    """

    folders: tuple[Path, ...] = ()

    @classmethod
    def of(cls, arguments: Sequence[str]) -> "UserFiles":
        """Return the files in the folders that the arguments of the command line name.

        Raises:
            ConfigError: a folder does not exist, or has no configuration.
        """
        return cls(tuple(_checked(setting, path) for setting, path in _named_folders(arguments)))

    def find(self, group: str, name: str) -> Path | None:
        """Return the file of a group, or None if the user has none."""
        return next((file for folder in self.folders if (file := folder / group / f"{name}.yaml").is_file()), None)

    def names(self, group: str) -> list[str]:
        """Return the names of the user's files of a group."""
        return sorted({file.stem for folder in self.folders for file in (folder / group).glob("*.yaml")})

    def check_defaults(self, group: str, name: str, *, chain: tuple[str, ...] = ()) -> None:
        """Raise ConfigError if a file of the user is among the files that its defaults name.

        Args:
            group: ``task`` or ``train``.
            name: name of the file; one that is not the user's is not checked.
            chain: names of the files whose defaults lead to it.
        """
        file = self.find(group, name)
        if file is None:
            return
        if name in chain:
            raise ConfigError(
                f"{file}: defaults: lead back to this file; one of your own hides the installed one of its name. "
                "Rename it, or leave the entry out."
            )
        for parent in self._content(group, name)[1]:
            self.check_defaults(group, parent, chain=(*chain, name))

    def keys(self, group: str, name: str) -> set[str]:
        """Return the dotted keys that the user's file sets, and those of the user's files that its defaults name."""
        content, defaults = self._content(group, name)
        found = {key for entry, value in content.items() for key in leaf_keys(f"{group}.{entry}", value)}
        return found.union(*(self.keys(group, parent) for parent in defaults))

    def installed_task(self, choice: str, record: RunRecord | None = None) -> InstalledTask:
        """Return the installed task that a value of ``task=`` stands for.

        Args:
            choice: name of an installed task, or of the user's file for one.
            record: record of the run that is resumed or played, which may name a file of the user.

        Raises:
            ConfigError: there is no such task.
        """
        if record is not None and choice == record.task:
            return self._same(choice, str(record.config["task"].get("name", choice)))
        file = self.find("task", choice)
        if file is None:
            if choice not in installed_tasks() and self.folders:
                known = nearest(choice, [*installed_tasks(), *self.names("task")])
                raise UnknownTaskError(f"task={choice}: unknown task, and no file task/{choice}.yaml. {known}")
            return find_task(choice)
        self.check_defaults("task", choice)
        name = self._task_name(choice)
        if name is None:
            raise ConfigError(f"{file}: name: a value is required, the task that the file configures, such as Ant.")
        try:
            return self._same(choice, name)
        except UnknownTaskError as error:
            raise ConfigError(
                f"{file}: name={name}: expected the installed task that the file configures. "
                f"{nearest(name, installed_tasks())} A new task is made by oige-new-task."
            ) from error

    def _same(self, choice: str, name: str) -> InstalledTask:
        """Return ``choice`` if it is another name of the task ``name``, as AntSAC is of Ant, or else ``name``."""
        task = find_task(name)
        other = installed_tasks().get(choice)
        return other if other is not None and load_spec(other) == load_spec(task) else task

    def _task_name(self, choice: str) -> str | None:
        if self.find("task", choice) is None:
            return choice if choice in installed_tasks() else None
        content, defaults = self._content("task", choice)
        names = [content.get("name"), *(self._task_name(parent) for parent in reversed(defaults))]
        return next((str(name) for name in names if name is not None), None)

    def _content(self, group: str, name: str) -> tuple[dict[str, Any], list[str]]:
        """Return the keys and values of the user's file, if there is one, and the names in its defaults list."""
        file = self.find(group, name)
        content = {} if file is None else OmegaConf.to_container(load_yaml(file))
        assert isinstance(content, dict)
        defaults = content.pop("defaults", None) or []
        names = [entry.removeprefix("/").removeprefix(f"{group}/") for entry in defaults if isinstance(entry, str)]
        return {str(key): value for key, value in content.items()}, [entry for entry in names if entry != SELF]


def _named_folders(arguments: Sequence[str]) -> Iterable[tuple[str, str]]:
    """Yield the settings that name folders, and the folders."""
    for number, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name in OPTIONS:
            following = arguments[number + 1 : number + 2]
            for path in [value] if equals else following:
                yield f"{name} {path}", path
        elif name.lstrip("+") == SEARCH_PATH:
            for path in _listed(argument):
                yield f"{SEARCH_PATH}={path}", path


def _listed(argument: str) -> list[str]:
    try:
        value = OverridesParser.create().parse_override(argument).value()
    except HydraException as error:
        raise ConfigError(f"{argument}: cannot be parsed; write {SEARCH_PATH}=[<folder>].") from error
    if not isinstance(value, list):
        raise ConfigError(f"{argument}: expected a list; write {SEARCH_PATH}=[<folder>].")
    return [str(path) for path in value]


def _checked(setting: str, path: str) -> Path:
    scheme, separator, rest = path.partition("://")
    if separator and scheme != "file":
        raise ConfigError(f"{setting}: expected a folder, as file://<folder> or <folder>.")
    folder = Path(rest if separator else path).expanduser().resolve()
    if not folder.is_dir():
        raise ConfigError(f"{setting}: there is no such folder.")
    if not any((folder / group).is_dir() for group in GROUPS):
        near = [*(folder / part for part in IN_CHECKOUT), folder.parent]
        nearby = [path for path in near if (path / GROUPS[0]).is_dir()]
        hint = f" Did you mean {nearby[0]}?" if nearby else ""
        raise ConfigError(f"{setting}: expected a folder with the folders task or train in it.{hint}")
    return folder


NO_FILES = UserFiles()

_active: contextvars.ContextVar[UserFiles] = contextvars.ContextVar("_active", default=NO_FILES)


def active_user_files() -> UserFiles:
    """Return the user's files in the current composition."""
    return _active.get()


@contextlib.contextmanager
def using(files: UserFiles) -> Iterator[None]:
    """Let ``files`` be those of :func:`active_user_files` until the block ends."""
    token = _active.set(files)
    try:
        yield
    finally:
        _active.reset(token)
