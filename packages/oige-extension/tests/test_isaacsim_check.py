"""oige-isaacsim-check: each check on its own, whatever the others do, and what the report says."""

import json
import subprocess
import sys
import venv
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oige_extension import isaacsim_check
from oige_extension.checks.outcomes import CheckFailedError, CheckSkippedError
from oige_extension.isaacsim_check import Reporter, all_checks, outcome, select

CHILD = """
import argparse, json, os, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--run", nargs="*")
parser.add_argument("--failed", nargs="*")
parser.add_argument("--results")
options, _ = parser.parse_known_args()
if "unstartable" in options.run:
    sys.exit("no module named oige")
for name in options.run:
    with open(options.results, "a") as file:
        print(json.dumps({"event": "begin", "name": name}), file=file)
    if name == "crash":
        print("physics gave up", flush=True)
        os.abort()
    if name == "hang":
        time.sleep(60)
    with open(options.results, "a") as file:
        message = "after " + ",".join(options.failed)
        print(json.dumps({"event": "end", "name": name, "status": "PASS", "message": message}), file=file)
"""


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Run checks in processes that only pretend to, and return the report."""
    child = tmp_path / "child.py"
    child.write_text(CHILD)
    monkeypatch.setattr(isaacsim_check, "__file__", str(child))

    def run(*names: str, timeout: float = 60.0) -> dict[str, Any]:
        options = Namespace(report=tmp_path / "report.json", device="cpu", host="", timeout=timeout)
        reporter = Reporter(options)
        reporter.run(names)
        reporter.write()
        return json.loads(options.report.read_text())

    return run


def results_of(report: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {result["name"]: (result["status"], result["message"]) for result in report["results"]}


def test_a_check_that_ends_the_process_is_reported_and_the_others_run(report: Callable[..., dict[str, Any]]) -> None:
    written = report("first", "crash", "last")
    assert results_of(written) == {
        "first": ("PASS", "after "),
        "crash": ("FAIL", "the process ended with signal 6"),
        "last": ("PASS", "after crash"),
    }
    assert written["results"][1]["log"] == ["physics gave up"]
    assert written["summary"] == {"PASS": 2, "FAIL": 1, "SKIP": 0}


def test_a_check_that_hangs_is_ended(report: Callable[..., dict[str, Any]]) -> None:
    # The time counts from the last event, so that the start of Python must fit, too.
    results = results_of(report("hang", "last", timeout=3.0))
    assert results == {"hang": ("FAIL", "not finished after 3 s"), "last": ("PASS", "after hang")}


def test_a_process_that_cannot_start_fails_all_its_checks(report: Callable[..., dict[str, Any]]) -> None:
    written = report("unstartable", "second")
    reason = ("FAIL", "the process ended with exit code 1")
    assert results_of(written) == {"unstartable": reason, "second": reason}
    assert written["results"][1]["log"] == ["no module named oige"]


def test_without_the_application_no_task_is_tried(report: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    options = Namespace(report=tmp_path / "report.json", device="cpu", host="", timeout=60.0)
    reporter = Reporter(options)
    reporter.results["host.start"] = {"status": "FAIL", "message": "not found"}
    reporter.run(["task.Ant"])
    assert reporter.results["task.Ant"] == {"status": "SKIP", "message": "needs host.start, which failed"}


def raiser(error: BaseException) -> Callable[[Any], str]:
    def check(session: Any) -> str:
        raise error

    return check


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (CheckFailedError("2 worlds; expected 12"), {"status": "FAIL", "message": "2 worlds; expected 12"}),
        (CheckSkippedError("needs host.play"), {"status": "SKIP", "message": "needs host.play"}),
        (SystemExit(2), {"status": "FAIL", "message": "the program ended with exit code 2"}),
    ],
)
def test_outcome_of_a_check(error: BaseException, expected: dict[str, str]) -> None:
    assert outcome(raiser(error), None) == expected


def test_unexpected_error_is_a_failure_with_its_traceback() -> None:
    found = outcome(raiser(ZeroDivisionError("by nothing")), None)
    assert (found["status"], found["message"]) == ("FAIL", "ZeroDivisionError: by nothing")
    assert "raise error" in "".join(found["traceback"])


def test_patterns_select_groups_and_names() -> None:
    names = ["versions", "host.start", "host.play", "task.Ant", "task.AntSAC"]
    assert select(names, ["host"]) == ["host.start", "host.play"]
    assert select(names, ["task.Ant", "v*"]) == ["versions", "task.Ant"]
    assert select(names, ["hos"]) == []


def test_every_check_is_described() -> None:
    checks = all_checks()
    assert {"versions", "packages", "host.start", "convention.gains", "task.Ant", "train.Cartpole"} <= set(checks)
    assert not [name for name, check in checks.items() if not check.__doc__]


@pytest.mark.parametrize("arguments", [["--only", "hosts"], ["--tasks", "Ants"]])
def test_unknown_name_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        isaacsim_check.main(arguments)
    assert ended.value.code == 2
    expected = {"--only": "hosts", "--tasks": "task.Ants"}[arguments[0]]
    assert f"error: {expected}: no check has this name; --list prints all names" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--device", "gpu", "cpu, cuda or cuda:<n>"),
        ("--timeout", "-1", "a number above 0"),
        ("--report", "missing/report.json", "its folder does not exist"),
    ],
)
def test_wrong_value_is_refused(option: str, value: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        isaacsim_check.main([option, value, "--only", "versions"])
    assert ended.value.code == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert f"error: {option} {value}: " in error
    assert expected in error


def test_the_file_alone_says_what_is_missing(tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", symlinks=True)  # a Python without OIGE, as Isaac Sim's is before installation
    python = tmp_path / "venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    file = tmp_path / "isaacsim_check.py"
    file.write_text(Path(isaacsim_check.__file__).read_text())
    done = subprocess.run([python, file], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    written = json.loads((tmp_path / "oige_isaacsim_check.json").read_text())
    results = results_of(written)
    assert set(results) == {"versions", "packages"}
    assert results["versions"][0] == "PASS"
    assert "Python 3." in results["versions"][1]
    assert results["packages"][0] == "FAIL"
    assert "oige-core: No module named 'oige_core'; install the wheels" in results["packages"][1]
    assert "attach" in done.stdout
