"""What Anymal observes, does and rewards."""

from oige_core import RunConfig
from oige_core.description import XYZ, Command, Ending, Quantity, Randomization, Reference, RewardTerm, TaskDescription

from oige_tasks_locomotion.anymal import AnymalCommandRanges, AnymalConfig

__all__ = [
    "JOINT_NAMES",
    "PREVIOUS_ACTION",
    "UPSTREAM_DT",
    "command_observations",
    "command_randomization",
    "describe_anymal",
    "joint_observations",
    "span",
]

JOINT_NAMES = tuple(f"{leg}_{joint}" for joint in ("HAA", "HFE", "KFE") for leg in ("LF", "LH", "RF", "RH"))
"""Hip abduction, hip flexion and knee flexion of the left fore, left hind, right fore and right hind leg, in the order
of OmniIsaacGymEnvs."""

UPSTREAM_DT = 1.0 / 60.0  # s; for which OmniIsaacGymEnvs takes a control step of 0.02 s

PREVIOUS_ACTION = Quantity(name="previous_action", text="previous actions", components=JOINT_NAMES)


def span(low: float, high: float, unit: str) -> str:
    """Return a range as text, such as ``±2 m/s``."""
    text = f"±{high:g} {unit}" if low == -high else f"{low:g} to {high:g} {unit}"
    return text.replace("-", "−")


def command_observations() -> tuple[Quantity, ...]:
    """Return velocities, gravity and commands, with which observations of both ANYmal tasks begin."""
    return (
        Quantity(
            name="linear_velocity",
            text="linear velocity of the base, in its frame",
            unit="m/s",
            components=XYZ,
            key="learn.linearVelocityScale",
        ),
        Quantity(
            name="angular_velocity",
            text="angular velocity of the base, in its frame",
            unit="rad/s",
            components=XYZ,
            key="learn.angularVelocityScale",
        ),
        Quantity(name="gravity", text="direction of gravity, in the base's frame", components=XYZ),
        Quantity(
            name="commanded_velocity",
            text="commanded velocity along x and y",
            unit="m/s",
            components=("x", "y"),
            key="learn.linearVelocityScale",
        ),
        Quantity(name="commanded_yaw_rate", text="commanded yaw rate", unit="rad/s", key="learn.angularVelocityScale"),
    )


def joint_observations(reference: Reference = "default_pose") -> tuple[Quantity, ...]:
    """Return positions, relative to ``reference``, and velocities of the joints."""
    relative = " relative to the default pose" if reference == "default_pose" else ""
    return (
        Quantity(
            name="joint_position",
            text=f"joint positions{relative}",
            unit="rad",
            components=JOINT_NAMES,
            key="learn.dofPositionScale",
            relative_to=reference,
        ),
        Quantity(
            name="joint_velocity",
            text="joint velocities",
            unit="rad/s",
            components=JOINT_NAMES,
            key="learn.dofVelocityScale",
        ),
    )


def command_randomization(ranges: AnymalCommandRanges, yaw: str) -> Randomization:
    """Return the randomisation of commands; ``yaw`` is the last of them, as text."""
    x, y = span(*ranges.linear_x, "m/s"), span(*ranges.linear_y, "m/s")
    return Randomization(text=f"commands: {x} along x, {y} along y, {yaw}", key="randomCommandVelocityRanges")


def describe_anymal(env: AnymalConfig, config: RunConfig) -> TaskDescription:
    """Return the description of Anymal."""
    upstream, control_step = env.compat == "upstream", config.task.sim.dt * env.controlFrequencyInv
    dt = UPSTREAM_DT if upstream else control_step
    yaw_rate = span(*env.randomCommandVelocityRanges.yaw, "rad/s")
    return TaskDescription(
        summary="ANYmal C follows a commanded velocity on flat ground.",
        observations=(*command_observations(), *joint_observations(), PREVIOUS_ACTION),
        actions=(
            Command(
                name="joint_target_speed",
                text="speeds of the position targets of the joints",
                kind="position_target_speed",
                unit="rad/s",
                components=JOINT_NAMES,
                scale=dt / control_step,
                key="control.actionScale",
            ),
        ),
        rewards=(
            RewardTerm(
                name="linear_velocity",
                text="exp(−|error of the velocity along x and y|² / 0.25)",
                weight=dt,
                key="learn.linearVelocityXYRewardScale",
            ),
            RewardTerm(name="yaw_rate", text="exp(−error² / 0.25)", weight=dt, key="learn.angularVelocityZRewardScale"),
            RewardTerm(
                name="vertical_velocity",
                text="velocity along z, squared",
                weight=dt,
                key="learn.linearVelocityZRewardScale",
            ),
            RewardTerm(
                name="joint_acceleration",
                text="Σ (change of joint velocity)²",
                weight=dt,
                key="learn.jointAccRewardScale",
            ),
            RewardTerm(name="action_rate", text="Σ (change of action)²", weight=dt, key="learn.actionRateRewardScale"),
            RewardTerm(
                name="hip_abduction",
                text="Σ |HAA joint position relative to the default pose|",
                weight=dt,
                key="learn.cosmeticRewardScale",
            ),
        ),
        reward_notes=f"Keys give weights per second; a control step takes {dt:.3g} s. The reward is clamped to at "
        "least 0. The reward of a step that terminates the episode is −1 instead.",
        endings=(Ending(text=f"the base is lower than {env.minBaseHeight:g} m", key="minBaseHeight"),),
        randomization=(
            command_randomization(env.randomCommandVelocityRanges, f"yaw rate {yaw_rate}"),
            Randomization(text="joint velocities: ±0.1 rad/s"),
        ),
        observation_notes="The commanded velocity stays the same during an episode.",
    )
