"""The reward terms on the viewer's page."""

import re
from collections.abc import Iterator

import pytest
import torch
from oige_core.render.viewer import Page
from oige_core.render.viewer.rewards import LENGTH, RewardPanel, reward_bars


def bars(content: str) -> list[tuple[float, str, str]]:
    """Return the position, width and colour of each bar and each line, in percent or pixels."""
    found = re.findall(r"left:([-\d.]+)%;width:([\d.]+(?:%|px));background:(#\w+)", content)
    return [(float(left), width, color) for left, width, color in found]


def test_bars_begin_at_zero_and_share_one_scale() -> None:
    content = reward_bars(["total", "speed", "cost"], [2.0, 3.0, -1.0], [1.0, 3.0, -0.5], 4.0)
    # From -1 to 3, so that 0 is at 25 % and 1 is 25 % wide.
    assert bars(content) == [
        (25.0, "50.0%", "#2563eb"),
        (50.0, "2px", "#111"),
        (25.0, "75.0%", "#2563eb"),
        (100.0, "2px", "#111"),
        (0.0, "25.0%", "#dc2626"),
        (12.5, "2px", "#111"),
    ]
    assert "bar: last step · line: mean of 4.0 s" in content
    assert re.findall(r">([-\d.]+ · [-\d.]+)<", content) == ["2 · 1", "3 · 3", "-1 · -0.5"]


def test_bars_of_rewards_that_are_zero_or_nan_are_empty() -> None:
    assert bars(reward_bars(["total"], [-0.0], [0.0], 1.0)) == [(0.0, "0.0%", "#2563eb"), (0.0, "2px", "#111")]
    content = reward_bars(["total", "speed"], [float("nan"), 1.0], [float("inf"), 1.0], 1.0)
    assert "nan · inf" in content
    assert bars(content)[0][:2] == (0.0, "0.0%")
    assert bars(content)[1:] == [(0.0, "100.0%", "#2563eb"), (100.0, "2px", "#111")]


def test_names_of_terms_are_not_run_as_html() -> None:
    content = reward_bars(["<img src=x onerror=alert(1)>"], [1.0], [1.0], 1.0)
    assert "<img" not in content
    assert "&lt;img src=x onerror=alert(1)&gt;" in content


@pytest.fixture
def page() -> Iterator[Page]:
    page = Page("test")
    yield page
    page.close()


def test_panel_shows_the_followed_world_and_the_mean_over_its_points(page: Page) -> None:
    panel = RewardPanel(page.server)
    panel.add(0.0, {}, 0)  # no step has been taken
    panel.show()
    assert panel._bars.content == ""
    for time, speed in ((1.0, 2.0), (3.0, 4.0)):
        panel.add(time, {"speed": torch.tensor([9.0, speed]), "cost": torch.tensor([9.0, -1.0])}, 1)
    panel.show()
    assert panel._folder.label == "Reward per step, world 1"
    assert "mean of 2.0 s" in panel._bars.content
    assert re.findall(r">([-\d.]+ · [-\d.]+)<", panel._bars.content) == ["3 · 2", "4 · 3", "-1 · -1"]
    time, speed = panel._plots[1].data
    assert (time.tolist(), speed.tolist()) == ([1.0, 3.0], [2.0, 4.0])
    assert [axis.get("label") for axis in panel._plots[1].axes or ()] == ["simulated time (s)", "reward per step"]

    panel.add(4.0, {"speed": torch.tensor([1.0, 3.0]), "cost": torch.tensor([0.0, -1.0])}, None)
    panel.show()
    assert panel._folder.label == "Reward per step, mean of all worlds"
    assert re.findall(r">([-\d.]+ · [-\d.]+)<", panel._bars.content) == ["1.5 · 1.5", "2 · 2", "-0.5 · -0.5"]


def test_mean_is_that_of_the_last_points(page: Page) -> None:
    panel = RewardPanel(page.server)
    for step in range(LENGTH + 50):
        panel.add(float(step), {"speed": torch.tensor([100.0 if step < 50 else 2.0])}, 0)
    panel.show()
    assert re.findall(r">([-\d.]+ · [-\d.]+)<", panel._bars.content) == ["2 · 2", "2 · 2"]
