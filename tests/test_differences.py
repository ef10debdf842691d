"""Every task has a table of differences on its page, and rows say whether compat=upstream restores the original."""

import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"
HEADING = "Differences from OmniIsaacGymEnvs"
HEADER = ["what", "OmniIsaacGymEnvs", "here", "reason", "restored"]
TASKS = [entry.name for entry in entry_points(group="oige.tasks") if entry.dist and "oige_tasks" in entry.value]
WITH_TABLE = sorted({name.removesuffix("SAC") for name in TASKS})


def section(task: str) -> str:
    """Return the differences of a task, or of all tasks if the name is empty."""
    page, title = (DOCS / "tasks" / f"{task}.md", HEADING) if task else (DOCS / "differences.md", "All tasks")
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", page.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no section '{title}'"
    return found[1]


def rows(section: str) -> list[list[str]]:
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_every_task_is_linked() -> None:
    linked = re.findall(r"\(tasks/(\w+)\.md#differences-from-omniisaacgymenvs\)", (DOCS / "differences.md").read_text())
    assert sorted(linked) == WITH_TABLE


@pytest.mark.parametrize("task", ["", *WITH_TABLE])
def test_every_row_says_what_differs_and_whether_it_is_restored(task: str) -> None:
    header, _, *differences = rows(section(task))
    assert header == HEADER
    assert differences
    for row in differences:
        what, original, ours, _, restored = row
        assert what
        assert original
        assert ours
        assert original != ours, row
        assert re.match(r"(yes|no)\b", restored), row
