"""Typed, validated configuration of simulations and tasks."""

from oige_core.config.control_schema import ControlConfig
from oige_core.config.fields import unread
from oige_core.config.load import CORE_CFG, compose, validate
from oige_core.config.renamed import Renamed, control_steps
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
    check_choice,
    check_positive,
    check_range,
)

__all__ = [
    "CORE_CFG",
    "ActorConfig",
    "ControlConfig",
    "DefaultPhysicsMaterialConfig",
    "DomainRandomizationConfig",
    "EnvConfig",
    "MujocoConfig",
    "PhysxConfig",
    "Renamed",
    "RunConfig",
    "SimConfig",
    "TaskConfig",
    "ViewportConfig",
    "check_choice",
    "check_positive",
    "check_range",
    "compose",
    "control_steps",
    "register_resolvers",
    "unread",
    "validate",
]
