"""Joint- and task-space controllers of robot arms, and differential inverse kinematics, as functions of torch tensors.

``docs/controllers.md`` has the formulas.
"""

from oige_core.control.controllers import MAX_EFFORT, Controller, ControlState, ControlTarget
from oige_core.control.errors import pose_error
from oige_core.control.feedback import proportional_derivative
from oige_core.control.inverse_kinematics import ik_step
from oige_core.control.jacobians import analytic_jacobian, rotation_vector_rates
from oige_core.control.task_space import contact_wrench, inertial_wrench, joint_efforts

__all__ = [
    "MAX_EFFORT",
    "ControlState",
    "ControlTarget",
    "Controller",
    "analytic_jacobian",
    "contact_wrench",
    "ik_step",
    "inertial_wrench",
    "joint_efforts",
    "pose_error",
    "proportional_derivative",
    "rotation_vector_rates",
]
