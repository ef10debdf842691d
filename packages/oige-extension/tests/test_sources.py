"""Code and YAML of a task that change while the panel is open, and editors that open them."""

import importlib
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from oige_core.errors import OigeError
from oige_core.registry import installed_tasks
from oige_extension.panel import Phase, editor
from oige_extension.panel.sources import SourceWatch
from panel_driver import Driver

TASK = """
    from oige_tasks_classic.cartpole.task import CartpoleTask

    class Copy(CartpoleTask):
        marker = {marker}
"""
RECORD = """
    from oige_core.spec import TaskSpec
    from oige_tasks_classic.cartpole import CartpoleConfig

    SPEC = TaskSpec(task="copied.task:Copy", env=CartpoleConfig, observation_shape=(4,), num_actions=1)
"""


def write(file: Path, text: str) -> None:
    """Write a file with a time of change that differs from the one before."""
    before = file.stat().st_mtime_ns if file.exists() else 0
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text))
    now = max(time.time_ns(), before + 10**9)
    os.utime(file, ns=(now, now))


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A task package with a copy of Cartpole, installed for the time of a test."""
    root = tmp_path / "installed"
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    classic = importlib.import_module("oige_tasks_classic")
    assert classic.__file__ is not None
    cfg = Path(classic.__file__).parent / "cfg"
    write(root / "copied/__init__.py", RECORD)
    write(root / "copied/task.py", TASK.format(marker=1))
    yaml = (cfg / "task/Cartpole.yaml").read_text().replace("name: Cartpole", "name: Copy")
    write(root / "copied/cfg/task/Copy.yaml", yaml)
    write(root / "copied/cfg/train/CopyPPO.yaml", "defaults: [CartpolePPO, _self_]\n")
    information = root / "copied-1.dist-info"
    write(information / "METADATA", "Metadata-Version: 2.1\nName: copied\nVersion: 1\n")
    write(information / "entry_points.txt", "[oige.tasks]\nCopy = copied:SPEC\n")
    monkeypatch.syspath_prepend(root)
    installed_tasks.cache_clear()
    yield root / "copied"
    installed_tasks.cache_clear()
    for name in ("copied", "copied.task"):
        sys.modules.pop(name, None)


def marker(driver: Driver) -> int:
    return driver.host.envs[-1].task.marker


def test_changed_code_is_imported_again(package: Path, make_driver: Callable[..., Driver]) -> None:
    driver = make_driver("max_iterations=1")
    driver.load("Copy", 4)
    assert marker(driver) == 1
    driver.load("Copy", 4)
    assert not driver.state.messages
    write(package / "task.py", TASK.format(marker=22))
    driver.load("Copy", 4)
    assert marker(driver) == 22
    assert driver.state.messages[-1] == "copied has changed and is imported again"
    # Start builds the scene again, too, instead of running the old code.
    write(package / "task.py", TASK.format(marker=333))
    driver.run()
    assert driver.state.error == ""
    assert marker(driver) == 333


def test_error_in_changed_code_is_one_line_until_it_is_mended(
    package: Path, make_driver: Callable[..., Driver]
) -> None:
    driver = make_driver()
    driver.load("Copy", 4)
    write(package / "task.py", "class Copy(:\n")
    driver.load("Copy", 4)
    assert driver.state.phase is Phase.EMPTY
    assert driver.state.error.startswith("SyntaxError: invalid syntax (task.py, line 1)")
    write(package / "task.py", TASK.format(marker=2))
    driver.load("Copy", 4)
    assert driver.state.error == ""
    assert marker(driver) == 2


def test_changed_yaml_is_read_again(package: Path, make_driver: Callable[..., Driver]) -> None:
    driver = make_driver()
    file = package / "cfg/task/Copy.yaml"
    driver.panel.select_task("Copy")
    assert driver.state.num_envs == 512
    write(file, file.read_text().replace("numEnvs: 512", "numEnvs: 6").replace("resetDist: 3.0", "resetDist: 2.5"))
    driver.panel.select_task("Copy")
    assert driver.state.num_envs == 6
    driver.load("Copy", 6)
    assert driver.host.envs[-1].task.cfg.resetDist == 2.5


def test_only_a_change_forgets_the_modules_of_a_package(package: Path) -> None:
    watch = SourceWatch()
    before = importlib.import_module("copied.task")
    watch.note("copied")
    assert not watch.forget_changed("copied")
    assert sys.modules["copied.task"] is before
    write(package / "__init__.py", RECORD)
    assert watch.forget_changed("copied")
    assert "copied.task" not in sys.modules
    assert "oige_tasks_classic" in sys.modules
    assert importlib.import_module("copied.task") is not before


# --- editors ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that were started; no editor is installed and there is no screen."""
    commands: list[list[str]] = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, **_: commands.append(command))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    for name in ("VISUAL", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    return commands


def test_editor_is_the_first_that_there_is(started: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path("/folder/task.py")
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    editor.open_in_editor(file)
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "code" else f"/bin/{name}")
    monkeypatch.setenv("DISPLAY", ":0")
    editor.open_in_editor(file)
    monkeypatch.setenv("VISUAL", "my-editor --wait")
    editor.open_in_editor(file)
    monkeypatch.delenv("VISUAL")
    for platform in ("darwin", "win32"):
        monkeypatch.setattr(sys, "platform", platform)
        editor.open_in_editor(file)
    assert started == [
        ["/bin/code", str(file)],
        ["/bin/xdg-open", str(file)],
        ["my-editor", "--wait", str(file)],
        ["open", "-t", str(file)],
        ["notepad.exe", str(file)],
    ]


def test_no_editor_is_an_error_that_names_the_file(started: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "code" else f"/bin/{name}")
    with pytest.raises(OigeError, match=r"^/folder/task\.py: no editor was found; set VISUAL"):
        editor.open_in_editor(Path("/folder/task.py"))  # xdg-open needs a screen
    assert started == []


def test_editor_that_cannot_be_started_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", "/no/such/editor")
    with pytest.raises(OigeError, match=r"^a\.py: /no/such/editor cannot be started \(No such file or directory\)"):
        editor.open_in_editor(Path("a.py"))
