"""The comparison of measurements says what got worse."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

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
