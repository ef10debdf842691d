"""ShadowHand, ShadowHandOpenAI_FF and ShadowHandOpenAI_LSTM.

Task: a Shadow Dexterous Hand turns a cube on its palm to one goal orientation after another.
Randomisation: orientations of the cube and the goal, position of the cube (±0.01 m along each axis), and joints (a
fifth of their range) at each reset; the goal whenever it is reached.
Success: the number of goals reached in an episode.
"""

from oige_tasks_manipulation.in_hand.hand import Hand
from oige_tasks_manipulation.in_hand.task import InHandTask
from oige_tasks_manipulation.shadow_hand import ShadowHandConfig
from oige_tasks_manipulation.shadow_hand.description import FINGERTIPS
from oige_tasks_manipulation.shadow_hand.robot import ACTUATED_JOINTS, SHADOW_HAND

__all__ = ["ShadowHandTask"]


class ShadowHandTask(InHandTask[ShadowHandConfig]):
    """See the module and :class:`~oige_tasks_manipulation.in_hand.task.InHandTask`."""

    hand = Hand(
        name="shadow_hand",
        asset=SHADOW_HAND,
        actuated_joints=ACTUATED_JOINTS,
        fingertips=FINGERTIPS,
        object_position=(0.0, -0.39, 0.6),
    )
