"""The pages OIGE inside Isaac Sim and Capabilities of the engines agree with the code."""

import re
from pathlib import Path
from typing import get_args

from oige_core.capabilities import CAPABILITIES, Capability
from oige_extension.isaacsim_check import all_checks

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = (DOCS / "isaac_sim.md").read_text()


def section(title: str) -> str:
    _, found, rest = PAGE.partition(f"\n## {title}\n")
    assert found, title
    return rest.partition("\n## ")[0]


def test_capabilities_are_those_of_the_engines() -> None:
    page = (DOCS / "capabilities.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (yes|no) \| (yes|no) \|", page, re.MULTILINE)
    assert {name for name, _, _ in rows} == set(get_args(Capability))
    for column, engine in ((1, "MuJoCo"), (2, "Isaac Sim")):
        assert {row[0] for row in rows if row[column] == "yes"} == CAPABILITIES[engine], engine


def test_groups_of_checks_are_those_of_the_program() -> None:
    cells = re.findall(r"^\| (`.*?) \| ", section("Check an installation"), re.MULTILINE)
    groups = {name.removesuffix(".*").partition(".")[0] for cell in cells for name in re.findall(r"`([\w.*]+)`", cell)}
    assert groups == {name.partition(".")[0] for name in all_checks()}
