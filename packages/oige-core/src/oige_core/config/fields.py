"""Keys that YAML files may contain although nothing reads them, and the error for overrides of them."""

import dataclasses
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from oige_core.errors import ConfigError

__all__ = [
    "ISAAC_SIM_ONLY",
    "brief_keys",
    "check_overrides_are_read",
    "field_type",
    "follows",
    "keys_without_effect",
    "leaf_keys",
    "takes_text",
    "unread",
]

_UNREAD = "unread"
_FOLLOWS = "follows"


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


ISAAC_SIM_ONLY = unread("read by Isaac Sim only, not by the embedded engine; leave it out")


def field_type(schema: type, key: str, sections: Mapping[str, type]) -> tuple[Any, str | None]:
    """Return the type of a dotted key and, if nothing reads it, the advice for an override.

    Args:
        schema: the root schema.
        key: dotted key; the type of an unknown key is None.
        sections: schemas by dotted key, which replace those in ``schema``.
    """
    expected, metadata, _ = _find(schema, key, sections)
    return expected, metadata.get(_UNREAD)


def _find(schema: type, key: str, sections: Mapping[str, type]) -> tuple[Any, Mapping[str, str], str]:
    """Return the type of a dotted key, or None; the metadata of it or of a section that contains it, and their key."""
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
        if _UNREAD in fields[name].metadata:
            return hints[name], fields[name].metadata, path
        expected = sections.get(path, hints[name])
    return expected, {}, key


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


def check_overrides_are_read(schema: type, keys: Iterable[str], sections: Mapping[str, type]) -> None:
    """Raise ConfigError for an overridden key without effect.

    Args:
        schema: the root schema.
        keys: dotted keys of overrides. Keys in YAML files are not checked, so that files for Isaac Sim work.
        sections: schemas by dotted key, which replace those in ``schema``.
    """
    for key in keys:
        instead = field_type(schema, key, sections)[1]
        if instead is not None:
            raise ConfigError(f"{key}: has no effect; {instead}.")


def keys_without_effect(schema: type, keys: Iterable[str], sections: Mapping[str, type]) -> list[str]:
    """Return those of ``keys`` that nothing reads and that do not have the value of another key, either.

    Instead of the keys of a section that is not read as a whole, the key of the section is returned.

    Args:
        schema: the root schema.
        keys: dotted keys.
        sections: schemas by dotted key, which replace those in ``schema``.
    """
    found: dict[str, None] = {}
    for key in keys:
        _, metadata, path = _find(schema, key, sections)
        if _UNREAD in metadata and _FOLLOWS not in metadata:
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
