"""The code on pages of docs/ runs and prints what the pages say; see tools/guides.py."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"
NAMES = [page.relative_to(DOCS).as_posix() for page in sorted(DOCS.glob("**/*.md")) if "<!-- run" in page.read_text()]

PAGE = """
<!-- file: numbers_of_page.py -->
```python
ONE = 1
```

<!-- run -->
```python
from numbers_of_page import ONE
print("one is", ONE, id(ONE))
```

<!-- prints -->
```text
one is 1 …
```

<!-- run: slow -->
    uv run python -c "print({printed})"

<!-- prints -->
```text
3
```
"""


@pytest.fixture
def guides(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("guides")


@pytest.mark.parametrize("page", NAMES)
def test_comments_of_page_are_complete(page: str, guides: ModuleType) -> None:
    assert not guides.problems((DOCS / page).read_text())


@pytest.mark.parametrize("page", NAMES)
def test_code_of_page_does_what_the_page_says(page: str, guides: ModuleType) -> None:
    assert not guides.run(DOCS / page)


@pytest.mark.slow
@pytest.mark.parametrize("page", [name for name in NAMES if "<!-- run: slow" in (DOCS / name).read_text()])
def test_long_code_of_page_does_what_the_page_says(page: str, guides: ModuleType) -> None:
    assert not guides.run(DOCS / page, slow=True)


def test_output_that_differs_is_reported(guides: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.format(printed="3"))
    assert guides.run(page, slow=True) == []
    page.write_text(PAGE.format(printed="4"))
    assert guides.run(page) == []
    assert guides.run(page, slow=True) == ["page.md: expected\n3\n\nbut the code printed\n4\n"]
    page.write_text(PAGE.format(printed="3").replace("one is 1", "one is 2"))
    (difference,) = guides.run(page)
    assert difference.startswith("page.md: expected\none is 2 …\n\nbut the code printed\none is 1 ")


def test_failure_names_the_line_of_the_page(guides: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("text\n\n<!-- run -->\n```python\n\nassert 1 == 2\n```\n")
    (failure,) = guides.run(page)
    assert failure.startswith("page.md: failed with exit code 1:")
    assert '"page.md", line 6' in failure


def test_missing_comments_are_problems(guides: ModuleType) -> None:
    page = "```python\n```\n\n<!-- not run -->\n```python\n```\n\n<!-- run: sometimes -->\n```python\n```\n"
    assert guides.problems(page) == [
        "line 2: a comment before the block must say whether to run it",
        "line 6: expected a reason, <!-- not run: reason -->",
        "line 10: expected <!-- run --> or <!-- run: slow -->",
    ]
