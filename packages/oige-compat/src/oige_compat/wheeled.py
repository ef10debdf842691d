"""``omni.isaac.wheeled_robots``: robots with two driven wheels, and how fast their wheels turn."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from oige_compat.errors import CompatError, caller
from oige_compat.objects import Robot
from oige_compat.stage import add_reference_to_stage
from oige_compat.types import ArticulationAction

__all__ = ["DifferentialController", "WheeledRobot"]


class WheeledRobot(Robot):
    """A robot with wheels.

    Args:
        prim_path: path of the prim.
        name: name in the scene.
        wheel_dof_names: names of the driven wheels' joints.
        wheel_dof_indices: without effect; views look up joints by name.
        usd_path: USD file; by default the prim has one.
        create_robot: whether to load the file.
        further: see :class:`~oige_compat.objects.XFormPrim`.
    """

    def __init__(
        self,
        prim_path: str,
        name: str = "wheeled_robot",
        robot_path: str | None = None,
        wheel_dof_names: Sequence[str] | None = None,
        wheel_dof_indices: Sequence[int] | None = None,
        usd_path: str | None = None,
        create_robot: bool = False,
        **further: Any,
    ) -> None:
        self.wheel_dof_names = list(wheel_dof_names or ())
        if create_robot and usd_path is not None:
            add_reference_to_stage(usd_path, prim_path)
        super().__init__(prim_path, name, **further)


class DifferentialController:
    """Speeds of two wheels for a commanded velocity.

    Args:
        name: name of the controller.
        wheel_radius: radius of the wheels in m.
        wheel_base: distance between the wheels in m.
        further: limits of speeds, which are not served.

    Raises:
        CompatError: a limit is given.
    """

    def __init__(self, name: str, wheel_radius: float, wheel_base: float, **further: float) -> None:
        if further:
            raise CompatError(
                f"DifferentialController({', '.join(further)}) (used in {caller()}): limits are not served; clamp the "
                "commands."
            )
        self.wheel_radius, self.wheel_base = wheel_radius, wheel_base

    def forward(self, command: Any) -> ArticulationAction:
        """Return the speeds of the left and the right wheel in rad/s.

        Args:
            command: speed ahead in m/s and yaw rate in rad/s.
        """
        speed, yaw_rate = (float(part) for part in command)
        difference = yaw_rate * self.wheel_base / 2
        speeds = np.array([speed - difference, speed + difference]) / self.wheel_radius
        return ArticulationAction(joint_velocities=speeds)
