"""Features of engines beyond bodies, joints and drives."""

from collections.abc import Mapping
from typing import Literal, Protocol

from oige_core.errors import CapabilityError

__all__ = ["CAPABILITIES", "Capability", "Capable", "missing", "require"]

Capability = Literal[
    "cameras",
    "contact_forces",
    "contact_offsets",
    "height_fields",
    "joint_forces",
    "restitution",
    "static_friction",
]

CAPABILITIES: Mapping[str, frozenset[Capability]] = {
    "MuJoCo": frozenset({"cameras", "contact_forces", "height_fields", "joint_forces"}),
    "Isaac Sim": frozenset(
        {
            "cameras",
            "contact_forces",
            "contact_offsets",
            "height_fields",
            "joint_forces",
            "restitution",
            "static_friction",
        }
    ),
}
"""Capabilities by name of the engine."""

_DESCRIPTIONS: Mapping[Capability, str] = {
    "cameras": "cameras",
    "contact_forces": "measured contact forces",
    "contact_offsets": "contact offsets, because its contacts act only from the rest offset on",
    "height_fields": "height fields",
    "joint_forces": "measured joint forces",
    "restitution": "restitution",
    "static_friction": "static friction that differs from dynamic friction",
}


class Capable(Protocol):
    """The part of an engine that :func:`require` uses."""

    @property
    def name(self) -> str:
        """The engine's name in messages."""
        ...

    @property
    def capabilities(self) -> frozenset[Capability]:
        """The engine's capabilities."""
        ...


def require(engine: Capable, capability: Capability, what: str, remedy: str = "") -> None:
    """Raise the error of :func:`missing` unless an engine has a capability."""
    if capability not in engine.capabilities:
        raise missing(engine, capability, what, remedy)


def missing(engine: Capable, capability: Capability, what: str, remedy: str = "") -> CapabilityError:
    """Return the error of an engine without a capability; it names the engines that have it.

    Args:
        engine: the engine.
        capability: the required capability.
        what: what requires it; the message starts with this.
        remedy: a sentence that says what to do on an engine without it.
    """
    others = " and ".join(name for name, known in CAPABILITIES.items() if capability in known and name != engine.name)
    return CapabilityError(
        f"{what}: the engine {engine.name} does not support {_DESCRIPTIONS[capability]}; supported by: "
        f"{others or 'none'}. {remedy}".rstrip()
    )
