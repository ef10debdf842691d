"""The extension in Kit, on stand-ins for Kit's modules: its window, its menu entry, its frames, and real learning."""

import importlib
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kit_double import SOURCES, ComboBox, Kit, Label, ValueModel
from oige_core.engines.isaacsim import application
from oige_extension.panel import MAX_ENVS, Panel, Phase, Rendering
from panel_driver import OVERRIDES

MODULES = ("oige_extension.extension", "oige_extension.kit_host", "oige_extension.ui")


class Extension:
    """The started extension in Kit, whose frames the test draws."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.extension = importlib.import_module("oige_extension.extension").OigeExtension()
        self.extension.on_startup("oige.extension-0.1.0")

    @property
    def panel(self) -> Panel:
        return self.extension._panel

    def open(self) -> None:
        """Choose the menu entry."""
        (entry,) = self.kit.menus["Isaac Examples"]
        entry.onclick_fn()

    def until(self, condition: Callable[[], Any], seconds: float = 60.0) -> None:
        """Draw frames until a condition holds."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.panel.state
            self.kit.frame()

    def load(self) -> None:
        self.kit.beside("Select Task")._choose("Cartpole")
        self.kit.beside("Number of environments").model.set_value(8)
        self.kit.button("Load")._press()
        self.until(lambda: self.panel.state.phase is not Phase.LOADING)
        self.kit.timeline.state = "playing"  # as hosts of Isaac Sim do
        self.kit.frame()


@pytest.fixture
def kit(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Kit]:
    monkeypatch.chdir(tmp_path)
    kit = Kit(has_events=getattr(request, "param", True))
    kit.install(monkeypatch.setitem)
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    host = importlib.import_module("oige_extension.kit_host").KitPanelHost
    assert host.overrides == ("physics_engine=isaacsim",)
    monkeypatch.setattr(application, "_application", None)
    monkeypatch.setattr(host, "overrides", OVERRIDES)  # the embedded engine takes the place of Isaac Sim's
    yield kit
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def extension(kit: Kit) -> Iterator[Extension]:
    extension = Extension(kit)
    yield extension
    extension.extension.on_shutdown()


def test_stand_ins_refuse_what_is_not_documented(kit: Kit) -> None:
    ui = sys.modules["omni.ui"]
    assert not hasattr(ui, "FloatDrag")
    with pytest.raises(AttributeError, match="Button has no documented attribute 'colour'"):
        ui.Button("Load", colour="red")
    with pytest.raises(AttributeError, match="value model has no documented attribute 'value'"):
        ValueModel(1, int).value = 2  # type: ignore[attr-defined]
    assert all(re.match(r"https://docs\.omniverse\.nvidia\.com/|Isaac Sim: ", source) for _, source in SOURCES.values())


@pytest.mark.parametrize("kit", [False, True], indirect=True, ids=["stream", "events"])
def test_menu_entry_opens_a_window_with_every_control(extension: Extension, kit: Kit) -> None:
    assert kit.windows == []
    kit.frame()
    extension.open()
    (window,) = kit.windows
    assert (window.width, window.dockPreference, window.visible) == (550, "left bottom", True)
    tasks = kit.beside("Select Task")._items
    assert list(tasks) == sorted(tasks)
    assert "CartpoleCamera" not in tasks
    assert (kit.beside("Number of environments").min, kit.beside("Number of environments").max) == (0, MAX_ENVS)
    assert kit.beside("Rendering Mode")._items == ("Full render", "UI only", "None")
    for label in ("Resume from Checkpoint", "Test", "Evaluate"):
        assert kit.beside(label).model.get_value_as_bool() is False
    assert {"Code", "Train", "Load", "Start", "Stop"} <= {getattr(one, "_text", "") for one in kit.widgets()}
    assert "no task is loaded" in kit.texts()
    for visible in (False, True):
        extension.open()
        assert kit.windows == [window]
        assert window.visible is visible


def test_controls_change_the_panel_and_show_it(extension: Extension, kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    extension.open()
    panel = extension.panel
    kit.beside("Select Task")._choose("Ant")
    assert panel.state.task == "Ant"
    kit.frame()
    assert kit.beside("Number of environments").model.get_value_as_int() == panel.state.num_envs == 4096
    kit.beside("Number of environments").model.set_value(7)
    kit.beside("Rendering Mode")._choose("None")
    kit.beside("Test").model.set_value(True)
    assert (panel.state.num_envs, panel.state.rendering, panel.state.test) == (7, Rendering.NONE, True)
    kit.frame()
    assert kit.beside("Load Checkpoint").model.get_value_as_string() == "pretrained"
    kit.beside("Evaluate").model.set_value(True)
    kit.beside("Resume from Checkpoint").model.set_value(True)
    kit.frame()
    ticked = [kit.beside(label).model.get_value_as_bool() for label in ("Resume from Checkpoint", "Test", "Evaluate")]
    assert ticked == [True, False, False]
    kit.beside("Load Checkpoint").model.set_value("mine.pth")
    assert panel.state.checkpoint == "mine.pth"
    assert not kit.button("Stop").enabled
    # What the window shows after a change by the program is no change by the user, which would reset the number.
    panel.select_task("Anymal")
    panel.set_num_envs(7)
    kit.frame()
    assert panel.state.num_envs == 7
    panel.select_task("Ant")
    kit.frame()
    opened: list[Path] = []
    monkeypatch.setattr(sys.modules["oige_extension.kit_host"], "open_in_editor", opened.append)
    buttons = [one for one in kit.widgets() if getattr(one, "_text", "") in ("Code", "Task", "Train")]
    for button in buttons:
        button._press()  # type: ignore[attr-defined]
    assert [file.name for file in opened] == ["task.py", "Ant.yaml", "AntPPO.yaml"]


def test_rendering_hides_the_viewport(extension: Extension, kit: Kit) -> None:
    extension.open()
    for name, draws in (("UI only", False), ("Full render", True), ("None", False)):
        kit.beside("Rendering Mode")._choose(name)
        kit.frame()
        assert kit.viewport.updates_enabled is kit.viewport_window.visible is draws


def test_frames_load_train_stop_and_play(extension: Extension, kit: Kit) -> None:
    before = threading.enumerate()
    extension.open()
    kit.timeline.state = "playing"
    extension.load()
    assert "loaded: Cartpole, 8 worlds" in kit.texts()
    panel = extension.panel
    steps: list[int] = []
    assert panel._scene is not None
    panel._scene.env.step_hooks.append(lambda: steps.append(len(steps)))

    kit.button("Start")._press()
    kit.frame()  # shows that the run starts
    assert "starting: Cartpole, 8 worlds" in kit.texts()
    assert not kit.button("Start").enabled
    kit.frame()  # prepares it
    for _ in range(5):
        kit.frame()
        assert panel.state.phase is Phase.STARTING
    assert steps == []
    extension.until(lambda: panel.state.rewards)
    kit.frame()
    assert any(re.fullmatch(r"epoch \d+/100 \| reward .*", text) for text in kit.texts())

    before_frame = len(steps)
    for _ in range(10):
        kit.frame()
    assert len(steps) - before_frame <= 10  # one step in each frame
    kit.timeline.state = "paused"
    paused = len(steps)
    for _ in range(5):
        kit.frame()
    assert len(steps) == paused
    kit.timeline.state = "playing"
    kit.button("Stop")._press()
    extension.until(lambda: panel.state.phase is Phase.LOADED)
    kit.frame()
    assert any(text.startswith("stopped after epoch ") for text in kit.texts())
    assert [thread for thread in threading.enumerate() if thread not in before] == []

    kit.beside("Test").model.set_value(True)
    kit.button("Start")._press()
    extension.until(lambda: "played" in panel.state.progress)
    kit.button("Stop")._press()
    extension.until(lambda: panel.state.phase is Phase.LOADED)
    assert panel.state.error == ""


def test_timeline_that_the_user_stops_ends_the_run_and_the_scene(extension: Extension, kit: Kit) -> None:
    extension.open()
    extension.load()
    kit.button("Start")._press()
    extension.until(lambda: extension.panel.state.phase is Phase.RUNNING)
    kit.timeline.state = "stopped"
    extension.until(lambda: extension.panel.state.phase is Phase.EMPTY)
    kit.frame()
    assert "the simulation was stopped outside of the panel; Load or Start builds the scene again" in kit.texts()
    assert "no task is loaded" in kit.texts()


@pytest.mark.parametrize("kit", [False, True], indirect=True, ids=["stream", "events"])
def test_update_during_an_update_is_ignored(extension: Extension, kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    extension.open()
    calls: list[float] = []

    def update(wait: float) -> None:
        calls.append(wait)
        kit.frame()  # as updating the application while a scene is built

    monkeypatch.setattr(extension.panel, "update", update)
    kit.frame()
    assert calls == [0.02]
    monkeypatch.undo()


def test_engines_run_in_the_application_whose_loop_calls_the_extension(extension: Extension) -> None:
    extension.open()
    running = application.start_application(application.ApplicationOptions())
    assert running.has_loop
    assert str(running.release) == "Isaac Sim 5.1.0"


def test_window_that_cannot_be_opened_is_one_line_in_the_log(
    extension: Extension, kit: Kit, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delitem(sys.modules, "isaacsim.core.version")
    extension.open()
    (message,) = caplog.messages
    assert re.fullmatch(r"RL Examples cannot be opened: .* expected Isaac Sim\.", message)
    assert kit.windows == []
    kit.frame()


def test_shutdown_ends_a_run_and_removes_everything(kit: Kit) -> None:
    before = threading.enumerate()
    extension = Extension(kit)
    extension.open()
    extension.load()
    kit.button("Start")._press()
    extension.until(lambda: extension.panel.state.phase is Phase.RUNNING)
    scene = extension.panel._scene
    extension.extension.on_shutdown()
    assert [thread for thread in threading.enumerate() if thread not in before] == []
    assert scene is not None
    assert scene.env.closed
    assert kit.menus == {"Isaac Examples": []}
    assert kit.windows[0]._is_destroyed
    assert all(subscription() is None for _, subscription in kit.subscriptions)


def test_every_name_of_the_list_is_used(extension: Extension, kit: Kit) -> None:
    folder = Path(sys.modules["oige_extension.ui"].__file__ or "").parent
    code = "".join((folder / f"{name.rpartition('.')[2]}.py").read_text() for name in MODULES)
    unused = {name for names, _ in SOURCES.values() for name in names if not re.search(rf"\b{name}\b", code)}
    assert unused == {"is_running", "get_version"}  # of join_application
    assert ComboBox.__name__ in code
    assert Label.__name__ in code
