"""``oige-pbt``: population-based training on Ray Tune."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oige_train.cli.common import run_cli
from oige_train.stopping import INTERRUPTED

if TYPE_CHECKING:
    from oige_train.config import Run
    from oige_train.pbt.options import PbtOptions

__all__ = ["main"]

HELP = """usage: oige-pbt [task=<Task>] key=<values> … [option=value …] [key=value …]

Train a population of policies, whose settings change while they train. After each interval, the worst members become
copies of the best ones, with the settings of those changed a little. Needs the extra oige-train[ray].

  oige-pbt task=Ant 'train.params.config.learning_rate=tag(log,interval(1e-4,1e-2))'
  oige-pbt task=Ant population=8 interval=25 'train.params.config.gamma=interval(0.97,0.999)'
           train.params.config.entropy_coef=0,0.001,0.005

settings that vary, at least one; keys below train and task:
  key=interval(low,high)            numbers
  key=int(interval(low,high))       whole numbers
  key=tag(log,interval(low,high))   numbers, whose first values are drawn on a logarithmic scale
  key=a,b,c                         values, in an order in which neighbours are similar

options:
  population=<n>        number of members, default 4
  interval=<epochs>     epochs between two comparisons, default 20
  quantile=<fraction>   fraction of the members that is replaced, 0 to 0.5, default 0.25; 0: none, a random search
  factor=<f>            numbers of copies, or of gamma and tau the distance from 1, change by this factor, default 1.2
  resample=<p>          probability that a value is drawn again instead, default 0.25
  parallel=<n>          members that train at the same time; default one per core, or all of them on the GPUs
Other overrides are those of oige-train. max_iterations=<n> is the number of epochs of each member: a multiple of
interval.
Members have the seeds seed, seed + 1, and so on, and the folders runs/<experiment>_0, runs/<experiment>_1, and so on.

exit codes: 0 done, 2 error in the arguments or in a member, 130 interrupted"""

RAY = "ray"
REFUSED = (
    "test",
    "checkpoint",
    "resume",
    "evaluation",
    "multi_gpu",
    "headless",
    "enable_livestream",
    "livestream_",
    "enable_recording",
    "recording_",
)


def main() -> None:
    """Run the program."""
    run_cli(pbt, HELP)


def pbt(arguments: list[str]) -> int:
    """Check all members, train them and print the best one.

    Args:
        arguments: command-line arguments.

    Returns:
        The exit code.

    Raises:
        ConfigError: an argument is wrong.
        OigeError: Ray is not installed, or a member failed.
    """
    from oige_core.errors import ConfigError

    from oige_train.cli.common import checked_run, refuse_ignored
    from oige_train.config.origin import last_value
    from oige_train.console import say
    from oige_train.pbt.options import PbtOptions
    from oige_train.sweeps.extras import check_extra
    from oige_train.sweeps.search_space import split_arguments
    from oige_train.sweeps.threads import limited_threads

    rest = list(arguments)
    options = PbtOptions.taken_from(rest)
    refuse_ignored(rest, "oige-pbt", *REFUSED)
    if options_given := [argument for argument in rest if argument in ("-m", "--multirun")]:
        raise ConfigError(f"{options_given[0]}: has no effect in oige-pbt; leave it out.")
    same, settings = split_arguments(rest)
    if not settings:
        raise ConfigError(
            "oige-pbt: expected a setting that varies, for instance "
            "'train.params.config.learning_rate=tag(log,interval(1e-4,1e-2))'."
        )
    for setting in settings:
        if not setting.key.startswith(("train.", "task.")):
            raise ConfigError(f"{setting.key}: expected a single value; only keys below train and task can vary.")
    for end in (0, 1):
        run = checked_run([*same, *(f"{setting.key}={setting.ends()[end]}" for setting in settings)], starts=True)
    learner = run.config.train.params.config
    _check_epochs(run, options)
    name = last_value(same, "experiment") or f"{learner.full_experiment_name}_pbt"
    on_gpu = run.config.rl_device != "cpu"
    parallel = options.at_once(on_gpu=on_gpu)
    same = [a for a in same if a.partition("=")[0].lstrip("+") not in ("experiment", "seed", "max_iterations")]
    check_extra("ray", "oige-pbt", module=RAY)
    if not on_gpu:
        same = limited_threads(same, parallel)

    from oige_train.pbt.plan import Plan
    from oige_train.pbt.population import train_population

    plan = Plan(tuple(same), tuple(settings), name, run.config.seed, options.interval, str(Path.cwd()))
    say(
        f"population of {options.population} for {learner.max_epochs} epochs each of {run.config.task.name}, compared "
        f"every {options.interval} epochs, {parallel} at a time; folders runs/{name}_<member>"
    )
    rows = train_population(
        plan, options, generations=learner.max_epochs // options.interval, gpus=_gpus(on_gpu), parallel=parallel
    )
    if not rows:
        return INTERRUPTED
    last = {row["member"]: row for row in rows}
    print(*_result(last.values()), sep="\n")
    # Ray ends a population after Ctrl-C without an error.
    ended = all(row["goal"] or row["epoch"] >= learner.max_epochs for row in last.values())
    return 0 if ended and len(last) == options.population else INTERRUPTED


def _check_epochs(run: "Run", options: "PbtOptions") -> None:
    """Refuse numbers of epochs that do not fit the interval, and schedules that depend on the last epoch."""
    from oige_core.errors import ConfigError

    learner = run.config.train.params.config
    epochs, interval = learner.max_epochs, options.interval
    if epochs < interval or epochs % interval:
        raise ConfigError(
            f"max_iterations={epochs}: expected a multiple of interval={interval}, the epochs between two comparisons."
        )
    for key, value in (("lr_schedule", "linear"), ("schedule_entropy", True)):
        if getattr(learner, key, None) == value:
            raise ConfigError(
                f"train.params.config.{key}={value}: oige-pbt trains from interval to interval, so that a schedule "
                "which ends at the last epoch has no meaning; choose another value."
            )


def _gpus(on_gpu: bool) -> int:
    """Return the number of GPUs that members share."""
    if not on_gpu:
        return 0
    import torch

    return torch.cuda.device_count()


def _result(last: Iterable[dict[str, Any]]) -> list[str]:
    """Return lines with the last report of each member, best first, and how to play the best policy."""
    ranked = sorted(last, key=lambda row: row["reward"], reverse=True)
    lines = [
        f"member {row['member']}: reward {row['reward']:.2f} after epoch {row['epoch']}, "
        + " ".join(f"{key.rpartition('.')[2]}={value}" for key, value in row["settings"].items())
        + (f", {row['folder']}" if row["folder"] else "")
        for row in ranked
    ]
    best = ranked[0]
    return [*lines, f"best policy:  {best['file']}", f"play:         oige-train checkpoint={best['file']} test=True"]


if __name__ == "__main__":
    main()
