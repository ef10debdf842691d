"""Pages of oige-zoo compute what the tasks compute in Python, and play in a browser."""

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from oige_core.errors import OigeError

from tools import zoo_parity
from tools.browser import Browser

TASKS = ("Cartpole", "Quadcopter")
TOLERANCE = 1e-5  # |a - b| / (1 + |b|), single precision


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from oige_train.zoo.libraries import find_packages
    from oige_train.zoo.site import write_site

    if shutil.which("node") is None:
        pytest.skip("no Node.js on this machine")
    try:
        packages = find_packages(None)
    except OigeError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("zoo")
    assert write_site(folder, TASKS, packages, None, lambda _: None) == {}
    return folder


@pytest.fixture
def address(pages: Path) -> Iterator[str]:
    handler = functools.partial(QuietHandler, directory=str(pages))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize("task", TASKS)
def test_page_computes_what_the_task_computes(task: str, pages: Path, tmp_path: Path) -> None:
    file = tmp_path / "vectors.json"
    file.write_text(json.dumps(zoo_parity.vectors(pages, task)))
    deviations = zoo_parity.run_page(pages, task, "replay", str(file))
    for result in ("policy actions", "begin ctrl", "end observations", "end reward", "end terminated", "reset qpos"):
        assert result in deviations
    assert max(deviations.values()) < TOLERANCE


def test_wrong_numbers_are_noticed(pages: Path, tmp_path: Path) -> None:
    vectors = zoo_parity.vectors(pages, "Cartpole")
    ends = [call for call in vectors["calls"] if call["function"] == "end"]
    ends[3]["fields"]["qpos"][1] += 0.01  # rad; the pole's angle, which is observed as it is
    file = tmp_path / "vectors.json"
    file.write_text(json.dumps(vectors))
    assert zoo_parity.run_page(pages, "Cartpole", "replay", str(file))["end observations"] > 0.005


def test_page_plays_in_a_browser(address: str, browser: Browser, until: Callable[..., None], pages: Path) -> None:
    browser.open(f"{address}/Cartpole/index.html")
    until(lambda: (browser.evaluate("window.player?.episode.steps") or 0) > 5, "the page does not play")
    sources = browser.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    assert all(source.startswith(address) for source in sources)
    assert float(browser.evaluate("document.getElementById('return').textContent")) > 0.0
    browser.press("Pause")
    until(lambda: browser.evaluate("window.player.paused"), "the button does not pause")
    steps = browser.evaluate("window.player.episode.steps")
    browser.evaluate("new Promise(requestAnimationFrame)")
    assert browser.evaluate("window.player.episode.steps") <= steps + 1
