import base64
import importlib
import io
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import websockets.sync.client
from PIL import Image

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def uv() -> Callable[..., str]:
    """Run uv in the checkout and return what it printed; ``uv run pytest`` says where uv is."""
    program = os.environ.get("UV") or shutil.which("uv")
    assert program, "uv is not on the PATH: start the tests with `uv run pytest`"

    def run(*arguments: str | Path, **environment: str) -> str:
        done = subprocess.run(
            [program, *map(str, arguments)],
            cwd=REPOSITORY,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"uv {arguments[0]} failed:\n{done.stdout}{done.stderr}"
        return done.stdout

    return run


@pytest.fixture(scope="session")
def install(uv: Callable[..., str]) -> Callable[[Path, Path], Callable[..., str]]:
    """Unpack the wheel of a project into a folder; what it returns runs Python there and returns what it printed."""

    def install_into(folder: Path, project: Path) -> Callable[..., str]:
        uv("build", "--wheel", "--quiet", "--out-dir", folder / "dist", project)
        with zipfile.ZipFile(next((folder / "dist").glob("*.whl"))) as wheel:
            wheel.extractall(folder / "site")

        def run(*arguments: str) -> str:
            done = subprocess.run(
                [sys.executable, *arguments],
                cwd=folder,
                env=os.environ | {"PYTHONPATH": str(folder / "site")},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        return run

    return install_into


@pytest.fixture
def import_tool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Import a program of tools/ by its name; all of them are forgotten afterwards."""
    monkeypatch.syspath_prepend(REPOSITORY / "tools")
    yield importlib.import_module
    for file in (REPOSITORY / "tools").glob("*.py"):
        sys.modules.pop(file.stem, None)


class Browser:
    """A page of a real browser, without a screen, driven over its DevTools protocol.

    Args:
        program: Chromium.
        profile: an empty folder.
    """

    WIDTH, HEIGHT = 800, 500
    OPTIONS = (
        "--headless",
        "--no-sandbox",  # refuses to run as root
        "--no-first-run",
        "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader",
        "--remote-debugging-port=0",
        f"--window-size={WIDTH},{HEIGHT}",
    )

    def __init__(self, program: str, profile: Path) -> None:
        self._process = subprocess.Popen(
            [program, *self.OPTIONS, f"--user-data-dir={profile}", "about:blank"], stderr=subprocess.DEVNULL
        )
        ports = profile / "DevToolsActivePort"
        wait_until(lambda: ports.is_file() and ports.read_text(), "Chromium does not start")
        self._address = f"http://127.0.0.1:{ports.read_text().splitlines()[0]}/json"
        self._tab = ""
        self._socket: Any = None
        self._calls = 0
        self.open("about:blank")

    def open(self, url: str) -> None:
        """Open a page in a new tab, and close the tab before."""
        request = urllib.request.Request(f"{self._address}/new?about:blank", method="PUT")
        with urllib.request.urlopen(request) as answer:
            tab = json.load(answer)
        if self._socket is not None:
            self._socket.close()
            urllib.request.urlopen(f"{self._address}/close/{self._tab}").close()
        self._tab = tab["id"]
        self._socket = websockets.sync.client.connect(tab["webSocketDebuggerUrl"], max_size=None)
        size = {"width": self.WIDTH, "height": self.HEIGHT}
        self.call("Emulation.setDeviceMetricsOverride", **size, deviceScaleFactor=1, mobile=False)
        self.call("Page.navigate", url=url)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._calls += 1
        self._socket.send(json.dumps({"id": self._calls, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=60))
            if answer.get("id") == self._calls:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression in JavaScript."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def text(self) -> str:
        """Return all text on the page."""
        return self.evaluate("document.body ? document.body.innerText : ''")

    def wait_for_text(self, text: str) -> None:
        """Wait until the page shows a text."""
        wait_until(lambda: text in self.text(), f"the page does not show {text!r}")

    def press(self, button: str) -> None:
        """Click on the button with this text."""
        self.evaluate(f"[...document.querySelectorAll('button')].find(b => b.innerText == {button!r}).click()")

    def click(self, x: float, y: float) -> None:
        """Click on a point of the page, in pixels from its upper left corner."""
        for kind, buttons in (("mouseMoved", 0), ("mousePressed", 1), ("mouseReleased", 0)):
            button = "none" if kind == "mouseMoved" else "left"
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, buttons=buttons, clickCount=1)

    def middle(self) -> tuple[int, int]:
        """Return the middle of the picture of the worlds, in pixels from the upper left corner of the page."""
        x, y = self.evaluate(
            "(() => { const r = document.querySelector('canvas[data-engine]').getBoundingClientRect();"
            " return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        return round(x), round(y)

    def key(self, kind: str, key: str) -> None:
        """Press (``keyDown``) or release (``keyUp``) a key."""
        code = f"Key{key.upper()}" if len(key) == 1 else key
        self.call("Input.dispatchKeyEvent", type=kind, key=key, code=code)

    def picture(self) -> np.ndarray:
        """Return the image of the page, ``(HEIGHT, WIDTH, 3)`` uint8."""
        data = base64.b64decode(self.call("Page.captureScreenshot")["data"])
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    def close(self) -> None:
        """End the browser."""
        self._socket.close()
        self._process.terminate()
        self._process.wait()


def wait_until(condition: Callable[[], Any], complaint: str, seconds: float = 60.0) -> None:
    """Wait until a condition holds; fail with the complaint if it does not."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, complaint
        time.sleep(0.05)


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    """Wait until a condition holds; see :func:`wait_until`."""
    return wait_until


@pytest.fixture(scope="session")
def only_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The browser of all tests."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    browser = Browser(program, tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture
def browser(only_browser: Browser) -> Iterator[Browser]:
    """A browser; a page that a test leaves open is closed: it would draw on, on a core that other tests need."""
    yield only_browser
    only_browser.open("about:blank")
