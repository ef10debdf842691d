import functools
import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def forgets_tasks() -> Iterator[None]:
    """Forget the tasks that a test registers, and the modules of their files."""
    import gymnasium as gym
    from oige_core.registry import _registered, installed_tasks

    modules, paths = set(sys.modules), list(sys.path)
    yield
    for name, task in _registered.items():
        gym.registry.pop(f"oige/{name}-v0", None)
        if task.entry_point.module not in modules:
            sys.modules.pop(task.entry_point.module, None)
    _registered.clear()
    installed_tasks.cache_clear()
    sys.path[:] = paths


@pytest.fixture
def run_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Run a program, a module of ``oige_train.cli``, in this process and in a folder of its own.

    What it returns are the exit code and the output. This takes four seconds less than a process that imports torch.
    """
    monkeypatch.chdir(tmp_path)

    def run(module: str, *arguments: str) -> Outcome:
        from oige_train.stopping import STOPPING_SIGNALS

        main = importlib.import_module(f"oige_train.cli.{module}").main
        monkeypatch.setattr(sys, "argv", [f"oige-{module.replace('_', '-')}", *arguments])
        handlers = {number: signal.getsignal(number) for number in STOPPING_SIGNALS}
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        assert handlers == {number: signal.getsignal(number) for number in handlers}
        assert "HYDRA_FULL_ERROR" not in os.environ
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def program(run_program: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Run ``oige-train``; see :func:`run_program`."""
    return functools.partial(run_program, "train")


@pytest.fixture
def runs_program(run_program: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Run ``oige-runs``; see :func:`run_program`."""
    return functools.partial(run_program, "runs")


@pytest.fixture(autouse=True)
def _default_signals() -> Iterator[None]:
    """Let signals do in tests, and in programs that they start, what they do in a terminal.

    Shells start background jobs with SIGINT ignored, and ``nohup`` ignores SIGHUP. Programs inherit both.
    """
    before = {signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler)}
    if hasattr(signal, "SIGHUP"):
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
