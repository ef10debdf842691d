"""``oige-runs``: list, compare and plot runs."""

import json
import shutil
import sys
from pathlib import Path

from oige_train.cli.common import run_cli

__all__ = ["main", "runs"]

HELP = """usage: oige-runs [FOLDER …] [field=pattern …] [--since WHEN] [--sort FIELD] [--json | --csv]
       oige-runs compare RUN RUN … [--json]
       oige-runs plot RUN … [--out FILE] [--tag NAME]

List, compare and plot runs. A run is given by its folder, or by its name in runs/.

  oige-runs                                     all runs in runs/, also of sweeps, the oldest first
  oige-runs task=Ant state=finished,stopped     those that fit; * and ? stand for any characters
  oige-runs elsewhere/runs --since 7d --sort -reward_best
  oige-runs compare Ant Ant_2                   differences of the configuration, and results at equal steps
  oige-runs plot Ant Ant_2 --out curves.svg     curves in the terminal and as an image

  --since DATE|AGE   first started at or after 2026-05-01, 2026-05-01T12:00, or at most 30m, 12h, 7d or 2w ago
  --sort FIELD       smallest first; -FIELD: largest first
  --json, --csv      print all fields in these formats
  --out FILE         image to write: .svg, .png, or .html, a page with the curves and a table
  --tag NAME         name of the scalar in TensorBoard; default rewards/step, the mean return of the last episodes

fields: name, folder, task, algorithm, seed, num_envs, steps, reward, reward_best, success, success_best,
evaluation_best, speed, date, state (finished, stopped, failed, running, unknown), ended_early, resumed, problems"""


def main() -> None:
    """Run the program."""
    run_cli(runs, HELP)


def runs(arguments: list[str]) -> int:
    """List, compare or plot.

    Args:
        arguments: command-line arguments.

    Returns:
        The exit code.

    Raises:
        OigeError: an argument is wrong, or a file of a run is damaged.
    """
    if arguments[:1] == ["compare"]:
        _compare(arguments[1:])
    elif arguments[:1] == ["plot"]:
        _plot(arguments[1:])
    else:
        _list(arguments)
    return 0


def _list(arguments: list[str]) -> None:
    from oige_core.errors import ConfigError

    from oige_train.runs import listing
    from oige_train.runs.files import RUNS

    since, sort = _pop_value(arguments, "--since"), _pop_value(arguments, "--sort")
    kinds = [kind for kind in ("--json", "--csv") if _pop_flag(arguments, kind)]
    if len(kinds) > 1:
        raise ConfigError(f"{' '.join(kinds)}: expected one of them.")
    _refuse_options(arguments, "--since, --sort, --json and --csv")
    filters = [argument for argument in arguments if _is_filter(argument)]
    given = [Path(argument).expanduser() for argument in arguments if argument not in filters]
    roots = [RUNS / path if not path.is_dir() and (RUNS / path).is_dir() else path for path in given]
    if not roots and not RUNS.is_dir():
        print(f"there is no folder {RUNS}; oige-train makes it", file=sys.stderr)
        return
    found = listing.matching(listing.find_runs(roots or [RUNS]), filters, since)
    found = listing.ordered(found, sort or "date")
    if kinds == ["--json"]:
        print(listing.as_json(found))
    elif kinds:
        print(listing.as_csv(found))
    elif found:
        print(listing.as_table(found))
    else:
        print("no run fits" if filters or since else "there are no runs", file=sys.stderr)


def _is_filter(argument: str) -> bool:
    return "=" in argument and not Path(argument).expanduser().is_dir()


def _compare(arguments: list[str]) -> None:
    from oige_core.errors import ConfigError

    from oige_train.runs.comparison import compare
    from oige_train.runs.listing import find_run

    as_json = _pop_flag(arguments, "--json")
    _refuse_options(arguments, "--json")
    if len(arguments) < 2:
        raise ConfigError("oige-runs compare: expected at least two runs.")
    comparison = compare([find_run(argument) for argument in arguments])
    print(json.dumps(comparison.as_dict(), indent=2, ensure_ascii=False) if as_json else comparison.text())


def _plot(arguments: list[str]) -> None:
    from oige_core.errors import ConfigError

    from oige_train.plots.drawing import COLORS
    from oige_train.plots.pages import FORMATS, write_plot
    from oige_train.plots.text import curve_texts
    from oige_train.runs.curves import read_curve
    from oige_train.runs.listing import find_run
    from oige_train.runs.summaries import REWARD

    out, tag = _pop_value(arguments, "--out"), _pop_value(arguments, "--tag") or REWARD
    _refuse_options(arguments, "--out and --tag")
    if not 1 <= len(arguments) <= len(COLORS):
        raise ConfigError(f"oige-runs plot: expected 1 to {len(COLORS)} runs, got {len(arguments)}.")
    file = Path(out).expanduser() if out else None
    if file is not None and file.suffix.lower() not in FORMATS:
        raise ConfigError(f"--out {out}: expected a file name that ends in {', '.join(FORMATS)}.")
    curves = [read_curve(find_run(argument), tag) for argument in arguments]
    width = shutil.get_terminal_size().columns
    print("\n".join(curve_texts(curves, width=width, encoding=sys.stdout.encoding)))
    if file is not None:
        write_plot(file, curves, "mean return" if tag == REWARD else tag)
        print(file)


def _pop_value(arguments: list[str], option: str) -> str:
    """Remove an option and its value from ``arguments``, and return the value; empty: it is not there."""
    from oige_core.errors import ConfigError

    value = ""
    while option in arguments:
        position = arguments.index(option)
        if position + 1 == len(arguments):
            raise ConfigError(f"{option}: expected a value after it.")
        value = arguments[position + 1]
        del arguments[position : position + 2]
    return value


def _pop_flag(arguments: list[str], option: str) -> bool:
    """Remove an option from ``arguments``, and return whether it was there."""
    found = option in arguments
    arguments[:] = [argument for argument in arguments if argument != option]
    return found


def _refuse_options(arguments: list[str], known: str) -> None:
    from oige_core.errors import ConfigError

    for argument in arguments:
        if argument.startswith("-"):
            raise ConfigError(f"{argument}: unknown option; expected {known}.")


if __name__ == "__main__":
    main()
