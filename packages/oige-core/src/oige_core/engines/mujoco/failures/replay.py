"""Replays a failed world in the plain C engine, and says where it goes wrong."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import mujoco
import numpy as np

from oige_core.engines.mujoco.executors.batch import Silence
from oige_core.engines.mujoco.executors.protocol import scalar_joints
from oige_core.engines.mujoco.failures.failure import STATE, Failure

__all__ = ["CallReport", "Replay", "Trouble", "replay"]


@dataclass(frozen=True)
class Trouble:
    """The first number of a world that is not finite, or beyond its bound.

    Attributes:
        text: what it is, its value and the bound.
        call: index of the recorded call of physics.
        solver_step: solver step of that call, counted from 1, after which it was found; 0: in the recorded state, which
            the task or the step before has written.
    """

    text: str
    call: int
    solver_step: int


@dataclass(frozen=True)
class CallReport:
    """A world after solver steps of one recorded call of physics.

    Attributes:
        call: index of the call.
        solver_step: number of solver steps of that call so far.
        time: simulated time, in seconds.
        speed: largest velocity of a joint, in m/s or rad/s.
        fastest: name of that joint.
        acceleration: largest acceleration of a joint, in m/s² or rad/s².
        most_accelerated: name of that joint.
        penetration: depth of the deepest contact, in m; 0 without contacts.
        contact: what touches there; empty without contacts.
        energy: potential and kinetic energy, in J.
    """

    call: int
    solver_step: int
    time: float
    speed: float
    fastest: str
    acceleration: float
    most_accelerated: str
    penetration: float
    contact: str
    energy: float


@dataclass(frozen=True)
class Replay:
    """A replay of a failure.

    Attributes:
        calls: the world after each recorded call of physics before the failing one.
        solver_steps: the world after each solver step of the call that fails, or of the last one.
        trouble: the first number that went wrong; None if the world does not fail in the C engine.
        deviation: largest difference between replayed and recorded positions at the beginning of a call, in m or rad.
            What a task writes into positions counts, too.
        fails_as_recorded: whether it goes wrong in the recorded call.
    """

    calls: list[CallReport]
    solver_steps: list[CallReport]
    trouble: Trouble | None
    deviation: float
    fails_as_recorded: bool


def replay(failure: Failure, look: Callable[[mujoco.MjData, CallReport], object] | None = None) -> Replay:
    """Repeat the recorded calls of physics, each from its recorded state, until something goes wrong.

    Args:
        failure: the failure.
        look: called with the data of the world and the report after each solver step, also the one that goes wrong.
    """
    model, data = _prepared(failure)
    calls: list[CallReport] = []
    steps: list[CallReport] = []
    deviation, last = 0.0, len(failure.states) - 1
    with Silence():
        for call, state in enumerate(failure.states):
            if call:
                before = data.qpos.copy()
                mujoco.mj_setState(model, data, state, STATE)
                if np.isfinite(data.qpos).all():
                    deviation = max(deviation, float(np.abs(data.qpos - before).max(initial=0.0)))
            else:
                mujoco.mj_setState(model, data, state, STATE)
            steps = []
            fails = call == last
            text = _trouble_in_inputs(model, data) or _trouble_in_state(model, data, failure, bounded=fails)
            trouble = None if text is None else Trouble(text, call, 0)
            for solver_step in _solver_steps(failure, model, data, call) if trouble is None else ():
                # Executors compare a world with its bounds only at the end of a call.
                bounded = fails or solver_step == failure.solver_steps[call]
                text = _trouble_in_state(model, data, failure, bounded=bounded)
                steps.append(_report(model, data, call, solver_step))
                if look is not None:
                    look(data, steps[-1])
                if text is not None:
                    trouble = Trouble(text, call, solver_step)
                    break
            if trouble is not None:
                return Replay(calls, steps, trouble, deviation, fails_as_recorded=fails)
            if not fails:
                calls.append(steps[-1])
    return Replay(calls, steps, None, deviation, fails_as_recorded=False)


def _prepared(failure: Failure) -> tuple[mujoco.MjModel, mujoco.MjData]:
    """Return the model, without MuJoCo's own resets of worlds that diverge, and data of it."""
    model = failure.model
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)
    return model, mujoco.MjData(model)


def _solver_steps(failure: Failure, model: mujoco.MjModel, data: mujoco.MjData, call: int) -> Iterator[int]:
    """Step a world as an executor does; yield the number of each solver step after it."""
    dofs, positions = scalar_joints(model)
    limits = None if failure.velocity_limits is None else failure.velocity_limits[dofs]
    for solver_step in range(1, int(failure.solver_steps[call]) + 1):
        mujoco.mj_step(model, data)
        if limits is not None:
            free = data.qvel[dofs].copy()
            data.qvel[dofs] = limited = np.clip(free, -limits, limits)
            data.qpos[positions] += (limited - free) * model.opt.timestep
        yield solver_step


def _trouble_in_inputs(model: mujoco.MjModel, data: mujoco.MjData) -> str | None:
    """Return which control or applied force is not finite, as the task has set it."""
    for values, what, name in (
        (data.ctrl, "control of actuator", lambda index: model.actuator(index).name),
        (data.qfrc_applied, "applied force of joint", lambda index: _joint_of(model, index)),
        (data.xfrc_applied.ravel(), "force applied to body", lambda index: model.body(index // 6).name),
    ):
        wrong = np.flatnonzero(~(np.abs(values) <= mujoco.mjMAXVAL))
        if len(wrong):
            return f"{what} {name(int(wrong[0]))!r}: {values[wrong[0]]:g}"
    return None


def _trouble_in_state(model: mujoco.MjModel, data: mujoco.MjData, failure: Failure, *, bounded: bool) -> str | None:
    """Return which position, velocity or acceleration is not finite or, if ``bounded``, beyond its bound.

    Without ``bounded``, MuJoCo's own bound of 1e10 counts.
    """
    position_joint = np.repeat(np.arange(model.njnt), _widths(model))
    fields = (
        ("position", data.qpos, failure.bounds.qpos, position_joint),
        ("velocity", data.qvel, failure.bounds.qvel, model.dof_jntid),
        ("acceleration", data.qacc, np.full(model.nv, mujoco.mjMAXVAL), model.dof_jntid),
    )
    for finite_only in (True, False):
        for what, values, own_bounds, joints in fields:
            bounds = np.maximum(own_bounds, 0.0 if bounded else mujoco.mjMAXVAL)
            wrong = np.flatnonzero(~np.isfinite(values) if finite_only else ~(np.abs(values) <= bounds))
            if len(wrong):
                index = int(wrong[0] if finite_only else wrong[np.argmax(np.abs(values[wrong]) / bounds[wrong])])
                joint = int(joints[index])
                bound = "" if finite_only else f", beyond its bound {bounds[index]:g}"
                return f"{what} of {_joint(model, joint)}: {values[index]:g}{bound}"
    return None


def _report(model: mujoco.MjModel, data: mujoco.MjData, call: int, solver_step: int) -> CallReport:
    mujoco.mj_energyPos(model, data)
    mujoco.mj_energyVel(model, data)
    speed, fastest = _largest(model, data.qvel)
    acceleration, most_accelerated = _largest(model, data.qacc)
    penetration, contact = _deepest(model, data)
    return CallReport(
        call=call,
        solver_step=solver_step,
        time=float(data.time),
        speed=speed,
        fastest=fastest,
        acceleration=acceleration,
        most_accelerated=most_accelerated,
        penetration=penetration,
        contact=contact,
        energy=float(data.energy.sum()),
    )


def _largest(model: mujoco.MjModel, values: np.ndarray) -> tuple[float, str]:
    """Return the largest magnitude among numbers of degrees of freedom, NaN first, and the name of its joint."""
    if not len(values):
        return 0.0, ""
    index = int(np.argmax(np.abs(values)))  # the first NaN, if there is one
    return float(abs(values[index])), _joint_of(model, index)


def _deepest(model: mujoco.MjModel, data: mujoco.MjData) -> tuple[float, str]:
    """Return the depth of the deepest contact, in m, and what touches there."""
    if not data.ncon:
        return 0.0, ""
    index = int(np.argmin(data.contact.dist))
    geoms, flexes = data.contact.geom[index], data.contact.flex[index]
    names = [_surface(model, int(geom), int(flex)) for geom, flex in zip(geoms, flexes, strict=True)]
    return max(0.0, -float(data.contact.dist[index])), " – ".join(names)


def _surface(model: mujoco.MjModel, geom: int, flex: int) -> str:
    if geom < 0:
        return mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_FLEX, flex) or f"soft body {flex}"
    return model.geom(geom).name or model.body(int(model.geom_bodyid[geom])).name


def _joint_of(model: mujoco.MjModel, dof: int) -> str:
    """Return the name of the joint of a degree of freedom, or of its body if the joint has none."""
    joint = int(model.dof_jntid[dof])
    return model.joint(joint).name or model.body(int(model.jnt_bodyid[joint])).name


def _joint(model: mujoco.MjModel, joint: int) -> str:
    name = model.joint(joint).name
    body = model.body(int(model.jnt_bodyid[joint])).name
    return f"joint {name!r}" if name else f"body {body!r}"


def _widths(model: mujoco.MjModel) -> np.ndarray:
    """Return how many numbers of ``qpos`` each joint has."""
    ends = np.append(model.jnt_qposadr[1:], model.nq)
    return ends - model.jnt_qposadr
