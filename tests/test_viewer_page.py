"""The viewer's page in a real browser: the image, and the effects of its controls."""

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from oige_core import VecEnv, make_vec
from oige_core.render.viewer import Viewer

LEFT = (slice(200, None), slice(0, 420))  # of a picture; the panel and viser's notices are elsewhere


LABELLED = "[...document.querySelectorAll('*')].filter(e => e.innerText == '%s').pop()"
BARS = "[...document.querySelectorAll('div')].filter(e => e.style.background).map(e => e.style.width).join()"
SHEET = """document.querySelector('div[style*="position: fixed"][style*="width: 20em"]').getBoundingClientRect()"""
PICTURE = "document.querySelector('canvas[data-engine]').getBoundingClientRect()"


class Simulation:
    """Worlds that are stepped by a thread of their own, and their page.

    Args:
        env: the worlds; poles swing to and fro.
    """

    def __init__(self, env: VecEnv) -> None:
        self.env = env
        self.viewer = Viewer(env, speed=1.0)
        self.steps = 0
        self._stopped = False
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Simulation":
        self.env.reset(seed=0)
        self._thread.start()
        return self

    def _run(self) -> None:
        n = self.env.num_envs
        while not self._stopped:
            self.env.step(torch.full((n, 1), 1.0 if self.steps // 20 % 2 else -1.0))
            self.steps += 1

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        self.viewer.pace.resume()
        self._thread.join()
        self.viewer.close()
        self.env.close()


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    with Simulation(make_vec("Cartpole", 6, {"num_threads": 1})) as simulation:
        yield simulation


def test_page_shows_moving_worlds_and_its_controls_work(simulation: Simulation, browser: Any, until: Any) -> None:
    viewer = simulation.viewer
    browser.open(f"{viewer.url}/?world=3")
    browser.wait_for_text("Reward per step, world 3")
    browser.wait_for_text("steps/s")
    assert "Cartpole · 6 worlds" in browser.text()
    until(lambda: browser.evaluate("document.title") == "OIGE · Cartpole", "the tab is not called after the task")
    for term in ("total", "upright", "cart_velocity", "pole_velocity"):  # of the reward
        browser.wait_for_text(term)
    browser.wait_for_text("bar: last step · line: mean of")
    bars = browser.evaluate(BARS)
    until(lambda: browser.evaluate(BARS) != bars, "the bars of the rewards stand still")
    browser.evaluate(f"{LABELLED % 'Over time'}.click()")
    until(lambda: browser.evaluate("document.querySelectorAll('.uplot canvas').length") >= 4, "there are no plots")
    browser.click(*browser.evaluate(f"(({{x, y}}) => [x + 5, y + 5])({LABELLED % 'Copy'}.getBoundingClientRect())"))
    browser.wait_for_text("Copied")

    # A robot in the middle of the picture: its cart is blue, its pole is orange.
    viewer.follow(5)
    browser.wait_for_text("Reward per step, world 5")
    x, y = browser.middle()
    assert x < 0.4 * browser.WIDTH  # the panel is beside the picture, not over it
    browser.click(x, y)
    browser.wait_for_text("Clicked: Cartpole/")
    until(lambda: colored(browser.picture()[y - 80 : y + 80, x - 70 : x + 70]), "no cart in the middle of the picture")

    browser.press("Pause")
    until(lambda: viewer.pace.paused, "the button does not pause")
    steps = settled(simulation, until)
    still = browser.picture()[LEFT]
    browser.press("Single step")
    until(lambda: simulation.steps == steps + 1, "the button does not step")
    assert settled(simulation, until) == steps + 1

    browser.wait_for_text("Resume")
    browser.press("Resume")
    until(lambda: simulation.steps > steps + 30, "the button does not go on")
    until(lambda: changed(still, browser.picture()[LEFT]), "the picture stands still")

    # A page that is closed, or left for another one, holds nothing up, paused or not.
    for leave in (lambda: browser.call("Page.navigate", url="about:blank"), lambda: browser.open("about:blank")):
        browser.open(viewer.url)
        browser.wait_for_text("steps/s")
        browser.press("Pause")
        until(lambda: viewer.pace.paused, "the button does not pause")
        leave()
        until(lambda: not viewer.watched, "nobody noticed that the page was closed")
        steps = simulation.steps
        until(lambda steps=steps: simulation.steps > steps + 100, "the simulation waits for a page that is closed")


def test_controls_of_a_phone_leave_the_robot_in_view(simulation: Simulation, browser: Any, until: Any) -> None:
    browser.size, browser.touch = (390, 844), True
    try:
        browser.open(simulation.viewer.url)
        browser.wait_for_text("OIGE · Cartpole")
        height = f"{SHEET}.height"
        until(lambda: browser.evaluate(height) < 60, "the panel is not folded up")
        assert browser.evaluate(f"{SHEET}.width") == 390
        until(lambda: browser.evaluate(f"{PICTURE}.height") > 780, "the picture is not above the panel")
        x, y = browser.middle()
        until(lambda: colored(browser.picture()[y - 120 : y + 120, x - 90 : x + 90]), "there is no cart in the middle")

        browser.tap(195, 820)
        until(lambda: browser.evaluate(height) == 422, "the panel does not open")  # half of the screen
        until(lambda: browser.evaluate(f"{PICTURE}.bottom") == 422, "the panel covers the picture")
        assert browser.evaluate(f"{LABELLED % 'Pause'}.closest('button').offsetHeight") >= 40
        assert browser.evaluate("document.documentElement.scrollWidth") == 390
    finally:
        browser.size, browser.touch = (browser.WIDTH, browser.HEIGHT), False


def settled(simulation: Simulation, until: Any) -> int:
    """Wait until the simulation stands still and return the number of its steps."""
    seen = [-1, -2, -3]

    def stands() -> bool:
        seen.append(simulation.steps)
        return len(set(seen[-4:])) == 1

    until(stands, "the simulation goes on")
    return seen[-1]


def colored(picture: np.ndarray) -> bool:
    """Whether something blue and something orange is seen."""
    red, _, blue = (picture[..., channel].astype(int) for channel in range(3))
    return bool((blue - red > 60).mean() > 0.005 and (red - blue > 60).mean() > 0.005)


def changed(before: np.ndarray, after: np.ndarray) -> bool:
    return bool((np.abs(before.astype(int) - after).max(axis=2) > 40).mean() > 0.001)
