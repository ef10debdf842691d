"""What the Factory tasks observe, do and reward."""

from oige_core import ControlConfig, RunConfig
from oige_core.description import (
    QUATERNION,
    XYZ,
    Command,
    CommandKind,
    Ending,
    Quantity,
    Randomization,
    RewardTerm,
    TaskDescription,
    component_names,
)

from oige_tasks_manipulation.factory import (
    FactoryRlConfig,
    NutBoltConfig,
    NutBoltPickConfig,
    NutBoltPlaceConfig,
    NutBoltScrewConfig,
)

__all__ = ["describe_nut_bolt", "describe_pick", "describe_place", "describe_screw"]

FORCE_CONTROLLERS = ("open_loop_force", "closed_loop_force", "hybrid_force_motion")
ONLY_FORCES = "; only with controllers of forces (`ctrl.ctrl_type`)"


def _pose(name: str, position: str, orientation: str) -> tuple[Quantity, Quantity]:
    return (
        Quantity(name=f"{name}_position", text=position, unit="m", components=XYZ),
        Quantity(name=f"{name}_orientation", text=orientation, components=QUATERNION),
    )


FINGERTIPS = (
    *_pose(
        "fingertip",
        "position of the fingertips' midpoint",
        "orientation of the hand, whose z axis points along the fingers",
    ),
    Quantity(name="fingertip_velocity", text="linear velocity of the midpoint", unit="m/s", components=XYZ),
    Quantity(name="fingertip_angular_velocity", text="angular velocity of the hand", unit="rad/s", components=XYZ),
)
PICK = (*FINGERTIPS, *_pose("nut", "middle of the nut", "orientation in which a hand grasps it from above"))
PLACE = (
    *FINGERTIPS,
    *_pose("nut", "origin of the nut, the height of a bolt's head below it", "orientation of the nut"),
    *_pose("bolt", "origin of the bolt, at the bottom of its head", "orientation of the bolt"),
)
SCREW = (
    *FINGERTIPS,
    *_pose("nut", "middle of the nut", "orientation of the nut"),
    Quantity(name="nut_velocity", text="linear velocity of the nut's middle", unit="m/s", components=XYZ),
    Quantity(name="nut_angular_velocity", text="angular velocity of the nut", unit="rad/s", components=XYZ),
    Quantity(
        name="finger_force",
        text="contact forces of the left and the right finger; 0 unless `rl.add_obs_finger_force`",
        unit="N",
        components=component_names(("left", "right")),
    ),
)

ABOVE_TABLE = "pose of the fingertips: 0.1 m to 0.3 m above the table, among those that the arm reaches"


def _commands(
    ctrl: ControlConfig, *, down: bool = False, turn: bool = False, press: bool = False
) -> tuple[Command, ...]:
    """Return the commands of the fingertips.

    Args:
        ctrl: the controller.
        down: whether displacements along z are unidirectional.
        turn: whether rotations about z are.
        press: whether forces along z are.
    """
    forces = ctrl.ctrl_type in FORCE_CONTROLLERS
    force: CommandKind = "force" if forces else "none"
    note = "" if forces else ONLY_FORCES

    def command(name: str, text: str, kind: CommandKind, unit: str, one_way: bool, key: str) -> Command:
        moves = kind == "position_target"
        return Command(
            name=name,
            text=text,
            kind=kind,
            unit=unit,
            components=XYZ,
            scale=(1.0, 1.0, -0.5) if one_way else 1.0,
            offset=(0.0, 0.0, -0.5) if one_way else 0.0,
            key=f"rl.{key}_action_scale",
            relative_to="current" if moves else "zero",
        )

    return (
        command(
            "displacement", "displacement of the fingertips from where they are", "position_target", "m", down, "pos"
        ),
        command(
            "rotation",
            "rotation of the fingertips from where they are, axis times angle",
            "position_target",
            "rad",
            turn,
            "rot",
        ),
        command("force", f"target of the contact force{note}", force, "N", press and forces, "force"),
        command("torque", f"target of the contact torque{note}", force, "N·m", False, "torque"),
    )


def _keypoints(name: str, text: str) -> RewardTerm:
    return RewardTerm(name=name, text=text, weight=-1.0, key="rl.keypoint_reward_scale")


def _action(rl: FactoryRlConfig, *, twice: bool = False) -> RewardTerm:
    """Return the penalty of actions; upstream, Pick and Place scale it twice."""
    weight = -rl.action_penalty_scale if twice else -1.0
    return RewardTerm(
        name="action", text="length of the vector of actions", weight=weight, key="rl.action_penalty_scale"
    )


SUCCESS_AT_END = RewardTerm(name="success", text="1 at the end of an episode that succeeds", key="rl.success_bonus")


def describe_pick(env: NutBoltPickConfig, config: RunConfig) -> TaskDescription:
    """Return the description of FactoryTaskNutBoltPick."""
    reach = env.rl.keypoint_scale / 2
    after = (env.num_gripper_close_sim_steps, env.num_gripper_lift_sim_steps) if env.close_and_lift else ()
    return TaskDescription(
        summary="A Franka Panda moves its open gripper to a nut on a table. Then it closes the gripper and lifts, "
        "whatever the actions are. It holds the nut by friction alone.",
        episode_steps=env.episodeLength + sum(-(-steps // env.controlFrequencyInv) for steps in after),
        observations=PICK,
        actions=_commands(env.ctrl),
        rewards=(
            _keypoints(
                "keypoints", "sum of the distances between keypoints, in m; 0 while the gripper closes and lifts"
            ),
            _action(env.rl, twice=env.compat == "upstream"),
            SUCCESS_AT_END,
        ),
        reward_notes=f"{env.rl.num_keypoints} keypoints (`rl.num_keypoints`) are on the z axis of the hand, from "
        f"{reach:g} m behind to {reach:g} m before the fingertips (`rl.keypoint_scale`), and as many in the same "
        "places of the frame that grasps the nut.",
        success="At the end, the origin of the nut, which is the height of a bolt's head below it, is more than three "
        'heights of the nut above the table: `info["success"]`. The statistic `keypoint_distance` is the sum of '
        "distances after the policy's last step.",
        randomization=(
            Randomization(text=ABOVE_TABLE, key="randomize"),
            Randomization(text="positions of nut and bolt: ±0.1 m", key="randomize"),
        ),
        layouts=({"task.env.ctrl.ctrl_type": "hybrid_force_motion"},),
    )


def describe_place(env: NutBoltPlaceConfig, config: RunConfig) -> TaskDescription:
    """Return the description of FactoryTaskNutBoltPlace."""
    tip = Quantity(name="bolt_tip", text="tip of the bolt, in the frame of the bolt", unit="m", components=XYZ)
    reach = env.rl.keypoint_scale / 2
    return TaskDescription(
        summary="A Franka Panda moves a nut, which it holds by friction alone, onto the tip of a bolt.",
        observations=(*PLACE, tip) if env.rl.add_obs_bolt_tip_pos else PLACE,
        actions=_commands(env.ctrl),
        rewards=(
            _keypoints("keypoints", "sum of the distances between keypoints, in m"),
            _action(env.rl, twice=env.compat == "upstream"),
            SUCCESS_AT_END,
        ),
        reward_notes=f"{env.rl.num_keypoints} keypoints (`rl.num_keypoints`) are on the z axis of the nut, from "
        f"{reach:g} m below to {reach:g} m above its base, and as many on that of the bolt around its tip "
        "(`rl.keypoint_scale`).",
        success=f"At the end, the sum of the distances is below {env.rl.close_error_thresh:g} m "
        '(`rl.close_error_thresh`): `info["success"]`. Further statistics at the end are `keypoint_distance` and '
        "`lateral_error`, the distance of the nut's base from the bolt's axis, in m.",
        randomization=(
            Randomization(text=ABOVE_TABLE, key="randomize"),
            Randomization(
                text="position of the nut in the gripper: ±0.01 m along the fingers, which touch two flats of the nut",
                key="randomize",
            ),
            Randomization(text="position of the bolt: ±0.1 m", key="randomize"),
        ),
        layouts=({"task.env.rl.add_obs_bolt_tip_pos": True},),
    )


def describe_screw(env: NutBoltScrewConfig, config: RunConfig) -> TaskDescription:
    """Return the description of FactoryTaskNutBoltScrew."""
    rl, along = env.rl, env.randomize.start_along_bolt
    failure = Ending(
        text="a failure: the nut is far from its target, has slipped or has fallen", key="rl.end_failed_episodes"
    )
    start = f"up to {100 * along:g} % of the shank" if along else "the tip of the bolt, always"
    return TaskDescription(
        summary="A Franka Panda holds a nut on the tip of a bolt and turns it on, by 7.5 turns of M16. It holds the "
        "nut by friction alone, and only the thread moves the nut down.",
        observations=SCREW,
        actions=_commands(
            env.ctrl, down=rl.unidirectional_pos, turn=rl.unidirectional_rot, press=rl.unidirectional_force
        ),
        action_notes="With `rl.unidirectional_pos` and `rl.unidirectional_rot`, action a along and about z stands for "
        "−½ (a + 1), so that actions only move down and turn the nut on. The controller acts along and about z; the "
        "other axes follow the nut. The wrist has no limits.",
        rewards=(
            _keypoints("nut_keypoints", "sum of the distances between keypoints of the nut and of its target, in m"),
            _keypoints("finger_keypoints", "the same for the nut and the hand"),
            _action(rl),
            RewardTerm(name="success", text="1 while the nut is close to its target", key="rl.success_bonus"),
            RewardTerm(
                name="failure",
                text="1 in a step with a failure, which ends episodes only in training",
                weight=-1.0,
                key="rl.failure_penalty",
            ),
        ),
        reward_notes="Four keypoints are on the axis of the nut, from its middle to 0.112 m above it; four are in the "
        "same places above the nut's target, where it touches the bolt's head; and four are on the axis of the hand, "
        "from the middle of the pads backwards.",
        endings=(failure,) if rl.end_failed_episodes else (),
        success='The middle of the nut is within five pitches of its target: `info["success"]`. Further statistics at '
        "the end are `height`, that of the nut above its target in m, and fractions of three failures: `far`, more "
        f"than {rl.far_error_thresh:g} m from the target (`rl.far_error_thresh`); `slipped`, not between the pads; "
        "`fallen`, beside the bolt and below its tip. In tests, failures do not end episodes.",
        randomization=(
            Randomization(
                text=f"how far the nut is on the bolt, in training: {start}; fingers touch two flats of the nut",
                key="randomize.start_along_bolt",
            ),
        ),
        layouts=({"task.env.rl.unidirectional_pos": False, "task.env.rl.unidirectional_rot": False},),
    )


def describe_nut_bolt(env: NutBoltConfig, config: RunConfig) -> TaskDescription:
    """Return the description of FactoryTaskNutBolt."""
    policies = (("pick", PICK), ("place", PLACE), ("screw", SCREW))
    return TaskDescription(
        summary="A Franka Panda picks up a nut, places it on a bolt and screws it on, in one episode. Friction alone "
        "holds the nut from the first to the last step.",
        observations=(
            Quantity(
                name="policy",
                text="1 for the policy that acts next",
                components=tuple(name for name, _ in policies),
            ),
            *(
                Quantity(
                    name=f"{policy}_{quantity.name}",
                    text=f"{policy.capitalize()}: {quantity.text}",
                    unit=quantity.unit,
                    components=quantity.components,
                )
                for policy, quantities in policies
                for quantity in quantities
            ),
        ),
        observation_notes="A hexagon looks the same in six orientations: Place and Screw get the one that is closest "
        "to that in which their episodes start. Screw gets all poses and velocities relative to the bolt's axis and to "
        "the gripper's yaw at the start of the stage.",
        actions=_commands(env.ctrl),
        action_notes="In the stage of Screw, actions along and about z act, unidirectionally as in "
        "FactoryTaskNutBoltScrew. Routines between the policies ignore actions.",
        rewards=(
            RewardTerm(
                name="screwed",
                text="1 if the middle of the nut is within five pitches of where it is when the nut touches the bolt's "
                "head",
            ),
        ),
        success='`screwed` at the end: `info["success"]`. Further statistics are the fractions `picked` (after lift) '
        "and `placed` (within a pitch of the bolt's axis and two of its tip, after lower), and `lateral_error` after "
        "lower, in m.",
        randomization=(
            Randomization(text=ABOVE_TABLE, key="randomize"),
            Randomization(text="positions of nut and bolt: ±0.1 m", key="randomize"),
        ),
    )
