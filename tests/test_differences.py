"""docs/differences.md has a table for every task, and every row says whether compat=upstream restores the original."""

import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "differences.md").read_text()
HEADER = ["what", "OmniIsaacGymEnvs", "here", "reason", "restored"]
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
TASKS = [entry.name for entry in entry_points(group="oige.tasks") if entry.dist and "oige_tasks" in entry.value]


def rows(section: str) -> list[list[str]]:
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


@pytest.mark.parametrize("task", sorted({name.removesuffix("SAC") for name in TASKS}))
def test_every_task_has_a_table(task: str) -> None:
    assert len(rows(SECTIONS[task])) > 2


@pytest.mark.parametrize("title", SECTIONS)
def test_every_row_says_what_differs_and_whether_it_is_restored(title: str) -> None:
    header, _, *differences = rows(SECTIONS[title])
    assert header == HEADER
    for row in differences:
        what, original, ours, _, restored = row
        assert what
        assert original
        assert ours
        assert original != ours, row
        assert re.match(r"(yes|no)\b", restored), row
