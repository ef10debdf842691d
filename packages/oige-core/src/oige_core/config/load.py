"""Converts YAML files and overrides to a validated, typed configuration.

:func:`compose` composes the configuration of a task as Hydra does; library use and programs both call :func:`validate`.
"""

import dataclasses
import math
import re
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path, PurePath
from typing import Any, TypeVar

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, MissingMandatoryValue, OmegaConfBaseException, ValidationError

from oige_core.config.defaults import check_unique_files, compose_file, load_yaml
from oige_core.config.fields import check_overrides_are_read, engine_of, leaf_keys
from oige_core.config.resolvers import register_resolvers
from oige_core.config.schema import ActorConfig, RunConfig, SimConfig, check_choice
from oige_core.errors import ConfigError, nearest

__all__ = [
    "CORE_CFG",
    "LARGEST_INTEGER",
    "check_overrides",
    "compose",
    "first_line",
    "plain_value",
    "validate",
]

CORE_CFG = Path(__file__).resolve().parent.parent / "cfg"
"""Folder of the YAML files with the defaults of all tasks."""

SchemaT = TypeVar("SchemaT", bound=RunConfig)


def compose(folders: Sequence[Path], name: str, overrides: Mapping[str, Any] | None = None) -> DictConfig:
    """Compose the configuration of one task for library use.

    Args:
        folders: folders of configuration groups.
        name: name of the file in the group ``task``.
        overrides: values by dotted key, as on the command line: ``{"num_envs": 64, "task.env.resetDist": 2.0}``;
            :func:`validate` checks them.

    Raises:
        ConfigError: a file is missing or malformed, or an override is not a dotted key or has no effect.
    """
    register_resolvers()
    check_overrides(overrides)
    values = {key: plain_value(str(key), value) for key, value in (overrides or {}).items()}
    for key in values:
        if not isinstance(key, str) or not re.fullmatch(r"[^.\[\]]+(\.[^.\[\]]+)*", key):
            raise ConfigError(f"{key!r}: expected a dotted key, such as task.env.episodeLength.")
    keys = (leaf for key, value in values.items() for leaf in leaf_keys(key, value))
    check_overrides_are_read(RunConfig, keys, {}, engine_of(values.get("physics_engine")))

    check_unique_files(folders)
    root = typing.cast(
        DictConfig,
        OmegaConf.merge(load_yaml(CORE_CFG / "simulation.yaml"), compose_file(folders, f"task/{name}", package="task")),
    )
    if values.get("num_envs") not in ("", None):
        OmegaConf.update(root, "task.env.numEnvs", "${num_envs}")
    for key, value in values.items():
        try:
            OmegaConf.update(root, key, value, force_add=True)
        except (OmegaConfBaseException, ValueError, TypeError) as error:  # the last two come from keys below lists
            raise ConfigError(f"{key}={value}: {first_line(error)}") from error
    return root


def check_overrides(overrides: object) -> None:
    """Raise ConfigError unless overrides are a mapping or None."""
    if overrides is not None and not isinstance(overrides, Mapping):
        raise ConfigError(
            f"overrides={overrides!r}: expected a mapping of dotted keys, such as {{'task.env.episodeLength': 100}}."
        )


def plain_value(key: str, value: Any) -> Any:
    """Return a configuration value as Python numbers, strings, lists and dictionaries.

    Args:
        key: name of the value in the error message.
        value: also a number or an array of NumPy or torch, a path or a tuple.

    Raises:
        ConfigError: it is of another type.
    """
    if hasattr(value, "tolist"):  # before numbers, because NumPy's float64 is a float that YAML cannot write
        value = value.tolist()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, DictConfig | ListConfig):
        return OmegaConf.to_container(value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): plain_value(f"{key}.{name}", entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(key, entry) for entry in value]
    raise ConfigError(f"{key}={value!r}: expected a number, a string, a list or a mapping, not {type(value).__name__}.")


MOST_PLACES = 3  # maximum number of full names in an error message
LARGEST_INTEGER = 2**31 - 1  # that engines accept
COUNTS = ("device_id", "num_threads")  # root keys that engines read, unlike the seed


def first_line(error: Exception) -> str:
    """Return the first line of an error's message."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def validate(
    config: DictConfig,
    schema: type[SchemaT] = RunConfig,
    *,
    sections: Mapping[str, type],
) -> SchemaT:
    """Resolve a composed configuration and validate it with typed schemas.

    Args:
        config: the root of a configuration, from :func:`compose` or from Hydra.
        schema: schema of the root; a program that adds keys extends :class:`RunConfig`.
        sections: schemas by dotted key, for sections whose schema depends on the configuration. For example, that of
            ``task.env`` depends on the task.

    Returns:
        An instance of ``schema``.

    Raises:
        ConfigError: a key is unknown, or a value is missing, of the wrong type or out of range.
    """
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise ConfigError(f"{error.full_key}: a value is required.") from error
    except OmegaConfBaseException as error:
        raise ConfigError(f"{error.full_key}: {first_line(error)}") from error
    assert isinstance(plain, dict)
    try:
        return _typed(schema, plain, "", sections)
    except _UnknownKeyError as error:
        name = error.key.rpartition(".")[2]
        elsewhere = sorted((key for key in _keys(schema, "", sections) if key.endswith(f".{name}")), key=len)
        if elsewhere and len(elsewhere) <= MOST_PLACES:
            raise ConfigError(f"{error.key}: unknown key. Did you mean {' or '.join(elsewhere)}?") from None
        raise


class _UnknownKeyError(ConfigError):
    """An unknown dotted key.

    Attributes:
        key: the key.
    """

    def __init__(self, key: str, siblings: Iterable[str]) -> None:
        super().__init__(f"{key}: unknown key. {nearest(key.rpartition('.')[2], siblings)}")
        self.key = key


def _keys(cls: type, path: str, sections: Mapping[str, type]) -> Iterator[str]:
    """Yield the dotted keys of a schema and of the sections in it; see :func:`_typed`."""
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        full = f"{path}.{field.name}".lstrip(".")
        yield full
        expected = _without_none(sections.get(full, hints[field.name]), value=cls)
        if dataclasses.is_dataclass(expected):
            yield from _keys(typing.cast(type, expected), full, sections)


def _typed(cls: type, values: Any, path: str, sections: Mapping[str, type]) -> Any:
    """Build dataclass ``cls`` from plain ``values``; ``sections`` has schemas that replace the fields'."""
    if not isinstance(values, dict):
        raise ConfigError(f"{path}={values!r}: expected a section with keys.")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    hints = typing.get_type_hints(cls)
    if cls is SimConfig:
        values = _collect_actors(values, fields.keys() - {"actors"}, path)
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        full = f"{path}.{key}" if path else str(key)
        if key not in fields:
            raise _UnknownKeyError(full, fields)
        expected = _without_none(sections.get(full, hints[key]), value)
        if expected == dict[str, ActorConfig]:
            arguments[key] = {name: _typed(ActorConfig, block, f"{path}.{name}", {}) for name, block in value.items()}
        elif dataclasses.is_dataclass(expected):
            arguments[key] = _typed(typing.cast(type, expected), value, full, sections)
        else:
            arguments[key] = _converted(expected, value, full)
    required = [name for name, f in fields.items() if f.default is f.default_factory is dataclasses.MISSING]
    if missing := [f"{path}.{name}".lstrip(".") for name in required if name not in arguments]:
        what = "a value is" if len(missing) == 1 else "values are"
        where = ", in the YAML file of the task or in config= of register_task" if path.startswith("task") else ""
        raise ConfigError(f"{', '.join(missing)}: {what} required{where}.")
    return cls(**arguments)


def _without_none(expected: Any, value: Any) -> Any:
    """Return ``X`` for ``X | None`` unless ``value`` is None, so that messages name ``X``."""
    choices = typing.get_args(expected)
    if value is not None and type(None) in choices and len(choices) == 2:
        return choices[0] if choices[1] is type(None) else choices[1]
    return expected


def _collect_actors(values: dict[str, Any], fields: Set[str], path: str) -> dict[str, Any]:
    """Move the sections of ``task.sim`` that are named after scene elements to ``actors``."""
    if "actors" in values:
        raise ConfigError(f"{path}.actors: unknown key; name the section after the scene element, {path}.<element>.")
    actors = {key: value for key, value in values.items() if key not in fields and isinstance(value, dict)}
    return {key: value for key, value in values.items() if key not in actors} | {"actors": actors}


def _converted(expected: Any, value: Any, path: str) -> Any:
    """Check a leaf, and convert one of another type than its schema's."""
    if expected is Any or (value is None and type(None) in typing.get_args(expected)):
        return value
    if typing.get_origin(expected) is typing.Literal:
        check_choice(path, value, typing.get_args(expected))
        return value
    if typing.get_origin(expected) is dict and not isinstance(value, dict):
        if value is not None:  # as of an empty section in a YAML file
            raise ConfigError(f"{path}={value!r}: expected a section with keys.")
        value = {}
    if expected is float and isinstance(value, bool):
        raise ConfigError(f"{path}={value}: expected a float.")
    if typing.get_origin(expected) is tuple and isinstance(value, list):
        entries = typing.get_args(expected)  # OmegaConf does not check their number
        if Ellipsis not in entries and len(value) != len(entries):
            raise ConfigError(f"{path}={value}: expected {len(entries)} values, but there are {len(value)}.")
    converted = value if type(value) is expected else _converted_by_omegaconf(expected, value, path)
    for number in converted if isinstance(converted, list) else [converted]:
        # Infinite limits mean no limit, in a task's clipping and in the learner's rewards.
        unlimited = number in (math.inf, -math.inf) and (".clip" in path or not path.startswith("task."))
        if isinstance(number, float) and not math.isfinite(number) and not unlimited:
            raise ConfigError(f"{path}={value}: expected a finite number.")
        if isinstance(number, int) and abs(number) > LARGEST_INTEGER and (path.startswith("task.") or path in COUNTS):
            raise ConfigError(f"{path}={value}: expected a number of at most {LARGEST_INTEGER}.")
    return converted


def _converted_by_omegaconf(expected: Any, value: Any, path: str) -> Any:
    """Convert a leaf with OmegaConf's typed nodes, so that '12' is an integer and 'abc' is not."""
    holder = dataclasses.make_dataclass("holder", [("value", expected)])
    try:
        node = OmegaConf.structured(holder(value=value))
        return OmegaConf.to_container(node)["value"]  # type: ignore[index,call-overload]
    except (ValidationError, ConfigKeyError, OmegaConfBaseException) as error:
        name = getattr(expected, "__name__", str(expected)).replace("typing.", "")
        shown = str(expected) if typing.get_origin(expected) else name
        article = "an" if shown[0] in "aeiou" else "a"
        raise ConfigError(f"{path}={value}: expected {article} {shown}.") from error
