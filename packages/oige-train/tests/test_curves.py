"""Comparisons and curves of runs."""

import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from oige_train.plots.drawing import (
    BOTTOM,
    COLORS,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Curve,
    Text,
    draw_curves,
    ticks,
)
from oige_train.plots.drawing import (
    Path as Line,
)
from oige_train.plots.images import png_image
from oige_train.plots.pages import write_plot
from oige_train.plots.text import curve_text, curve_texts
from oige_train.runs.curves import final_curve, read_curve
from PIL import Image
from run_folders import CONFIG, write_run, write_starts

LEARNER = {"algo": {"name": "sac"}, "config": {"gamma": 0.5, "name": "B"}}
CHANGED = {**CONFIG, "seed": 8, "task": {"env": {"length": 3}}, "train": {"params": LEARNER}}


def test_comparison_has_differences_and_rewards_at_equal_steps(tmp_path: Path, runs_program) -> None:
    write_run(tmp_path / "runs" / "a", [(100, 0.0), (300, 20.0)], versions={"torch": "1", "numpy": "2"})
    write_run(tmp_path / "runs" / "b", [(150, 1.0), (200, 3.0)], CHANGED, versions={"torch": "2", "numpy": "2"})
    outcome = runs_program("compare", "a", "runs/b")
    assert outcome.out.splitlines()[:8] == [
        "configuration              runs/a  runs/b",
        "seed                       7       8",
        "train.params.config.gamma  0.9     0.5",
        "task.env.length            -       3",
        "",
        "circumstances   runs/a  runs/b",
        "versions.torch  1       2",
        "",
    ]
    shown = json.loads(runs_program("compare", "a", "b", "--json").out)
    assert shown["configuration"] == {
        "seed": [7, 8],
        "task.env.length": ["-", 3],
        "train.params.config.gamma": [0.9, 0.5],
    }
    assert shown["circumstances"] == {"versions.torch": ["1", "2"]}
    # The line from (100, 0) to (300, 20) gains 1 in 10 steps, that from (150, 1) to (200, 3) gains 1 in 25.
    rewards = dict(shown["results"])
    assert list(rewards) == list(range(20, 201, 20))
    assert rewards[80] == [None, None]
    assert rewards[140] == [4.0, None]
    assert rewards[180] == [8.0, pytest.approx(2.2)]
    assert rewards[200] == [10.0, 3.0]
    assert shown["last"] == [[300, 20.0], [200, 3.0]]
    assert outcome.out.splitlines()[-2:] == [
        "            200         10         3",
        "           last  20 at 300  3 at 200",
    ]


def test_comparison_is_of_the_latest_starts_and_of_all_runs(tmp_path: Path, runs_program) -> None:
    first = {"config": "config.yaml", "commits": {"oige": "1"}, "machine": {"cpu": "a"}}
    for name, gamma in (("a", 0.9), ("b", 0.9), ("c", None)):
        folder = write_run(tmp_path / "runs" / name)
        learner = {"config": {"gamma": gamma, "full_experiment_name": name}}
        changed = {**CONFIG, "experiment": name, "checkpoint": name, "train": {"params": learner}}
        (folder / "config_2.yaml").write_text(yaml.safe_dump(changed))
        write_starts(folder, first, {**first, "config": "config_2.yaml", "machine": {"cpu": name}})
    shown = json.loads(runs_program("compare", "a", "b", "c", "--json").out)
    assert shown["configuration"] == {"train.params.config.gamma": [0.9, 0.9, None]}
    assert shown["circumstances"] == {"machine.cpu": ["a", "b", "c"]}
    text = runs_program("compare", "a", "c").out.splitlines()
    assert text[1].split() == ["train.params.config.gamma", "0.9", "null"]


def test_damaged_configuration_is_named(tmp_path: Path, runs_program) -> None:
    for name in "ab":
        write_run(tmp_path / "runs" / name)
    (tmp_path / "runs" / "b" / "config.yaml").write_text("a: [")
    outcome = runs_program("compare", "a", "b")
    assert outcome.code == 2
    assert outcome.err.startswith("error: runs/b/config.yaml: damaged (while parsing a flow node")
    assert outcome.err.endswith("); runs without a configuration cannot be compared.\n")


def test_plots_have_the_curves(tmp_path: Path, runs_program) -> None:
    write_run(tmp_path / "runs" / "a & b", [(0, 0.0), (1000, 100.0)])
    write_run(tmp_path / "runs" / "c", [(500, 50.0)])
    outcome = runs_program("plot", "a & b", "c", "--out", "x.svg")
    assert outcome.out.splitlines()[-1] == "x.svg"
    image = ElementTree.fromstring(Path("x.svg").read_text())
    lines = [line.attrib["points"] for line in image.iter("{http://www.w3.org/2000/svg}polyline")]
    top = HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) / 1.03
    assert lines[0] == f"{LEFT:.1f},{HEIGHT - BOTTOM:.1f} {WIDTH - RIGHT:.1f},{top:.1f}"
    assert len(lines) == 2
    assert runs_program("plot", "c", "--tag", "losses/a_loss", "--out", "x.html").code == 0
    page = Path("x.html").read_text()
    assert "<tr><td>runs/c</td><td>500</td><td>0.50</td><td>0.50</td></tr>" in page
    assert "<title>Losses/a_loss</title>" in page


def test_page_has_the_last_and_the_best_value_and_escapes_names(tmp_path: Path) -> None:
    write_plot(tmp_path / "x.HTML", [Curve("a <b>", [(0, 1.0), (1000, 4.0), (2000, -2.5)])], "return & more")
    page = (tmp_path / "x.HTML").read_text()
    assert "<tr><td>a &lt;b&gt;</td><td>2,000</td><td>-2.50</td><td>4.00</td></tr>" in page
    assert "<b>" not in page
    assert "<h1>Return &amp; more</h1>" in page


def test_final_chart_has_the_width_of_the_terminal_and_80_columns_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_run(tmp_path / "a")
    monkeypatch.setenv("COLUMNS", "30")
    stream = io.TextIOWrapper(io.BytesIO(), "utf-8")
    elsewhere = final_curve(folder, stream)
    monkeypatch.setattr(stream, "isatty", lambda: True)
    assert [max(map(len, chart)) for chart in (elsewhere, final_curve(folder, stream))] == [75, 30]


def test_png_image_has_the_curve_where_the_drawing_has_it() -> None:
    drawing = draw_curves([Curve("a", [(0.0, 0.0), (1000.0, 100.0)]), Curve("b", [(0.0, 50.0), (1000.0, 50.0)])])
    image = Image.open(io.BytesIO(png_image(drawing))).convert("RGB")
    assert image.size == (2 * WIDTH, 2 * (HEIGHT + 40))
    blue, orange = (tuple(bytes.fromhex(color[1:])) for color in COLORS[:2])
    bottom, height = HEIGHT - BOTTOM, (HEIGHT - BOTTOM - TOP) / 1.03

    def pixel(fraction: float, value: float) -> object:
        x = LEFT + fraction * (WIDTH - RIGHT - LEFT)
        return image.getpixel((round(2 * x), round(2 * (bottom - height * value / 100.0))))

    assert [pixel(0.25, 25.0), pixel(0.75, 75.0)] == [blue, blue]
    assert [pixel(0.25, 50.0), pixel(0.9, 50.0)] == [orange, orange]
    assert pixel(0.25, 90.0) == (255, 255, 255)


def test_drawing_has_the_scales_of_its_labels() -> None:
    curves = [Curve("first", [(400_000.0, -10.0), (2e6, 30.0)]), Curve("second", [(1e6, 0.0)])]
    parts = draw_curves(curves, "success").parts
    places = {part.text: part.position for part in parts if isinstance(part, Text)}
    width, bottom, height = WIDTH - RIGHT - LEFT, HEIGHT - BOTTOM, HEIGHT - BOTTOM - TOP
    assert {"million environment steps", "success", "first", "second"} <= set(places)
    assert places["first"][1] < places["second"][1]
    assert [places[text][0] for text in ("0.5", "1.5", "2")] == [LEFT + width * part for part in (0.25, 0.75, 1.0)]
    # Values from -10 to 30, and 3 % of 40 below and above.
    assert places["−10"][1] == pytest.approx(bottom - height * 1.2 / 42.4 + 4)
    assert places["20"][1] == pytest.approx(bottom - height * 31.2 / 42.4 + 4)
    first, second = (part.points for part in parts if isinstance(part, Line))
    assert first[0] == pytest.approx((LEFT + width * 0.2, bottom - height * 1.2 / 42.4))
    assert second[0][0] == LEFT + width * 0.5


def test_vertical_axis_of_a_drawing_contains_zero() -> None:
    parts = draw_curves([Curve("a", [(0.0, 50.0), (999_000.0, 100.0)])]).parts
    (line,) = (part.points for part in parts if isinstance(part, Line))
    assert line[0][1] == pytest.approx(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * 50.0 / 103.0)
    texts = [part.text for part in parts if isinstance(part, Text)]
    assert {"thousand environment steps", "800", "mean return"} <= set(texts)


def test_long_curves_are_thinned_and_keep_their_last_point(tmp_path: Path) -> None:
    write_run(tmp_path / "a", [(step, float(step)) for step in range(1, 2101)])
    points = read_curve(tmp_path / "a").points
    assert (len(points), points[0], points[-1]) == (1051, (1, 1.0), (2100, 2100.0))


def test_column_of_a_small_chart_has_the_mean_of_its_values() -> None:
    # 0 and 10 in the first of 8 columns: half of 6 rows of 8 parts.
    chart = curve_text([(0.0, 0.0), (0.5, 10.0), (8.0, 10.0)], width=5, encoding="utf-8")
    assert [line[4] for line in chart[:6]] == [" ", " ", "▁", "█", "█", "█"]
    assert len(chart[6]) == 4 + 8


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        *((9999.0, "9999"), (12345.0, "12.35k"), (1234.6, "1235"), (0.123456, "0.1235"), (2.5e6, "2.5M")),
        *((-3.25e10, "-32.5G"), (1e30, "1e+30")),
    ],
)
def test_numbers_at_small_charts_are_short(value: float, shown: str) -> None:
    chart = curve_text([(0.0, value), (1.0, value)], width=40, encoding="utf-8")
    assert chart[0].split() == [shown, "┤"]


def test_only_point_of_a_run_is_said(tmp_path: Path, runs_program) -> None:
    write_run(tmp_path / "runs" / "a", [(500, 2.5)])
    assert runs_program("plot", "a").out == "runs/a\n  2.5 at 500 steps, the only point\n"


def test_curve_without_a_finite_value_is_refused(tmp_path: Path, runs_program) -> None:
    write_run(tmp_path / "runs" / "a", [(500, float("nan"))])
    outcome = runs_program("plot", "a")
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1] == (
        "error: runs/a: rewards/step is NaN or infinite at all times; there is no curve."
    )


def test_small_chart_of_values_at_equal_distances() -> None:
    points = [(0.0, 0.0), (1.0, 47.0), (2.0, 23.0), (7.0, 47.0)]
    # 8 columns of 7/8 steps: 0 and 47 fill the first and second, 23 the third, which lasts until the last.
    assert curve_text(points, width=12, encoding="utf-8") == [
        "47 ┤ █     █",
        "   │ █     █",
        "   │ █     █",
        "   │ ███████",
        "   │ ███████",
        " 0 ┤▁███████",
        "   └────────",
        "    0 7 steps",
    ]
    assert curve_text(points, width=12, encoding="ascii")[3:6] == ["   | #######", "   | #######", " 0 +.#######"]
    assert curve_text(points[:1], width=12, encoding="utf-8") == []


def test_charts_of_several_runs_have_the_same_axes() -> None:
    curves = [Curve("a", [(0.0, -1.0), (2e6, 0.5)]), Curve("b", [(1e6, 0.0), (4e6, 12345.0)])]
    lines = curve_texts(curves, width=30, encoding="utf-8")
    assert [lines[0], lines[9]] == ["a", "b"]
    for chart in (lines[1:9], lines[10:]):
        assert chart[0].startswith("12.35k ┤")
        assert chart[5].startswith("    -1 ┤")
        assert chart[7] == "        0             4M steps"
    assert lines[6] == "    -1 ┤▁▁▁▁▁▁▁▁▁▁▁▁"  # until step 2,000,000 of 4,000,000


def test_constant_values_and_equal_steps_are_drawn() -> None:
    assert curve_text([(5.0, 2.0), (5.0, 2.0)], width=20, encoding=None)[5] == "2 +."
    assert draw_curves([Curve("a", [(0.0, 0.0)])]).parts


def test_end_of_training_shows_the_curve(program) -> None:
    ending = ("task.env.episodeLength=4", "train.params.config.horizon_length=4")
    outcome = program("num_envs=16", "sim_device=cpu", "max_iterations=3", *ending)
    lines = outcome.out.splitlines()
    assert lines[0].startswith("done: 3 epochs")
    chart = final_curve(Path("runs/Cartpole"), io.TextIOWrapper(io.BytesIO(), "utf-8"))
    assert lines[1 : 1 + len(chart)] == chart
    assert len(chart) == 8
    assert chart[-1].split() == ["64", "192", "steps"]
    assert set(chart) <= set(Path("runs/Cartpole/log.txt").read_text(encoding="utf-8").splitlines())


def test_ticks_are_round_numbers() -> None:
    assert ticks(-320.0, 0.0) == [-300.0, -200.0, -100.0, 0.0]
    assert ticks(0.0, 9.3) == [0.0, 2.0, 4.0, 6.0, 8.0]
