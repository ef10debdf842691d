"""Factory: a Franka picks up a nut, places it on a bolt and screws it on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, TypeVar

from oige_core import ConfigError, ControlConfig, EnvConfig, Renamed, TaskSpec, check_choice, check_positive, unread

from oige_tasks_manipulation.factory.sizes import SIZES

__all__ = [
    "NUM_ACTIONS",
    "NUT_BOLT",
    "NUT_BOLT_PICK",
    "NUT_BOLT_PLACE",
    "NUT_BOLT_SCREW",
    "RENAMED",
    "UNSUPPORTED",
    "FactoryActionConfig",
    "FactoryConfig",
    "FactoryRandomizeConfig",
    "FactoryRlConfig",
    "FingertipRandomizeConfig",
    "KeypointRlConfig",
    "NutBoltConfig",
    "NutBoltPickConfig",
    "NutBoltPickRandomizeConfig",
    "NutBoltPlaceConfig",
    "NutBoltPlaceRandomizeConfig",
    "NutBoltPlaceRlConfig",
    "NutBoltScrewConfig",
    "NutBoltScrewRandomizeConfig",
    "NutBoltScrewRlConfig",
    "ScrewControlConfig",
]

NUM_ACTIONS = 12
"""Displacement, rotation, force and torque of the fingertips."""

STARTS = "starts come from a bank of solved poses, so that a reset simulates nothing; leave it out"


def _gravity(magnitude: Any, task: Mapping[str, Any]) -> list[float]:
    return [0.0, 0.0, -float(magnitude)]


def _no_gravity(disabled: Any, task: Mapping[str, Any]) -> list[float]:
    return [0.0, 0.0, 0.0] if disabled else task["sim"].get("gravity", [0.0, 0.0, -9.81])


def _sizes(subassemblies: Any, task: Mapping[str, Any]) -> list[str]:
    return [str(name).removeprefix("nut_bolt_").upper() for name in subassemblies]


RENAMED: Mapping[str, Renamed] = {
    "env.desired_subassemblies": Renamed("env.nutBoltSizes", convert=_sizes, meaning="`M16` for `nut_bolt_m16`"),
    "rl.max_episode_length": Renamed("env.episodeLength"),
    "rl": Renamed("env.rl"),
    "randomize": Renamed("env.randomize"),
    "ctrl": Renamed("env.ctrl"),
    "sim.default_material": Renamed("sim.default_physics_material"),
    "sim.gravity_mag": Renamed("sim.gravity", convert=_gravity, meaning="downwards, in m/s²"),
    "sim.disable_gravity": Renamed("sim.gravity", convert=_no_gravity, meaning="0 if True"),
}
"""Keys of OmniIsaacGymEnvs that have another name here."""

UNSUPPORTED: Mapping[str, str] = {"sim.franka.density": "the robot's model states the masses of its links"}
"""Keys of OmniIsaacGymEnvs that have no effect here."""

Triple = tuple[float, float, float]
Pair = tuple[float, float]


@dataclass(kw_only=True)
class FactoryActionConfig:
    """Actions.

    Attributes:
        pos_action_scale: displacement of the fingertips at action 1 along x, y, z, in m.
        rot_action_scale: rotation of the fingertips at action 1 about x, y, z, in rad.
        force_action_scale: force at action 1 along x, y, z, in N; only with controllers of forces.
        torque_action_scale: torque at action 1 about x, y, z, in N·m; only with controllers of forces.
        clamp_rot: rotations up to ``clamp_rot_thresh`` are none.
        clamp_rot_thresh: in rad.
    """

    pos_action_scale: Triple = (0.1, 0.1, 0.1)
    rot_action_scale: Triple = (0.1, 0.1, 0.1)
    force_action_scale: Triple = (1.0, 1.0, 1.0)
    torque_action_scale: Triple = (1.0, 1.0, 1.0)
    clamp_rot: bool = True
    clamp_rot_thresh: float = 1e-6

    def __post_init__(self) -> None:
        check_positive("task.env.rl.clamp_rot_thresh", self.clamp_rot_thresh)


@dataclass(kw_only=True)
class FactoryRlConfig(FactoryActionConfig):
    """Actions and rewards.

    Attributes:
        keypoint_reward_scale: weight of the distance of keypoints, per m.
        action_penalty_scale: weight of the length of the vector of actions.
    """

    keypoint_reward_scale: float = 1.0
    action_penalty_scale: float = 0.0


@dataclass(kw_only=True)
class KeypointRlConfig(FactoryRlConfig):
    """Actions and rewards of tasks that align two lines of keypoints.

    Attributes:
        num_keypoints: number of keypoints of each line.
        keypoint_scale: length of the lines, in m.
        success_bonus: reward of success at the end of an episode.
    """

    num_keypoints: int = 4
    keypoint_scale: float = 0.5
    success_bonus: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_keypoints < 2:
            raise ConfigError(f"task.env.rl.num_keypoints={self.num_keypoints}: expected 2 or more.")
        check_positive("task.env.rl.keypoint_scale", self.keypoint_scale)


@dataclass(kw_only=True)
class NutBoltPlaceRlConfig(KeypointRlConfig):
    """Actions and rewards of FactoryTaskNutBoltPlace.

    Attributes:
        add_obs_bolt_tip_pos: observe the bolt's tip in the frame of the bolt, 3 more numbers.
        close_error_thresh: sum of the distances of keypoints below which the nut is placed, in m.
    """

    add_obs_bolt_tip_pos: bool = False
    close_error_thresh: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("task.env.rl.close_error_thresh", self.close_error_thresh)


@dataclass(kw_only=True)
class NutBoltScrewRlConfig(FactoryRlConfig):
    """Actions and rewards of FactoryTaskNutBoltScrew.

    Attributes:
        unidirectional_pos: actions along z from −1 to 1 are displacements from 0 downwards.
        unidirectional_rot: actions about z from −1 to 1 are rotations from 0 that turn the nut onto the bolt.
        unidirectional_force: actions along z from −1 to 1 are forces from 0 downwards; only with controllers of forces.
        add_obs_finger_force: observe the contact forces of the fingers, in N; otherwise these observations are 0.
        far_error_thresh: distance of the nut from its target beyond which it is far, in m.
        success_bonus: reward of each control step in which the nut is close to its target.
        end_failed_episodes: terminate episodes in which the nut is far, has slipped or has fallen; off with
            ``test=True``.
        failure_penalty: cost of such an end. Rewards are negative, so that ends without it are gains.
    """

    unidirectional_pos: bool = True
    unidirectional_rot: bool = True
    unidirectional_force: bool = False
    add_obs_finger_force: bool = False
    far_error_thresh: float = 0.1
    success_bonus: float = 0.0
    end_failed_episodes: bool = False
    failure_penalty: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("task.env.rl.far_error_thresh", self.far_error_thresh)
        if self.failure_penalty and not self.end_failed_episodes:
            raise ConfigError(
                f"task.env.rl.failure_penalty={self.failure_penalty}: expected 0, because episodes do not end with "
                "failures; or set task.env.rl.end_failed_episodes=True."
            )


@dataclass(kw_only=True)
class FactoryRandomizeConfig:
    """Start states.

    Attributes:
        franka_arm_initial_dof_pos: joint positions of the arm, in rad.
    """

    franka_arm_initial_dof_pos: tuple[float, float, float, float, float, float, float]


@dataclass(kw_only=True)
class FingertipRandomizeConfig(FactoryRandomizeConfig):
    """Start states with random poses of the fingertips.

    Attributes:
        franka_arm_initial_dof_pos: joint positions of the arm from which those of start poses are solved, in rad.
        fingertip_midpoint_pos_initial: middle of the positions above the table, in m.
        fingertip_midpoint_pos_noise: bounds of the noise on them, in m.
        fingertip_midpoint_rot_initial: middle of the orientations: roll, pitch and yaw, in rad.
        fingertip_midpoint_rot_noise: bounds of the noise on them, in rad.
        bolt_pos_xy_initial: middle of the bolt's positions on the table, in m.
        bolt_pos_xy_noise: bounds of the noise on them, in m.
    """

    fingertip_midpoint_pos_initial: Triple
    fingertip_midpoint_pos_noise: Triple
    fingertip_midpoint_rot_initial: Triple
    fingertip_midpoint_rot_noise: Triple
    bolt_pos_xy_initial: Pair
    bolt_pos_xy_noise: Pair


@dataclass(kw_only=True)
class NutBoltPickRandomizeConfig(FingertipRandomizeConfig):
    """Start states of FactoryTaskNutBoltPick.

    Attributes:
        nut_pos_xy_initial: middle of the nut's positions on the table, in m.
        nut_pos_xy_noise: bounds of the noise on them, in m.
    """

    nut_pos_xy_initial: Pair
    nut_pos_xy_noise: Pair


@dataclass(kw_only=True)
class NutBoltPlaceRandomizeConfig(FingertipRandomizeConfig):
    """Start states of FactoryTaskNutBoltPlace.

    Attributes:
        nut_noise_pos_in_gripper: bounds of the noise on the nut's position in the gripper, in m: across the pads, from
            finger to finger, and along the fingers. The base of nuts smaller than M16 is at most 80 % of their
            height below the fingertips.
        nut_noise_rot_in_gripper: bound of the noise on the nut's yaw in the gripper, in rad.
    """

    nut_noise_pos_in_gripper: Triple
    nut_noise_rot_in_gripper: float


@dataclass(kw_only=True)
class NutBoltScrewRandomizeConfig(FactoryRandomizeConfig):
    """Start states of FactoryTaskNutBoltScrew.

    Attributes:
        franka_arm_initial_dof_pos: joint positions of the arm, in rad, with which the fingers hold an M16 nut on the
            tip of its bolt. For other sizes, the arm begins higher or lower by the difference of the bolts' heights.
        nut_rot_initial: yaw of the nut on the bolt's tip, in degrees.
        start_along_bolt: episodes begin with the nut turned onto the bolt by a random part of the shank, up to this
            fraction; 0: all begin at the tip, as with ``test=True``.
    """

    nut_rot_initial: float = 30.0
    start_along_bolt: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.start_along_bolt <= 1.0:
            raise ConfigError(f"task.env.randomize.start_along_bolt={self.start_along_bolt}: expected 0 to 1.")


RlT = TypeVar("RlT", bound=FactoryActionConfig)
RandomizeT = TypeVar("RandomizeT", bound=FactoryRandomizeConfig)


@dataclass(kw_only=True)
class FactoryConfig(EnvConfig, Generic[RlT, RandomizeT]):
    """The ``task.env`` section that Factory tasks share.

    Attributes:
        nutBoltSizes: sizes of nut and bolt, M4, M8, M12, M16 or M20; several are those of successive worlds, by turns.
        nutBoltThread: shapes of the threads: ``capsules``, the fastest; ``convex`` wedges; or ``sdf``, signed distance
            fields of meshes.
        rl: actions and rewards; ``task.rl`` in OmniIsaacGymEnvs.
        randomize: start states; ``task.randomize`` in OmniIsaacGymEnvs.
        ctrl: the controller; ``task.ctrl`` in OmniIsaacGymEnvs.
        numObservations, numActions: keys in files of OmniIsaacGymEnvs.
    """

    nutBoltSizes: list[str] = field(default_factory=lambda: ["M16"])
    nutBoltThread: Literal["capsules", "convex", "sdf"] = "capsules"
    rl: RlT
    randomize: RandomizeT
    ctrl: ControlConfig
    numObservations: int = field(default=0, metadata=unread("the task defines it; leave it out"))
    numActions: int = field(default=NUM_ACTIONS, metadata=unread("the task defines it; leave it out"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.nutBoltSizes:
            raise ConfigError(f"task.env.nutBoltSizes=[]: expected one or more of {', '.join(SIZES)}.")
        for size in self.nutBoltSizes:
            check_choice("task.env.nutBoltSizes", size, tuple(SIZES))
        _check_gains(self.ctrl)


def _check_gains(ctrl: ControlConfig) -> None:
    """Raise ConfigError unless gains are those of seven joints and two fingers; others have as many as these."""
    for section in ("all", "gym_default", "joint_space_ik", "joint_space_id"):
        for name, expected, owner in (("gripper_prop_gains", 2, "finger"), ("joint_prop_gains", 7, "joint of the arm")):
            values = getattr(getattr(ctrl, section), name, None)
            if values is not None and len(values) != expected:
                raise ConfigError(
                    f"{ctrl.section}.{section}.{name}={values}: expected {expected} values, one for each {owner}, but "
                    f"there are {len(values)}."
                )


@dataclass(kw_only=True)
class NutBoltPickConfig(FactoryConfig[KeypointRlConfig, NutBoltPickRandomizeConfig]):
    """The ``task.env`` section of FactoryTaskNutBoltPick.

    Attributes:
        close_and_lift: after ``episodeLength`` control steps, the gripper closes and lifts, whatever the actions are.
            Without it, success is not measured.
        num_gripper_close_sim_steps: physics steps in which the gripper closes.
        num_gripper_lift_sim_steps: physics steps in which the gripper lifts.
        num_gripper_move_sim_steps: key in files of OmniIsaacGymEnvs.
    """

    rl: KeypointRlConfig
    randomize: NutBoltPickRandomizeConfig
    close_and_lift: bool = True
    num_gripper_close_sim_steps: int = 40
    num_gripper_lift_sim_steps: int = 40
    num_gripper_move_sim_steps: int = field(default=40, metadata=unread(STARTS))

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("num_gripper_close_sim_steps", "num_gripper_lift_sim_steps"):
            check_positive(f"task.env.{key}", getattr(self, key))


@dataclass(kw_only=True)
class NutBoltPlaceConfig(FactoryConfig[NutBoltPlaceRlConfig, NutBoltPlaceRandomizeConfig]):
    """The ``task.env`` section of FactoryTaskNutBoltPlace.

    Attributes:
        num_gripper_move_sim_steps, num_gripper_close_sim_steps: keys in files of OmniIsaacGymEnvs.
    """

    rl: NutBoltPlaceRlConfig
    randomize: NutBoltPlaceRandomizeConfig
    num_gripper_move_sim_steps: int = field(default=40, metadata=unread(STARTS))
    num_gripper_close_sim_steps: int = field(default=40, metadata=unread(STARTS))

    def observation_shape(self) -> tuple[int]:
        """Return the shape of one world's observation."""
        return (30 if self.rl.add_obs_bolt_tip_pos else 27,)


@dataclass(kw_only=True)
class NutBoltScrewConfig(FactoryConfig[NutBoltScrewRlConfig, NutBoltScrewRandomizeConfig]):
    """The ``task.env`` section of FactoryTaskNutBoltScrew."""

    rl: NutBoltScrewRlConfig
    randomize: NutBoltScrewRandomizeConfig


@dataclass(kw_only=True)
class ScrewControlConfig(ControlConfig):
    """The ``task.env.screw_ctrl`` section of FactoryTaskNutBolt, with the keys of ``task.env.ctrl``."""

    section: ClassVar[str] = "task.env.screw_ctrl"


@dataclass(kw_only=True)
class NutBoltConfig(FactoryConfig[FactoryActionConfig, NutBoltPickRandomizeConfig]):
    """The ``task.env`` section of FactoryTaskNutBolt.

    Attributes:
        screw_ctrl: the controller while the nut is screwed on; ``ctrl`` is that of all other stages.
        pick_steps: control steps of the policy of FactoryTaskNutBoltPick.
        place_steps: control steps of the policy of FactoryTaskNutBoltPlace.
        align_steps: control steps in which the gripper turns to flats of the nut, before it closes.
        carry_steps: control steps in which the gripper moves to where FactoryTaskNutBoltPlace starts.
        lower_steps: control steps in which the gripper puts the nut on the bolt's tip, before it screws.
        num_gripper_close_sim_steps: physics steps in which the gripper closes.
        num_gripper_lift_sim_steps: physics steps in which the gripper lifts.
    """

    rl: FactoryActionConfig
    randomize: NutBoltPickRandomizeConfig
    screw_ctrl: ScrewControlConfig
    pick_steps: int = 128
    align_steps: int = 120
    num_gripper_close_sim_steps: int = 40
    num_gripper_lift_sim_steps: int = 40
    carry_steps: int = 60
    place_steps: int = 128
    lower_steps: int = 84

    def __post_init__(self) -> None:
        super().__post_init__()
        steps = self.stage_steps()
        for key in ("pick_steps", "align_steps", "carry_steps", "place_steps", "lower_steps"):
            check_positive(f"task.env.{key}", getattr(self, key))
        for key in ("num_gripper_close_sim_steps", "num_gripper_lift_sim_steps"):
            check_positive(f"task.env.{key}", getattr(self, key))
        for key in ("gripper_prop_gains", "gripper_deriv_gains"):
            ours, theirs = getattr(self.ctrl.all, key), getattr(self.screw_ctrl.all, key)
            if ours != theirs:
                raise ConfigError(
                    f"task.env.screw_ctrl.all.{key}={theirs}: expected {ours}, as task.env.ctrl.all.{key}, because the "
                    "gripper has the same gains in all stages."
                )
        for key in ("ctrl", "screw_ctrl"):
            if getattr(self, key).ctrl_type == "gym_default":
                raise ConfigError(f"task.env.{key}.ctrl_type=gym_default: expected a controller of efforts.")
        if steps[-1] < 1:
            raise ConfigError(
                f"task.env.episodeLength={self.episodeLength}: expected more than the {sum(steps[:-1])} control steps "
                "before the nut is screwed on."
            )

    def stage_steps(self) -> list[int]:
        """Return the numbers of control steps of the stages: pick, align, close, lift, carry, place, lower, screw."""
        close, lift = (
            -(-steps // self.controlFrequencyInv)
            for steps in (self.num_gripper_close_sim_steps, self.num_gripper_lift_sim_steps)
        )
        before = [self.pick_steps, self.align_steps, close, lift, self.carry_steps, self.place_steps, self.lower_steps]
        return [*before, self.episodeLength - sum(before)]


NUT_BOLT = TaskSpec(
    task="oige_tasks_manipulation.factory.nut_bolt:FactoryTaskNutBolt",
    description="oige_tasks_manipulation.factory.description:describe_nut_bolt",
    env=NutBoltConfig,
    observation_shape=(82,),
    num_actions=NUM_ACTIONS,
)

NUT_BOLT_PICK = TaskSpec(
    task="oige_tasks_manipulation.factory.pick:FactoryTaskNutBoltPick",
    description="oige_tasks_manipulation.factory.description:describe_pick",
    env=NutBoltPickConfig,
    observation_shape=(20,),
    num_actions=NUM_ACTIONS,
    original_ends_early=True,
    renamed=RENAMED,
    unsupported=UNSUPPORTED,
)

NUT_BOLT_PLACE = TaskSpec(
    task="oige_tasks_manipulation.factory.place:FactoryTaskNutBoltPlace",
    description="oige_tasks_manipulation.factory.description:describe_place",
    env=NutBoltPlaceConfig,
    observation_shape=NutBoltPlaceConfig.observation_shape,
    num_actions=NUM_ACTIONS,
    original_ends_early=True,
    renamed=RENAMED,
    unsupported=UNSUPPORTED,
)

NUT_BOLT_SCREW = TaskSpec(
    task="oige_tasks_manipulation.factory.screw:FactoryTaskNutBoltScrew",
    description="oige_tasks_manipulation.factory.description:describe_screw",
    env=NutBoltScrewConfig,
    observation_shape=(32,),
    num_actions=NUM_ACTIONS,
    renamed=RENAMED,
    unsupported=UNSUPPORTED,
)
