"""Warp kernels that restore the initial state of worlds and count their problems."""

import mujoco
import warp as wp

__all__ = ["LANES", "Failures", "Forces", "State", "contain_failures", "limit_velocities", "restore_chosen"]

LANES = 32
"""Threads per world of :func:`restore_chosen`."""

_MAX_VALUE = wp.constant(float(mujoco.mjMAXVAL))


@wp.struct
class State:
    """Fields that a reset restores."""

    time: wp.array[float]
    qpos: wp.array2d[float]
    qvel: wp.array2d[float]
    act: wp.array2d[float]
    ctrl: wp.array2d[float]
    qacc_warmstart: wp.array2d[float]
    qfrc_applied: wp.array2d[float]
    xfrc_applied: wp.array2d[wp.spatial_vector]
    eq_active: wp.array2d[bool]
    mocap_pos: wp.array2d[wp.vec3]
    mocap_quat: wp.array2d[wp.quat]


@wp.struct
class Forces:
    """Fields that a reset sets to zero."""

    actuator_force: wp.array2d[float]
    qacc: wp.array2d[float]
    qfrc_actuator: wp.array2d[float]
    qfrc_constraint: wp.array2d[float]
    sensordata: wp.array2d[float]


@wp.func
def _restore_world(world: int, lane: int, lanes: int, live: State, initial: State, forces: Forces):
    if lane == 0:
        live.time[world] = initial.time[world]
    for i in range(lane, live.qpos.shape[1], lanes):
        live.qpos[world, i] = initial.qpos[world, i]
    for i in range(lane, live.qvel.shape[1], lanes):
        live.qvel[world, i] = initial.qvel[world, i]
        live.qacc_warmstart[world, i] = initial.qacc_warmstart[world, i]
        live.qfrc_applied[world, i] = initial.qfrc_applied[world, i]
        forces.qacc[world, i] = 0.0
        forces.qfrc_actuator[world, i] = 0.0
        forces.qfrc_constraint[world, i] = 0.0
    for i in range(lane, live.act.shape[1], lanes):
        live.act[world, i] = initial.act[world, i]
    for i in range(lane, live.ctrl.shape[1], lanes):
        live.ctrl[world, i] = initial.ctrl[world, i]
    for i in range(lane, live.xfrc_applied.shape[1], lanes):
        live.xfrc_applied[world, i] = initial.xfrc_applied[world, i]
    for i in range(lane, live.eq_active.shape[1], lanes):
        live.eq_active[world, i] = initial.eq_active[world, i]
    for i in range(lane, live.mocap_pos.shape[1], lanes):
        live.mocap_pos[world, i] = initial.mocap_pos[world, i]
        live.mocap_quat[world, i] = initial.mocap_quat[world, i]
    for i in range(lane, forces.actuator_force.shape[1], lanes):
        forces.actuator_force[world, i] = 0.0
    for i in range(lane, forces.sensordata.shape[1], lanes):
        forces.sensordata[world, i] = 0.0


@wp.struct
class Failures:
    """Counts of problems, and the bounds of the state."""

    qpos_bounds: wp.array[float]
    qvel_bounds: wp.array[float]
    overflow: wp.array[int]  # by world; bits of MuJoCo Warp
    overflow_bits: wp.array[int]  # by kind of overflow; its row of the counts is its index here
    diverged_row: int
    exploded_row: int
    counts: wp.array2d[int]
    failed: wp.array[bool]


@wp.func
def _within(value: float, bound: float) -> bool:
    # NaN is beyond every bound, because every comparison with it is false.
    return wp.abs(value) <= bound


@wp.kernel(enable_backward=False)
def restore_chosen(chosen: wp.array[bool], live: State, initial: State, forces: Forces):
    """Restore the selected worlds; several threads per world, which divide its numbers among them."""
    world, lane = wp.tid()
    if chosen[world]:
        _restore_world(world, lane, LANES, live, initial, forces)


@wp.kernel(enable_backward=False)
def contain_failures(live: State, initial: State, forces: Forces, failures: Failures):
    """Count the problems of a world; restore it if its state is unusable; one thread per world."""
    world = wp.tid()
    finite = bool(True)  # noqa: UP018  a variable in Warp, which treats a literal as a constant
    inside = bool(True)  # noqa: UP018
    for i in range(live.qpos.shape[1]):
        finite = finite and _within(live.qpos[world, i], _MAX_VALUE)
        inside = inside and _within(live.qpos[world, i], failures.qpos_bounds[i])
    for i in range(live.qvel.shape[1]):
        finite = finite and _within(live.qvel[world, i], _MAX_VALUE) and _within(forces.qacc[world, i], _MAX_VALUE)
        inside = inside and _within(live.qvel[world, i], failures.qvel_bounds[i])
    for i in range(live.ctrl.shape[1]):
        finite = finite and _within(live.ctrl[world, i], _MAX_VALUE)  # MuJoCo Warp treats other values as zero
    bits = failures.overflow[world]
    failures.overflow[world] = 0
    for row in range(failures.overflow_bits.shape[0]):
        if bits & failures.overflow_bits[row] != 0:
            failures.counts[row, world] += 1
            failures.failed[world] = True
    if not finite:
        failures.counts[failures.diverged_row, world] += 1
    elif not inside:
        failures.counts[failures.exploded_row, world] += 1
    if not (finite and inside):
        failures.failed[world] = True
        _restore_world(world, 0, 1, live, initial, forces)


@wp.kernel(enable_backward=False)
def limit_velocities(
    dofs: wp.array[int],
    positions: wp.array[int],
    timestep: float,
    limits: wp.array2d[float],
    qpos: wp.array2d[float],
    qvel: wp.array2d[float],
):
    """Limit velocities of scalar joints ``(j,)`` to bounds ``(N, nv)``; NaN remains NaN. One thread per number."""
    world, joint = wp.tid()
    dof, position = dofs[joint], positions[joint]
    free, limit = qvel[world, dof], limits[world, dof]
    if wp.abs(free) > limit:
        excess = free - wp.sign(free) * limit
        qvel[world, dof] = free - excess
        qpos[world, position] = qpos[world, position] - excess * timestep
