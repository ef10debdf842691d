"""What engines can do beyond bodies, joints and drives."""

from collections.abc import Mapping
from typing import Literal, Protocol

from oige_core.errors import CapabilityError

__all__ = ["CAPABILITIES", "Capability", "Capable", "require"]

Capability = Literal["cameras", "contact_forces", "height_fields", "joint_forces", "restitution", "static_friction"]

CAPABILITIES: Mapping[str, frozenset[Capability]] = {
    "MuJoCo": frozenset({"cameras", "contact_forces", "height_fields", "joint_forces"}),
    "Isaac Sim": frozenset(
        {"cameras", "contact_forces", "height_fields", "joint_forces", "restitution", "static_friction"}
    ),
}
"""What each engine has, by its name; an engine's ``capabilities`` are its row."""

_DESCRIPTIONS: Mapping[Capability, str] = {
    "cameras": "cameras",
    "contact_forces": "measured contact forces",
    "height_fields": "height fields",
    "joint_forces": "measured joint forces",
    "restitution": "restitution",
    "static_friction": "static friction apart from dynamic friction",
}


class Capable(Protocol):
    """The part of an engine that is asked."""

    @property
    def name(self) -> str:
        """The engine's name in messages."""
        ...

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do."""
        ...


def require(engine: Capable, capability: Capability, what: str, remedy: str = "") -> None:
    """Raise unless an engine can do something.

    Args:
        engine: the engine.
        capability: what it must be able to do.
        what: what asks for it, with which the message begins.
        remedy: what to do on an engine that cannot, a sentence.

    Raises:
        CapabilityError: it cannot; the message names the engine, and those that can.
    """
    if capability in engine.capabilities:
        return
    others = " and ".join(name for name, known in CAPABILITIES.items() if capability in known and name != engine.name)
    raise CapabilityError(
        f"{what}: the engine {engine.name} has no {_DESCRIPTIONS[capability]}; only {others or 'no engine'} has. "
        f"{remedy}".rstrip()
    )
