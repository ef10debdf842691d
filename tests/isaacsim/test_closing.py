"""Programs close Isaac Sim's application, and keep their exit code although Kit ends the process with 0."""

import os
import sys
from typing import Any

import pytest
from oige_core.engines.isaacsim import application
from oige_core.engines.isaacsim.application import Application
from oige_core.engines.isaacsim.releases import Release
from oige_core.errors import ConfigError
from oige_train.cli.common import run_cli


class Ended(BaseException):
    """The process has ended, without cleaning up."""


class Kit:
    """A double of ``SimulationApp``, which ends the process when it is closed."""

    def close(self) -> None:
        raise Ended(0)


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(code: int) -> None:
        raise Ended(code)

    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(sys, "argv", ["program"])
    monkeypatch.setattr(application, "_application", Application(Release(5, 1), None, False, Kit()))


def fail_as_user(arguments: list[str]) -> None:
    raise ConfigError("seed=x: expected a number.")


def fail(arguments: list[str]) -> None:
    raise RuntimeError("a bug")


def interrupt(arguments: list[str]) -> None:
    raise KeyboardInterrupt


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize(
    ("program", "code", "message"),
    [
        (lambda arguments: 0, 0, ""),
        (lambda arguments: 3, 3, ""),
        (fail_as_user, 2, "error: seed=x: expected a number."),
        (fail, 1, "RuntimeError: a bug"),
        (interrupt, 130, "interrupted"),
    ],
)
def test_exit_code_with_isaac_sim(program: Any, code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Ended) as ended:
        run_cli(program)
    assert ended.value.args == (code,)
    assert capsys.readouterr().err.strip().endswith(message)
    assert application._application is None


def test_exit_code_without_isaac_sim(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["program"])
    monkeypatch.delitem(sys.modules, application.__name__)
    with pytest.raises(RuntimeError, match="a bug"):
        run_cli(fail)


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize(("error", "code"), [(None, 0), (RuntimeError("a bug"), 1)])
def test_exit_code_of_a_program_that_does_not_close_it(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None, code: int
) -> None:
    monkeypatch.setattr(sys, "last_value", error, raising=False)
    with pytest.raises(Ended) as ended:
        application._close_at_exit()
    assert ended.value.args == (code,)
