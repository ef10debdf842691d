"""Signals and limits that end training, and the files that remain."""

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="Windows has no SIGUSR1")
def test_signal_after_a_warning_is_a_request_again() -> None:
    requests: list[str] = []
    with stop_on_signals(requests.append):
        for number in (signal.SIGUSR1, signal.SIGUSR1, signal.SIGTERM, signal.SIGUSR1):
            signal.raise_signal(number)
        assert requests == ["SIGUSR1", "SIGTERM"]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


TINY = (
    "task=Cartpole",
    "num_envs=16",
    "sim_device=cpu",
    "max_iterations=5",
    "task.env.episodeLength=1000",
    "train.params.config.horizon_length=4",
    "train.params.config.save_frequency=1",
)


@pytest.fixture
def signals_in_step(program, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Train in epochs of four steps, and raise signals in the tenth step, which belongs to the third epoch."""
    from oige_core import VecEnv

    def run(*arguments: str, signals: tuple[str, ...] = ()) -> Any:
        step, steps = VecEnv.step, iter(range(1, 1000))

        def signalling(env: VecEnv, actions: Any) -> Any:
            outcome = step(env, actions)
            if next(steps) == 10:
                for name in signals:
                    signal.raise_signal(getattr(signal, name))
            return outcome

        with monkeypatch.context() as patch:
            patch.setattr(VecEnv, "step", signalling)
            return program(*TINY, *arguments)

    return run


def epochs() -> list[int]:
    return sorted(int(file.name.split("_")[3]) for file in Path("runs/Cartpole/nn").glob("last_*"))


def test_epoch_that_takes_too_long_after_sigterm_is_given_up(signals_in_step) -> None:
    outcome = signals_in_step("stop_within=0", signals=("SIGTERM",))
    assert (outcome.code, epochs()) == (130, [1, 2])
    assert outcome.err.splitlines()[-1] == (
        "SIGTERM: saving after this epoch, or without it if it takes more than 0 s (stop_within); a second signal "
        "stops at once"
    )
    assert outcome.out.startswith("stopped after epoch 2; saved runs/Cartpole/nn/last_Cartpole_ep_2_")


def test_epoch_before_one_that_is_given_up_is_saved_and_resumed(signals_in_step) -> None:
    unsaved = "train.params.config.save_frequency=0"
    outcome = signals_in_step("stop_within=0", unsaved, signals=("SIGTERM",))
    assert (outcome.code, epochs()) == (130, [2])
    assert "stopped after epoch 2; saved runs/Cartpole/nn/last_Cartpole_ep_2_" in outcome.out
    continued = signals_in_step("resume=True", unsaved)
    assert (continued.code, epochs()) == (0, [2, 5])
    assert "after epoch 2; training was stopped within an epoch, so new episodes begin" in continued.err


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1", "SIGHUP", "SIGINT"])
def test_signal_saves_at_the_end_of_the_epoch(name: str, signals_in_step) -> None:
    outcome = signals_in_step(signals=(name,))
    assert (outcome.code, epochs()) == (130, [1, 2, 3])
    stopped, resume = outcome.err.splitlines()[-2:]
    assert stopped.startswith("stopped after epoch 3; saved runs/Cartpole/nn/last_Cartpole_ep_3_")
    assert resume.startswith("resume: ")
    if name == "SIGTERM":
        continued = signals_in_step("resume=True")
        assert (continued.code, epochs()) == (0, [1, 2, 3, 4, 5])


def test_second_signal_ends_training_and_names_the_newest_checkpoint(signals_in_step) -> None:
    outcome = signals_in_step(signals=("SIGTERM", "SIGTERM"))
    assert (outcome.code, epochs()) == (130, [1, 2])
    kept, last = outcome.err.splitlines()[-2:]
    assert kept.startswith("not saved since runs/Cartpole/nn/last_Cartpole_ep_2_")
    assert last == "interrupted"


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
