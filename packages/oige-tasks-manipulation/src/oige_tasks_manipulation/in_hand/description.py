"""What in-hand tasks observe, do and reward."""

from collections.abc import Mapping, Sequence
from typing import Any

from oige_core import RunConfig
from oige_core.description import (
    QUATERNION,
    XYZ,
    Command,
    Ending,
    Quantity,
    Randomization,
    RewardTerm,
    TaskDescription,
    component_names,
)

from oige_tasks_manipulation.in_hand import InHandConfig

__all__ = ["describe_in_hand"]

WRENCH = ("force_x", "force_y", "force_z", "torque_x", "torque_y", "torque_z")
TWIST = ("linear_x", "linear_y", "linear_z", "angular_x", "angular_y", "angular_z")
UPSTREAM_DT = 1.0 / 60.0  # s; for which OmniIsaacGymEnvs takes a control step


def describe_in_hand(
    env: InHandConfig,
    config: RunConfig,
    *,
    summary: str,
    joints: tuple[str, ...],
    actuated: tuple[str, ...],
    fingertips: tuple[str, ...] = (),
    layouts: tuple[Mapping[str, Any], ...],
) -> TaskDescription:
    """Return the description of an in-hand task.

    Args:
        env: the section ``task.env``.
        config: the whole configuration.
        summary: what the hand does.
        joints: all joints, in their order.
        actuated: joints that actions drive, in their order.
        fingertips: observed fingertips.
        layouts: see :class:`~oige_core.description.TaskDescription`.
    """
    parts = _parts(joints, actuated, fingertips)
    time_out = RewardTerm(name="time_out", text="1 if the time ends", weight=0.5, key="fallPenalty")
    return TaskDescription(
        summary=summary,
        observations=_chosen(parts, env.observed_parts),
        states=_chosen(parts, env.state_parts),
        actions=(_command(env, config, actuated),),
        rewards=(
            RewardTerm(name="distance", text="distance from the cube to the goal, in m", key="distRewardScale"),
            RewardTerm(
                name="rotation",
                text=f"1 / (angle between cube and goal, in rad, + {env.rotEps:g} (`rotEps`))",
                key="rotRewardScale",
            ),
            RewardTerm(name="actions", text="Σ action²", key="actionPenaltyScale"),
            RewardTerm(
                name="goal_reached",
                text=f"1 if the angle is at most {env.successTolerance:g} rad (`successTolerance`)",
                key="reachGoalBonus",
            ),
            RewardTerm(
                name="fall",
                text=f"1 if the distance is at least {env.fallDistance:g} m (`fallDistance`)",
                key="fallPenalty",
            ),
            *((time_out,) if env.maxConsecutiveSuccesses else ()),
        ),
        endings=_endings(env),
        success="A goal that is reached is replaced at the start of the next step, and the world goes on. `successes` "
        "and `goals_given` are the numbers of goals reached and given per episode, `consecutive_successes` is the "
        "moving average of `successes` over the episodes that end (`averFactor`).",
        randomization=(
            Randomization(text="orientations of cube and goal: rotations about y, then x, by up to ±π"),
            Randomization(
                text=f"position of the cube: ±{env.resetPositionNoise:g} m along each axis", key="resetPositionNoise"
            ),
            Randomization(
                text=f"joint positions: from the lower to the upper limit, times {env.resetDofPosRandomInterval:g}",
                key="resetDofPosRandomInterval",
            ),
        ),
        layouts=layouts,
    )


def _chosen(parts: Mapping[str, tuple[Quantity, ...]], names: Sequence[str]) -> tuple[Quantity, ...]:
    return tuple(quantity for name in names for quantity in parts[name])


def _parts(
    joints: tuple[str, ...], actuated: tuple[str, ...], fingertips: tuple[str, ...]
) -> dict[str, tuple[Quantity, ...]]:
    """Return the quantities of each part of an observation; see :class:`~oige_tasks_manipulation.in_hand.Layouts`."""
    tips = len(fingertips)
    position = Quantity(name="cube_position", text="position of the cube", unit="m", components=XYZ)
    return {
        "joint_positions": (
            Quantity(
                name="joint_position",
                text="joint positions, −1 at the lower limit, 1 at the upper limit",
                components=joints,
                relative_to="limits",
            ),
        ),
        "joint_velocities": (
            Quantity(
                name="joint_velocity", text="joint velocities", unit="rad/s", components=joints, key="velObsScale"
            ),
        ),
        "object_position": (position,),
        "object_pose": (
            position,
            Quantity(name="cube_orientation", text="orientation of the cube", components=QUATERNION),
        ),
        "object_velocity": (
            Quantity(name="cube_linear_velocity", text="linear velocity of the cube", unit="m/s", components=XYZ),
            Quantity(
                name="cube_angular_velocity",
                text="angular velocity of the cube",
                unit="rad/s",
                components=XYZ,
                key="velObsScale",
            ),
        ),
        "goal_pose": (
            Quantity(name="goal_position", text="position of the goal", unit="m", components=XYZ),
            Quantity(name="goal_orientation", text="orientation of the goal", components=QUATERNION),
        ),
        "goal_difference": (
            Quantity(name="goal_rotation", text="rotation from the goal to the cube", components=QUATERNION),
        ),
        "fingertip_positions": (
            Quantity(
                name="fingertip_position",
                text="positions of the fingertips",
                unit="m",
                components=component_names(fingertips),
            ),
        ),
        "fingertip_orientations": (
            Quantity(
                name="fingertip_orientation",
                text="orientations of the fingertips",
                components=component_names(fingertips, QUATERNION),
            ),
        ),
        "fingertip_velocities": (
            Quantity(
                name="fingertip_velocity",
                text="linear and angular velocities of the fingertips",
                unit=(*("m/s",) * 3, *("rad/s",) * 3) * tips,
                components=component_names(fingertips, TWIST),
            ),
        ),
        "fingertip_wrenches": (
            Quantity(
                name="fingertip_wrench",
                text="force and torque on each fingertip",
                unit=(*("N",) * 3, *("N·m",) * 3) * tips,
                components=component_names(fingertips, WRENCH),
                scale=10.0,
            ),
        ),
        "actions": (Quantity(name="action", text="actions of this step", components=actuated),),
    }


def _command(env: InHandConfig, config: RunConfig, actuated: tuple[str, ...]) -> Command:
    """Return what the actions set."""
    if env.useRelativeControl:
        control_step = config.task.sim.dt * env.controlFrequencyInv
        return Command(
            name="joint_target_speed",
            text="speeds of the position targets of the driven joints",
            kind="position_target_speed",
            unit="rad/s",
            components=actuated,
            scale=UPSTREAM_DT / control_step if env.compat == "upstream" else 1.0,
            key="dofSpeedScale",
        )
    share = 100.0 * env.actionsMovingAverage
    average = f"; averaged: {share:g} % new, {100.0 - share:g} % old target" if share < 100.0 else ""
    return Command(
        name="joint_target",
        text="position targets of the driven joints, from the lower limit at −1 to the upper limit at 1" + average,
        kind="position_target",
        components=actuated,
        relative_to="limits",
    )


def _endings(env: InHandConfig) -> tuple[Ending, ...]:
    """Return what terminates an episode."""
    endings = (Ending(text=f"the cube is at least {env.fallDistance:g} m away from the goal", key="fallDistance"),)
    if env.maxConsecutiveSuccesses:
        endings += (Ending(text=f"{env.maxConsecutiveSuccesses} goals are reached", key="maxConsecutiveSuccesses"),)
    return endings
