"""Write the tables of docs/randomization.md: every attribute that domain randomisation can change.

    uv run python tools/randomization_page.py

The tables come from the records of the attributes in oige_core.randomization.
"""

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

from oige_core.randomization.attribute import Attribute
from oige_core.randomization.attributes import ATTRIBUTES, SIGNAL_ATTRIBUTES
from oige_train.cli.common import run_cli

PAGE = Path(__file__).resolve().parent.parent / "docs" / "randomization.md"
HEADER = ("attribute", "numbers", "unit", "what it is", "kind", "triggers", "engines")
START, END = "### `observations` and `actions`\n", "\n## Scheduling\n"


def table(attributes: Mapping[str, Attribute]) -> str:
    """Return the table of a group's attributes in Markdown."""
    rows = [
        (
            f"`{name}`",
            each.dimension,
            each.unit,
            "; ".join(filter(None, (each.meaning, each.note))),
            each.kind,
            ", ".join(trigger.removeprefix("on_") for trigger in each.triggers),
            ", ".join(each.engines),
        )
        for name, each in attributes.items()
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in (HEADER, ("---",) * len(HEADER), *rows))


def tables() -> str:
    """Return the tables of all groups with their headings."""
    groups = [(f"`{group}`", attributes) for group, attributes in ATTRIBUTES.items()]
    sections = [("`observations` and `actions`", SIGNAL_ATTRIBUTES), *groups]
    return "\n".join(f"### {title}\n\n{table(attributes)}\n" for title, attributes in sections)


def page() -> str:
    """Return the page with current tables."""
    return re.sub(f"{re.escape(START)}.*?{re.escape(END)}", lambda _: tables() + END, PAGE.read_text(), flags=re.DOTALL)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args(argv)
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    run_cli(main)
