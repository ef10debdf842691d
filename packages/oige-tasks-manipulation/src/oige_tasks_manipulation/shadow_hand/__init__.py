"""ShadowHand and its OpenAI variants: a Shadow Dexterous Hand turns a cube."""

from collections.abc import Sequence
from dataclasses import dataclass

from oige_core import TaskSpec

from oige_tasks_manipulation.in_hand import FULL_STATE, RENAMED, InHandConfig, Layouts

__all__ = ["SHADOW_HAND", "ShadowHandConfig"]

POSES = ("object_pose", "goal_pose", "goal_difference", "fingertip_positions", "actions")


@dataclass(kw_only=True)
class ShadowHandConfig(InHandConfig):
    """The ``task.env`` section of ShadowHand, ShadowHandOpenAI_FF and ShadowHandOpenAI_LSTM.

    Attributes:
        observationType: ``full``: 157 numbers; ``full_no_vel``: 77, without velocities and orientations of fingertips;
            ``openai``: 42, without joints, the object's orientation and the goal, but with the rotation between them;
            ``full_state``: 187, ``full`` and the wrenches on fingertips.
        asymmetric_observations: the critic observes the 187 numbers of ``full_state``.
    """

    layouts = Layouts(
        joints=24,
        actions=20,
        fingertips=5,
        observations={
            "full_no_vel": ("joint_positions", *POSES),
            "full": tuple(part for part in FULL_STATE if part != "fingertip_wrenches"),
            "openai": ("fingertip_positions", "object_position", "goal_difference", "actions"),
            "full_state": FULL_STATE,
        },
    )

    asymmetric_observations: bool = False

    @property
    def state_parts(self) -> Sequence[str]:
        """Parts of privileged states; none without an asymmetric critic."""
        return FULL_STATE if self.asymmetric_observations else ()


SHADOW_HAND = TaskSpec(
    task="oige_tasks_manipulation.shadow_hand.task:ShadowHandTask",
    description="oige_tasks_manipulation.shadow_hand.description:describe_shadow_hand",
    env=ShadowHandConfig,
    observation_shape=ShadowHandConfig.observation_shape,
    num_actions=20,
    num_states=ShadowHandConfig.num_states,
    original_ends_early=True,
    renamed=RENAMED,
)
