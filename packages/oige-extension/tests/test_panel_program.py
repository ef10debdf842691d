"""``oige-panel``: its arguments, its page and its end."""

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from oige_core.errors import ConfigError
from oige_extension.cli.panel import panel


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("task=Cartpol", "task=Cartpol: unknown task"),
        ("test=True", "test=True: has no effect in oige-panel"),
        ("checkpoint=a.pth", "checkpoint=a.pth: has no effect in oige-panel"),
        ("headless=False", "headless=False: has no effect in oige-panel"),
        ("num_envs=8193", "num_envs=8193: expected at most 8192"),
        ("max_seconds=soon", "max_seconds=soon: expected a whole number"),
        ("task.env.resetDist=far", "task.env.resetDist=far: "),
    ],
)
def test_wrong_argument_ends_the_program_before_it_serves(argument: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        panel([argument])


def test_page_is_served_until_ctrl_c(tmp_path: Path) -> None:
    program = subprocess.Popen(
        [sys.executable, "-m", "oige_extension.cli.panel", "task=Ant", "num_envs=3", "sim_device=cpu"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stderr is not None
    try:
        url = re.fullmatch(r"panel: (http://127\.0\.0\.1:\d+)\n", program.stderr.readline())
        assert url is not None
        with urllib.request.urlopen(url[1], timeout=60) as answer:
            assert b"<html" in answer.read()
    finally:
        program.send_signal(signal.SIGINT)
    assert program.stderr.read() == ""
    assert program.wait(30) == 0
