"""Checks of the calls that the engine asks of a release, and of the conventions of its physics."""

from oige_core.engines.isaacsim.conventions import CONVENTIONS, Convention

from oige_extension.checks.outcomes import CheckFailedError
from oige_extension.checks.session import NUM_ENVS, STEPS, Check, Session

__all__ = ["host_checks"]


def host_checks() -> dict[str, Check]:
    """Return the checks by name, in the order in which they run."""
    checks = {step: _named(lambda session, step=step: session.take(step), STEPS[step].__doc__) for step in STEPS}
    checks |= {f"host.{function.__name__[1:]}": function for function in CALLS}
    checks |= {f"convention.{each.name}": _named(_convention(each), each.assumed) for each in CONVENTIONS}
    return checks | {"host.close": _close}


def _named(check: Check, description: str | None) -> Check:
    check.__doc__ = description
    return check


def _convention(convention: Convention) -> Check:
    def check(session: Session) -> str:
        finding = convention.measure(session.probe)
        if not finding.holds:
            raise CheckFailedError(f"{finding.measured}; the engine relies on: {convention.assumed}")
        return finding.measured

    return check


def _simulation_view(session: Session) -> str:
    """The simulation view is that of omni.physics.tensors."""
    session.reach()
    view = session.host.simulation_view()
    if view is not session.host.simulation_view():
        raise CheckFailedError("two calls return two objects")
    missing = [
        name
        for name in ("create_articulation_view", "create_rigid_body_view", "create_rigid_contact_view", "set_gravity")
        if not hasattr(view, name)
    ]
    if missing:
        raise CheckFailedError(f"{type(view).__name__} lacks {', '.join(missing)}")
    return f"{type(view).__module__}.{type(view).__name__}"


def _simulate(session: Session) -> str:
    """A body falls for ten steps of 0.01 s."""
    probe = session.probe
    probe.rest()
    probe.set_gravity(9.81)
    probe.step(10)
    speeds = -probe.box.read("get_velocities")[:, 2]
    if not bool(((speeds - 0.981).abs() < 1e-3).all()):
        raise CheckFailedError(f"speeds {speeds.tolist()} m/s; expected 0.981")
    return "0.981 m/s"


def _update_kinematics(session: Session) -> str:
    """The call returns; convention.kinematics tells whether it has its effect."""
    session.reach()
    session.host.update_kinematics()
    return ""


def _render(session: Session) -> str:
    """Drawing does not step physics."""
    probe = session.probe
    probe.rest()
    probe.set_gravity(9.81)
    probe.step()
    before = probe.box.read("get_velocities").clone()
    session.host.render()
    if not bool((probe.box.read("get_velocities") == before).all()):
        raise CheckFailedError("bodies got faster while the stage was drawn")
    return ""


def _errors(session: Session) -> str:
    """An error of physics is seen."""
    session.reach()
    earlier = session.host.errors()
    session.host.simulation_view().create_rigid_body_view("/World/nothing/here_*")
    session.probe.step()
    seen = session.host.errors()
    if not seen:
        raise CheckFailedError("a view of prims that do not exist gave no error")
    return f"{seen[0]}" + (f"; before: {'; '.join(earlier)}" if earlier else "")


def _host_view(session: Session) -> str:
    """The release's own views find the prims of all worlds."""
    session.reach()
    paths = {"articulation": session.paths.arm, "rigid": session.paths.box, "xform": session.paths.box}
    counts = {}
    for kind, path in paths.items():
        view = session.host.host_view(kind, path.replace("env_0", "env_*"))
        counts[kind] = getattr(view, "count", None) or len(view)
    if set(counts.values()) != {NUM_ENVS}:
        raise CheckFailedError(f"counts {counts}; expected {NUM_ENVS}")
    return ", ".join(counts)


def _close(session: Session) -> str:
    """The host closes, and a new one opens a stage."""
    session.reach()
    session.host.close()
    session.host = session.create_host()
    session.host.new_stage()
    session.host.close()
    return ""


CALLS: tuple[Check, ...] = (_simulation_view, _simulate, _update_kinematics, _render, _errors, _host_view)
