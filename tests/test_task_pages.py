"""docs/tasks and docs/images/curves are what tools/task_pages.py writes; tables and curves are as computed by hand."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from oige_core import load_config
from oige_core.description import (
    ActionEntry,
    Command,
    Ending,
    ObservationEntry,
    Quantity,
    Randomization,
    ResolvedReward,
    RewardTerm,
    describe,
)
from oige_core.registry import installed_tasks
from oige_train.plots.drawing import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def tables(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("task_tables")


@pytest.fixture
def curves(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("curve_images")


@pytest.fixture
def pages(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("task_pages")


def test_pages_and_images_are_current(pages: ModuleType) -> None:
    documents = pages.documents()
    for file, text in documents.items():
        assert file.read_text() == text, "run: uv run python tools/task_pages.py"
    for folder in (REPOSITORY / "docs" / "tasks", REPOSITORY / "docs" / "images" / "curves"):
        assert set(folder.iterdir()) == {file for file in documents if file.parent == folder}
    assert {file.stem for file in documents if file.parent.name == "tasks"} == {*installed_tasks(), "index"}


def test_text_below_the_generated_part_is_kept(
    pages: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "Cartpole.md").write_text(f"# Old\n{pages.START}old\n{pages.END}\n## Notes\n\nBy hand.\n")
    monkeypatch.setattr(pages, "PAGES", tmp_path)
    text = pages.whole_page("Cartpole")
    assert text.startswith(f"# Cartpole\n\n{pages.START}A cart on a rail balances a pole.\n")
    assert text.endswith(f"{pages.END}\n## Notes\n\nBy hand.\n")
    assert "old" not in text.partition(pages.END)[0]


def test_variants_have_the_description_of_their_task(pages: ModuleType) -> None:
    for variant, task in pages.SAME_AS.items():
        ours, theirs = (describe(load_config(name)) for name in (variant, task))
        assert ours.source == theirs.source


def test_first_curve_is_that_of_the_policy(pages: ModuleType) -> None:
    for name in set(pages.CURVES) & set(pages.with_policy()):
        assert pages.CURVES[name][0].label.startswith(f"seed {pages.read_card(pages.find_task(name)).seed}")
        if (recorded := pages.ENTRIES[name].curve) is not None:
            assert pages.CURVES[name][0].files == (recorded,)


def test_curves_belong_to_their_tasks(pages: ModuleType, curves: ModuleType) -> None:
    for name, runs in pages.CURVES.items():
        for run in runs:
            for file in run.files:
                text = (curves.DATA / f"{file}.json").read_text()
                assert f'"task": "{name}"' in text
                seed = re.match(r"seed (\d+)", run.label)
                assert seed
                assert f'"seed": {seed[1]},' in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-2.0, "−2"),
        (1 / 20, "0.05"),
        (1 / 3, "1/3"),
        (1 / 96, "1/96"),
        (1 / 102, "0.009804"),
        (0.3183098861837907, "1/π"),
        (25.132741228718345, "8π"),
        (-0.00002, "−0.00002"),
        (7.5301204819, "7.53"),
        (0.13048, "0.1305"),
        (-6e-06, "−0.000006"),
    ],
)
def test_numbers_are_written_as_people_do(tables: ModuleType, value: float, text: str) -> None:
    assert tables.number(value) == text


def test_observation_table_has_columns_units_and_components(tables: ModuleType) -> None:
    wheels = ("a", "b", "c", "d", "e")
    quantities = [
        Quantity(name="height", text="height | of it", unit="m"),
        Quantity(name="speed", text="speeds", components=wheels, key="speedScale"),
        Quantity(name="wrench", text="wrench", components=("x", "y")),
    ]
    units = ["m", *["rad/s"] * 5, "N", "N·m"]
    entries = [ObservationEntry(name="", quantity="", component="", unit=unit, scale=0.5) for unit in units]
    assert tables.observation_table(quantities, entries) == (
        "| columns | name | quantity | unit | scale | key |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        "| 0 | `height` | height \\| of it | m | 0.5 |  |\n"
        "| 1–5 | `speed` | speeds | rad/s | 0.5 | `speedScale` |\n"
        "| 6–7 | `wrench` (x, y) | wrench | N, N·m | 0.5 |  |\n"
        "\nComponents, in this order:\n\n"
        "* `speed`: `a`, `b`, `c`, `d`, `e`\n"
    )


def test_components_of_parts_are_listed_once(tables: ModuleType) -> None:
    assert tables.components_of(("a.x", "a.y", "b.x", "b.y")) == "`a`, `b`, each with `.x`, `.y`"
    assert tables.components_of(("a.x", "b.y")) == "`a.x`, `b.y`"
    assert tables.components_of([f"{i}" for i in range(50)]) == "`0`, `1`, `2`, …, `49`: 50 in all"


def test_action_table_says_what_the_ends_of_the_range_are(tables: ModuleType) -> None:
    def entry(component: str, **fields: object) -> ActionEntry:
        return ActionEntry(**({"name": "", "quantity": "", "component": component, "kind": "force"} | fields))  # type: ignore[arg-type]

    commands = [
        Command(name="push", text="force", kind="force", components=("x", "y", "z")),
        Command(name="joint", text="target", kind="position_target"),
        Command(name="spare", text="none", kind="none"),
    ]
    entries = [
        entry("x", scale=2.0, unit="N"),
        entry("y", scale=0.5, offset=0.5, unit="N"),
        entry("z", scale=-2.0, unit="N"),
        entry("", relative_to="limits"),
        entry("", kind="none"),
    ]
    assert tables.action_table(commands, entries).splitlines()[2:] == [
        "| 0, 2 | `push`: x, z | force | ±2 N |  |",
        "| 1 | `push`: y | force | 0 to 1 N |  |",
        "| 3 | `joint` | target | lower to upper limit |  |",
        "| 4 | `spare` | none | no effect |  |",
    ]


def test_rewards_endings_and_randomisation_are_listed(tables: ModuleType) -> None:
    terms = [RewardTerm(name="alive", text="1", key="aliveScale")]
    assert "| `alive` | 1 | −0.5 | `aliveScale` |" in tables.reward_table(
        terms, [ResolvedReward(name="alive", text="1", weight=-0.5)]
    )
    endings = [Ending(text="it falls", key="height"), Ending(text="it is done", truncation=True)]
    assert tables.ending_list(endings, 1500, 15.0) == (
        "* **Time:** an episode is truncated after 1,500 control steps, 15 s.\n"
        "* **Termination:** it falls (`height`).\n"
        "* **Truncation:** it is done.\n"
    )
    drawn = [Randomization(text="a push", when="15 s"), Randomization(text="noise", when="step", key="noise")]
    assert tables.randomization_list(drawn) == "* **Every 15 s:** a push.\n* **In each step:** noise (`noise`).\n"


def test_curve_is_drawn_to_scale(curves: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(
        '{"curve": [{"steps": 0, "reward": 0.0}, {"steps": 1000000, "reward": 100.0}, {"steps": 3, "reward": 7.0}]}'
    )
    (tmp_path / "b.json").write_text('{"curve": [{"steps": 2000000, "reward": 50.0}]}')
    monkeypatch.setattr(curves, "DATA", tmp_path)
    image = ElementTree.fromstring(curves.draw("A < B", [curves.Run("seed 1", ("a", "b"))]))
    space = "{http://www.w3.org/2000/svg}"
    (line,) = image.iter(f"{space}polyline")
    left, right, top, bottom = LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM
    points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    middle, height = (left + right) / 2, (bottom - top) / 1.03  # of 100; the axis ends at 103
    expected = [(left, bottom), (middle, bottom - height), (right, bottom - height / 2)]
    assert points == [pytest.approx(point, abs=0.05) for point in expected]
    texts = [text.text for text in image.iter(f"{space}text")]
    assert texts[:5] == ["0", "25", "50", "75", "100"]
    assert {"0.5", "1", "2", "million environment steps", "seed 1"} <= set(texts)
    assert image.findtext(f"{space}title") == "A < B"
