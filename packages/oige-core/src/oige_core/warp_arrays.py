"""Arrays that kernels of Warp variants read and write, the same on every engine."""

import warp as wp

__all__ = ["ArticulationArrays", "uniform"]


@wp.struct
class ArticulationArrays:
    """An articulation in N worlds, with d joints and b links; orders and conventions are those of its view.

    Positions, velocities and forces are those after the last physics step. Written positions and velocities take effect
    only in ``reset_idx``, for the worlds of its mask. Efforts and targets act in the following physics steps.

    Attributes:
        joint_positions: ``(N, d)`` in rad or m.
        joint_velocities: ``(N, d)`` in rad/s or m/s.
        joint_efforts: ``(N, d)`` in N·m or N, added to the PD terms of the drives.
        joint_position_targets: ``(N, d)`` in rad or m.
        joint_velocity_targets: ``(N, d)`` in rad/s or m/s.
        root_positions: ``(N,)`` in m, relative to the world's origin; the root arrays exist for floating roots.
        root_orientations: ``(N,)`` in Warp's order x, y, z, w, for its own functions.
        root_linear_velocities: ``(N,)`` in m/s, world frame.
        root_angular_velocities: ``(N,)`` in rad/s, world frame.
        joint_forces: ``(N, b)`` force (N) and torque (N·m) that the parent exerts on each link through its joint, in
            the joint's frame, as ``get_measured_joint_forces`` returns them; NaN for links without
            ``track_joint_forces``.
    """

    joint_positions: wp.array2d[float]
    joint_velocities: wp.array2d[float]
    joint_efforts: wp.array2d[float]
    joint_position_targets: wp.array2d[float]
    joint_velocity_targets: wp.array2d[float]
    root_positions: wp.array[wp.vec3]
    root_orientations: wp.array[wp.quat]
    root_linear_velocities: wp.array[wp.vec3]
    root_angular_velocities: wp.array[wp.vec3]
    joint_forces: wp.array2d[wp.spatial_vector]


@wp.func
def uniform(random: wp.array[wp.uint32], world: int, low: float, high: float) -> float:
    """Draw the next number of a world's own random stream, uniformly from ``low`` to ``high``."""
    state = random[world]
    value = wp.randf(state, low, high)
    random[world] = state
    return value
