"""Franka Emika Panda with the Franka Hand."""

from pathlib import Path

from oige_core import ArticulationAsset, Drive

from oige_tasks_manipulation.franka.description import JOINT_NAMES

__all__ = ["DEFAULT_JOINT_POSITIONS", "FRANKA", "MAX_VELOCITY"]

DEFAULT_JOINT_POSITIONS = dict(zip(JOINT_NAMES, (0.0, -1.0, 0.0, -2.2, 0.0, 2.4, 0.8, 0.02, 0.02), strict=True))
"""Drive targets that OmniIsaacGymEnvs' robot has before a task sets others, in rad and m."""

MAX_VELOCITY = (2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61, 0.2, 0.2)
"""Velocity limits of OmniIsaacGymEnvs' robot, those of Franka's documentation for the arm, in rad/s and m/s.

The damping in the model's joints is the effort limit over this limit: a drive cannot push a joint beyond it.
"""

FRANKA = ArticulationAsset(
    mjcf=Path(__file__).parent / "assets" / "franka_panda.xml",
    usd="Robots/Franka/franka_instanceable.usd",
    drives={
        "panda_joint[1-4]": Drive(stiffness=400.0, damping=40.0, max_effort=87.0),
        "panda_joint[5-7]": Drive(stiffness=400.0, damping=75.4, max_effort=12.0),
        "panda_finger_joint[12]": Drive(stiffness=1e4, damping=100.0, max_effort=200.0),
    },
    joint_positions=DEFAULT_JOINT_POSITIONS,
)
"""The robot with the drives of OmniIsaacGymEnvs.

The damping of an arm's drive and of its joint add up to 80 N·m·s/rad, the damping of that drive.
"""
