"""What the flying tasks share in their descriptions."""

import math

from oige_core.description import QUATERNION, XYZ, Quantity

__all__ = ["SCALED_FLIGHT", "flight"]


def flight(*, to_target: float, linear: float, angular: float, attitude: Quantity) -> tuple[Quantity, ...]:
    """Return the quantities of the motion of a vehicle.

    Args:
        to_target: scale of the vector to the target.
        linear: scale of the linear velocity.
        angular: scale of the angular velocity.
        attitude: the orientation.
    """
    return (
        Quantity(name="to_target", text="vector to the target", unit="m", components=XYZ, scale=to_target),
        attitude,
        Quantity(name="linear_velocity", text="linear velocity", unit="m/s", components=XYZ, scale=linear),
        Quantity(name="angular_velocity", text="angular velocity", unit="rad/s", components=XYZ, scale=angular),
    )


SCALED_FLIGHT = flight(
    to_target=1 / 3,
    linear=1 / 2,
    angular=1 / math.pi,
    attitude=Quantity(name="orientation", text="orientation, a quaternion", components=QUATERNION),
)
"""As Ingenuity and Quadcopter observe it, along the axes of the world."""
