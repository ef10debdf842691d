"""A browser without a screen, for tests and for pictures of pages."""

import base64
import io
import json
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import websockets.sync.client
from PIL import Image

__all__ = ["Browser", "wait_until"]


class Browser:
    """A page of a real browser, without a screen, driven over its DevTools protocol.

    Args:
        program: Chromium.
        profile: an empty folder.

    Attributes:
        size: width and height of the window, in pixels, from the next :meth:`open` on.
        touch: whether it is the screen of a phone, from the next :meth:`open` on.
    """

    WIDTH, HEIGHT = 800, 500
    OPTIONS = (
        "--headless",
        "--no-sandbox",  # refuses to run as root
        "--no-first-run",
        "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader",
        "--remote-debugging-port=0",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--window-size={WIDTH},{HEIGHT}",
    )

    def __init__(self, program: str, profile: Path) -> None:
        self.size, self.touch = (self.WIDTH, self.HEIGHT), False
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
        width, height = self.size
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=self.touch
        )
        self.call("Emulation.setTouchEmulationEnabled", enabled=self.touch)
        self.call("Page.navigate", url=url)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._calls += 1
        self._socket.send(json.dumps({"id": self._calls, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=180))
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

    def tap(self, x: float, y: float) -> None:
        """Touch a point of the page, in pixels from its upper left corner."""
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

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
        """Return the image of the page, ``(height, width, 3)`` uint8."""
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
