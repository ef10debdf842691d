"""The comparison of measurements says what got worse."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from oige_core.errors import ConfigError

MACHINE = {"machine": {"cpu": "A"}, "versions": {"torch": "1"}}


def task(ratio: float = 2.0, score: float = 5.0, weights: str = "a") -> dict[str, Any]:
    return {
        "speed": {"ratio": ratio},
        "training": {"score": score, "error": 0.3, "weights": weights},
        "policy": {"score": 7.0, "error": 0.1},
    }


@pytest.fixture
def tool(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("regression")


def verdicts(tool: ModuleType, new: dict[str, Any], old: dict[str, Any]) -> list[str]:
    rows = tool.compare(new, old, slower=0.15, errors=4.0)
    return [row["verdict"] for row in rows]


# A score may fall by 4 sqrt(0.3² + 0.3²) = 1.70, and a ratio of 2 grow to 2.3.
@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (task(), ["", "equal", "equal"]),
        (task(ratio=2.29, score=3.31), ["", "changed", "equal"]),
        (task(ratio=2.31, score=3.29), ["worse", "worse", "equal"]),
        (task(ratio=1.69, score=6.71), ["better", "better", "equal"]),
        (task(weights="b"), ["", "changed", "equal"]),
        (task(score=float("nan")), ["", "worse", "equal"]),
        (task() | {"policy": None}, ["", "equal", "worse"]),
        ({"failed": "error: no"}, ["failed"]),
    ],
)
def test_verdicts_follow_the_limits(tool: ModuleType, measured: dict[str, Any], expected: list[str]) -> None:
    old = MACHINE | {"tasks": {"Ant": task()}}
    assert verdicts(tool, MACHINE | {"tasks": {"Ant": measured}}, old) == expected


def test_bits_are_not_compared_between_machines(tool: ModuleType) -> None:
    old = MACHINE | {"machine": {"cpu": "B"}, "tasks": {"Ant": task()}}
    assert verdicts(tool, MACHINE | {"tasks": {"Ant": task(weights="b")}}, old) == ["", "", "equal"]
    old = MACHINE | {"versions": {"torch": "2"}, "tasks": {"Ant": task()}}
    assert verdicts(tool, MACHINE | {"tasks": {"Ant": task(weights="b")}}, old) == ["", "", "equal"]


def test_rounding_is_no_fall_of_a_score_without_error(tool: ModuleType) -> None:
    def equal_worlds(score: float) -> dict[str, Any]:
        return MACHINE | {"tasks": {"Screw": {"policy": {"score": score, "error": 0.0, "steps": 128}}}}

    assert verdicts(tool, equal_worlds(-5.00001), equal_worlds(-5.0)) == ["changed"]
    assert verdicts(tool, equal_worlds(-5.01), equal_worlds(-5.0)) == ["worse"]


def test_score_that_cannot_fall_is_told(tool: ModuleType) -> None:
    nothing = task() | {"policy": {"score": 0.0, "error": 0.0, "steps": 128}}
    tasks = MACHINE | {"tasks": {"NutBolt": nothing}}
    assert verdicts(tool, tasks, tasks) == ["", "equal", "no reward"]


def test_scores_of_other_numbers_of_steps_are_not_compared(tool: ModuleType) -> None:
    old, new = (task() | {"policy": {"score": 7.0, "error": 0.1, "steps": steps}} for steps in (128, 2608))
    compared = verdicts(tool, MACHINE | {"tasks": {"NutBolt": new}}, MACHINE | {"tasks": {"NutBolt": old}})
    assert compared == ["", "equal", "new"]


def test_task_that_was_not_recorded_is_new(tool: ModuleType) -> None:
    assert verdicts(tool, MACHINE | {"tasks": {"Ant": task()}}, MACHINE | {"tasks": {}}) == ["new"] * 3


def test_table_begins_with_what_is_worse(tool: ModuleType) -> None:
    old = MACHINE | {"tasks": {"Ant": task()}}
    rows = tool.compare(MACHINE | {"tasks": {"Ant": task(score=1.0)}}, old, slower=0.15, errors=4.0)
    assert tool.table(rows).splitlines()[2:] == [
        "| Ant | training | 5 | 1 | worse |",
        "| Ant | speed | 2 | 2 |  |",
        "| Ant | policy | 7 | 7 | equal |",
    ]


def test_score_has_the_standard_error_of_the_mean_over_worlds(tool: ModuleType) -> None:
    rewards = tool.Rewards()
    rewards.add(torch.arange(16.0))
    rewards.add(torch.arange(16.0) + 2.0)
    # The variance of 0, …, 15 is 16 · 17 / 12, and the error a quarter of its root.
    assert rewards.score() == {"score": 8.5, "error": pytest.approx((16 * 17 / 12) ** 0.5 / 4)}


@pytest.mark.parametrize(("now", "worse"), [(task(), 0), ({"failed": "error: no"}, 1), (task(score=1.0), 1)])
def test_program_fails_if_a_measured_task_is_worse(
    tool: ModuleType,
    now: dict[str, Any],
    worse: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Tasks that are not measured do not count."""
    measured = {"Ant": task(), "Cartpole": now}
    monkeypatch.setattr(tool, "measure_in_process", measured.get)
    against = tmp_path / "recorded.json"
    against.write_text(json.dumps(MACHINE | {"tasks": dict.fromkeys(("Ant", "Cartpole", "Humanoid"), task())}))
    code = tool.main(["--tasks", "Ant", "Cartpole", "--against", str(against), "--json", str(tmp_path / "new.json")])
    lines = capsys.readouterr().out.splitlines()
    count = 4 if "failed" in now else 6
    assert (code, lines[-1]) == (worse, f"{worse} of {count} measurements are worse or failed.")
    if worse:
        assert lines[2].startswith("| Cartpole | ")
    assert json.loads((tmp_path / "new.json").read_text())["tasks"] == measured


def test_recorded_tasks_that_are_not_measured_again_are_kept(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tool, "measure_in_process", lambda _: task(score=9.0))
    file = tmp_path / "recorded.json"
    file.write_text(json.dumps({"machine": tool.machine(), "tasks": {"Ant": task(), "Humanoid": task()}}))
    assert tool.main(["--tasks", "Ant", "--record", str(file)]) == 0
    assert json.loads(file.read_text())["tasks"] == {"Ant": task(score=9.0), "Humanoid": task()}
    *rows, count = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[-1] for line in rows[2:]] == ["new |"] * 3  # only of what is measured
    assert count == "0 of 3 measurements are worse or failed."


def test_measurements_of_another_machine_are_not_mixed_with_those_of_this_one(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool, "machine", lambda: {"system": "Linux", "cpu": "fast", "cores": 2, "gpus": []})
    file = tmp_path / "recorded.json"
    text = json.dumps(
        {"machine": {"system": "other", "cpu": "slow", "cores": 64, "gpus": []}, "tasks": {"Ant": task()}}
    )
    file.write_text(text)
    message = f"--record {file}: has measurements of another machine (cpu=slow, cores=64); name a new file."
    with pytest.raises(ConfigError, match=re.escape(message)):
        tool.main(["--tasks", "Ant", "--record", str(file)])
    assert file.read_text() == text
