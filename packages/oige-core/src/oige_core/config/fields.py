"""Keys that a configuration file may hold although nothing reads them here, and what an override of one is told."""

import dataclasses
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from oige_core.errors import ConfigError

__all__ = ["ISAAC_SIM_ONLY", "check_overrides_are_read", "field_type", "leaf_keys", "unread"]

_UNREAD = "unread"


def unread(instead: str) -> dict[str, str]:
    """Return the metadata of a dataclass field that YAML files may set but that nothing reads.

    Args:
        instead: what an override of the key is answered, such as "set seed instead".
    """
    return {_UNREAD: instead}


ISAAC_SIM_ONLY = unread("read by Isaac Sim only, not by the embedded engine; leave it out")


def field_type(schema: type, key: str, sections: Mapping[str, type]) -> tuple[Any, str | None]:
    """Return the type of a dotted key, and what an override is answered where nothing reads it.

    Args:
        schema: the root.
        key: dotted key; one that the schema does not know has the type None.
        sections: schemas by dotted key, in place of those that ``schema`` names.
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
            return None, None
        fields = {field.name: field for field in dataclasses.fields(expected)}
        hints = typing.get_type_hints(expected)
        if name not in fields:
            # Blocks of task.sim that are named after scene elements.
            if "actors" not in fields:
                return None, None
            expected = typing.get_args(hints["actors"])[1]
            continue
        if _UNREAD in fields[name].metadata:
            return hints[name], fields[name].metadata[_UNREAD]
        expected = sections.get(path, hints[name])
    return expected, None


def _section(expected: Any) -> Any:
    """Return the dataclass that a type is or may be, or None."""
    choices = [expected, *typing.get_args(expected)]
    return next((choice for choice in choices if dataclasses.is_dataclass(choice)), None)


def leaf_keys(key: str, value: Any) -> Iterator[str]:
    """Yield the dotted keys of all values of ``value``, which is set at ``key``."""
    if isinstance(value, Mapping) and value:
        for name, entry in value.items():
            yield from leaf_keys(f"{key}.{name}", entry)
    else:
        yield key


def check_overrides_are_read(schema: type, keys: Iterable[str], sections: Mapping[str, type]) -> None:
    """Raise ConfigError for an overridden key that does nothing.

    Args:
        schema: the root.
        keys: dotted keys that the user set; those that a YAML file sets are not judged, so that files which are
            written for Isaac Sim work.
        sections: schemas by dotted key, in place of those that ``schema`` names.
    """
    for key in keys:
        instead = field_type(schema, key, sections)[1]
        if instead is not None:
            raise ConfigError(f"{key}: has no effect; {instead}.")
