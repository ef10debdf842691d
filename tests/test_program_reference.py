"""docs/programs.md is what the programs print, and no option of a program lacks help."""

import argparse
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from oige_core.errors import OigeError

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def reference(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("program_reference")


def test_page_is_current(reference: ModuleType) -> None:
    assert reference.PAGE.read_text() == reference.page(), "run: uv run python tools/program_reference.py"


def test_option_without_help_is_refused(reference: ModuleType) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--speed")
    with pytest.raises(OigeError) as raised:
        list(reference.options("oige-race", parser))
    assert str(raised.value) == "oige-race: expected help of --speed."


def test_table_shows_values_defaults_and_subcommands(reference: ModuleType) -> None:
    parser = argparse.ArgumentParser(description="Race robots.")
    parser.add_argument("--laps", type=int, default=3, help="of <track> | ring; default: %(default)s")
    parser.add_argument("--secret", help=argparse.SUPPRESS)
    race = parser.add_subparsers().add_parser("start", help="start a race")
    race.add_argument("robots", nargs="+", help="names of robots")
    race.add_argument("--track", required=True, metavar="FILE", help="height field")
    assert list(reference.options("oige-race", parser)) == [
        "Race robots.",
        "| option | meaning |\n| --- | --- |\n| `--laps LAPS` | of \\<track> \\| ring; default: 3 |",
        "### oige-race start",
        "Start a race.",
        "| option | meaning |\n| --- | --- |\n| `robots …` | names of robots |\n"
        "| `--track FILE`, required | height field |",
    ]


def test_summary_is_the_first_sentence_after_the_usage(reference: ModuleType) -> None:
    text = "usage: oige-race [laps=<n>]\n       oige-race --list\n\nLet robots\nrace: on a track.\n\n  laps=<n>  3"
    assert reference.summary(text) == "Let robots race"
