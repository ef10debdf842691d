"""Run a sweep with one of Hydra's launchers or sweepers that are plugins, and report the best run."""

import datetime
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from oige_core.cores import available_cores
from oige_core.errors import ConfigError, OigeError, one_line
from oige_core.registration import TASK_FILE

from oige_train.cli.common import checked_runs, pop_text
from oige_train.config import Run, run_hydra
from oige_train.config.limits import check_parallel_memory
from oige_train.config.origin import last_value
from oige_train.config.sweep import varying_keys
from oige_train.config.user_files import OPTIONS
from oige_train.console import say
from oige_train.sweeps.extras import check_extra
from oige_train.sweeps.job import JobResult, LaunchedJob, check_objective
from oige_train.sweeps.search_space import split_arguments
from oige_train.sweeps.threads import limited_threads

__all__ = ["describe_results", "read_results", "run_sweep"]

LAUNCHERS = {"basic": "", "joblib": "joblib", "ray": "ray", "submitit_local": "submitit", "submitit_slurm": "submitit"}
SWEEPERS = {"basic": "", "optuna": "optuna"}
KINDS = {"hydra/launcher": LAUNCHERS, "hydra/sweeper": SWEEPERS}
"""The extra of oige-train that each value needs; empty: none."""

RAY_CORES = "hydra.launcher.ray.init.num_cpus"


def run_sweep(arguments: Sequence[str]) -> int:
    """Check a sweep, run it, and print its best run.

    Args:
        arguments: command-line arguments of ``oige-train``.

    Returns:
        The exit code.

    Raises:
        ConfigError: an argument is wrong.
        OigeError: an extra is missing, or jobs failed.
    """
    # Hydra's configuration has no such key, which Ray has.
    given = [f"++{text}" if text.startswith(f"{RAY_CORES}=") else text for text in arguments]
    chosen = {key: _chosen(given, key) for key in KINDS}
    objective = pop_text(given, "objective", "reward")
    check_objective(objective)
    if not {"-m", "--multirun"} & set(given):
        raise ConfigError(f"{_text(chosen)}: has no effect without --multirun; add it.")
    runs = _checked(given, with_optuna=chosen["hydra/sweeper"] == "optuna")
    for key in ("test", "resume", "multi_gpu"):
        if getattr(runs[0].config, key):
            raise ConfigError(f"{key}=True: has no effect with {_text(chosen)}, whose runs train; leave it out.")
    parallel = _parallel(given, chosen["hydra/launcher"], len(runs))
    if runs[0].config.rl_device == "cpu" and chosen["hydra/launcher"] != "submitit_slurm":
        check_parallel_memory(runs[0].config, runs[0].spec, parallel)
        threads = [text for text in limited_threads(given, parallel) if text not in given]
    else:
        threads = []

    from oige_train.run_folder import make_folder  # imports torch, which errors above must not wait for

    directory = Path.cwd()
    folder = make_folder(directory / "multirun" / f"{datetime.datetime.now():%Y-%m-%d_%H-%M-%S}")
    job = LaunchedJob(
        folder=str(folder),
        directory=str(directory),
        keys=varying_keys([text for text in given if not text.startswith("-")]),
        arguments=(*_options(given), *threads),
        task_files=tuple(_task_files(given)),
        objective=objective,
    )
    how = f"{parallel} at a time" if parallel > 1 else "one after another"
    how = "as Slurm decides" if chosen["hydra/launcher"] == "submitit_slurm" else how
    say(f"sweep of {runs[0].config.task.name} with {_text(chosen)}, {how}; results: {folder.relative_to(directory)}")
    # Variables of Ray: no usage reports, and workers of this environment also under `uv run`.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    if chosen["hydra/sweeper"] == "optuna":
        _show_messages_of_optuna()
    problem: OigeError | None = None
    try:
        run_hydra([*given, *_defaults(given, chosen, folder, parallel)], launched=job)
    except OigeError as error:
        problem = error
    except Exception as error:  # launchers of plugins have no common class of errors
        raise OigeError(f"{_text(chosen)}: the launcher failed ({one_line(error)}).") from error
    results = read_results(folder)
    if problem is not None and not results:
        raise problem
    print(*describe_results(results, objective, maximise=_maximises(given), given=given, keys=job.keys), sep="\n")
    failed = [result for result in results if result.objective is None]
    if failed:
        raise OigeError(f"{len(failed)} of {len(results)} jobs failed: {failed[0].error}")
    if problem is not None:
        raise problem
    return 0


def read_results(folder: Path) -> list[JobResult]:
    """Return the results of the jobs of a sweep, in their order.

    Args:
        folder: folder of the sweep.
    """
    results = []
    for file in folder.glob("job_*.json"):
        values = json.loads(file.read_text("utf-8")) if re.fullmatch(r"job_\d+", file.stem) else {}
        if "number" in values:
            results.append(JobResult(**values))
    return sorted(results, key=lambda result: result.number)


def describe_results(
    results: Sequence[JobResult], objective: str, *, maximise: bool, given: Sequence[str], keys: Sequence[str]
) -> list[str]:
    """Return lines with the best job of a sweep, where it is, and the command that trains it again.

    Args:
        results: the jobs.
        objective: name of the value that was optimised.
        maximise: whether high values are good.
        given: arguments of the sweep.
        keys: keys that vary.
    """
    good = [result for result in results if result.objective is not None]
    if not good:
        return [f"no job of {len(results)} has a result"]
    best = (max if maximise else min)(good, key=lambda result: result.objective or 0.0)
    same = [
        text
        for text in given
        if not text.startswith("-")
        and not re.match(r"\+*hydra[./]", text)
        and text.partition("=")[0].lstrip("+") not in keys
    ]
    command = " ".join(["oige-train", *same, *best.overrides])
    return [
        f"done: {len(good)} of {len(results)} jobs; best {objective} {best.objective:.6g} in {best.folder}: {command}",
        f"compare: oige-runs compare {' '.join(str(result.folder) for result in good)}",
    ]


def _chosen(arguments: Sequence[str], key: str) -> str:
    """Return the launcher or the sweeper that arguments name.

    Raises:
        ConfigError: it is unknown.
        OigeError: its extra is not installed.
    """
    value = last_value(arguments, key) or "basic"
    if value not in KINDS[key]:
        raise ConfigError(f"{key}={value}: expected one of {', '.join(KINDS[key])}.")
    if extra := KINDS[key][value]:
        check_extra(extra, f"{key}={value}")
    return value


def _text(chosen: dict[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in chosen.items() if value != "basic")


def _checked(arguments: Sequence[str], *, with_optuna: bool) -> list[Run]:
    """Return the checked runs: all of a grid, or those at both ends of all intervals for Optuna."""
    own = [text for text in arguments if not re.match(r"\+*hydra[./](launcher|sweeper)", text)]
    if not with_optuna:
        return checked_runs(own, starts=True)
    if listed := [text for text in arguments if text.lstrip("+").startswith("hydra.sweeper.params")]:
        raise ConfigError(f"{listed[0]}: expected settings that vary as <key>=interval(<low>,<high>) or <key>=<a>,<b>.")
    same, settings = split_arguments([text for text in own if text not in ("-m", "--multirun")])
    if not settings:
        raise ConfigError(
            "hydra/sweeper=optuna: expected a setting that varies, for instance "
            "'train.params.config.learning_rate=tag(log,interval(1e-4,1e-2))'."
        )
    return [
        run
        for end in range(2)
        for run in checked_runs([*same, *(f"{setting.key}={setting.ends()[end]}" for setting in settings)], starts=True)
    ]


def _parallel(arguments: Sequence[str], launcher: str, count: int) -> int:
    """Return how many jobs train at the same time on one machine."""
    if launcher == "basic" or launcher == "submitit_slurm":
        return 1
    trials = _number(arguments, "hydra.sweeper.n_jobs")
    if launcher == "submitit_local":
        return trials or count
    key = "hydra.launcher.n_jobs" if launcher == "joblib" else RAY_CORES
    return _number(arguments, key) or trials or available_cores()


def _number(arguments: Sequence[str], key: str) -> int | None:
    """Return the number of jobs that a key of Hydra sets; None if it sets none, or -1, which means one per core.

    Raises:
        ConfigError: it is not a number of jobs.
    """
    text = last_value(arguments, key)
    if text is None or text == "-1":
        return None
    if not re.fullmatch(r"[1-9]\d{0,5}", text):
        raise ConfigError(f"{key}={text}: expected a whole number of jobs, or -1 for one per core.")
    return int(text)


def _defaults(given: Sequence[str], chosen: dict[str, str], folder: Path, parallel: int) -> list[str]:
    """Return overrides of Hydra for what the user does not say."""
    wanted = {"hydra.sweep.dir": f"'{folder}'"}
    if chosen["hydra/sweeper"] == "optuna":
        # A trial that fails must not end the others; failures are counted at the end.
        wanted |= {
            "hydra.sweeper.direction": "maximize",
            "hydra.sweeper.max_failure_rate": "1.0",
        }
        if chosen["hydra/launcher"] != "submitit_slurm":
            wanted["hydra.sweeper.n_jobs"] = str(parallel)
    if chosen["hydra/launcher"] == "joblib":
        wanted["hydra.launcher.n_jobs"] = str(parallel)
    elif chosen["hydra/launcher"] == "ray":
        wanted[f"++{RAY_CORES}"] = str(parallel)
    return [f"{key}={value}" for key, value in wanted.items() if last_value(given, key.lstrip("+")) is None]


def _show_messages_of_optuna() -> None:
    """Show Optuna's messages as all others: its own handler colours them, also in a file."""
    import optuna.logging

    optuna.logging.disable_default_handler()
    optuna.logging.enable_propagation()


def _maximises(given: Sequence[str]) -> bool:
    return last_value(given, "hydra.sweeper.direction") != "minimize"


def _options(arguments: Sequence[str]) -> list[str]:
    """Return the arguments that name folders of YAML files."""
    kept = []
    for number, argument in enumerate(arguments):
        name, equals, _ = argument.partition("=")
        if name in OPTIONS:
            kept += [argument] if equals else list(arguments[number : number + 2])
        elif name.lstrip("+") == "hydra.searchpath":
            kept.append(argument)
    return kept


def _task_files(arguments: Sequence[str]) -> list[str]:
    value = last_value(arguments, "task") or ""
    return [part for part in value.split(",") if TASK_FILE.fullmatch(part)]
