import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from oige_compat.cli import compat
from oige_compat.imports import install
from oige_core.errors import ConfigError


def run_script(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "oige_compat.cli", "run", str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_unknown_module_is_one_line_with_file_and_line() -> None:
    install()
    with pytest.raises(ModuleNotFoundError) as caught:
        importlib.import_module("omni.nowhere")
    message = str(caught.value)
    assert re.fullmatch(
        r"omni\.nowhere \(used in .*importlib.__init__\.py:\d+\): oige-compat does not have it; .*", message
    )


def test_scripts_get_their_own_arguments(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys, beside\nprint(__name__, sys.argv[1:], beside.VALUE)\n")
    (tmp_path / "beside.py").write_text("VALUE = 7\n")
    done = run_script(script, "--version", "task=A")
    assert done.stdout == "__main__ ['--version', 'task=A'] 7\n", done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "oige-compat without a command: expected one of check, convert, port, run."),
        (["run"], "oige-compat run: expected a script, such as scripts/rlgames_train.py."),
        (
            ["run", "no.py"],
            "oige-compat run no.py: no such file; expected a script, such as scripts/rlgames_train.py.",
        ),
    ],
)
def test_wrong_arguments_are_one_line(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compat(arguments)
    assert str(caught.value) == message
