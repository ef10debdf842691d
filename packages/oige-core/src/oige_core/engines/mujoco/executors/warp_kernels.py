"""Warp kernels that restore the initial state of worlds and count their problems."""

import mujoco
import warp as wp

__all__ = [
    "DIVERGED",
    "EXPLODED",
    "LANES",
    "Failures",
    "Forces",
    "Kept",
    "State",
    "contain_failures",
    "keep_failures",
    "limit_velocities",
    "remember",
    "restore_chosen",
]

LANES = 32
"""Threads per world of :func:`restore_chosen`."""

DIVERGED = wp.constant(1)
EXPLODED = wp.constant(2)
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
def _copy_state(row: int, source_row: int, lane: int, lanes: int, target: State, source: State):
    """Copy a row of a state; lane ``lane`` of ``lanes`` threads."""
    if lane == 0:
        target.time[row] = source.time[source_row]
    for i in range(lane, target.qpos.shape[1], lanes):
        target.qpos[row, i] = source.qpos[source_row, i]
    for i in range(lane, target.qvel.shape[1], lanes):
        target.qvel[row, i] = source.qvel[source_row, i]
        target.qacc_warmstart[row, i] = source.qacc_warmstart[source_row, i]
        target.qfrc_applied[row, i] = source.qfrc_applied[source_row, i]
    for i in range(lane, target.act.shape[1], lanes):
        target.act[row, i] = source.act[source_row, i]
    for i in range(lane, target.ctrl.shape[1], lanes):
        target.ctrl[row, i] = source.ctrl[source_row, i]
    for i in range(lane, target.xfrc_applied.shape[1], lanes):
        target.xfrc_applied[row, i] = source.xfrc_applied[source_row, i]
    for i in range(lane, target.eq_active.shape[1], lanes):
        target.eq_active[row, i] = source.eq_active[source_row, i]
    for i in range(lane, target.mocap_pos.shape[1], lanes):
        target.mocap_pos[row, i] = source.mocap_pos[source_row, i]
        target.mocap_quat[row, i] = source.mocap_quat[source_row, i]


@wp.func
def _restore_world(world: int, lane: int, lanes: int, live: State, initial: State, forces: Forces):
    _copy_state(world, world, lane, lanes, live, initial)
    for i in range(lane, forces.qacc.shape[1], lanes):
        forces.qacc[world, i] = 0.0
        forces.qfrc_actuator[world, i] = 0.0
        forces.qfrc_constraint[world, i] = 0.0
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
    lost: wp.array[int]  # by world; 0, or DIVERGED or EXPLODED in the last step


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
    failures.lost[world] = 0
    if not finite:
        failures.counts[failures.diverged_row, world] += 1
        failures.lost[world] = DIVERGED
    elif not inside:
        failures.counts[failures.exploded_row, world] += 1
        failures.lost[world] = EXPLODED
    if not (finite and inside):
        failures.failed[world] = True
        _restore_world(world, 0, 1, live, initial, forces)


@wp.kernel(enable_backward=False)
def remember(live: State, before: State):
    """Copy the states of all worlds; several threads per world."""
    world, lane = wp.tid()
    _copy_state(world, world, lane, LANES, before, live)


@wp.struct
class Kept:
    """The first worlds that failed, with room for a number of them.

    Fields of the model that differ between worlds are copied as words of 32 bits from their addresses.
    """

    count: wp.array[int]  # one number: worlds that failed so far, also those for which there is no room
    worlds: wp.array[int]
    lost: wp.array[int]
    solver_steps: wp.array[int]  # of the failing call
    totals: wp.array[int]  # solver steps until the failure
    clock: wp.array[int]  # by world: solver steps so far
    states: State
    fields: wp.array[wp.uint64]  # addresses of model fields
    words: wp.array[int]  # of a row of each field
    begins: wp.array[int]  # where the words of each field begin in ``model``
    model: wp.array2d[int]


@wp.kernel(enable_backward=False)
def keep_failures(solver_steps: int, lost: wp.array[int], before: State, kept: Kept):
    """Keep the state before the last step, and the model, of each world that failed; one thread per world."""
    world = wp.tid()
    kept.clock[world] += solver_steps
    if lost[world] != 0:
        row = wp.atomic_add(kept.count, 0, 1)
        if row < kept.worlds.shape[0]:
            kept.worlds[row] = world
            kept.lost[row] = lost[world]
            kept.solver_steps[row] = solver_steps
            kept.totals[row] = kept.clock[world]
            _copy_state(row, world, 0, 1, kept.states, before)
            for i in range(kept.fields.shape[0]):
                count = kept.words[i]
                field = wp.array(ptr=kept.fields[i], shape=(before.time.shape[0], count), dtype=wp.int32)
                for j in range(count):
                    kept.model[row, kept.begins[i] + j] = field[world, j]


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
