"""The start of Isaac Sim's application: level 1 of docs/isaac_sim_mapping.md."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from isaacsim_doubles import API, Model, install, members_in, signature
from oige_core.engines.isaacsim import application, releases
from oige_core.engines.isaacsim.application import (
    Application,
    ApplicationOptions,
    close_application,
    join_application,
    select_experience,
    start_application,
)
from oige_core.engines.isaacsim.releases import Installation, Release, find_installation
from oige_core.errors import ConfigError, OigeError

GYM = ("omni.isaac.sim.python.gym.headless.kit", "omni.isaac.sim.python.gym.kit", "omni.isaac.sim.python.kit")
EXPERIENCES = {
    "2023.1.1": GYM,
    "4.2.0": GYM,
    "5.1.0": tuple(API["isaac_sim"]["5.1.0"]["experiences"]),
    "6.0.1": tuple(API["isaac_sim"]["6.0.1"]["experiences"]),
}
"""Those of 5.1 and 6.0 are from the sources; those of older releases from OmniIsaacGymEnvs' documentation."""


class SimulationApp:
    """A double that behaves as Isaac Sim's: it reads the program's arguments, and handles Ctrl-C itself."""

    started: list["SimulationApp"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        parameters = API["isaac_sim"]["5.1.0"]["classes"]["isaacsim.simulation_app.SimulationApp"]["__init__"]
        bound = signature(parameters).bind(self, *args, **kwargs).arguments
        self.settings: dict[str, Any] = bound["launch_config"]
        self.experience = Path(bound["experience"])
        self.arguments = list(sys.argv)
        self.set: dict[str, Any] = {}
        self.closed = 0
        signal.signal(signal.SIGINT, lambda number, frame: os._exit(0))
        SimulationApp.started.append(self)

    def set_setting(self, setting: str, value: Any) -> None:
        self.set[setting] = value

    def close(self, wait_for_replicator: bool = True, skip_cleanup: bool = False) -> None:
        self.closed += 1


def installation(folder: Path, version: str) -> Installation:
    apps = folder / "apps"
    apps.mkdir()
    for name in EXPERIENCES[version]:
        (apps / name).touch()
    (folder / "VERSION").write_text(f"{version}-rc.19+release.1\n")
    return Installation(Release.parse(version), folder, apps, SimulationApp)


@pytest.fixture(autouse=True)
def no_application(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    SimulationApp.started = []
    monkeypatch.setattr(application, "_application", None)
    yield
    application._application = None


@pytest.fixture
def isaac_sim(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Installation:
    found = installation(tmp_path, "5.1.0")
    monkeypatch.setattr(application, "find_installation", lambda: found)
    return found


def named(version: str, folder: Path, **options: Any) -> str:
    return select_experience(installation(folder, version), ApplicationOptions(**options)).name


@pytest.mark.parametrize(
    ("version", "options", "expected"),
    [
        ("2023.1.1", {}, "omni.isaac.sim.python.gym.headless.kit"),
        ("2023.1.1", {"headless": False}, "omni.isaac.sim.python.kit"),
        ("2023.1.1", {"recording": True}, "omni.isaac.sim.python.kit"),
        ("4.2.0", {"cameras": True}, "omni.isaac.sim.python.kit"),
        ("5.1.0", {}, "isaacsim.exp.base.python.kit"),
        ("5.1.0", {"headless": False}, "isaacsim.exp.base.python.kit"),
        ("5.1.0", {"livestream": True}, "isaacsim.exp.full.streaming.kit"),
        ("5.1.0", {"livestream": True, "cameras": True}, "isaacsim.exp.base.python.kit"),
        ("6.0.1", {"physics": "newton"}, "isaacsim.exp.full.newton.kit"),
    ],
)
def test_options_select_the_experience(tmp_path: Path, version: str, options: dict[str, Any], expected: str) -> None:
    assert named(version, tmp_path, **options) == expected


def test_kit_app_comes_first(tmp_path: Path) -> None:
    own = tmp_path / "own.kit"
    own.touch()
    assert named("5.1.0", tmp_path, kit_app=str(own), cameras=True) == "own.kit"


def test_missing_kit_app_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^kit_app=absent\.kit: expected an experience file"):
        named("5.1.0", tmp_path, kit_app="absent.kit")


def test_release_without_the_experience_is_an_error_that_lists_those_it_has(tmp_path: Path) -> None:
    found = installation(tmp_path, "5.1.0")
    (found.experiences / "isaacsim.exp.full.streaming.kit").unlink()
    message = r"^enable_livestream=True: expected isaacsim\.exp\.full\.streaming\.kit in .* of Isaac Sim 5\.1\.0;"
    with pytest.raises(ConfigError, match=message) as raised:
        select_experience(found, ApplicationOptions(livestream=True))
    assert "isaacsim.exp.base.kit" in str(raised.value)


def test_newton_before_6_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"physics=newton: expected Isaac Sim 6\.0 or newer, not Isaac Sim 5\.1\.0"):
        named("5.1.0", tmp_path, physics="newton")


@pytest.mark.parametrize(
    "options",
    [
        ApplicationOptions(),
        ApplicationOptions(headless=False, device="cuda:2"),
        ApplicationOptions(livestream=True, cameras=True, recording=True, width=64, height=48),
    ],
)
@pytest.mark.parametrize("version", ["5.0.0", "5.1.0", "6.0.1"])
def test_simulation_app_knows_every_setting(version: str, options: ApplicationOptions) -> None:
    assert set(options.launch_settings()) <= set(API["isaac_sim"][version]["launcher_settings"])


def test_physics_and_renderer_use_the_same_gpu() -> None:
    settings = ApplicationOptions(device="cuda:2").launch_settings()
    assert (settings["physics_gpu"], settings["active_gpu"], settings["multi_gpu"]) == (2, 2, False)
    assert "physics_gpu" not in ApplicationOptions().launch_settings()


@pytest.mark.parametrize(
    ("options", "window", "renders"),
    [
        ({}, False, False),
        ({"headless": False}, True, True),
        ({"livestream": True, "headless": False}, False, True),
        ({"cameras": True}, False, True),
        ({"recording": True}, False, True),
    ],
)
def test_window_and_renderer(options: dict[str, Any], window: bool, renders: bool) -> None:
    made = ApplicationOptions(**options)
    assert made.launch_settings()["headless"] is not window
    assert made.renders is renders
    assert made.launch_settings().get("disable_viewport_updates", False) is not renders


@pytest.mark.usefixtures("isaac_sim")
def test_kit_sees_its_own_arguments_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["oige-train", "task=Ant", "--help"])
    start_application(ApplicationOptions(extras=("--/log/level=info",)))
    assert SimulationApp.started[0].arguments == ["oige-train", "--/log/level=info"]
    assert sys.argv == ["oige-train", "task=Ant", "--help"]


@pytest.mark.usefixtures("isaac_sim")
def test_ctrl_c_still_interrupts_python() -> None:
    before = signal.getsignal(signal.SIGINT)
    start_application(ApplicationOptions())
    assert signal.getsignal(signal.SIGINT) is before


def test_application_starts_and_closes_once(isaac_sim: Installation) -> None:
    first = start_application(ApplicationOptions())
    assert start_application(ApplicationOptions()) is first
    assert first.is_ours
    assert first.experience == isaac_sim.experiences / "isaacsim.exp.base.python.kit"
    [app] = SimulationApp.started
    close_application()
    close_application()
    assert app.closed == 1


@pytest.mark.usefixtures("isaac_sim")
def test_other_options_for_the_running_application_are_an_error() -> None:
    start_application(ApplicationOptions())
    with pytest.raises(ConfigError, match=r"headless=False, but the application of Isaac Sim.* headless=True;"):
        start_application(ApplicationOptions(headless=False))


def test_exit_code_outlives_kit(monkeypatch: pytest.MonkeyPatch, isaac_sim: Installation) -> None:
    """Kit ends the process with code 0, so that the program ends it first."""
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    start_application(ApplicationOptions())
    close_application(exit_code=2)
    assert codes == [2]


def test_livestream_of_releases_before_4_5(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = installation(tmp_path, "4.2.0")
    monkeypatch.setattr(application, "find_installation", lambda: found)
    enabled: list[str] = []
    utils = ModuleType("omni.isaac.core.utils.extensions")
    utils.enable_extension = enabled.append  # type: ignore[attr-defined]
    install(monkeypatch, Model(members_in("5.0.0")), {utils.__name__: vars(utils)})
    monkeypatch.delitem(sys.modules, "omni.kit.app")
    start_application(ApplicationOptions(livestream=True))
    assert SimulationApp.started[0].set["/app/livestream/enabled"] is True
    assert enabled == ["omni.kit.livestream.native"]


def test_application_that_runs_already_is_used_and_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(members_in("5.1.0"))
    version = {"get_version": lambda: ("5.1.0", "rc.19", "5", "1", "0", "rc", "19", "")}
    install(monkeypatch, model, {"isaacsim.core.version": version})
    monkeypatch.setattr(model, "iapp_is_running", lambda: True, raising=False)
    found = start_application(ApplicationOptions(headless=True))
    assert not found.is_ours
    assert found.release == Release(5, 1)
    assert found.renders  # it has windows, whatever the program asks for
    assert not found.has_loop
    joined = join_application()
    assert joined.has_loop
    assert start_application(ApplicationOptions(headless=True)) is join_application() is joined
    close_application()
    assert SimulationApp.started == []


def test_extension_outside_of_isaac_sim_is_an_error() -> None:
    with pytest.raises(OigeError, match="runs inside of Isaac Sim only"):
        join_application()


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("2023.1.1-rc.8+2023.1.688.573bbce8.tc", Release(2023, 1, 1)),
        ("4.5.0", Release(4, 5)),
        ("5.1.0-rc.19+release.26219.9c81211b.gl\n", Release(5, 1)),
    ],
)
def test_version_file(text: str, release: Release) -> None:
    assert Release.parse(text) == release


def test_unreadable_version_is_an_error() -> None:
    with pytest.raises(OigeError, match=r"expected a version such as 5\.1\.0"):
        Release.parse("latest")


def test_releases_numbered_by_year_are_the_oldest() -> None:
    order = [Release(2022, 2), Release(2023, 1), Release(2023, 1, 1), Release(4, 0), Release(4, 5), Release(6, 2)]
    shuffled = order[3:] + order[:3]
    assert sorted(shuffled, key=lambda release: release.age) == order
    assert not Release(2023, 1).is_at_least(4, 5)


def test_without_isaac_sim_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ISAAC_PATH", raising=False)
    message = r"^physics_engine=isaacsim: Isaac Sim was not found by this Python .*python\.sh.*physics_engine=mujoco\."
    with pytest.raises(OigeError, match=message):
        find_installation()


def test_installation_is_found_by_its_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    expected = installation(tmp_path, "5.1.0")
    package = ModuleType("isaacsim")
    package.SimulationApp = SimulationApp  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "isaacsim", package)
    monkeypatch.setenv("ISAAC_PATH", str(tmp_path))
    monkeypatch.setenv("EXP_PATH", str(expected.experiences))
    assert find_installation() == expected


def test_installation_that_is_too_old_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "VERSION").write_text("2022.2.1")
    monkeypatch.setattr(releases, "_application_class", lambda: SimulationApp)
    monkeypatch.setenv("ISAAC_PATH", str(tmp_path))
    with pytest.raises(OigeError, match=r"^Isaac Sim 2022\.2\.1: expected Isaac Sim 2023\.1\.0 or newer"):
        find_installation()


def test_closing_what_another_program_started_does_nothing() -> None:
    Application(Release(5, 1), None, renders=False).close(exit_code=2)
