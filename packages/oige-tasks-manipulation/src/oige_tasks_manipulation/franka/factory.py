"""Factory's Franka: the Panda with a fingertip frame, driven by the efforts of a controller.

Figures are those of OmniIsaacGymEnvs' Factory tasks. ``tools/factory_franka.py`` makes the model from the Panda's.
"""

from pathlib import Path

from oige_core import ArticulationAsset, Drive

from oige_tasks_manipulation.franka.robot import ARM_JOINTS, FINGER_JOINTS

__all__ = [
    "ANGULAR_DAMPING",
    "FACTORY_FRANKA",
    "FINGERPAD_LENGTH",
    "FINGERTIP_LINK",
    "FINGER_FRICTION",
    "FINGER_LENGTH",
    "HAND_LENGTH",
    "LARGEST_ACCELERATION",
    "LARGEST_GRIP",
    "LINEAR_DAMPING",
    "MAX_ANGULAR_VELOCITY",
    "MAX_LINEAR_VELOCITY",
    "MAX_OPENING",
    "SCREW_JOINT_POSITIONS",
]

FINGERTIP_LINK = "panda_fingertip_centered"
"""Link in the middle between the tips of the fingers, without mass."""

HAND_LENGTH = 0.0584
"""From the hand's frame to those of the fingers, in m."""

FINGER_LENGTH = 0.053671
"""From a finger's frame to its tip, in m."""

FINGERPAD_LENGTH = 0.017608
"""Of the inner face of a pad, which ends at the tip, in m."""

MAX_OPENING = 0.08
"""Largest distance between the pads, in m."""

FINGER_FRICTION = 1.0
"""Coefficient of sliding friction of the fingers."""

LINEAR_DAMPING, ANGULAR_DAMPING = 1.0, 5.0
"""Fractions of the momentum that PhysX takes from each link per second, in 1/s."""

MAX_LINEAR_VELOCITY, MAX_ANGULAR_VELOCITY = 1.0, 2.0
"""Speed limits of links in PhysX, in m/s and rad/s."""

LARGEST_ACCELERATION = 80.0
"""That a task's controller asks of a joint, in rad/s²: the gain of Screw about z, 800 1/s², times 0.1 rad."""

LARGEST_GRIP = 8.0
"""Effort of an open finger, in N: the gain of Screw's gripper, 200 N/m, times 0.04 m."""

SCREW_JOINT_POSITIONS = (1.5178e-03, -1.9651e-01, -1.4364e-03, -1.9761, -2.7717e-04, 1.7796, 7.8556e-01)
"""Positions of the arm's joints at the start of Screw, in rad: fingers point down, pads at the nut on the bolt."""

FACTORY_FRANKA = ArticulationAsset(
    mjcf=Path(__file__).parent / "assets" / "factory_franka.xml",
    usd="Robots/FactoryFranka/factory_franka.usd",
    drives={
        "panda_joint[1-4]": Drive(max_effort=87.0),
        "panda_joint[5-7]": Drive(max_effort=12.0),
        "panda_finger_joint[12]": Drive(max_effort=100.0),
    },
    joint_positions=dict(zip(ARM_JOINTS, SCREW_JOINT_POSITIONS, strict=True)) | dict.fromkeys(FINGER_JOINTS, 0.02),
)
"""The robot without gains: a controller sets efforts, and the gains of the gripper. The scene places it at x = 0.5 m,
turned by 180° about z, without gravity."""
