"""Run the code of a page of docs/, and compare what it prints with what the page says.

    uv run python tools/guides.py docs/library.md            # what the tests run
    uv run python tools/guides.py --slow docs/library.md     # also what takes minutes

A comment before a block of code says what to do with it:

    <!-- file: name.py -->    write it to this file
    <!-- run -->              run it, after the blocks before it and in the same process
    <!-- run: slow -->        run it with --slow only
    <!-- prints -->           this is what the blocks since the last such comment print; … stands for any text
    <!-- not run: reason -->  leave it out

Blocks of Python share their variables. Blocks of commands, which are indented, run in a shell. All of them run in a
temporary folder.
"""

import argparse
import dataclasses
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
COMMENT = re.compile(r"<!-- (file|run|prints|not run)(?:: ([^>]*))? -->")
FENCE = re.compile(r"```(\w*)")
MARK = "--- output of block"


@dataclasses.dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        kind: ``file``, ``run``, ``prints``, ``not run``, or empty without a comment.
        argument: what follows the colon in the comment.
        language: that of the block; ``sh`` for indented blocks.
        text: the code.
        line: number of its first line on the page.
    """

    kind: str
    argument: str
    language: str
    text: str
    line: int


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page, and those indented blocks that a comment precedes."""
    lines = page.split("\n")
    found: list[Block] = []
    kind = argument = ""
    number = 0
    while number < len(lines):
        line = lines[number]
        fence = FENCE.fullmatch(line)
        if match := COMMENT.fullmatch(line.strip()):
            kind, argument = match[1], match[2] or ""
        elif fence or (kind and line.startswith("    ")):
            first = number + 1 if fence else number
            last = first
            while last < len(lines) and (lines[last] != "```" if fence else lines[last][:4] in ("    ", "")):
                last += 1
            text = "\n".join(text if fence else text[4:] for text in lines[first:last]).rstrip("\n") + "\n"
            found.append(Block(kind, argument, fence[1] if fence else "sh", text, first + 1))
            number, kind, argument = last if fence else last - 1, "", ""
        number += 1
    return found


def write_files(page: str, folder: Path) -> list[str]:
    """Write the files that a page shows into a folder, and return their names."""
    files = [block for block in blocks(page) if block.kind == "file"]
    for block in files:
        target = folder / block.argument
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(block.text)
    return [block.argument for block in files]


def problems(page: str) -> list[str]:
    """Return what is wrong with the comments of a page."""
    found = []
    for block in blocks(page):
        if block.language == "python" and block.kind not in ("file", "run", "not run"):
            found.append(f"line {block.line}: a comment before the block must say whether to run it")
        if block.kind == "not run" and not block.argument:
            found.append(f"line {block.line}: expected a reason, <!-- not run: reason -->")
        if block.kind == "run" and block.argument not in ("", "slow"):
            found.append(f"line {block.line}: expected <!-- run --> or <!-- run: slow -->")
        if block.kind == "file" and block.language == "yaml":
            yaml.safe_load(block.text)
    return found


def run(page: Path, *, slow: bool = False) -> list[str]:
    """Run a page and return what differs from it: nothing if all is well."""
    text = page.read_text()
    with tempfile.TemporaryDirectory(prefix="oige-guide-") as name:
        folder = Path(name)
        write_files(text, folder)
        program, code, expected = _program(blocks(text), page.name, slow=slow)
        (folder / "_page.py").write_text(program)
        (folder / "_blocks.json").write_text(json.dumps(code))
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        done = subprocess.run(
            [sys.executable, "_page.py"],
            cwd=folder,
            env=os.environ | {"PATH": path, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        return [f"{page.name}: failed with exit code {done.returncode}:\n{done.stdout}\n{done.stderr}"]
    parts = re.split(rf"^{MARK}$\n?", done.stdout, flags=re.MULTILINE)[1:]
    assert len(parts) == len(expected), (len(parts), len(expected))
    return [
        f"{page.name}: expected\n{wanted}\nbut the code printed\n{printed}"
        for printed, wanted in zip(parts, expected, strict=True)
        if wanted is not None and not matches(printed, wanted)
    ]


def matches(printed: str, wanted: str) -> bool:
    """Whether printed text is the wanted one, in which … stands for any text, apart from spaces at ends of lines."""
    pattern = re.escape(_stripped(wanted)).replace("…", ".*?")
    return re.fullmatch(pattern, _stripped(printed), re.DOTALL) is not None


def _stripped(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().split("\n"))


def _program(page_blocks: Sequence[Block], page: str, *, slow: bool) -> tuple[str, list[str], list[str | None]]:
    """Return a program that runs blocks, their code, and what each group of them must print; None: anything."""
    lines = ["import json, pathlib, subprocess", "_blocks = json.loads(pathlib.Path('_blocks.json').read_text())"]
    code: list[str] = []
    expected: list[str | None] = []
    is_open = False
    for block in page_blocks:
        if block.kind == "run" and block.argument and not slow:
            is_open = False  # what it prints is not checked either
        elif block.kind == "run":
            if not is_open:
                lines.append(f"print({MARK!r}, flush=True)")
                expected.append(None)
                is_open = True
            number = len(code)
            if block.language == "python":
                code.append("\n" * (block.line - 1) + block.text)  # lines keep their numbers in tracebacks
                lines.append(f"exec(compile(_blocks[{number}], {page!r}, 'exec'))")
            else:
                code.append(_commands(block.text))
                lines.append(f"subprocess.run(_blocks[{number}], shell=True, check=True)")
        elif block.kind == "prints" and is_open:
            expected[-1] = block.text
            is_open = False
    return "\n".join(lines) + "\n", code, expected


def _commands(text: str) -> str:
    """Return commands that stop at the first failure; without ``uv run``, since the programs are on the path."""
    return "set -e\n" + re.sub(r"^uv run ", "", text, flags=re.MULTILINE)


def main() -> int:
    """Run the pages that the command line names."""
    parser = argparse.ArgumentParser(description="Run the code of pages of docs/.")
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--slow", action="store_true", help="also run what takes minutes")
    options = parser.parse_args()
    failed = 0
    for page in options.pages:
        found = problems(page.read_text()) or run(page, slow=options.slow)
        print(*(found or [f"{page}: as described"]), sep="\n")
        failed += bool(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
