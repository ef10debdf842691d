"""Factory's Franka: the Panda with a fingertip frame, driven by the efforts of a controller.

Figures are those of OmniIsaacGymEnvs' Factory tasks. ``tools/factory_franka.py`` makes the model from the Panda's.
"""

from pathlib import Path

import torch
from oige_core import ArticulationAsset, Drive

from oige_tasks_manipulation.franka.description import ARM_JOINTS, FINGER_JOINTS

__all__ = [
    "FACTORY_FRANKA",
    "FINGERPAD_LENGTH",
    "FINGERTIP_LINK",
    "FINGER_CONTACT_TIME",
    "FINGER_DAMPING",
    "FINGER_FRICTION",
    "FINGER_LENGTH",
    "HAND_LENGTH",
    "MAX_ANGULAR_VELOCITY",
    "MAX_LINEAR_VELOCITY",
    "MAX_OPENING",
    "MOMENTUM_LOSS",
    "SCREW_JOINT_POSITIONS",
    "damping_efforts",
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

FINGER_CONTACT_TIME = 0.005
"""Time constant of the contacts of the fingers, in s, which is 20 ms by default: pads otherwise sink into the nut."""

FINGER_DAMPING = 20.0
"""Of the joints of the fingers, in N·s/m: 4 N, the grip of Pick and Place at 40 mm, moves them at most at 0.2 m/s, the
limit of OmniIsaacGymEnvs' robot."""

MOMENTUM_LOSS = 5.0
"""Fraction of the robot's momentum that damping takes per second, in 1/s.

PhysX damps links in OmniIsaacGymEnvs: it takes 1/s of the linear and 5/s of the angular momentum of each.
"""

MAX_LINEAR_VELOCITY, MAX_ANGULAR_VELOCITY = 1.0, 2.0
"""Speed limits of links in PhysX, in m/s and rad/s; here those of the fingertips."""

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


def damping_efforts(
    mass_matrix: torch.Tensor,
    joint_velocities: torch.Tensor,
    linear_velocity: torch.Tensor,
    angular_velocity: torch.Tensor,
    dt: float,
) -> torch.Tensor:
    """Return the efforts ``(n, 7)`` that stand for PhysX's damping and speed limits of links: −c M q̇.

    They slow the arm by c = ``MOMENTUM_LOSS``, and, above a speed limit v of the fingertips, by (1 − v / speed) / dt
    more, which brings them back to the limit within a control step. Joints together lose momentum, not each its own:
    dampers in joints would turn the hand away while Screw turns it, because its controller only acts on two of six
    axes.

    Args:
        mass_matrix: ``(n, 7, 7)`` M, in kg·m².
        joint_velocities: ``(n, 7)`` q̇, in rad/s.
        linear_velocity: ``(n, 3)``, of the fingertips, in m/s.
        angular_velocity: ``(n, 3)``, in rad/s.
        dt: duration of a control step, in s.
    """
    speeds = torch.maximum(
        torch.linalg.vector_norm(linear_velocity, dim=-1) / MAX_LINEAR_VELOCITY,
        torch.linalg.vector_norm(angular_velocity, dim=-1) / MAX_ANGULAR_VELOCITY,
    )
    losses = MOMENTUM_LOSS + (1.0 - 1.0 / speeds.clamp_min(1.0)) / dt
    return -losses.unsqueeze(-1) * (mass_matrix * joint_velocities.unsqueeze(-2)).sum(dim=-1)
