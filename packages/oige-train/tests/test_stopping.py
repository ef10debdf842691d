"""Signals and limits that end training, and the files that remain."""

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from oige_train import stopping
from oige_train.checkpoint import load_checkpoint
from oige_train.stopping import stop_on_signals


@pytest.fixture(autouse=True)
def keep_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "_leave_terminal", lambda: None)


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_second_signal_interrupts_unless_it_is_a_hangup(first: signal.Signals) -> None:
    requests: list[str] = []
    with stop_on_signals(requests.append):
        signal.raise_signal(first)
        assert requests == [first.name]
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert requests == [first.name]


def test_ignored_hangup_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        requests: list[str] = []
        with stop_on_signals(requests.append):
            signal.raise_signal(signal.SIGHUP)
        assert requests == []
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


CHILD = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)   # the pseudo-terminal is the one whose end this session hears of
from oige_train.cli.train import main
main()
"""


def test_closing_the_terminal_saves_a_checkpoint(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    arguments = ["num_envs=16", "sim_device=cpu", "max_iterations=1000000", "train.params.config.save_frequency=0"]
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments, "train.params.config.save_best_after=1000000"],
        cwd=tmp_path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    while not re.search(rb"epoch ([3-9]|\d\d+)/", seen):  # quick epochs are not all shown
        seen += os.read(ours, 4096)
    os.close(ours)
    assert process.wait(timeout=120) == 130
    (saved,) = tmp_path.glob("runs/Cartpole/nn/*.pth")
    assert load_checkpoint(saved, "cpu")["epoch"] >= 3
