"""Command lines in OmniIsaacGymEnvs' documents do what the tables of docs/coming_from/omniisaacgymenvs.md say."""

import importlib.util
import re
import shlex
import sys
from pathlib import Path

import pytest
import requests
from checkpoint_infos import make_info
from oige_core.errors import OigeError
from oige_core.gpu import cuda_device_count
from oige_core.registry import installed_tasks
from oige_train.checkpoint import save_checkpoint
from oige_train.cli.common import checked_run
from oige_train.download import http

REPOSITORY = Path(__file__).resolve().parent.parent
PAGE = (REPOSITORY / "docs" / "coming_from" / "omniisaacgymenvs.md").read_text()
COMMANDS = [
    line.partition("\t")[2]
    for line in (REPOSITORY / "tests" / "data" / "upstream_commands.tsv").read_text().splitlines()
    if not line.startswith("#")
]
TRAINING = ("PYTHON_PATH scripts/rlgames_train.py ", "/isaac-sim/python.sh scripts/rlgames_train.py ")


def rows(heading: str) -> list[tuple[list[str], str]]:
    """Return the rows of the table below a heading: the patterns in the first column, and the second column."""
    section = PAGE.partition(f"\n### {heading}\n")[2].partition("\n#")[0]
    cells = re.findall(r"^\| (`.*`) \| (.*) \|$", section, re.MULTILINE)
    assert cells
    return [(re.findall(r"`([^`]*)`", first), second) for first, second in cells]


ARGUMENTS, OTHERS = rows("Training and playing"), rows("Other commands")


def matches(pattern: str, text: str) -> bool:
    wild = {"…": ".*", "<Task>": "|".join(installed_tasks())}
    parts = re.split(f"({'|'.join(wild)})", pattern)
    return re.fullmatch("".join(f"({wild[p]})" if p in wild else re.escape(p) for p in parts), text) is not None


def row_of(command: str, table: list[tuple[list[str], str]]) -> str:
    """Return the second column of the only row that has a command."""
    found = [second for patterns, second in table if any(matches(pattern, command) for pattern in patterns)]
    assert len(found) == 1, f"{command}: in {len(found)} rows"
    return found[0]


def errors(result: str) -> list[str]:
    """Return the error messages in a cell."""
    return [text for text in re.findall(r"`([^`]*)`", result) if re.match(r"[\w.…]+(=[^ ]*)?: ", text)]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no address be reachable."""

    def fail(*arguments: object, **options: object) -> None:
        raise requests.ConnectionError("no network")

    monkeypatch.setattr(requests.Session, "get", fail)
    monkeypatch.setattr(http, "LIMITS", http.Limits(attempts=1))
    monkeypatch.setitem(sys.modules, "omni.client", None)


@pytest.fixture(autouse=True)
def _checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the checkpoints that the commands name into the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "runs" / "Ant" / "nn"
    folder.mkdir(parents=True)
    for name in ("Ant.pth", "last_Antep=501rew[5981.31].pth"):
        save_checkpoint(folder / name, {}, make_info("Ant", 60, 8))


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith(TRAINING)])
def test_training_arguments_have_the_documented_result(command: str) -> None:
    arguments = command.partition(".py ")[2]
    result = row_of(arguments, ARGUMENTS)
    verb = result.partition(" ")[0].rstrip(";,")
    needs = {
        "on a GPU": cuda_device_count() > 0,
        "its package": importlib.util.find_spec("wandb") is not None,
        "omni.client": False,
        "a network": False,
    }
    if verb in ("trains", "resumes", "plays") and all(given for need, given in needs.items() if need in result):
        run = checked_run(shlex.split(arguments))
        assert (run.config.test, run.checkpoint is not None) == (verb == "plays", verb != "trains")
    else:
        (message,) = errors(result)
        with pytest.raises(OigeError) as caught:
            checked_run(shlex.split(arguments))
        assert matches(message, str(caught.value)), caught.value


@pytest.mark.parametrize("command", [command for command in COMMANDS if not command.startswith(TRAINING)])
def test_other_commands_have_the_documented_replacement(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    result = row_of(command, OTHERS)
    for script in re.findall(r"\bscripts/\w+\.py", command):
        assert (REPOSITORY / script).is_file()
    if "torch.distributed.run" in command:
        torchrun = {
            "RANK": "1",
            "WORLD_SIZE": "2",
            "LOCAL_RANK": "0",
            "MASTER_ADDR": "localhost",
            "MASTER_PORT": "5555",
        }
        for key, value in torchrun.items():
            monkeypatch.setenv(key, value)
    _, is_program, arguments = command.partition(".py ")
    if not is_program:
        return
    if messages := errors(result):
        with pytest.raises(OigeError) as caught:
            checked_run(["test=True", *arguments.split()] if "_demo" in command else arguments.split())
        assert matches(messages[0], str(caught.value)), caught.value
    else:
        assert not checked_run(arguments.split()).config.test


def test_replacements_are_valid_commands() -> None:
    for _, result in OTHERS:
        for program, arguments in re.findall(r"`uv run oige-([a-z-]+) (.*?)`", result):
            if program in ("demo", "random-policy") and "MyNewTask" not in arguments:
                checked_run(["test=True", *arguments.split()] if program == "demo" else arguments.split())


@pytest.mark.parametrize("patterns", [patterns for patterns, _ in ARGUMENTS + OTHERS], ids=" ".join)
def test_rows_are_about_commands_of_upstream(patterns: list[str]) -> None:
    texts = [command.partition(".py ")[2] if command.startswith(TRAINING) else command for command in COMMANDS]
    assert all(any(matches(pattern, text) for text in texts) for pattern in patterns)
