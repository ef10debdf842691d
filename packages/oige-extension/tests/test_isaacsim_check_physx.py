"""oige-isaacsim-check on PhysX without Isaac Sim: all passes there, and what a host does wrong is found."""

import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from oige_core.testing.physx.runtime import is_ovphysx_installed

if not is_ovphysx_installed():
    pytest.skip("needs the dependency group isaacsim", allow_module_level=True)

from oige_core.testing.physx import OvphysxHost
from oige_extension.checks import Session, all_checks
from oige_extension.isaacsim_check import outcome
from pxr import UsdGeom

CHECKS = all_checks()
STAGE = [name for name in CHECKS if name.startswith(("host.", "convention."))]


@pytest.fixture
def session(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """A session whose host is of the class that the test asks for."""
    hosts: list[OvphysxHost] = []

    def create() -> OvphysxHost:
        hosts.append(getattr(request, "param", OvphysxHost)())
        return hosts[-1]

    module = ModuleType("hosts_of_test")
    module.create = create  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "hosts_of_test", module)
    yield Session("cpu", "hosts_of_test:create", [])
    for host in hosts:
        host.close()


def test_every_check_passes(session: Session) -> None:
    found = {name: outcome(CHECKS[name], session) for name in STAGE}
    assert {name: result["message"] for name, result in found.items() if result["status"] == "FAIL"} == {}
    assert [name for name, result in found.items() if result["status"] == "SKIP"] == ["host.host_view"]


def test_cartpole_plays_and_trains(session: Session) -> None:
    played, trained = (outcome(CHECKS[name], session) for name in ("task.Cartpole", "train.Cartpole"))
    assert played["status"] == trained["status"] == "PASS", (played, trained)
    assert float(played["message"].split("step ")[1].split(",")[0]) > 0.9
    assert trained["message"].startswith("10 epochs; checkpoints: last_Cartpole_ep_10_")


class NoStart(OvphysxHost):
    def __init__(self) -> None:
        raise RuntimeError("no experience file")


class YUp(OvphysxHost):
    def new_stage(self) -> Any:
        stage = super().new_stage()
        UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
        return stage


class OnOneSpot(OvphysxHost):
    def clone(self, source_path: str, target_paths: Sequence[str], positions: np.ndarray) -> None:
        super().clone(source_path, target_paths, np.zeros_like(positions))


class FirstWorldOnly(OvphysxHost):
    def clone(self, source_path: str, target_paths: Sequence[str], positions: np.ndarray) -> None:
        super().clone(source_path, target_paths[:1], positions[:1])


class NoPlay(OvphysxHost):
    def play(self) -> None:
        raise RuntimeError("no physics")


class Unfiltered(OvphysxHost):
    def filter_collisions(
        self, physics_scene: str, collision_root: str, world_paths: Sequence[str], shared_paths: Sequence[str]
    ) -> None:
        pass


class WholeStepsPerSecond(OvphysxHost):
    def simulate(self, dt: float, time: float) -> None:
        super().simulate(1.0 / int(1.0 / dt), time)


class TwoStepsPerCall(OvphysxHost):
    def simulate(self, dt: float, time: float) -> None:
        super().simulate(dt, time)
        super().simulate(dt, time + dt)


class StepsWhileDrawing(OvphysxHost):
    def render(self) -> None:
        self.simulate(0.01, 0.0)


class SilentErrors(OvphysxHost):
    def errors(self) -> list[str]:
        return []


class OtherViews(OvphysxHost):
    def simulation_view(self) -> Any:
        return object()


class OneRigidView(OvphysxHost):
    def host_view(self, kind: str, path: str) -> Any:
        return [path]


BROKEN = [
    (NoStart, "host.start", "RuntimeError: no experience file"),
    (YUp, "host.new_stage", "up axis Y, 1.0 m per unit; expected Z and 1.0"),
    (OnOneSpot, "host.clone", "expected"),
    (FirstWorldOnly, "host.clone", "there is no /World/envs/env_1/box"),
    (NoPlay, "host.play", "RuntimeError: no physics"),
    (Unfiltered, "convention.worlds-apart", "boxes of two worlds in one place moved"),
    (WholeStepsPerSecond, "convention.step-length", "expected 0.08142"),
    (TwoStepsPerCall, "host.simulate", "expected 0.981"),
    (StepsWhileDrawing, "host.render", "bodies got faster"),
    (SilentErrors, "host.errors", "gave no error"),
    (OtherViews, "host.simulation_view", "two calls return two objects"),
    (OneRigidView, "host.host_view", "expected 12"),
]


@pytest.mark.parametrize(
    ("session", "name", "message"), BROKEN, indirect=["session"], ids=[each[0].__name__ for each in BROKEN]
)
def test_what_a_host_does_wrong_is_found(session: Session, name: str, message: str) -> None:
    result = outcome(CHECKS[name], session)
    assert result["status"] == "FAIL"
    assert message in result["message"]


@pytest.mark.parametrize("session", [NoPlay], indirect=True)
def test_later_checks_are_skipped_with_the_reason(session: Session) -> None:
    outcome(CHECKS["host.play"], session)
    expected = {"status": "SKIP", "message": "needs host.play, which failed"}
    assert outcome(CHECKS["convention.gains"], session) == expected
    assert outcome(CHECKS["host.clone"], session)["status"] == "PASS"


class Stops(OvphysxHost):
    def simulate(self, dt: float, time: float) -> None:
        if time > 0.5:
            raise RuntimeError("the device is lost")
        super().simulate(dt, time)


class Scatters(OvphysxHost):
    """Joints that are thrown far away in each step."""

    def simulate(self, dt: float, time: float) -> None:
        super().simulate(dt, time)
        view = self.simulation_view().create_articulation_view("/World/envs/env_*/Cartpole")
        view.set_dof_velocities(torch.full((view.count, 2), 1e7), torch.arange(view.count))


@pytest.mark.parametrize(
    ("session", "message"),
    [(Stops, "RuntimeError: the device is lost"), (Scatters, "exploded in ")],
    indirect=["session"],
    ids=["stops", "scatters"],
)
def test_physics_that_fails_fails_a_task(session: Session, message: str) -> None:
    result = outcome(CHECKS["task.Cartpole"], session)
    assert result["status"] == "FAIL"
    assert result["message"].startswith(message)
