"""AllegroHand.

Task: an Allegro Hand turns a cube on its palm to one goal orientation after another.
Randomisation: orientations of the cube and the goal, position of the cube (±0.01 m along each axis), and joints (a
fifth of their range) at each reset; the goal whenever it is reached.
Success: the number of goals reached in an episode.
"""

from oige_tasks_manipulation.allegro_hand import AllegroHandConfig
from oige_tasks_manipulation.allegro_hand.description import JOINT_NAMES
from oige_tasks_manipulation.allegro_hand.robot import ALLEGRO_HAND
from oige_tasks_manipulation.in_hand.hand import Hand
from oige_tasks_manipulation.in_hand.task import InHandTask

__all__ = ["AllegroHandTask"]


class AllegroHandTask(InHandTask[AllegroHandConfig]):
    """See the module and :class:`~oige_tasks_manipulation.in_hand.task.InHandTask`."""

    hand = Hand(
        name="allegro_hand",
        asset=ALLEGRO_HAND,
        actuated_joints=JOINT_NAMES,
        position=(0.0, 0.0, 0.5),
        orientation=(0.257551, 0.283045, 0.683330, -0.621782),
        object_position=(0.0, -0.2, 0.56),
    )
