"""What programs show on standard error, and what a library user sees of it."""

import io
import logging
import subprocess
import sys

import pytest
from oige_train.console import ProgressLine, say, show_messages


def test_message_ends_an_open_progress_line(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    show_messages()
    show_messages()  # a second call changes nothing
    line = ProgressLine()
    line.show("epoch 1")
    logging.getLogger("oige_train.learner.agent").warning("not saved")
    say("first", "100 % second")
    line.show("epoch 2", force=True)
    line.close()
    shown = [
        text.removeprefix("\r\x1b[2K\x1b[?7l").removesuffix("\x1b[?7h") for text in terminal.getvalue().split("\n")
    ]
    assert shown == ["epoch 1", "not saved", "first", "100 % second", "epoch 2", ""]


@pytest.mark.parametrize(
    ("setup", "shown"),
    [
        ("", "a warning\n"),  # as Python shows warnings of any library
        ("logging.getLogger('oige_train').setLevel(logging.ERROR)", ""),
        ("from oige_train.console import show_messages; show_messages()", "a message\na warning\n"),
    ],
)
def test_library_users_can_silence_messages(setup: str, shown: str) -> None:
    code = (
        "import logging\n"
        f"{setup}\n"
        "log = logging.getLogger('oige_train.viewing')\n"
        "log.info('a message')\n"
        "log.warning('a warning')\n"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (process.stdout, process.stderr) == ("", shown)
