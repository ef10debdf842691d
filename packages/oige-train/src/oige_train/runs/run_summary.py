"""What the folder of a run says: what ran, how it ended, and how well it learned."""

import datetime
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from oige_train.evaluation.scores import SCORES_FILE, best_of, read_scores
from oige_train.runs.files import CONFIG_FILE, POLICIES, STARTS_FILE, SUMMARIES, is_locked
from oige_train.runs.summaries import REWARD, SUCCESS, Point, read_summaries

__all__ = ["RunSummary", "read_config", "read_run", "read_starts"]

T = TypeVar("T")


@dataclass
class RunSummary:
    """A run, as its folder describes it; None: unknown.

    Attributes:
        name: the folder, relative to the one that was listed.
        folder: the folder.
        task: name of the task.
        algorithm: PPO, SAC or FlashSAC.
        seed: the seed.
        num_envs: number of worlds in each process.
        steps: environment steps of all worlds so far.
        reward: the last mean episode reward.
        reward_best: the best one.
        success: the last mean fraction of successful episodes; None if the task reports none.
        success_best: the best one.
        evaluation_best: best mean return of a checkpoint that ``evaluation=True`` has scored; None without.
        speed: environment steps per second of training.
        date: when it was first started, as ISO 8601 with time zone.
        state: ``finished``, ``stopped`` by the user, ``failed``, ``running``, or ``unknown``.
        ended_early: which goal ended training before its limit; None: none.
        resumed: how often training was resumed from a checkpoint.
        problems: what is wrong with the run or its folder.
    """

    name: str
    folder: str
    task: str | None = None
    algorithm: str | None = None
    seed: int | None = None
    num_envs: int | None = None
    steps: int | None = None
    reward: float | None = None
    reward_best: float | None = None
    success: float | None = None
    success_best: float | None = None
    evaluation_best: float | None = None
    speed: float | None = None
    date: str | None = None
    state: str = "unknown"
    ended_early: str | None = None
    resumed: int = 0
    problems: list[str] = field(default_factory=list)


def read_run(folder: Path, name: str) -> RunSummary:
    """Return what the folder of a run says. Missing and damaged files are listed as its problems.

    Args:
        folder: the folder.
        name: its name in lists.
    """
    run = RunSummary(name=name, folder=str(folder))
    starts = _attempt(run, STARTS_FILE, lambda: read_starts(folder)) or []
    _describe(run, folder, starts)
    _set_state(run, folder, starts)
    summaries = read_summaries(folder / SUMMARIES, is_written=run.state == "running")
    run.problems += summaries.problems
    run.steps, run.speed = summaries.steps, summaries.speed
    run.reward, run.reward_best = _last_and_best(summaries.scalars.get(REWARD))
    run.success, run.success_best = _last_and_best(summaries.scalars.get(SUCCESS))
    scores, problem = read_scores(folder / SCORES_FILE)
    if problem:
        run.problems.append(f"{SCORES_FILE}: {problem}")
    if (best := best_of(scores)) is not None:
        run.evaluation_best = best.mean_return
    if run.date is None and summaries.begun is not None:
        run.date = datetime.datetime.fromtimestamp(summaries.begun, datetime.timezone.utc).isoformat(timespec="seconds")
    if not any((folder / POLICIES).glob("*.pth")) and run.state != "running":
        run.problems.append("no checkpoint")
    return run


def read_starts(folder: Path) -> list[dict[str, Any]]:
    """Return the starts of a run that ``run.json`` lists; none if there is no such file.

    Raises:
        ValueError: it is damaged.
    """
    try:
        starts = json.loads((folder / STARTS_FILE).read_text("utf-8"))
    except FileNotFoundError:
        return []
    except (ValueError, OSError) as error:
        raise ValueError(f"damaged ({error})") from error
    if not isinstance(starts, list) or not all(isinstance(start, dict) for start in starts):
        raise ValueError("damaged (expected a list)")
    return starts


def read_config(folder: Path, name: str = CONFIG_FILE) -> dict[str, Any]:
    """Return the configuration of a run as nested dictionaries; empty if there is no such file.

    Raises:
        ValueError: it is damaged.
    """
    import yaml

    try:
        values = yaml.load((folder / name).read_text("utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, OSError, ValueError) as error:
        raise ValueError(f"damaged ({' '.join(str(error).split())})") from error
    if not isinstance(values, dict):
        raise ValueError("damaged (expected a mapping)")
    return values


def _attempt(run: RunSummary, file: str, read: Callable[[], T]) -> T | None:
    """Return what ``read`` returns; None if the file is damaged, which becomes a problem of the run."""
    try:
        return read()
    except ValueError as error:
        run.problems.append(f"{file}: {error}")
        return None


def _describe(run: RunSummary, folder: Path, starts: list[dict[str, Any]]) -> None:
    """Set what ran, from ``run.json`` or, for runs of OmniIsaacGymEnvs and damaged files, from ``config.yaml``."""
    run.resumed = sum(start.get("resumed_from") is not None for start in starts)
    if starts:
        run.date = _date_of(starts[0])
        _set_description(run, starts[-1], {name: name for name in ("task", "algorithm", "seed", "num_envs")})
    if run.task is not None:
        return
    config = _attempt(run, CONFIG_FILE, lambda: read_config(folder))
    if not config:
        if config is not None:
            run.problems.append(f"no {CONFIG_FILE}")
        return
    from oige_train.schema import ALGORITHM_NAMES

    keys = {"algorithm": "train.params.algo.name", "seed": "seed", "num_envs": "task.env.numEnvs"}
    _set_description(run, config, {"task": "task.name", **keys})
    run.task = _select(config, "task_name", str) or run.task
    run.algorithm = ALGORITHM_NAMES.get(run.algorithm or "", run.algorithm)


def _set_description(run: RunSummary, values: dict[str, Any], keys: dict[str, str]) -> None:
    run.task, run.algorithm = (_select(values, keys[name], str) for name in ("task", "algorithm"))
    run.seed, run.num_envs = (_select(values, keys[name], int) for name in ("seed", "num_envs"))


def _select(config: dict[str, Any], key: str, kind: type[T]) -> T | None:
    """Return the value of a dotted key if it has the right type, else None."""
    value: Any = config
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value if isinstance(value, kind) else None


def _date_of(start: dict[str, Any]) -> str | None:
    """Return when a run was started; None if the date is damaged."""
    text = _select(start, "date", str)
    try:
        datetime.datetime.fromisoformat(text or "").astimezone()
    except (ValueError, OverflowError):
        return None
    return text


def _set_state(run: RunSummary, folder: Path, starts: list[dict[str, Any]]) -> None:
    taken = is_locked(folder)
    if taken:
        run.state = "running"
        return
    latest = starts[-1] if starts else {}
    end = latest.get("end")
    if isinstance(end, dict):
        run.state = _select(end, "state", str) or run.state
        cause = _select(end, "reason", str)
        if run.state == "finished":
            run.ended_early = cause or None
        elif cause:
            run.problems.append(cause)
    elif "end" in latest and taken is False:
        run.state = "failed"
        run.problems.append("ended without a result, as after a crash or a kill")


def _last_and_best(points: list[Point] | None) -> tuple[float | None, float | None]:
    if not points:
        return None, None
    return points[-1].value, max(point.value for point in points)
