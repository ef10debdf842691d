"""Features of engines beyond bodies, joints and drives."""

from collections.abc import Mapping
from typing import Literal, Protocol

from oige_core.errors import CapabilityError

__all__ = ["CAPABILITIES", "Capability", "Capable", "missing", "require"]

Capability = Literal[
    "body_joints",
    "branched_tendons",
    "cameras",
    "contact_forces",
    "contact_friction",
    "contact_offsets",
    "deformables",
    "deterministic",
    "drawing",
    "exact_state",
    "floating_bases",
    "gravity_per_world",
    "height_fields",
    "jacobians",
    "joint_forces",
    "joint_friction_force",
    "lights",
    "penetration",
    "restitution",
    "scales",
    "static_friction",
    "variants",
    "warp",
]

CAPABILITIES: Mapping[str, frozenset[Capability]] = {
    "MuJoCo": frozenset(
        {
            "body_joints",
            "branched_tendons",
            "cameras",
            "contact_forces",
            "contact_friction",
            "deformables",
            "deterministic",
            "drawing",
            "exact_state",
            "floating_bases",
            "gravity_per_world",
            "height_fields",
            "jacobians",
            "joint_forces",
            "joint_friction_force",
            "lights",
            "penetration",
            "scales",
            "variants",
            "warp",
        }
    ),
    "Isaac Sim": frozenset(
        {
            "cameras",
            "contact_forces",
            "contact_offsets",
            "floating_bases",
            "height_fields",
            "jacobians",
            "joint_forces",
            "joint_friction_force",
            "restitution",
            "static_friction",
        }
    ),
}
"""Capabilities by name of the engine. Some releases of Isaac Sim have fewer."""

_DESCRIPTIONS: Mapping[Capability, str] = {
    "body_joints": "joints between bodies of different elements",
    "branched_tendons": "fixed tendons over joints of branches that no joint moves together",
    "cameras": "cameras",
    "contact_forces": "measured contact forces",
    "contact_friction": "friction in measured contact forces",
    "contact_offsets": "contact offsets, because its contacts act only from the rest offset on",
    "deformables": "soft bodies",
    "deterministic": "the same results in each run of a seed",
    "drawing": "drawing of its worlds in the viewer and in images of them",
    "exact_state": "states that are restored exactly, because its solver keeps some that cannot be read",
    "floating_bases": "articulations with a free root",
    "gravity_per_world": "gravity that differs between worlds",
    "height_fields": "height fields",
    "jacobians": "Jacobians, mass matrices and generalised forces",
    "joint_forces": "measured joint forces",
    "joint_friction_force": "dry friction of joints as a force",
    "lights": "lights that differ between worlds",
    "penetration": "depths of contacts",
    "restitution": "restitution",
    "scales": "sizes that change after the build",
    "static_friction": "static friction that differs from dynamic friction",
    "variants": "bodies from files that differ between worlds",
    "warp": "Warp variants of tasks",
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
