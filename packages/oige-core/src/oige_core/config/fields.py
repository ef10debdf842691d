"""Keys that YAML files may contain although nothing reads them, or only one engine, and the error for overrides."""

import dataclasses
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from oige_core.errors import ConfigError

__all__ = [
    "ISAAC_SIM_ONLY",
    "MUJOCO_ONLY",
    "EngineName",
    "brief_keys",
    "check_overrides_are_read",
    "check_overrides_have_effect",
    "engine_of",
    "field_type",
    "follows",
    "keys_without_effect",
    "leaf_keys",
    "takes_text",
    "unread",
]

EngineName = Literal["mujoco", "isaacsim"]

_UNREAD = "unread"
_FOLLOWS = "follows"
_ENGINE = "engine"


def unread(instead: str) -> dict[str, str]:
    """Return the metadata of a dataclass field that YAML files may set but nothing reads.

    Args:
        instead: the advice in the error for an override of the key, such as "set seed instead".
    """
    return {_UNREAD: instead}


def follows(instead: str) -> dict[str, str]:
    """Return the metadata of a field that has the value of another key.

    Args:
        instead: the advice in the error for an override of the key, which names the other one.
    """
    return unread(instead) | {_FOLLOWS: "yes"}


ISAAC_SIM_ONLY = unread("read by Isaac Sim only, not by the embedded engine; leave it out") | {_ENGINE: "isaacsim"}
MUJOCO_ONLY = unread("read by the embedded engine only, not by Isaac Sim; leave it out") | {_ENGINE: "mujoco"}


def engine_of(physics_engine: object) -> EngineName:
    """Return the engine that ``physics_engine`` chooses; ``physx`` is OmniIsaacGymEnvs' name of Isaac Sim."""
    return "isaacsim" if physics_engine in ("isaacsim", "physx") else "mujoco"


def field_type(schema: type, key: str, sections: Mapping[str, type]) -> Any:
    """Return the type of a dotted key, None if it is unknown.

    Args:
        schema: the root schema.
        key: dotted key.
        sections: schemas by dotted key, which replace those in ``schema``.
    """
    return _find(schema, key, sections)[0]


def _find(
    schema: type, key: str, sections: Mapping[str, type], engine: EngineName | None = None
) -> tuple[Any, Mapping[str, str], str]:
    """Return the type of a dotted key, or None; the metadata of it or of a section that contains it, and their key.

    Args:
        schema: the root schema.
        key: dotted key.
        sections: schemas by dotted key, which replace those in ``schema``.
        engine: the engine that simulates; the metadata are empty if it reads the key. None: any engine.
    """
    expected: Any = schema
    path = ""
    for name in key.split("."):
        path = f"{path}.{name}".lstrip(".")
        if typing.get_origin(expected) is dict:
            expected = typing.get_args(expected)[1]
            continue
        expected = _section(expected)
        if expected is None:
            return None, {}, key
        fields = {field.name: field for field in dataclasses.fields(expected)}
        hints = typing.get_type_hints(expected)
        if name not in fields:
            # Sections of task.sim that are named after scene elements.
            if "actors" not in fields:
                return None, {}, key
            expected = typing.get_args(hints["actors"])[1]
            continue
        metadata = fields[name].metadata
        if _is_unread(metadata, engine):
            return hints[name], metadata, path
        expected = sections.get(path, hints[name])
    return expected, {}, key


def _is_unread(metadata: Mapping[str, str], engine: EngineName | None) -> bool:
    """Return whether an engine does not read a field; None: whether no engine does."""
    reader = metadata.get(_ENGINE)
    return _UNREAD in metadata and (reader is None or (engine is not None and reader != engine))


def takes_text(expected: Any) -> bool:
    """Return whether values of a type are text: any, or one of some choices."""
    choices = typing.get_args(expected) if typing.get_origin(expected) is typing.Literal else ()
    return expected is str or any(isinstance(choice, str) for choice in choices)


def _section(expected: Any) -> Any:
    """Return the dataclass of a type or of one of its alternatives, or None."""
    choices = [expected, *typing.get_args(expected)]
    return next((choice for choice in choices if dataclasses.is_dataclass(choice)), None)


def leaf_keys(key: str, value: Any) -> Iterator[str]:
    """Yield the dotted keys of all values in ``value``, which is at ``key``."""
    if isinstance(value, Mapping) and value:
        for name, entry in value.items():
            yield from leaf_keys(f"{key}.{name}", entry)
    else:
        yield key


def check_overrides_are_read(
    schema: type, keys: Iterable[str], sections: Mapping[str, type], engine: EngineName
) -> None:
    """Raise ConfigError for an overridden key without effect.

    Args:
        schema: the root schema.
        keys: dotted keys of overrides. Keys in YAML files are not checked, so that files for Isaac Sim work.
        sections: schemas by dotted key, which replace those in ``schema``.
        engine: the engine that simulates.
    """
    for key in keys:
        metadata = _find(schema, key, sections, engine)[1]
        if metadata:
            raise ConfigError(f"{key}: has no effect; {metadata[_UNREAD]}.")


def check_overrides_have_effect(config: Any, keys: Iterable[str]) -> None:
    """Raise ConfigError for an overridden key that other values of its section make ineffective.

    Args:
        config: the validated configuration. A section may have a method ``idle_keys``, which returns such keys and
            sections below it, with the reason.
        keys: dotted keys of overrides.
    """
    for key in keys:
        section: Any = config
        names = key.split(".")
        for depth, name in enumerate(names):
            below = ".".join(names[depth:])
            for idle, reason in section.idle_keys().items() if hasattr(section, "idle_keys") else ():
                if f"{below}.".startswith(f"{idle}."):
                    raise ConfigError(f"{key}: has no effect {reason}.")
            section = getattr(section, name, None)


def keys_without_effect(
    schema: type, keys: Iterable[str], sections: Mapping[str, type], engine: EngineName
) -> list[str]:
    """Return those of ``keys`` that nothing reads and that do not have the value of another key, either.

    Instead of the keys of a section that is not read as a whole, the key of the section is returned.

    Args:
        schema: the root schema.
        keys: dotted keys.
        sections: schemas by dotted key, which replace those in ``schema``.
        engine: the engine that simulates.
    """
    found: dict[str, None] = {}
    for key in keys:
        _, metadata, path = _find(schema, key, sections, engine)
        if metadata and _FOLLOWS not in metadata:
            found[path] = None
    return list(found)


def brief_keys(keys: Iterable[str]) -> str:
    """Return dotted keys in a short form, ``section.{a, b}`` for those of one section."""
    sections: dict[str, list[str]] = {}
    for key in keys:
        section, _, name = key.rpartition(".")
        sections.setdefault(section, []).append(name)
    return ", ".join(
        f"{section}.{{{', '.join(names)}}}" if len(names) > 1 else f"{section}.{names[0]}".lstrip(".")
        for section, names in sections.items()
    )
