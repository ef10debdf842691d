"""The description of a hand, from which an in-hand task makes its scene."""

from dataclasses import dataclass

from oige_core import ArticulationAsset

__all__ = ["Hand"]

GOAL_HEIGHT = -0.04  # m, above the initial position of the object
GOAL_DISPLAY = (-0.2, -0.06, 0.12)  # m, from the goal to where it is shown


@dataclass(frozen=True, kw_only=True)
class Hand:
    """A hand and the object above its palm.

    Attributes:
        name: name of the scene element.
        asset: the robot.
        actuated_joints: names of the joints that actions drive. Actions are in the breadth-first order of joints.
        object_position: initial position of the object, in m.
        position: position of the root link, in m.
        orientation: orientation of the root link, w, x, y, z.
        fingertips: names of the observed fingertips.
    """

    name: str
    asset: ArticulationAsset
    actuated_joints: tuple[str, ...]
    object_position: tuple[float, float, float]
    position: tuple[float, float, float] = (0.0, 0.0, 0.5)
    orientation: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
    fingertips: tuple[str, ...] = ()

    @property
    def goal_position(self) -> tuple[float, float, float]:
        """Position of the goal, in m."""
        x, y, z = self.object_position
        return x, y, z + GOAL_HEIGHT

    @property
    def goal_display(self) -> tuple[float, float, float]:
        """Position of the marker that shows the goal beside the hand, in m."""
        x, y, z = (at + offset for at, offset in zip(self.goal_position, GOAL_DISPLAY, strict=True))
        return x, y, z
