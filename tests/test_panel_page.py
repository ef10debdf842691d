"""The panel's page in a real browser: a task is loaded, trained and played with its buttons."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from oige_core.render.viewer import Page
from oige_extension.panel import Panel, PanelState, Phase
from oige_extension.web import PanelPage, WebHost

OVERRIDES = ("sim_device=cpu", "num_threads=1", "train.params.torch_threads=1")

#: Finds the row of a control by its label, and returns the first element in it that a selector matches.
ROW = """
((label, selector) => {
  let row = [...document.querySelectorAll('label')].find(one => one.innerText == label);
  while (!row.querySelector(selector)) row = row.parentElement;
  return row.querySelector(selector);
})(%r, %r)
"""


class PanelProgram:
    """The panel and its page; a thread owns the simulation, as the main thread of ``oige-panel`` does."""

    def __init__(self) -> None:
        self.page = Page("OIGE")
        self.host = WebHost(self.page)
        self.panel = Panel(self.host, OVERRIDES)
        self.view = PanelPage(self.page.server.gui, self.panel)
        self._ends = False
        self._thread = threading.Thread(target=self._run)

    @property
    def state(self) -> PanelState:
        return self.panel.state

    def __enter__(self) -> "PanelProgram":
        self._thread.start()
        return self

    def _run(self) -> None:
        while not self._ends:
            self.panel.update(0.02)
            self.host.welcome()
            self.view.refresh()
            time.sleep(0.0 if self.state.phase.is_busy else 0.02)
        self.panel.close()

    def __exit__(self, *_: object) -> None:
        self._ends = True
        self.host.let_go()
        self._thread.join()
        self.page.close()


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PanelProgram]:
    monkeypatch.chdir(tmp_path)
    with PanelProgram() as program:
        yield program


def tick(browser: Any, label: str) -> None:
    browser.evaluate(f"{ROW % (label, 'input')}.click()")


def value(browser: Any, label: str) -> Any:
    return browser.evaluate(f"{ROW % (label, 'input')}.value")


def type_in(browser: Any, label: str, text: str) -> None:
    """Replace the text of a control."""
    browser.evaluate(f"{ROW % (label, 'input')}.focus()")
    browser.evaluate("document.activeElement.select()")
    browser.call("Input.insertText", text=text)
    for kind in ("rawKeyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13)


def choose(browser: Any, label: str, option: str, until: Callable[..., None]) -> None:
    """Choose an option of a drop-down list."""
    browser.evaluate(f"{ROW % (label, 'input')}.click()")
    found = f"[...document.querySelectorAll('[role=option]')].find(one => one.innerText == {option!r})"
    until(lambda: browser.evaluate(f"!!{found}"), f"there is no option {option!r}")
    browser.evaluate(f"{found}.click()")


def test_cartpole_is_loaded_trained_and_played(program: PanelProgram, browser: Any, until: Any) -> None:
    browser.open(program.page.url)
    browser.wait_for_text("no task is loaded")
    until(lambda: browser.evaluate("document.title") == "OIGE", "the tab has no name")
    assert value(browser, "Task") == program.state.tasks[0]

    choose(browser, "Task", "Cartpole", until)
    until(lambda: value(browser, "Environments") == "512", "the number of the YAML file is not shown")
    type_in(browser, "Environments", "16")
    until(lambda: program.state.num_envs == 16, "the number of worlds does not arrive")
    browser.press("Load")
    browser.wait_for_text("loaded · Cartpole, 16 worlds")
    until(lambda: browser.picture()[250:400, 100:400].std() > 5.0, "no worlds are drawn")

    browser.press("Start")
    browser.wait_for_text("/100 | reward ")
    until(lambda: browser.evaluate("document.body.innerText.includes('mean episode reward')"), "no plot of the reward")
    browser.press("Stop")
    browser.wait_for_text("stopped after epoch ")
    browser.wait_for_text("loaded · Cartpole")
    assert program.state.error == ""

    tick(browser, "Test")
    checkpoint = next(Path("runs/Cartpole/nn").glob("last_*.pth"))
    until(lambda: value(browser, "Checkpoint") == str(checkpoint), "the checkpoint is not filled in")
    browser.press("Start")
    browser.wait_for_text("running · Cartpole, 16 worlds")
    until(lambda: program.state.phase is Phase.RUNNING, "nothing runs")
    until(lambda: value(browser, "Speed") == "real time", "the policy is not played in real time")
    choose(browser, "Rendering", "UI only", until)
    until(lambda: program.host._viewer is not None and not program.host._viewer.draws, "the worlds are still drawn")
    browser.press("Stop")
    browser.wait_for_text("loaded · Cartpole")

    type_in(browser, "Checkpoint", "none.pth")
    until(lambda: program.state.checkpoint == "none.pth", "the checkpoint does not arrive")
    browser.press("Start")
    browser.wait_for_text("error: checkpoint=none.pth: ")
    until(lambda: program.state.phase is Phase.LOADED, "the panel is not usable after an error")
