"""What Ant and Humanoid observe, do and reward."""

from collections.abc import Mapping

from oige_core import RunConfig
from oige_core.description import (
    XYZ,
    Command,
    Ending,
    Quantity,
    Randomization,
    RewardTerm,
    TaskDescription,
    component_names,
)

from oige_tasks_locomotion.ant_humanoid import LocomotionConfig

__all__ = ["WRENCH", "describe_runner"]

WRENCH = ("force_x", "force_y", "force_z", "torque_x", "torque_y", "torque_z")


def describe_runner(
    env: LocomotionConfig,
    config: RunConfig,
    *,
    summary: str,
    torques: Mapping[str, float],
    feet: tuple[str, ...],
    limits: RewardTerm,
) -> TaskDescription:
    """Return the description of Ant or Humanoid.

    Args:
        env: the section ``task.env``.
        config: the whole configuration.
        summary: what the robot does.
        torques: torque in N·m at action 1 and ``powerScale`` 1 by joint, in the order of the joints.
        feet: names of the feet in the order of the observation.
        limits: the last reward term.
    """
    joints = tuple(torques)
    return TaskDescription(
        summary=summary,
        observations=(
            Quantity(name="torso_height", text="height of the torso", unit="m"),
            Quantity(
                name="linear_velocity",
                text="linear velocity of the torso, in its frame",
                unit="m/s",
                components=XYZ,
            ),
            Quantity(
                name="angular_velocity",
                text="angular velocity of the torso, in its frame",
                unit="rad/s",
                components=XYZ,
                key="angularVelocityScale",
            ),
            Quantity(name="yaw", text="yaw of the torso", unit="rad"),
            Quantity(name="roll", text="roll of the torso", unit="rad"),
            Quantity(
                name="target_angle", text="angle by which the torso must turn left to face the target", unit="rad"
            ),
            Quantity(name="up", text="vertical component of the torso's z axis"),
            Quantity(name="heading", text="component of the torso's x axis that points to the target"),
            Quantity(
                name="joint_position",
                text="joint positions, −1 and 1 at the limits",
                components=joints,
                relative_to="limits",
            ),
            Quantity(
                name="joint_velocity", text="joint velocities", unit="rad/s", components=joints, key="dofVelocityScale"
            ),
            *_feet_and_actions(config, joints, feet),
        ),
        actions=(
            Command(
                name="joint_torque",
                text="torques of the joints",
                kind="effort",
                unit="N·m",
                components=joints,
                scale=tuple(torques.values()),
                key="powerScale",
            ),
        ),
        rewards=(
            RewardTerm(name="progress", text="decrease of the distance to the target, in m", weight=60.0),
            RewardTerm(name="alive", text="1", key="alive_reward_scale"),
            RewardTerm(name="upright", text="1 where up > 0.93", key="upWeight"),
            RewardTerm(name="heading", text="heading, at most 0.8", weight=1 / 0.8, key="headingWeight"),
            RewardTerm(name="actions", text="Σ action²", weight=-1.0, key="actionsCost"),
            RewardTerm(
                name="energy",
                text="Σ |action · scaled joint velocity| · (gear / largest gear)",
                weight=-1.0,
                key="energyCost",
            ),
            limits,
        ),
        reward_notes=f"A step that terminates the episode gives {env.deathCost:g} (`deathCost`) instead.".replace(
            "-", "−"
        ),
        endings=(Ending(text=f"the torso is lower than {env.terminationHeight:g} m", key="terminationHeight"),),
        randomization=(
            Randomization(text="joint positions ±0.2 rad around the default pose, within limits"),
            Randomization(text="joint velocities ±0.1 rad/s"),
        ),
    )


def _feet_and_actions(config: RunConfig, joints: tuple[str, ...], feet: tuple[str, ...]) -> tuple[Quantity, ...]:
    """Return the last quantities of the observation; the Warp variants of upstream observe two feet of any robot."""
    upstream_warp = config.warp and config.task.env.compat == "upstream"
    observed = feet[:2] if upstream_warp else feet
    unobserved = len(WRENCH) * (len(feet) - len(observed))
    quantities = (
        Quantity(
            name="foot_wrench",
            text="force and torque on each foot, along the axes of the ankle's frame, whose x is the hinge",
            unit=(*("N",) * 3, *("N·m",) * 3) * len(observed),
            components=component_names(observed, WRENCH),
            key="contactForceScale",
        ),
        Quantity(name="previous_action", text="previous actions", components=joints),
    )
    if unobserved:
        zeros = tuple(str(i) for i in range(unobserved))
        quantities += (Quantity(name="unused", text="zeros", components=zeros),)
    return quantities
