"""Limits, collisions and actions of articulations, and settings of PhysX that have no counterpart."""

from typing import Any

from oige_compat.articulation_properties import ArticulationProperties
from oige_compat.errors import CompatError, caller
from oige_compat.session import session
from oige_compat.types import ArticulationActions
from oige_compat.warp_arrays import serves_warp

__all__ = ["ArticulationSettings"]


@serves_warp
class ArticulationSettings(ArticulationProperties):
    """Settings of ``ArticulationView``."""

    def set_joint_limits(self, values: Any, indices: Any = None, joint_indices: Any = None) -> None:
        """Set limits ``(n, d, 2)`` in rad or m."""
        self._set("set_dof_limits", values, indices, joint_indices)

    def get_applied_actions(self, clone: bool = True) -> ArticulationActions:
        """Return the efforts ``(n, d)`` that were set."""
        return ArticulationActions(joint_efforts=self._get("get_applied_joint_efforts", None, None))

    def set_enabled_self_collisions(self, flags: Any, indices: Any = None) -> None:
        """Let links collide with each other, or not, in all worlds.

        Raises:
            CompatError: the worlds exist, or the flags differ.
        """
        values = {bool(flag) for flag in (flags.tolist() if hasattr(flags, "tolist") else flags)}
        if session().engine is not None or len(values) > 1:
            raise CompatError(
                f"set_enabled_self_collisions (used in {caller()}): expected one value for all worlds, before they "
                "are built; set it in the YAML file instead."
            )
        from oige_compat.physx_schema import PhysxArticulationAPI

        for prim in self.prims:
            PhysxArticulationAPI.Apply(prim).CreateEnabledSelfCollisionsAttr(values == {True})

    def _without_effect(self, what: str, text: str) -> None:
        session().note(f"{what} of '{self.name}': {text}; it has no effect.")

    def set_solver_position_iteration_counts(self, counts: Any, indices: Any = None) -> None:
        """Say that iterations of PhysX have no effect."""
        self._without_effect("set_solver_position_iteration_counts", "iterations of PhysX's solver")

    def set_solver_velocity_iteration_counts(self, counts: Any, indices: Any = None) -> None:
        """Say that iterations of PhysX have no effect."""
        self._without_effect("set_solver_velocity_iteration_counts", "iterations of PhysX's solver")

    def set_sleep_thresholds(self, thresholds: Any, indices: Any = None) -> None:
        """Say that thresholds of PhysX have no effect."""
        self._without_effect("set_sleep_thresholds", "lets PhysX skip bodies that hardly move")

    def set_stabilization_thresholds(self, thresholds: Any, indices: Any = None) -> None:
        """Say that thresholds of PhysX have no effect."""
        self._without_effect("set_stabilization_thresholds", "lets PhysX skip bodies that hardly move")
