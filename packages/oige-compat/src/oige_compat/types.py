"""``omni.isaac.core.utils.types``: records of states and actions."""

from dataclasses import dataclass
from typing import Any

__all__ = ["ArticulationAction", "ArticulationActions", "DynamicsViewState", "JointsState", "XFormPrimViewState"]


@dataclass
class ArticulationActions:
    """Targets ``(n, d)`` and efforts of drives; None keeps them."""

    joint_positions: Any = None
    joint_velocities: Any = None
    joint_efforts: Any = None
    joint_indices: Any = None


class ArticulationAction(ArticulationActions):
    """The same for one articulation."""


@dataclass
class JointsState:
    """Positions, velocities and efforts of joints."""

    positions: Any
    velocities: Any
    efforts: Any


@dataclass
class XFormPrimViewState:
    """Positions and orientations of prims."""

    positions: Any
    orientations: Any


@dataclass
class DynamicsViewState(XFormPrimViewState):
    """Poses and velocities of bodies."""

    linear_velocities: Any
    angular_velocities: Any
