"""The page about robots from USD files."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def test_page_lists_the_usd_files_of_all_robots() -> None:
    sources = (REPOSITORY / "packages").glob("oige-tasks-*/src/**/*.py")
    named = {name for source in sources for name in re.findall(r'usd="([^"]+)"', source.read_text(encoding="utf-8"))}
    page = (REPOSITORY / "docs/usd_robots.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([^`]+\.usd)` \|", page, re.MULTILINE)) == named
