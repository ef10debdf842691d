"""Typed, validated configuration of simulations and tasks."""

from oige_core.config.load import CORE_CFG, compose, validate
from oige_core.config.resolvers import register_resolvers
from oige_core.config.schema import (
    ActorConfig,
    DefaultPhysicsMaterialConfig,
    EnvConfig,
    MujocoConfig,
    PhysxConfig,
    RunConfig,
    SimConfig,
    TaskConfig,
    ViewportConfig,
)

__all__ = [
    "CORE_CFG",
    "ActorConfig",
    "DefaultPhysicsMaterialConfig",
    "EnvConfig",
    "MujocoConfig",
    "PhysxConfig",
    "RunConfig",
    "SimConfig",
    "TaskConfig",
    "ViewportConfig",
    "compose",
    "register_resolvers",
    "validate",
]
