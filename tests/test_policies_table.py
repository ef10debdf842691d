"""The README's table of policies comes from their cards and from the curves of their trainings."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from oige_core.registry import find_task, installed_tasks
from oige_train.pretrained import policy_files, read_card

REPOSITORY = Path(__file__).resolve().parent.parent
SHIPPED = [task.name for task in installed_tasks().values() if policy_files(task)[1].is_file()]


@pytest.fixture
def policies(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("policies")


def test_readme_is_current(policies: ModuleType) -> None:
    table = policies.part("policies.py").search(policies.README.read_text())
    assert table is not None
    assert table[0] == policies.readme_rows(), "run: uv run python tools/policies.py"


def test_tool_replaces_its_part_of_the_readme_only(
    policies: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = tmp_path / "README.md"
    page.write_text("a\n<!-- made by tools/x.py -->\n<!-- end -->\nb\n<!-- made by tools/y.py -->\nc\n<!-- end -->\n")
    monkeypatch.setattr(policies, "README", page)
    policies.replace_part("x.py", "new \\1\n")
    assert page.read_text() == (
        "a\n<!-- made by tools/x.py -->\nnew \\1\n<!-- end -->\nb\n<!-- made by tools/y.py -->\nc\n<!-- end -->\n"
    )


@pytest.mark.parametrize("name", SHIPPED)
def test_curve_belongs_to_the_shipped_policy(policies: ModuleType, name: str) -> None:
    curve, card = policies.entry_of(name).curve, read_card(find_task(name))
    if curve is not None:
        recorded = policies.curve(curve)
        assert (recorded["task"], recorded["seed"]) == (name, card.seed)
        assert recorded["num_envs"] == card.configuration["task"]["env"]["numEnvs"]
        assert recorded["curve"][-1]["steps"] >= card.steps
