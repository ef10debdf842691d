"""Warp kernels that restore the initial state of worlds."""

import mujoco
import warp as wp

__all__ = ["Forces", "State", "restore_chosen", "restore_diverged"]

_MAX_VALUE = wp.constant(float(mujoco.mjMAXVAL))


@wp.struct
class State:
    """What a reset restores."""

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
    """What a reset zeroes."""

    actuator_force: wp.array2d[float]
    qacc: wp.array2d[float]
    qfrc_actuator: wp.array2d[float]
    qfrc_constraint: wp.array2d[float]
    sensordata: wp.array2d[float]


@wp.func
def _restore_world(world: int, live: State, initial: State, forces: Forces):
    live.time[world] = initial.time[world]
    for i in range(live.qpos.shape[1]):
        live.qpos[world, i] = initial.qpos[world, i]
    for i in range(live.qvel.shape[1]):
        live.qvel[world, i] = initial.qvel[world, i]
        live.qacc_warmstart[world, i] = initial.qacc_warmstart[world, i]
        live.qfrc_applied[world, i] = initial.qfrc_applied[world, i]
        forces.qacc[world, i] = 0.0
        forces.qfrc_actuator[world, i] = 0.0
        forces.qfrc_constraint[world, i] = 0.0
    for i in range(live.act.shape[1]):
        live.act[world, i] = initial.act[world, i]
    for i in range(live.ctrl.shape[1]):
        live.ctrl[world, i] = initial.ctrl[world, i]
    for i in range(live.xfrc_applied.shape[1]):
        live.xfrc_applied[world, i] = initial.xfrc_applied[world, i]
    for i in range(live.eq_active.shape[1]):
        live.eq_active[world, i] = initial.eq_active[world, i]
    for i in range(live.mocap_pos.shape[1]):
        live.mocap_pos[world, i] = initial.mocap_pos[world, i]
        live.mocap_quat[world, i] = initial.mocap_quat[world, i]
    for i in range(forces.actuator_force.shape[1]):
        forces.actuator_force[world, i] = 0.0
    for i in range(forces.sensordata.shape[1]):
        forces.sensordata[world, i] = 0.0


@wp.func
def _is_bad(value: float) -> bool:
    # Written so that NaN, of which every comparison is false, is bad.
    return not (wp.abs(value) <= _MAX_VALUE)


@wp.kernel(enable_backward=False)
def restore_chosen(chosen: wp.array[bool], live: State, initial: State, forces: Forces):
    """Restore the worlds that are chosen; one thread per world."""
    world = wp.tid()
    if chosen[world]:
        _restore_world(world, live, initial, forces)


@wp.kernel(enable_backward=False)
def restore_diverged(live: State, initial: State, forces: Forces, count: wp.array[int]):
    """Restore, and count in ``count[0]``, the worlds whose state is not finite or too large; one thread per world."""
    world = wp.tid()
    bad = bool(False)  # noqa: UP018  a variable to Warp, which takes a literal for a constant
    for i in range(live.qpos.shape[1]):
        bad = bad or _is_bad(live.qpos[world, i])
    for i in range(live.qvel.shape[1]):
        bad = bad or _is_bad(live.qvel[world, i]) or _is_bad(forces.qacc[world, i])
    if bad:
        wp.atomic_add(count, 0, 1)
        _restore_world(world, live, initial, forces)
