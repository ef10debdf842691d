"""What tasks for Isaac Sim 2022 read from ``_physics_view``, PhysX's own view of articulations."""

from typing import Any

import torch

from oige_compat.errors import CompatError, ServedNameError, caller, missing

__all__ = ["PhysicsView"]

FINGERS = ("ff", "mf", "rf", "lf", "th")
SENSING_LINKS = (
    ("front_left_foot", "front_right_foot", "left_back_foot", "right_back_foot"),
    ("left_foot", "right_foot"),
    ("upper_leg0", "upper_leg1", "upper_leg2"),
    tuple(f"robot0:{finger}distal" for finger in FINGERS),
)
"""Links with force sensors of Isaac Sim's ant, humanoid, balance bot and shadow hand."""


class PhysicsView:
    """PhysX's view of articulations.

    Args:
        view: the view of the script.
    """

    def __init__(self, view: Any) -> None:
        self._view = view

    def get_jacobians(self) -> torch.Tensor:
        """Return Jacobians of the links."""
        return self._view.get_jacobians()

    def get_force_sensor_forces(self) -> torch.Tensor:
        """Return wrenches ``(n, sensors, 6)`` in N and N·m: those of the joints of the links that have a sensor.

        Raises:
            CompatError: the robot is none of Isaac Sim's with force sensors.
        """
        names = self._view.body_names
        for links in SENSING_LINKS:
            if set(links) <= set(names):
                indices = [names.index(link) for link in links]
                return self._view.get_measured_joint_forces(joint_indices=indices)
        raise CompatError(
            f"get_force_sensor_forces (used in {caller()}): the links of this robot with force sensors are not known; "
            "call get_measured_joint_forces."
        )

    def __getattr__(self, name: str) -> Any:
        raise ServedNameError(missing(f"_physics_view.{name}"))
