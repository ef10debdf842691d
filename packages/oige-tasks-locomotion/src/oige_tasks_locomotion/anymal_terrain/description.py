"""What AnymalTerrain observes, does and rewards."""

from oige_core import RunConfig
from oige_core.description import Command, Ending, Quantity, Randomization, RewardTerm, TaskDescription

from oige_tasks_locomotion.anymal.description import (
    JOINT_NAMES,
    PREVIOUS_ACTION,
    command_observations,
    command_randomization,
    joint_observations,
    span,
)
from oige_tasks_locomotion.anymal_terrain import AnymalTerrainConfig

__all__ = ["MEASURED_X", "MEASURED_Y", "describe_anymal_terrain"]

# Sample points of heights around the base, along its heading and to its left, in m.
MEASURED_X = tuple(0.1 * i for i in (*range(-8, -1), *range(2, 9)))
MEASURED_Y = tuple(0.1 * i for i in (*range(-5, 0), *range(1, 6)))

PER_SECOND = (
    ("linear_velocity_xy", "exp(−|error of the velocity along x and y|² / 0.25)", "linearVelocityXYRewardScale"),
    ("angular_velocity_z", "exp(−error² / 0.25) of the yaw rate", "angularVelocityZRewardScale"),
    ("linear_velocity_z", "velocity along z, squared", "linearVelocityZRewardScale"),
    ("angular_velocity_xy", "Σ (angular velocity about x and y)²", "angularVelocityXYRewardScale"),
    ("orientation", "Σ (x and y of the direction of gravity)²", "orientationRewardScale"),
    ("base_height", "(height above the mean of the measured ground − 0.52 m)²", "baseHeightRewardScale"),
    ("torque", "Σ torque²", "torqueRewardScale"),
    ("joint_acceleration", "Σ (change of joint velocity)²", "jointAccRewardScale"),
    ("action_rate", "Σ (change of action)²", "actionRateRewardScale"),
    ("hip", "Σ |HAA joint position relative to the default pose|", "hipRewardScale"),
    (
        "feet_air_time",
        "Σ (time of a swing − 0.5 s) of the feet that touch down, unless the robot is commanded to stand",
        "feetAirTimeRewardScale",
    ),
    ("knee_collision", "number of knees on the ground", "kneeCollisionRewardScale"),
    ("fallen_over", "1 if the robot falls", "fallenOverRewardScale"),
)
"""Reward terms: name, value before the weight, and key of the weight per second, below ``learn``."""


def describe_anymal_terrain(env: AnymalTerrainConfig, config: RunConfig) -> TaskDescription:
    """Return the description of AnymalTerrain."""
    upstream, learn = env.compat == "upstream", env.learn
    dt = config.task.sim.dt * env.controlFrequencyInv
    heading = span(*env.randomCommandVelocityRanges.yaw, "rad")
    leaves_map = Ending(text="the robot leaves the map", truncation=True)
    return TaskDescription(
        summary="ANYmal C follows a commanded velocity and heading over slopes, stairs and obstacles.",
        observations=(
            *command_observations(),
            *joint_observations("zero" if upstream else "default_pose"),
            Quantity(
                name="clearance",
                text="base height − 0.5 m − ground height, within ±1 m, at 14 × 10 points: so far ahead of the base "
                "and so far to its left",
                unit="m",
                components=tuple(f"{x:.1f} m, {y:.1f} m" for x in MEASURED_X for y in MEASURED_Y),
                key="learn.heightMeasurementScale",
            ),
            PREVIOUS_ACTION,
        ),
        observation_notes="The commanded yaw rate is 0.5 rad/s per rad of heading error, at most 1 rad/s.",
        actions=(
            Command(
                name="joint_target",
                text="position targets of the joints relative to the default pose",
                kind="position_target",
                unit="rad",
                components=JOINT_NAMES,
                key="control.actionScale",
                relative_to="default_pose",
            ),
        ),
        rewards=(
            *(RewardTerm(name=name, text=text, weight=dt, key=f"learn.{key}") for name, text, key in PER_SECOND),
            RewardTerm(
                name="termination", text=f"`learn.terminalReward`, {learn.terminalReward:g}, × {dt:g} in a fall"
            ),
        ),
        reward_notes=f"Keys give weights per second; a control step takes {dt:g} s. Terms with a weight of 0 are not "
        "computed. The sum without `termination` is clamped to at least 0.",
        endings=(
            Ending(text="the base or more than one knee touches the ground"),
            *(() if upstream else (leaves_map,)),
        ),
        randomization=(
            command_randomization(
                env.randomCommandVelocityRanges, f"heading {heading}; speeds below 0.25 m/s become 0"
            ),
            Randomization(text="joint positions: 0.5 to 1.5 times the default pose"),
            Randomization(text="joint velocities: ±0.1 rad/s"),
            Randomization(text="position in the tile: ±0.5 m"),
            Randomization(
                text="tile: harder for a robot that left its tile, easier for one that did not get far",
                key="terrain.curriculum",
            ),
            Randomization(text="uniform noise on observations (`learn.…Noise`)", when="step", key="learn.addNoise"),
            Randomization(
                text="a push sets the velocity along x and y to up to ±1 m/s",
                when=f"{learn.pushInterval_s:g} s",
                key="learn.pushRobots",
            ),
        ),
    )
