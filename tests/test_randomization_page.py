"""The tables of docs/randomization.md are current."""

from collections.abc import Callable
from types import ModuleType


def test_page_is_current(import_tool: Callable[[str], ModuleType]) -> None:
    tool = import_tool("randomization_page")
    assert tool.tables() in tool.PAGE.read_text(), "run: uv run python tools/randomization_page.py"
