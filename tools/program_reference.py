"""Write docs/programs.md: every program with all its options, as its own help describes them.

    uv run python tools/program_reference.py

Programs that use argparse get a table of their options. An option without help is an error.
"""

import argparse
import contextlib
import importlib
import io
import re
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from oige_core.errors import OigeError
from oige_train.cli.common import run_cli

REPOSITORY = Path(__file__).resolve().parent.parent
PAGE = REPOSITORY / "docs" / "programs.md"

INTRODUCTION = """\
# Programs

In a checkout, put `uv run` before each command. `--help` prints what this page shows. Programs that take `key=value`
accept every key of the [configuration](configuration.md). The exit code is 0 if the program did what it was asked to
do, 2 if an argument is wrong, which one line on the terminal explains, and 130 after Ctrl-C.

The programs of OmniIsaacGymEnvs, such as `rlgames_train.py`, are in [scripts](../scripts) under their old names;
[Coming from OmniIsaacGymEnvs](coming_from/omniisaacgymenvs.md) lists them.

`tools/program_reference.py` writes this page.
"""


class ParserFoundError(Exception):
    """A program called its parser."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__()
        self.parser = parser


def programs() -> dict[str, str]:
    """Return the entry points of all programs by name."""
    found = {}
    for file in sorted(REPOSITORY.glob("packages/*/pyproject.toml")):
        found |= tomllib.loads(file.read_text(encoding="utf-8"))["project"].get("scripts", {})
    return dict(sorted(found.items()))


def help_of(name: str, entry_point: str) -> str | argparse.ArgumentParser:
    """Return the text that ``--help`` of a program prints, or the parser that would print it."""
    module, _, function = entry_point.partition(":")
    main = getattr(importlib.import_module(module), function)

    def stop(parser: argparse.ArgumentParser, *_: object) -> None:
        raise ParserFoundError(parser)

    printed = io.StringIO()
    with (
        mock.patch.object(sys, "argv", [name, "--help"]),
        mock.patch.object(argparse.ArgumentParser, "parse_args", stop),
        contextlib.redirect_stdout(printed),
    ):
        try:
            main()
        except ParserFoundError as found:
            return found.parser
        except SystemExit:
            return printed.getvalue()
    return printed.getvalue()


def summary(text: str | argparse.ArgumentParser) -> str:
    """Return the first sentence of a program's help."""
    if isinstance(text, str):
        paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
        text = next(part for part in paragraphs if not part.startswith("usage:"))
    else:
        text = text.description or ""
    return re.split(r"(?<=[.:])\s", text, maxsplit=1)[0].rstrip(".:")


def section(name: str, text: str | argparse.ArgumentParser) -> Iterator[str]:
    """Yield the paragraphs about a program."""
    yield f"## {name}"
    if isinstance(text, str):
        yield f"```text\n{text.strip()}\n```"
    else:
        yield from options(name, text)


def options(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the description of a parser, the table of its options, and those of its subcommands.

    Raises:
        OigeError: an option has no help.
    """
    if parser.description:
        yield textwrap.fill(parser.description, 120)
    rows, commands = [], []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            texts = {choice.dest: choice.help for choice in action._choices_actions}
            commands = [(command, texts[command], inner) for command, inner in action.choices.items()]
        elif action.help is None:
            raise OigeError(f"{name}: expected help of {'/'.join(action.option_strings) or action.dest}.")
        elif action.help != argparse.SUPPRESS and not isinstance(action, argparse._HelpAction):
            text = re.sub(r"[|<*]", r"\\\g<0>", action.help % vars(action))
            rows.append(f"| {flags(action)} | {text} |")
    if rows:
        yield "\n".join(["| option | meaning |", "| --- | --- |", *rows])
    for command, text, inner in commands:
        yield f"### {name} {command}"
        if not inner.description:
            yield f"{(text or '')[:1].upper()}{(text or '')[1:]}."
        yield from options(f"{name} {command}", inner)


def flags(action: argparse.Action) -> str:
    """Return how an option is written."""
    value = action.metavar or (action.dest.upper() if action.option_strings else action.dest)
    if action.nargs == 0:
        value = ""
    elif action.nargs in ("+", "*"):
        value = f"{value} …" if action.nargs == "+" else f"[{value} …]"
    written = " ".join(filter(None, [", ".join(action.option_strings), str(value)]))
    return f"`{written}`, required" if action.required and action.option_strings else f"`{written}`"


def page() -> str:
    """Return the page."""
    texts = {name: help_of(name, entry_point) for name, entry_point in programs().items()}
    rows = [f"| [`{name}`](#{name}) | {summary(text)} |" for name, text in texts.items()]
    sections = [part for name, text in texts.items() for part in section(name, text)]
    return (
        "\n\n".join(
            [INTRODUCTION.strip(), "\n".join(["| program | purpose |", "| --- | --- |", *rows]), *sections, ""]
        ).rstrip()
        + "\n"
    )


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args(argv)
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    run_cli(main)
