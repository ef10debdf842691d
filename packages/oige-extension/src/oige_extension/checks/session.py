"""What the checks of a process share, and the steps to a stage that plays."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from oige_core.engines.isaacsim.application import ApplicationOptions, create_host, start_application
from oige_core.engines.isaacsim.conventions import Probe
from oige_core.math import grid_positions

from oige_extension.checks.outcomes import CheckFailedError, CheckSkippedError

__all__ = ["NUM_ENVS", "STEPS", "Check", "Session"]

NUM_ENVS = 12
SPACING = 6.0

Check = Callable[["Session"], str]
"""Returns what it found; it raises any error if that is not what OIGE needs."""


class Session:
    """What the checks of one process share: the application, and a small stage that plays.

    Args:
        device: of physics.
        host: ``module:callable`` that returns a host to use instead of that of Isaac Sim; empty: Isaac Sim.
        failed: names of checks that failed or ended a process before.

    Attributes:
        device: see above.
        is_isaac_sim: whether the host is that of Isaac Sim.
        host: the host of the small stage.
        stage: the stage.
        paths: what is on it.
    """

    def __init__(self, device: str, host: str, failed: Sequence[str]) -> None:
        self.device = device
        self.is_isaac_sim = not host
        self._source = host
        self._failed = set(failed)
        self._done: set[str] = set()
        self.host: Any = None
        self.stage: Any = None
        self.paths: Any = None
        self._probe: Any = None

    def create_host(self) -> Any:
        """Return a new host; start the application if it does not run."""
        if not self.is_isaac_sim:
            module, _, name = self._source.partition(":")
            return getattr(importlib.import_module(module), name)()
        application = start_application(ApplicationOptions(device=self.device))
        return create_host(application, self.device)

    def reach(self, name: str = "") -> None:
        """Take the steps before a step of ``STEPS``, or all of them, as far as they were not taken yet.

        Raises:
            CheckSkippedError: one of them has failed.
        """
        steps = list(STEPS)
        for step in steps[: steps.index(name)] if name else steps:
            if step in self._failed:
                raise CheckSkippedError(f"needs {step}, which failed")
            if step not in self._done:
                self.take(step)

    def take(self, step: str) -> str:
        """Take a step of ``STEPS`` and return what it found."""
        self.reach(step)
        try:
            found = STEPS[step](self)
        except BaseException:
            self._failed.add(step)
            raise
        self._done.add(step)
        return found

    @property
    def probe(self) -> Any:
        """The bodies and robots of the stage, which plays."""
        self.reach()
        if self._probe is None:
            self._probe = Probe(self.host, self.paths, NUM_ENVS)
        return self._probe

    @property
    def worlds(self) -> list[str]:
        """Paths of all worlds of the stage."""
        return [self.paths.world.replace("env_0", f"env_{world}") for world in range(NUM_ENVS)]


def _start(session: Session) -> str:
    """The application starts."""
    session.host = session.create_host()
    return f"{session.host.release} on {session.host.device}"


def _open_stage(session: Session) -> str:
    """A new stage is z up and in metres, and takes one world."""
    from oige_core.engines.isaacsim.usd.probe import write_probe
    from pxr import UsdGeom

    session.stage = stage = session.host.new_stage()
    axis, unit = UsdGeom.GetStageUpAxis(stage), UsdGeom.GetStageMetersPerUnit(stage)
    if (axis, unit) != ("Z", 1.0):
        raise CheckFailedError(f"up axis {axis}, {unit} m per unit; expected Z and 1.0")
    prims = ", ".join(prim.GetName() for prim in stage.GetPseudoRoot().GetChildren())
    session.paths = write_probe(stage)
    return f"it contains {prims or 'nothing'}"


def _clone(session: Session) -> str:
    """Each world is a copy of the first, at its position."""
    from pxr import Usd, UsdGeom

    positions = grid_positions(NUM_ENVS, SPACING).numpy()
    session.host.clone(session.paths.world, session.worlds, positions)
    for path, position in zip(session.worlds, positions.tolist(), strict=True):
        if not session.stage.GetPrimAtPath(f"{path}/box"):
            raise CheckFailedError(f"there is no {path}/box")
        prim = session.stage.GetPrimAtPath(path)
        found = UsdGeom.Xformable(prim).ComputeLocalToWorldTransform(Usd.TimeCode.Default()).ExtractTranslation()
        if any(abs(a - b) > 1e-4 for a, b in zip(found, position, strict=True)):
            raise CheckFailedError(f"{path} is at {tuple(found)}; expected {tuple(position)}")
    return f"{NUM_ENVS} worlds"


def _filter_collisions(session: Session) -> str:
    """Collisions of worlds can be filtered; convention.worlds-apart tells whether that has an effect."""
    paths = session.paths
    session.host.filter_collisions(paths.physics_scene, paths.collision_root, session.worlds, [paths.ground])
    return ""


def _play(session: Session) -> str:
    """Physics starts."""
    session.host.play()
    return ""


STEPS: dict[str, Check] = {
    "host.start": _start,
    "host.new_stage": _open_stage,
    "host.clone": _clone,
    "host.filter_collisions": _filter_collisions,
    "host.play": _play,
}
"""Steps to a stage that plays, in their order."""
