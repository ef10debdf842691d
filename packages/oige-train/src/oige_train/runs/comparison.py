"""Differences between runs, and their results at equal numbers of environment steps."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oige_core.errors import OigeError

from oige_train.runs.files import CONFIG_FILE, STARTS_FILE, SUMMARIES
from oige_train.runs.listing import aligned, number
from oige_train.runs.run_summary import read_config, read_starts
from oige_train.runs.summaries import REWARD, Point, read_summaries

__all__ = ["Comparison", "compare"]

#: Number of rows of the results.
ROWS = 10
#: Keys of a configuration that only name the run or its place.
NAMES = ("experiment", "checkpoint", "train.params.config.name", "train.params.config.full_experiment_name")
#: Keys of ``run.json`` that describe where a run ran, and with what.
CIRCUMSTANCES = ("versions", "commits", "machine", "devices", "float32_matmul_precision", "mixed_precision")
MISSING = "-"


@dataclass(frozen=True)
class Comparison:
    """How runs differ.

    Attributes:
        runs: the folders.
        configuration: the values of each run by key of the configuration, of keys whose values differ.
        circumstances: the same of versions, commits and machine.
        results: environment steps, and the reward of each run at that time.
        last: the last environment steps and reward of each run.
    """

    runs: tuple[str, ...]
    configuration: dict[str, tuple[Any, ...]]
    circumstances: dict[str, tuple[Any, ...]]
    results: list[tuple[int, tuple[float | None, ...]]]
    last: list[tuple[int, float] | None]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return asdict(self)

    def text(self) -> str:
        """Return tables for people."""
        parts = []
        for title, values in (("configuration", self.configuration), ("circumstances", self.circumstances)):
            if values:
                rows = [[key, *map(_shown, row)] for key, row in values.items()]
                parts += [*aligned([[title, *self.runs], *rows], [False] * (1 + len(self.runs))), ""]
            else:
                parts += [f"{title}: no differences", ""]
        rows = [[f"{steps:,}", *map(number, rewards)] for steps, rewards in self.results]
        ends = [MISSING if last is None else f"{number(last[1])} at {last[0]:,}" for last in self.last]
        header = ["reward at steps", *self.runs]
        parts += aligned([header, *rows, ["last", *ends]], [True] * (1 + len(self.runs)))
        return "\n".join(parts)


def compare(folders: Sequence[Path]) -> Comparison:
    """Return how runs differ.

    Args:
        folders: folders of at least two runs.

    Raises:
        OigeError: a configuration or ``run.json`` is damaged.
    """
    configurations = [_configuration(folder) for folder in folders]
    curves = [read_summaries(folder / SUMMARIES).scalars.get(REWARD, []) for folder in folders]
    return Comparison(
        runs=tuple(map(str, folders)),
        configuration=_differences(configurations, NAMES),
        circumstances=_differences([_circumstances(folder) for folder in folders], ()),
        results=_results(curves),
        last=[(curve[-1].steps, curve[-1].value) if curve else None for curve in curves],
    )


def _configuration(folder: Path) -> dict[str, Any]:
    """Return the configuration of the latest start of a run, by dotted key."""
    starts = _starts(folder)
    name = starts[-1].get("config", CONFIG_FILE) if starts else CONFIG_FILE
    try:
        return _flat(read_config(folder, name))
    except ValueError as error:
        raise OigeError(f"{folder / name}: {error}; runs without a configuration cannot be compared.") from error


def _circumstances(folder: Path) -> dict[str, Any]:
    latest = (_starts(folder) or [{}])[-1]
    return _flat({key: latest[key] for key in CIRCUMSTANCES if key in latest})


def _starts(folder: Path) -> list[dict[str, Any]]:
    try:
        return read_starts(folder)
    except ValueError as error:
        raise OigeError(f"{folder / STARTS_FILE}: {error}; move it away to compare the rest.") from error


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _differences(values: Sequence[dict[str, Any]], ignored: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    keys = dict.fromkeys(key for each in values for key in each if key not in ignored)
    rows = {key: tuple(each.get(key, MISSING) for each in values) for key in keys}
    return {key: row for key, row in rows.items() if any(value != row[0] for value in row[1:])}


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)


def _results(curves: Sequence[Sequence[Point]]) -> list[tuple[int, tuple[float | None, ...]]]:
    """Return rewards at equal steps, up to the end of the shortest curve."""
    known = [curve for curve in curves if curve]
    if not known:
        return []
    end = min(curve[-1].steps for curve in known)
    steps = sorted({end * row // ROWS for row in range(1, ROWS + 1)})
    return [(at, tuple(_value_at(curve, at) for curve in curves)) for at in steps]


def _value_at(curve: Sequence[Point], steps: int) -> float | None:
    """Return the value at a number of steps, between two points on the line that joins them; None before the first."""
    before: Point | None = None
    for point in curve:
        if point.steps == steps:
            return point.value
        if point.steps > steps:
            if before is None:
                return None
            fraction = (steps - before.steps) / (point.steps - before.steps)
            return before.value + fraction * (point.value - before.value)
        before = point
    return None
