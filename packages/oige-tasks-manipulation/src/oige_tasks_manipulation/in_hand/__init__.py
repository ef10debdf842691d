"""What tasks share in which a hand turns a cube to one goal orientation after another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from oige_core import ConfigError, EnvConfig, Renamed, check_choice, check_positive, unread

__all__ = ["FULL_STATE", "RENAMED", "InHandConfig", "Layouts"]

UNUSED = unread("OmniIsaacGymEnvs does not use it; leave it out")
FORCES = unread("OmniIsaacGymEnvs does not use it; randomise the force on object_view, or leave it out")
LOGGED = unread("the statistics successes and consecutive_successes are always logged; leave it out")

FULL_STATE = (
    "joint_positions",
    "joint_velocities",
    "object_pose",
    "object_velocity",
    "goal_pose",
    "goal_difference",
    "fingertip_positions",
    "fingertip_orientations",
    "fingertip_velocities",
    "fingertip_wrenches",
    "actions",
)
"""All parts of observations, in their order."""

RENAMED = {"sim.default_material": Renamed("sim.default_physics_material")}
"""Keys of OmniIsaacGymEnvs that have another name here."""


@dataclass(frozen=True, kw_only=True)
class Layouts:
    """The parts that make up observations and states of a hand.

    ======================== =========================================================== ==================
    part                     meaning                                                     numbers
    ======================== =========================================================== ==================
    joint_positions          from −1 at the lower limit to 1 at the upper limit          joints
    joint_velocities         rad/s, multiplied by ``velObsScale``                        joints
    object_position          m                                                           3
    object_pose              position in m, orientation w, x, y, z                       7
    object_velocity          m/s, and rad/s multiplied by ``velObsScale``                6
    goal_pose                as ``object_pose``                                          7
    goal_difference          rotation from the goal to the object, w, x, y, z            4
    fingertip_positions      m                                                           3 · fingertips
    fingertip_orientations   w, x, y, z                                                  4 · fingertips
    fingertip_velocities     m/s and rad/s                                               6 · fingertips
    fingertip_wrenches       N and N·m, multiplied by 10                                 6 · fingertips
    actions                  those of the step                                           actions
    ======================== =========================================================== ==================

    Attributes:
        joints: number of joints.
        actions: number of actions.
        fingertips: number of fingertips.
        observations: parts by ``observationType``.
    """

    joints: int
    actions: int
    observations: Mapping[str, Sequence[str]]
    fingertips: int = 0

    def size(self, parts: Sequence[str]) -> int:
        """Return the number of numbers in parts."""
        sizes = {
            "joint_positions": self.joints,
            "joint_velocities": self.joints,
            "object_position": 3,
            "object_pose": 7,
            "object_velocity": 6,
            "goal_pose": 7,
            "goal_difference": 4,
            "fingertip_positions": 3 * self.fingertips,
            "fingertip_orientations": 4 * self.fingertips,
            "fingertip_velocities": 6 * self.fingertips,
            "fingertip_wrenches": 6 * self.fingertips,
            "actions": self.actions,
        }
        return sum(sizes[part] for part in parts)


@dataclass(kw_only=True)
class InHandConfig(EnvConfig):
    """The ``task.env`` section that in-hand tasks share.

    Attributes:
        resetTime: time limit of an episode, in s; if it is above 0, it replaces ``episodeLength``.
        useRelativeControl: actions move position targets, at a speed of ``dofSpeedScale``; otherwise they are the
            targets, from −1 at a joint's lower limit to 1 at its upper limit.
        dofSpeedScale: speed of the position targets at action 1, in rad/s; only with ``useRelativeControl``.
        actionsMovingAverage: weight of the new target in the exponential moving average of targets, above 0 and up
            to 1, which is no average; not with ``useRelativeControl``.
        startPositionNoise: key in files of OmniIsaacGymEnvs, which does not use it.
        startRotationNoise: key in files of OmniIsaacGymEnvs, which does not use it.
        resetPositionNoise: bound of the random offset of the object at a reset along each axis, in m.
        resetRotationNoise: key in files of OmniIsaacGymEnvs, which does not use it: orientations are random.
        resetDofPosRandomInterval: joint positions at a reset are uniform in this fraction of the range between the
            joint's limits and zero.
        resetDofVelRandomInterval: bound of joint velocities at a reset, in rad/s.
        forceScale, forceProbRange, forceDecay, forceDecayInterval: keys in files of OmniIsaacGymEnvs, which does not
            use them.
        distRewardScale: weight of the distance from the object to the goal, per m.
        rotRewardScale: weight of the alignment with the goal, the reciprocal of the angle plus ``rotEps``.
        rotEps: angle that bounds the alignment, in rad.
        actionPenaltyScale: weight of the sum of squared actions.
        reachGoalBonus: reward of reaching a goal.
        fallDistance: distance between object and goal at which the object has fallen, in m.
        fallPenalty: reward of a fall; half of it also for running out of time if ``maxConsecutiveSuccesses`` is not 0.
        velObsScale: scale of observed joint velocities and of the object's angular velocity.
        objectType: the object: ``block``, a cube of 5 cm.
        observationType: the parts of observations; see the task's record.
        successTolerance: angle between object and goal up to which the goal is reached, in rad.
        printNumSuccesses: key in files of OmniIsaacGymEnvs, which prints the number of successes in each step.
        maxConsecutiveSuccesses: number of goals after which an episode ends; each goal reached restarts its time. 0:
            any number in the time of one episode.
        averFactor: weight of the last episodes in the moving average of successes, ``consecutive_successes``.
    """

    layouts: ClassVar[Layouts]

    useRelativeControl: bool
    dofSpeedScale: float
    actionsMovingAverage: float
    resetPositionNoise: float
    resetDofPosRandomInterval: float
    resetDofVelRandomInterval: float
    distRewardScale: float
    rotRewardScale: float
    rotEps: float
    actionPenaltyScale: float
    reachGoalBonus: float
    fallDistance: float
    fallPenalty: float
    velObsScale: float
    observationType: str
    successTolerance: float
    maxConsecutiveSuccesses: int
    objectType: str = "block"
    averFactor: float = 0.1
    resetTime: float = -1.0
    forceScale: float = field(default=0.0, metadata=FORCES)
    forceProbRange: tuple[float, float] = field(default=(0.001, 0.1), metadata=FORCES)
    forceDecay: float = field(default=0.99, metadata=FORCES)
    forceDecayInterval: float = field(default=0.08, metadata=FORCES)
    startPositionNoise: float = field(default=0.01, metadata=UNUSED)
    startRotationNoise: float = field(default=0.0, metadata=UNUSED)
    resetRotationNoise: float = field(default=0.0, metadata=UNUSED)
    printNumSuccesses: bool = field(default=False, metadata=LOGGED)

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = self.forceProbRange
        self.forceProbRange = (low, high)  # values of files are lists
        check_choice("task.env.objectType", self.objectType, ("block",))
        check_choice("task.env.observationType", self.observationType, tuple(self.layouts.observations))
        for key in ("rotEps", "fallDistance", "successTolerance"):
            check_positive(f"task.env.{key}", getattr(self, key))
        for key in ("resetPositionNoise", "resetDofVelRandomInterval", "maxConsecutiveSuccesses"):
            check_positive(f"task.env.{key}", getattr(self, key), zero=True)
        for key in ("actionsMovingAverage", "averFactor"):
            if not 0 < getattr(self, key) <= 1:
                raise ConfigError(f"task.env.{key}={getattr(self, key)}: expected a number above 0 and up to 1.")
        if not 0 <= self.resetDofPosRandomInterval <= 1:
            raise ConfigError(
                f"task.env.resetDofPosRandomInterval={self.resetDofPosRandomInterval}: expected a fraction, 0 to 1."
            )

    @property
    def observed_parts(self) -> Sequence[str]:
        """Parts of observations."""
        return self.layouts.observations[self.observationType]

    @property
    def state_parts(self) -> Sequence[str]:
        """Parts of privileged states; none without an asymmetric critic."""
        return ()

    def observation_shape(self) -> tuple[int]:
        """Return the shape of one world's observation."""
        return (self.layouts.size(self.observed_parts),)

    def num_states(self) -> int:
        """Return the size of the privileged state."""
        return self.layouts.size(self.state_parts)
