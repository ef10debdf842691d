"""Keys of the YAML files of OmniIsaacGymEnvs that have another name, place or unit here."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from oige_core.config.fields import leaf_keys
from oige_core.errors import ConfigError, one_line

__all__ = ["Renamed", "control_steps", "name_here", "remove_key", "rename_keys"]

ABSENT = object()


@dataclass(frozen=True)
class Renamed:
    """What a key of OmniIsaacGymEnvs is called here.

    Attributes:
        key: dotted key below ``task``; a number is an index of a list. A section stands for all of its keys.
        convert: returns the value of ``key`` from that of OmniIsaacGymEnvs and the plain ``task`` section; None: the
            values are the same.
        meaning: how the value is converted, for the documentation.
    """

    key: str
    convert: Callable[[Any, Mapping[str, Any]], Any] | None = None
    meaning: str = ""


def control_steps(value: Any, task: Mapping[str, Any]) -> int:
    """Return the number of control steps, rounded, in ``value`` seconds."""
    return int(float(value) / (float(task["sim"]["dt"]) * int(task["env"].get("controlFrequencyInv", 1))) + 0.5)


def name_here(key: str, renamed: Mapping[str, Renamed]) -> str:
    """Return the name of a dotted key in this project, which is the same unless ``renamed`` has it or its section."""
    for old, target in renamed.items():
        if f"{key}.".startswith(f"task.{old}."):
            return f"task.{target.key}{key.removeprefix(f'task.{old}')}"
    return key


def rename_keys(
    root: DictConfig,
    renamed: Mapping[str, Renamed],
    *,
    base: DictConfig | None = None,
    overridden: Collection[str] = (),
    written: Collection[str] = (),
) -> tuple[DictConfig, dict[str, str]]:
    """Return a configuration whose ``task`` section has the names and units of this project.

    Args:
        root: a composed configuration, which is changed.
        renamed: by dotted key of OmniIsaacGymEnvs below ``task``.
        base: a configuration whose values apply where ``root`` has none.
        overridden: dotted keys of overrides, which take precedence over files.
        written: dotted keys that the user's own files set.

    Returns:
        The configuration, and by key of OmniIsaacGymEnvs the converted setting, ``key=value``.

    Raises:
        ConfigError: a value cannot be converted, or both names of a key are set to different values.
    """
    given: list[tuple[str, str, Any, Renamed]] = []
    for old, target in renamed.items():
        value = OmegaConf.select(root, f"task.{old}", default=ABSENT)
        if value is ABSENT:
            continue
        plain = OmegaConf.to_container(value, resolve=True) if isinstance(value, DictConfig | ListConfig) else value
        for leaf in leaf_keys(f"task.{old}", plain) if isinstance(plain, dict) else [f"task.{old}"]:
            new = f"task.{target.key}{leaf.removeprefix(f'task.{old}')}"
            _check_single(leaf, new, root, overridden, written)
            if leaf in overridden or not _is_set(new, overridden):
                given.append((leaf, new, OmegaConf.select(root, leaf), target))
        remove_key(root, f"task.{old}")
    merged = root if base is None else OmegaConf.merge(base, root)
    assert isinstance(merged, DictConfig)
    converted: dict[str, str] = {}
    set_by: dict[str, tuple[str, Any]] = {}
    for old, new, value, target in given:
        result = value if target.convert is None else _converted(old, value, target.convert, merged)
        if new in set_by and set_by[new][1] != result:
            other, another = set_by[new]
            raise ConfigError(f"{old}={value}: expected {another}, as {other} says; both set {new}.")
        set_by[new] = (old, result)
        with open_dict(merged):
            OmegaConf.update(merged, new, result, force_add=True)
        if target.convert is not None:
            converted[old] = f"{new}={result}"
    return merged, converted


def _is_set(key: str, keys: Collection[str]) -> bool:
    """Whether ``keys`` contains a key or, for an entry of a list, the key of the list."""
    holder, _, name = key.rpartition(".")
    return key in keys or (name.isdecimal() and holder in keys)


def _check_single(old: str, new: str, root: DictConfig, overridden: Collection[str], written: Collection[str]) -> None:
    """Raise ConfigError if the user sets both names of a key in the same place."""
    for place in (overridden, written):
        if old in place and _is_set(new, place):
            values = [OmegaConf.select(root, key) for key in (old, new)]
            raise ConfigError(f"{old}={values[0]}: is the same key as {new}={values[1]}; set only one of them.")


def _converted(old: str, value: Any, convert: Callable[[Any, Mapping[str, Any]], Any], root: DictConfig) -> Any:
    try:
        plain = OmegaConf.to_container(root, resolve=True)
        assert isinstance(plain, dict)
        return convert(value, plain["task"])
    except OmegaConfBaseException as error:
        raise ConfigError(f"{error.full_key}: {one_line(error)}") from error
    except (TypeError, ValueError, KeyError, OverflowError, ZeroDivisionError) as error:
        raise ConfigError(f"{old}={value}: cannot be converted ({one_line(error)}).") from error


def remove_key(root: DictConfig, key: str) -> None:
    """Remove a dotted key."""
    section, _, name = key.rpartition(".")
    holder = OmegaConf.select(root, section)
    with open_dict(holder):
        del holder[name]
