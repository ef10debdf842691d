"""The OmegaConf resolvers that the configuration files of OmniIsaacGymEnvs use."""

from typing import Any

from omegaconf import OmegaConf

__all__ = ["register_resolvers"]


def register_resolvers() -> None:
    """Register ``eq``, ``contains``, ``if`` and ``resolve_default``; may be called repeatedly.

    * ``${eq:a,b}``: whether two strings are equal, ignoring case.
    * ``${contains:a,b}``: whether b contains a, ignoring case.
    * ``${if:predicate,a,b}``: a if the predicate is true, else b.
    * ``${resolve_default:default,argument}``: the argument, or the default if it is empty.
    """
    resolvers: dict[str, Any] = {
        "eq": lambda a, b: str(a).lower() == str(b).lower(),
        "contains": lambda a, b: str(a).lower() in str(b).lower(),
        "if": lambda predicate, a, b: a if predicate else b,
        "resolve_default": lambda default, argument: default if argument in ("", None) else argument,
    }
    for name, resolver in resolvers.items():
        if not OmegaConf.has_resolver(name):
            OmegaConf.register_new_resolver(name, resolver)
