"""Typed, validated configuration of simulations and tasks."""

from oige_core.config.load import CORE_CFG, check_task_name, compose, validate
from oige_core.config.resolvers import register_resolvers
from oige_core.config.schema import (
    ActorConfig,
    DefaultPhysicsMaterialConfig,
    DomainRandomizationConfig,
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
    "DomainRandomizationConfig",
    "EnvConfig",
    "MujocoConfig",
    "PhysxConfig",
    "RunConfig",
    "SimConfig",
    "TaskConfig",
    "ViewportConfig",
    "check_task_name",
    "compose",
    "register_resolvers",
    "validate",
]
