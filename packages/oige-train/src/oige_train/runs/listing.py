"""Find, filter, sort and print runs."""

import csv
import datetime
import fnmatch
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from oige_core.errors import ConfigError, did_you_mean, nearest

from oige_train.runs.files import CONFIG_FILE, POLICIES, RUNS, STARTS_FILE, SUMMARIES
from oige_train.runs.run_summary import RunSummary, read_run

__all__ = [
    "FIELDS",
    "aligned",
    "as_csv",
    "as_json",
    "as_table",
    "find_run",
    "find_runs",
    "matching",
    "moment",
    "number",
    "ordered",
]

FIELDS = tuple(field.name for field in fields(RunSummary))
MARKS = (STARTS_FILE, CONFIG_FILE, SUMMARIES, POLICIES)
AGES = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def find_runs(roots: Sequence[Path]) -> list[RunSummary]:
    """Return the runs in folders, and in folders inside of them.

    A folder with videos only, which playing writes, is left out. Any other folder without a run is listed with a
    problem.

    Args:
        roots: folders of runs, or runs.

    Raises:
        ConfigError: a folder does not exist.
    """
    found = []
    for root in roots:
        if not root.is_dir():
            hint = did_you_mean(str(root), ("compare", "plot"))
            message = f"{root}: no such folder; expected a folder of runs, such as {RUNS}, or a run. {hint}"
            raise ConfigError(message.rstrip())
        for folder in _run_folders(root):
            is_root = folder == root
            name = str(folder if is_root or len(roots) > 1 else folder.relative_to(root))
            found.append(read_run(folder, name) if _is_run(folder) else _without_run(folder, name))
    return found


def find_run(text: str) -> Path:
    """Return the folder of a run that is given by its path, or by its name in ``runs``.

    Raises:
        ConfigError: there is none.
    """
    for folder in (Path(text).expanduser(), RUNS / text):
        if _is_run(folder):
            return folder
    known = [str(folder.relative_to(RUNS)) for folder in _run_folders(RUNS)] if RUNS.is_dir() else []
    raise ConfigError(
        f"{text}: expected the folder of a run, or its name in {RUNS}. "
        + (nearest(text, known) if known else f"There are no runs in {RUNS}.")
    )


def _is_run(folder: Path) -> bool:
    return any((folder / mark).exists() for mark in MARKS)


def _run_folders(folder: Path) -> list[Path]:
    """Return a folder if it is a run, else the runs inside of it and the folders there without runs or videos."""
    if _is_run(folder):
        return [folder]
    inner = sorted(path for path in folder.iterdir() if path.is_dir() and not _is_left_out(path))
    if [path.name for path in inner] == ["videos"]:
        return []
    return [run for path in inner for run in _run_folders(path) or ([] if _has_folders(path) else [path])]


def _is_left_out(folder: Path) -> bool:
    """Whether a folder is hidden, or a link to a folder around it, in which a search would never end."""
    is_circle = folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve())
    return folder.name.startswith(".") or is_circle


def _has_folders(folder: Path) -> bool:
    return any(path.is_dir() for path in folder.iterdir())


def _without_run(folder: Path, name: str) -> RunSummary:
    return RunSummary(name=name, folder=str(folder), problems=[f"no run: none of {', '.join(MARKS)}"])


def matching(runs: Sequence[RunSummary], filters: Sequence[str], since: str = "") -> list[RunSummary]:
    """Return the runs that fit all filters.

    Args:
        runs: the runs.
        filters: ``field=pattern`` with ``*`` and ``?`` as in file names, and commas between alternatives. Letters may
            be upper or lower case.
        since: least date of the first start, see :func:`moment`; empty: no limit.

    Raises:
        ConfigError: a field or the date is unknown.
    """
    kept = list(runs)
    for text in filters:
        name, _, pattern = text.partition("=")
        _check_field(text, name)
        patterns = pattern.lower().split(",")
        kept = [run for run in kept if any(fnmatch.fnmatchcase(_plain(run, name).lower(), each) for each in patterns)]
    if since:
        limit = moment(since)
        kept = [run for run in kept if run.date is not None and _date(run.date) >= limit]
    return kept


def _plain(run: RunSummary, name: str) -> str:
    value = getattr(run, name)
    return "" if value is None else "; ".join(value) if isinstance(value, list) else str(value)


def _check_field(text: str, name: str) -> None:
    if name not in FIELDS:
        raise ConfigError(f"{text}: unknown field of a run. {nearest(name, FIELDS)}")


def moment(text: str) -> datetime.datetime:
    """Return a moment: a date, date and time, or how long ago, as in ``30m``, ``12h``, ``7d`` or ``2w``.

    Raises:
        ConfigError: it is none of them.
    """
    if ago := re.fullmatch(r"(\d{1,6})([mhdw])", text):
        return datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(**{AGES[ago[2]]: int(ago[1])})
    try:
        return datetime.datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"--since {text}: expected a date such as 2026-05-01, or an age such as 12h or 7d."
        ) from error


def _date(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).astimezone()


def ordered(runs: Sequence[RunSummary], key: str = "date") -> list[RunSummary]:
    """Return the runs sorted by a field, the smallest first; with ``-`` before it, the largest first.

    Runs without a value are last.

    Raises:
        ConfigError: the field is unknown.
    """
    name = key.removeprefix("-")
    _check_field(f"--sort {key}", name)
    values = [
        (_date(value) if name == "date" else value, run) for run in runs if (value := getattr(run, name)) is not None
    ]
    known = [run for _, run in sorted(values, key=lambda pair: pair[0], reverse=key != name)]
    return known + [run for run in runs if not any(run is other for other in known)]


def as_json(runs: Sequence[RunSummary]) -> str:
    """Return the runs as JSON: a list of objects with all fields."""
    return json.dumps([asdict(run) for run in runs], indent=2, ensure_ascii=False)


def as_csv(runs: Sequence[RunSummary]) -> str:
    """Return the runs as comma-separated values with a header; several problems are separated by ``; ``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FIELDS)
    writer.writerows([_plain(run, name) for name in FIELDS] for run in runs)
    return text.getvalue().rstrip("\n")


def as_table(runs: Sequence[RunSummary]) -> str:
    """Return the runs as a table for people. Why a run ended early, and what is wrong with it, follow its row."""
    header = ["name", "task", "algorithm", "seed", "steps", "reward", "best", "steps/s", "started", "state"]
    columns: list[Callable[[RunSummary], str]] = [
        lambda run: run.name,
        lambda run: run.task or "?",
        lambda run: run.algorithm or "?",
        lambda run: "?" if run.seed is None else str(run.seed),
        lambda run: number(run.steps),
        lambda run: number(run.reward),
        lambda run: number(run.reward_best),
        lambda run: number(run.speed),
        lambda run: _date(run.date).strftime("%Y-%m-%d %H:%M") if run.date else "?",
        lambda run: run.state + (f", resumed {run.resumed}×" if run.resumed else ""),
    ]
    if any(run.success is not None for run in runs):
        header[7:7] = ["success", "best"]
        columns[7:7] = [lambda run: number(run.success), lambda run: number(run.success_best)]
    if any(run.evaluation_best is not None for run in runs):
        place = header.index("steps/s")
        header.insert(place, "evaluation")
        columns.insert(place, lambda run: number(run.evaluation_best))
    numeric = [name in ("seed", "steps", "reward", "best", "success", "evaluation", "steps/s") for name in header]
    rows = aligned([header, *([column(run) for column in columns] for run in runs)], numeric)
    notes = [[], *(_notes(run) for run in runs)]
    return "\n".join(
        line
        for row, problems in zip(rows, notes, strict=True)
        for line in (row, *(f"  {_one_line(text)}" for text in problems))
    )


def _notes(run: RunSummary) -> list[str]:
    return [*([f"ended early: {run.ended_early}"] if run.ended_early else []), *run.problems]


def aligned(rows: Sequence[Sequence[str]], numeric: Sequence[bool]) -> list[str]:
    """Return the lines of a table whose numeric columns are aligned to the right."""
    rows = [[_one_line(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in rows
    ]


def _one_line(text: str) -> str:
    """Return a text of a file of a run without what would break a table or control a terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def number(value: float | None) -> str:
    """Return a number with about four digits; ``-`` if it is unknown."""
    if value is None:
        return "-"
    if isinstance(value, int) or 1000 <= abs(value) < 1e12:
        return f"{value:,.0f}"
    return f"{value:.4g}"
