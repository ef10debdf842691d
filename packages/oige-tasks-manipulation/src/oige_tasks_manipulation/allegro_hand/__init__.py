"""AllegroHand: an Allegro Hand turns a cube."""

from dataclasses import dataclass

from oige_core import TaskSpec

from oige_tasks_manipulation.in_hand import RENAMED, InHandConfig, Layouts

__all__ = ["ALLEGRO_HAND", "AllegroHandConfig"]


@dataclass(kw_only=True)
class AllegroHandConfig(InHandConfig):
    """The ``task.env`` section of AllegroHand.

    Attributes:
        observationType: ``full``: 72 numbers; ``full_no_vel``: 50, without velocities.
    """

    layouts = Layouts(
        joints=16,
        actions=16,
        observations={
            "full_no_vel": ("joint_positions", "object_pose", "goal_pose", "goal_difference", "actions"),
            "full": (
                "joint_positions",
                "joint_velocities",
                "object_pose",
                "object_velocity",
                "goal_pose",
                "goal_difference",
                "actions",
            ),
        },
    )


ALLEGRO_HAND = TaskSpec(
    task="oige_tasks_manipulation.allegro_hand.task:AllegroHandTask",
    description="oige_tasks_manipulation.allegro_hand.description:describe_allegro_hand",
    env=AllegroHandConfig,
    observation_shape=AllegroHandConfig.observation_shape,
    num_actions=16,
    original_ends_early=True,
    renamed=RENAMED,
)
