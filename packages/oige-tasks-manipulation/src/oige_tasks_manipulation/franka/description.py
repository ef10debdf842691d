"""What tasks with a Franka Panda that moves position targets share in their descriptions."""

from oige_core import EnvConfig, RunConfig
from oige_core.description import Command, Quantity

__all__ = [
    "ARM_JOINTS",
    "DT",
    "FINGER_JOINTS",
    "FINGER_SPEED",
    "JOINT_NAMES",
    "JOINT_OBSERVATIONS",
    "arm_command",
    "finger_command",
]

ARM_JOINTS = tuple(f"panda_joint{number}" for number in range(1, 8))
"""From the base to the hand."""

FINGER_JOINTS = ("panda_finger_joint1", "panda_finger_joint2")
"""Left and right; the position of each is its distance from the middle of the gripper, in m."""

JOINT_NAMES = (*ARM_JOINTS, *FINGER_JOINTS)
"""In the order of OmniIsaacGymEnvs."""

DT = 1.0 / 60.0
"""Time for which position targets move in a control step, in s, as in OmniIsaacGymEnvs, however long a step is."""

FINGER_SPEED = 0.1
"""Speed of the fingers' targets in m/s, in relation to that of the arm's in rad/s."""

JOINT_OBSERVATIONS = (
    Quantity(
        name="joint_position",
        text="joint positions, −1 at the lower limit, 1 at the upper limit",
        components=JOINT_NAMES,
        relative_to="limits",
    ),
    Quantity(
        name="joint_velocity",
        text="joint velocities",
        unit=(*("rad/s",) * len(ARM_JOINTS), *("m/s",) * len(FINGER_JOINTS)),
        components=JOINT_NAMES,
        key="dofVelocityScale",
    ),
)
"""Positions and velocities of the joints."""


def time_ratio(env: EnvConfig, config: RunConfig) -> float:
    """Return :data:`DT` as a multiple of a control step."""
    return DT / (config.task.sim.dt * env.controlFrequencyInv)


def arm_command(env: EnvConfig, config: RunConfig) -> Command:
    """Return what the first seven actions set."""
    return Command(
        name="joint_target_speed",
        text="speeds of the position targets of the arm",
        kind="position_target_speed",
        unit="rad/s",
        components=ARM_JOINTS,
        scale=time_ratio(env, config),
        key="actionScale",
    )


def finger_command(env: EnvConfig, config: RunConfig, *, components: tuple[str, ...], text: str) -> Command:
    """Return what the actions of the fingers set."""
    return Command(
        name="finger_target_speed",
        text=text,
        kind="position_target_speed",
        unit="m/s",
        components=components,
        scale=FINGER_SPEED * time_ratio(env, config),
        key="actionScale",
    )
