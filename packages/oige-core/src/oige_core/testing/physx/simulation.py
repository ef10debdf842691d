"""Stand-in of the simulation view of ``omni.physics.tensors`` with the front end ``torch``."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

import torch

from oige_core.testing.physx.articulations import ArticulationView
from oige_core.testing.physx.bodies import RigidBodyView, RigidContactView
from oige_core.testing.physx.runtime import PhysxRuntime

__all__ = ["Float3", "ObjectType", "SimulationView"]


class Float3(NamedTuple):
    """Three numbers, as ``carb.Float3`` has them."""

    x: float
    y: float
    z: float


class ObjectType(IntEnum):
    """Types of physics objects."""

    Invalid = 0
    RigidBody = 1
    Articulation = 2
    ArticulationLink = 3
    ArticulationRootLink = 4
    ArticulationJoint = 5


class SimulationView:
    """Makes the views of a running simulation."""

    device_ordinal = -1
    cuda_context = None

    def __init__(self, runtime: PhysxRuntime) -> None:
        self._runtime = runtime
        self.device = torch.device("cpu")
        self.is_valid = True

    def create_articulation_view(self, pattern: str | Sequence[str]) -> ArticulationView:
        """Return a view of articulations by paths or patterns of their root prims."""
        return ArticulationView(self._runtime, pattern)

    def create_rigid_body_view(self, pattern: str | Sequence[str]) -> RigidBodyView:
        """Return a view of rigid bodies by paths or patterns."""
        return RigidBodyView(self._runtime, pattern)

    def create_rigid_contact_view(
        self, pattern: str | Sequence[str], filter_patterns: Sequence[Any] = (), max_contact_data_count: int = 0
    ) -> RigidContactView:
        """Return a view of the contacts of rigid bodies by paths or patterns."""
        return RigidContactView(self._runtime, pattern, filter_patterns, max_contact_data_count)

    def get_object_type(self, path: str) -> ObjectType:
        """Return what the physics object at a path is."""
        number = self._runtime.object_type(path)
        return ObjectType(number) if number in ObjectType else ObjectType.Invalid

    def get_gravity(self) -> Float3:
        """Return the gravity of the physics scene, in m/s²."""
        return Float3(*self._runtime.gravity)

    def set_gravity(self, gravity: Float3) -> bool:
        """Set the gravity of the physics scene, in m/s²."""
        self._runtime.set_gravity((gravity.x, gravity.y, gravity.z))
        return True

    def update_articulations_kinematic(self) -> bool:
        """Compute poses and velocities of links from positions and velocities of joints."""
        self._runtime.update_kinematics()
        return True

    def invalidate(self) -> None:
        """Mark the view as not to be used."""
        self.is_valid = False

    def check(self) -> bool:
        """Return whether the simulation runs."""
        return self.is_valid
