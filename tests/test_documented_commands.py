"""Commands that the documentation shows have programs, keys and values that exist."""

import re
import shlex
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium as gym
import pytest
from oige_core.registry import _registered, installed_tasks
from oige_train.cli.common import checked_run, pop_int, pop_text
from oige_train.pbt.options import PbtOptions
from oige_train.runs.listing import matching
from oige_train.sweeps.search_space import split_arguments

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = [
    page
    for pattern in (
        "*.md",
        "docs/*.md",
        "docs/coming_from/*.md",
        "docs/results/*.md",
        "docs/tasks/*.md",
        "packages/*/README.md",
    )
    for page in sorted(REPOSITORY.glob(pattern))
    if page.name != "gallery.md"  # whose commands a tool writes from the names of tasks
]
PROGRAMS = {
    program
    for file in REPOSITORY.glob("packages/*/pyproject.toml")
    for program in tomllib.loads(file.read_text())["project"].get("scripts", {})
}
OWN_NUMBERS = {
    "oige-benchmark": ("rounds",),
    "oige-demo": ("max_steps",),
    "oige-export": ("steps",),
    "oige-random-policy": ("max_steps",),
}
OWN_TEXTS = {"oige-export": ("output", "model"), "oige-zoo": ("output", "pictures", "npm_folder")}
EXAMPLES = ("task=ReachCube", "task=DoublePendulum", "task=Wagon")  # in packages that are not installed


def commands() -> list[Any]:
    """Return each command line once, with the page that shows it first; those of results and tasks are slow tests."""
    found: dict[str, str] = {}
    for page in PAGES:
        for line in re.findall(
            r"^    (?:uv run )?(oige-[a-z-]+(?=$| --| [\w.]+=).*)$", page.read_text().replace("\\\n", " "), re.MULTILINE
        ):
            command = " ".join(shlex.split(line, comments=True))
            found.setdefault(command, page.relative_to(REPOSITORY).as_posix())
    return [
        pytest.param(
            command,
            page,
            id=command,
            marks=[pytest.mark.slow] if page.startswith(("docs/results/", "docs/tasks/")) else [],
        )
        for command, page in found.items()
    ]


@pytest.fixture
def task_files(
    import_tool: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Work in a folder with the files that pages show, and forget the tasks that these register."""
    guides = import_tool("guides")
    files = [name for page in PAGES for name in guides.write_files(page.read_text(), tmp_path)]
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in _registered:
        gym.registry.pop(f"oige/{name}-v0", None)
    _registered.clear()
    installed_tasks.cache_clear()
    for name in files:
        sys.modules.pop(Path(name).stem, None)


@pytest.mark.parametrize(("command", "page"), commands())
@pytest.mark.usefixtures("task_files")
def test_command_is_valid(command: str, page: str) -> None:
    program, *arguments = command.split()
    assert program in PROGRAMS, page
    if any(example in arguments for example in EXAMPLES) or program == "oige-new-task":
        return
    for key in OWN_NUMBERS.get(program, ()):
        pop_int(arguments, key, default=1)
    for key in OWN_TEXTS.get(program, ()):
        pop_text(arguments, key, "")
    if program == "oige-zoo":
        assert set(arguments) <= installed_tasks().keys()
        return
    if program == "oige-runs":
        matching([], [text for text in arguments if "=" in text])
        return
    if program == "oige-export":
        arguments.append("test=True")
    # Files that a command reads or writes are not here; of several runs the first one is checked.
    takes_several = "--multirun" in arguments or program == "oige-warmup"
    if program == "oige-pbt":
        PbtOptions.taken_from(arguments)
    if program == "oige-pbt" or "hydra/sweeper=optuna" in arguments:
        same, settings = split_arguments([text for text in arguments if not text.startswith("hydra")])
        arguments = [*same, *(f"{setting.key}={setting.ends()[0]}" for setting in settings)]
    if takes_several:
        arguments = [text for text in arguments if not text.startswith("hydra")]
    keys = [re.sub(r",.*", "", text) if takes_several else text for text in arguments if "=" in text]
    keys = [key for key in keys if key != "task=all"]
    keys = [key for key in keys if not key.startswith("checkpoint=") or key == "checkpoint=pretrained"]
    if not any(key.startswith("checkpoint=") for key in keys):
        keys = [key for key in keys if key not in ("test=True", "evaluation=True")]
    # Machines that run the tests have no GPU.
    keys = [re.sub(r"^(sim_device|pipeline|rl_device)=.*", r"\1=cpu", key) for key in keys]
    if keys:
        checked_run(keys)
