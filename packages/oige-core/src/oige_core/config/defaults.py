"""Composes a configuration file with the files in its ``defaults`` list, by the rules of Hydra.

This module supports group entries, ``override``, ``optional`` and ``_self_``. Other features of Hydra raise an error,
so that library use never differs silently from the programs.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from oige_core.errors import ConfigError, nearest, one_line

__all__ = ["SELF", "check_unique_files", "compose_file", "load_yaml", "missing_file_error"]

SELF = "_self_"


def load_yaml(file: Path) -> DictConfig:
    """Load a YAML file of keys and values; an empty file gives an empty configuration.

    Raises:
        ConfigError: the file is not valid YAML or not a mapping.
    """
    try:
        node = OmegaConf.load(file)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{file}{line}: not valid YAML: {error.problem}.") from error
    except (yaml.YAMLError, OmegaConfBaseException, OSError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"{file}: cannot be read: {one_line(error)}") from error
    if not isinstance(node, DictConfig):
        raise ConfigError(f"{file}: expected keys and values, found a list.")
    return node


def check_unique_files(folders: Iterable[Path]) -> None:
    """Raise ConfigError if two folders have a file of the same group and name, since one would hide the other."""
    seen: dict[str, Path] = {}
    for folder in folders:
        for file in sorted(folder.glob("**/*.yaml")):
            name = file.relative_to(folder).as_posix()
            if name in seen:
                raise ConfigError(f"{name}: is in both {seen[name]} and {folder}; rename one of the two files.")
            seen[name] = folder


def missing_file_error(folders: Iterable[Path], path: str, parent: str | None) -> ConfigError:
    """Return the error for a missing configuration file, with the nearest names of its group.

    Args:
        folders: folders of configuration groups.
        path: group and name of the file, such as ``task/Cartpole``.
        parent: the file whose defaults name it, if any.
    """
    group, _, name = path.rpartition("/")
    there = {file.stem for folder in folders for file in (folder / group).glob("*.yaml")}
    by = f", which the defaults of {parent}.yaml name" if parent else ""
    return ConfigError(f"{path}.yaml: no installed package has this file{by}. {nearest(name, there)}")


def compose_file(folders: Sequence[Path], path: str, package: str) -> DictConfig:
    """Return a file merged with the files in its defaults list.

    Args:
        folders: folders of configuration groups.
        path: group and name of the file, such as ``task/Cartpole``.
        package: dotted key of the section of the file.

    Returns:
        The whole configuration from its root, with the values of the files at ``package``.

    Raises:
        ConfigError: a file is missing or malformed, or its defaults list uses an unsupported feature.
    """
    composition = _Composition(folders)
    merged = OmegaConf.create({})
    for section, content in composition.expand(path, package, parent=None):
        branch: Any = content
        for key in reversed(section.split(".")):
            branch = {key: branch}
        merged = OmegaConf.merge(merged, branch)
    composition.check_overrides()
    return cast(DictConfig, merged)


@dataclass(frozen=True)
class _Entry:
    """One entry of a defaults list: ``name`` is a file of ``group``, relative to the file's own group or absolute.

    ``choice``: the entry has the form ``group: name``, so that another file may override the name.
    """

    group: str
    name: str | None
    choice: bool = False
    override: bool = False
    optional: bool = False

    def place(self, path: str, package: str) -> tuple[str, str]:
        """Return group and section of the entry in the file ``path`` of section ``package``."""
        relative = self.group.removeprefix("/")
        parent = "" if self.group.startswith("/") else path.rpartition("/")[0]
        group = "/".join(part for part in (parent, relative) if part)
        return group, ".".join(part for part in (package, relative.replace("/", ".")) if part)


class _Composition:
    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        # By group and section: the name that an override selects, and the file of the override.
        self._chosen: dict[tuple[str, str], tuple[str | None, str]] = {}
        self._met: set[tuple[str, str]] = set()

    def expand(self, path: str, package: str, parent: str | None) -> list[tuple[str, DictConfig]]:
        """Return sections and their contents in merge order."""
        node = self._load(path, parent)
        entries = _entries(OmegaConf.to_container(node), path)
        node.pop("defaults", None)
        for entry in entries:
            if entry.override:
                self._chosen.setdefault(entry.place(path, package), (entry.name, path))
        entries = [entry for entry in entries if not entry.override]
        if not any(entry.name == SELF for entry in entries):
            entries.append(_Entry(group="", name=SELF))
        # From the last to the first, as in Hydra: an override applies to entries before it.
        parts = [self._expand_entry(entry, node, path, package) for entry in reversed(entries)]
        return [section for part in reversed(parts) for section in part]

    def _expand_entry(self, entry: _Entry, node: DictConfig, path: str, package: str) -> list[tuple[str, DictConfig]]:
        if entry.name == SELF:
            return [(package, node)]
        place = group, section = entry.place(path, package)
        name = entry.name
        if entry.choice and place in self._chosen:
            self._met.add(place)
            name = self._chosen[place][0]
        if name is None:
            return []
        target = f"{group}/{name}" if group else name
        if entry.optional and self._find(target) is None:
            return []
        return self.expand(target, section, parent=path)

    def check_overrides(self) -> None:
        """Raise ConfigError for an override of a group that no defaults list selects from."""
        for (group, section), (name, path) in self._chosen.items():
            if (group, section) not in self._met:
                raise ConfigError(f"{path}.yaml: defaults: override {group}: {name}: no file selects from {group}.")

    def _find(self, path: str) -> Path | None:
        return next((file for folder in self._folders if (file := folder / f"{path}.yaml").is_file()), None)

    def _load(self, path: str, parent: str | None) -> DictConfig:
        file = self._find(path)
        if file is None:
            raise missing_file_error(self._folders, path, parent)
        if re.search(r"^# *@package", file.read_text(encoding="utf-8", errors="replace"), re.MULTILINE):
            raise ConfigError(f"{file}: @package: only Hydra supports this; write the keys into their section instead.")
        return load_yaml(file)


def _entries(content: Any, path: str) -> list[_Entry]:
    """Read the defaults list of a file."""
    where = f"{path}.yaml: defaults"
    defaults = content.get("defaults", [])
    if not isinstance(defaults, list):
        raise ConfigError(f"{where}: expected a list.")
    entries: list[_Entry] = []
    for item in defaults:
        if isinstance(item, str):
            head, slash, name = item.rpartition("/")
            entry = _Entry(group=head or slash, name=name)
        elif isinstance(item, dict) and len(item) == 1:
            key, value = next(iter(item.items()))
            *flags, group = str(key).split() or [""]
            if set(flags) - {"override", "optional"}:
                raise ConfigError(f"{where}: {key}: expected override, optional or nothing before the group.")
            if not (value is None or isinstance(value, str)):
                raise ConfigError(f"{where}: {item}: expected one name for a group.")
            entry = _Entry(
                group=group, name=value, choice=True, override="override" in flags, optional="optional" in flags
            )
        else:
            raise ConfigError(f"{where}: {item}: expected a name, or one group and a name.")
        if re.search(r"[@$]|\?\?\?", f"{entry.group}{entry.name}"):
            raise ConfigError(f"{where}: {item}: only Hydra supports packages (@), interpolations and missing values.")
        if entries and entries[-1].override and not entry.override:
            raise ConfigError(f"{where}: {item}: expected before the entries with override, which must come last.")
        entries.append(entry)
    if sum(entry.name == SELF for entry in entries) > 1:
        raise ConfigError(f"{where}: {SELF} appears twice.")
    return entries
