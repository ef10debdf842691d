"""Warp kernels that exchange data between MuJoCo's fields and the arrays of Warp variants.

The C engine uses double and MuJoCo Warp single precision, so kernels that access their fields exist for both.
"""

from typing import Any

import warp as wp

__all__ = [
    "drive",
    "read_forces",
    "read_joints",
    "read_root",
    "reset_targets",
    "write_joints",
    "write_root",
]


@wp.kernel(enable_backward=False)
def read_joints(
    qpos: wp.array2d[Any],
    qvel: wp.array2d[Any],
    qpos_ids: wp.array[int],
    dof_ids: wp.array[int],
    positions: wp.array2d[float],
    velocities: wp.array2d[float],
):
    """Read positions and velocities at the joints' addresses; one thread per world and joint."""
    world, joint = wp.tid()
    positions[world, joint] = float(qpos[world, qpos_ids[joint]])
    velocities[world, joint] = float(qvel[world, dof_ids[joint]])


@wp.kernel(enable_backward=False)
def write_joints(
    mask: wp.array[bool],
    qpos: wp.array2d[Any],
    qvel: wp.array2d[Any],
    qpos_ids: wp.array[int],
    dof_ids: wp.array[int],
    positions: wp.array2d[float],
    velocities: wp.array2d[float],
):
    """Write positions and velocities of worlds of the mask; one thread per world and joint."""
    world, joint = wp.tid()
    if mask[world]:
        qpos[world, qpos_ids[joint]] = qpos.dtype(positions[world, joint])
        qvel[world, dof_ids[joint]] = qvel.dtype(velocities[world, joint])


@wp.func
def _vector(values: wp.array2d[Any], world: int, first: int) -> wp.vec3:
    return wp.vec3(float(values[world, first]), float(values[world, first + 1]), float(values[world, first + 2]))


@wp.kernel(enable_backward=False)
def read_root(
    qpos: wp.array2d[Any],
    qvel: wp.array2d[Any],
    qpos_id: int,
    dof_id: int,
    positions: wp.array[wp.vec3],
    orientations: wp.array[wp.quat],
    linear_velocities: wp.array[wp.vec3],
    angular_velocities: wp.array[wp.vec3],
):
    """Read a free joint, whose angular velocity MuJoCo stores in the body's frame; one thread per world."""
    world = wp.tid()
    vector = _vector(qpos, world, qpos_id + 4)
    orientation = wp.quat(vector, float(qpos[world, qpos_id + 3]))
    positions[world] = _vector(qpos, world, qpos_id)
    orientations[world] = orientation
    linear_velocities[world] = _vector(qvel, world, dof_id)
    angular_velocities[world] = wp.quat_rotate(orientation, _vector(qvel, world, dof_id + 3))


@wp.kernel(enable_backward=False)
def write_root(
    mask: wp.array[bool],
    qpos: wp.array2d[Any],
    qvel: wp.array2d[Any],
    qpos_id: int,
    dof_id: int,
    positions: wp.array[wp.vec3],
    orientations: wp.array[wp.quat],
    linear_velocities: wp.array[wp.vec3],
    angular_velocities: wp.array[wp.vec3],
):
    """Write a free joint in worlds of the mask; one thread per world."""
    world = wp.tid()
    if mask[world]:
        orientation = orientations[world]
        turning = wp.quat_rotate_inv(orientation, angular_velocities[world])
        qpos[world, qpos_id + 3] = qpos.dtype(orientation[3])
        for i in range(3):
            qpos[world, qpos_id + i] = qpos.dtype(positions[world][i])
            qpos[world, qpos_id + 4 + i] = qpos.dtype(orientation[i])
            qvel[world, dof_id + i] = qvel.dtype(linear_velocities[world][i])
            qvel[world, dof_id + 3 + i] = qvel.dtype(turning[i])


@wp.kernel(enable_backward=False)
def read_forces(
    sensordata: wp.array2d[float],
    links: wp.array[int],
    addresses: wp.array2d[int],
    forces: wp.array2d[wp.spatial_vector],
):
    """Read the force and the torque of selected links, at two addresses each; one thread per world and link."""
    world, row = wp.tid()
    force = _vector(sensordata, world, addresses[row, 0])
    torque = _vector(sensordata, world, addresses[row, 1])
    forces[world, links[row]] = wp.spatial_vector(force, torque)


@wp.kernel(enable_backward=False)
def drive(
    efforts: wp.array2d[float],
    position_targets: wp.array2d[float],
    velocity_targets: wp.array2d[float],
    stiffness: wp.array2d[float],
    damping: wp.array2d[float],
    ctrl_ids: wp.array[int],
    ctrl: wp.array2d[Any],
):
    """Write the terms of efforts and targets; the model has the other terms. One thread per world and joint."""
    world, joint = wp.tid()
    value = efforts[world, joint]
    value += stiffness[world, joint] * position_targets[world, joint]
    value += damping[world, joint] * velocity_targets[world, joint]
    ctrl[world, ctrl_ids[joint]] = ctrl.dtype(value)


@wp.kernel(enable_backward=False)
def reset_targets(mask: wp.array[bool], targets: wp.array3d[float], initial: wp.array3d[float]):
    """Restore targets ``(3, worlds, joints)`` of worlds of the mask; one thread per world and joint."""
    world, joint = wp.tid()
    if mask[world]:
        for kind in range(3):
            targets[kind, world, joint] = initial[kind, world, joint]


def _declare_precisions() -> None:
    """Register both precisions of generic kernels; otherwise Warp would compile again for each new one."""
    for scalar in (wp.float32, wp.float64):
        for kernel in (read_joints, write_joints, read_root, write_root, drive):
            fields = ("qpos", "qvel", "ctrl")
            overload = {arg.label: wp.array2d[scalar] for arg in kernel.adj.args if arg.label in fields}
            wp.overload(kernel, overload)


_declare_precisions()
