"""What is shown of domain randomisation: the report of its distributions, and the values of one world."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from oige_core.randomization.report import BARS, BINS, report_lines, world_lines
from oige_core.render.viewer import Viewer
from randomized_task import draw, make_bench, no_actions

PARAMS = {
    "actions": {"on_interval": draw("additive", "uniform", -1.0, 1.0, frequency_interval=1)},
    "simulation": {"gravity": {"on_reset": draw("additive", "gaussian", [0, 0, 0], [0, 0, 0.4])}},
    "rigid_prim_views": {"Ball": {"mass": {"on_startup": draw("scaling", "uniform", 2.0, 2.0)}}},
    "articulation_views": {"arm": {"damping": {"on_reset": draw("additive", "uniform", -4.0, 1.0)}}},
}


def test_report_names_choices() -> None:
    choice = {"operation": "direct", "distribution": "choice", "distribution_parameters": ["box", "sphere"]}
    env = make_bench({"rigid_prim_views": {"Ball": {"shape": {"on_reset": choice}}}}, 2)
    lines = section(report_lines(env.task.randomization), "rigid_prim_views.Ball.shape.on_reset")
    assert lines[0] == "  at resets: sets to one of box, sphere"
    assert lines[1] in [f"  sphere {50 + i} %, box {50 - i} %" for i in range(-2, 3)]
    assert len(lines) == 3
    assert world_lines(env.task.randomization, 1) == ["Ball shape: sphere"]
    env.close()


@pytest.fixture
def env() -> Iterator[Any]:
    env = make_bench(PARAMS, 2)
    yield env
    env.close()


def section(lines: list[str], title: str) -> list[str]:
    start = lines.index(title)
    return lines[start + 1 : [*lines[start:], ""].index("") + start]


def test_report_shows_each_distribution(env: Any) -> None:
    lines = report_lines(env.task.randomization)
    actions = section(lines, "actions.on_interval")
    assert actions[0] == "  every control step: adds uniform numbers (low -1, high 1)"
    bars = actions[1].partition("▕")[2].partition("▏")[0]
    assert len(bars) == BINS
    assert min(bars) >= BARS[6]  # 500 draws a bin, give or take 22, are nearly equal
    assert actions[1].startswith("  -0.999")
    gravity = section(lines, "simulation.gravity.on_reset")
    assert gravity[0] == "  at resets: adds gaussian numbers (mean 0, standard deviation 0 to 0.4)"
    assert gravity[1] == "  x, y  always 0"
    assert gravity[2].startswith("  z     -1.")
    mass = section(lines, "rigid_prim_views.Ball.mass.on_startup")
    assert mass[0] == "  once, at the start: multiplies by uniform numbers (low 2, high 2)"
    assert mass[-1] == "  2 becomes 4 kg"


def test_report_says_how_many_values_are_out_of_range(env: Any) -> None:
    """Dampings 3 and 2 plus uniform numbers from −4 to 1 are negative in 20 % and 40 %."""
    damping = section(report_lines(env.task.randomization), "articulation_views.arm.damping.on_reset")
    assert damping[-2].startswith("  2 … 3 becomes 0 … 4 ")
    share = float(damping[-1].split()[0])
    assert damping[-1].endswith("% of the values are raised to the smallest allowed one, 0")
    assert share == pytest.approx(30.0, abs=2.0)


def test_report_does_not_change_what_follows(env: Any) -> None:
    before = env.task.randomization.generator.get_state()
    report_lines(env.task.randomization)
    assert torch.equal(env.task.randomization.generator.get_state(), before)


def test_values_of_one_world(env: Any) -> None:
    env.reset()
    gravity, mass, damping = world_lines(env.task.randomization, 1)
    values = env.task.arms.get_gains()[1][1].tolist()
    assert damping == "arm damping: " + ", ".join(f"{value:.4g}" for value in values) + " N·m·s/rad, N·s/m"
    assert mass == "Ball mass: 4 kg"
    assert gravity.startswith("gravity: 0, 0, ")


def test_viewer_shows_values_of_the_robot_that_it_follows(env: Any) -> None:
    env.reset()
    viewer: Any = Viewer(env)
    try:
        viewer.watched = True
        viewer.follow(1)
        env.step(no_actions(env))
        content = viewer._random_values.content
    finally:
        viewer.close()
    assert content.split("  \n") == ["**World 1**", *world_lines(env.task.randomization, 1)]
