"""The hands whose tasks are recorded: joints in breadth-first order, with limits of IsaacGymEnvs, in rad."""

from dataclasses import dataclass, replace

__all__ = ["HANDS", "Hand"]


@dataclass(frozen=True, kw_only=True)
class Hand:
    """A hand and its task.

    Attributes:
        class_path: see :func:`~tools.golden_vectors.original.make_task`.
        limits_by_joint: lower and upper limits.
        driven: joints that actions drive.
        fingertips: links whose wrenches are observed.
        observation_types: values of ``observationType``; the first is that of the task.
    """

    class_path: str
    limits_by_joint: dict[str, tuple[float, float]]
    driven: tuple[str, ...]
    fingertips: tuple[str, ...] = ()
    observation_types: tuple[str, ...]

    @property
    def joints(self) -> list[str]:
        """Names of the joints."""
        return list(self.limits_by_joint)

    @property
    def limits(self) -> list[tuple[float, float]]:
        """Limits of the joints."""
        return list(self.limits_by_joint.values())

    @property
    def links(self) -> list[str]:
        """Names of the links."""
        return ["hand", *self.fingertips]


SPREAD, BEND = (-0.349, 0.349), (0.0, 1.571)
SHADOW_LIMITS = {
    "WRJ1": (-0.489, 0.14),
    "WRJ0": (-0.698, 0.489),
    "FFJ3": SPREAD,
    "MFJ3": SPREAD,
    "RFJ3": SPREAD,
    "LFJ4": (0.0, 0.785),
    "THJ4": (-1.047, 1.047),
    "FFJ2": BEND,
    "MFJ2": BEND,
    "RFJ2": BEND,
    "LFJ3": SPREAD,
    "THJ3": (0.0, 1.222),
    "FFJ1": BEND,
    "MFJ1": BEND,
    "RFJ1": BEND,
    "LFJ2": BEND,
    "THJ2": (-0.209, 0.209),
    "FFJ0": BEND,
    "MFJ0": BEND,
    "RFJ0": BEND,
    "LFJ1": BEND,
    "THJ1": (-0.524, 0.524),
    "LFJ0": BEND,
    "THJ0": (-1.571, 0.0),
}
FOLLOWING = ("FFJ0", "MFJ0", "RFJ0", "LFJ0")  # tendons couple them to J1
SHADOW_HAND = Hand(
    class_path="shadow_hand:ShadowHandTask",
    limits_by_joint={f"robot0_{name}": limits for name, limits in SHADOW_LIMITS.items()},
    driven=tuple(f"robot0_{name}" for name in SHADOW_LIMITS if name not in FOLLOWING),
    fingertips=tuple(f"robot0_{finger}distal" for finger in ("ff", "mf", "rf", "lf", "th")),
    observation_types=("full", "openai", "full_no_vel", "full_state"),
)
CURL = (-0.2792, 1.7278)
THUMB = ((0.2792, 1.5708), (-0.3316, 1.1519), CURL, (-0.2792, 1.7627))
ALLEGRO_LIMITS = {
    f"{finger}_joint_{joint}": THUMB[joint] if finger == "thumb" else CURL if joint else (-0.5585, 0.5585)
    for joint in range(4)
    for finger in ("index", "middle", "ring", "thumb")
}
HANDS = {
    "ShadowHand": SHADOW_HAND,
    "ShadowHandOpenAI_FF": replace(SHADOW_HAND, observation_types=("openai",)),
    "ShadowHandOpenAI_LSTM": replace(SHADOW_HAND, observation_types=("openai",)),
    "AllegroHand": Hand(
        class_path="allegro_hand:AllegroHandTask",
        limits_by_joint=ALLEGRO_LIMITS,
        driven=tuple(ALLEGRO_LIMITS),
        observation_types=("full", "full_no_vel"),
    ),
}
"""Hands by the name of the task."""
