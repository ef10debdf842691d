"""``oige-pbt``: population-based training on Ray Tune."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oige_train.cli.common import run_cli
from oige_train.stopping import INTERRUPTED

if TYPE_CHECKING:
    from oige_train.config import Run
    from oige_train.pbt.options import PbtOptions
    from oige_train.sweeps.search_space import Setting

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
OF_NETWORKS = (".network.", "train.params.algo.", "train.params.model.", ".normalize_input", ".normalize_value")
"""Parts of keys that a checkpoint keeps, so that a copy cannot have other values."""
INSTEAD = {"max_epochs": "max_iterations", "full_experiment_name": "experiment", "name": "experiment"}
"""Keys of the command by keys below train.params.config; each member sets the former."""


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
    from oige_train.config.limits import check_parallel_memory
    from oige_train.config.origin import last_value
    from oige_train.console import say
    from oige_train.pbt.options import PbtOptions
    from oige_train.sweeps.extras import check_extra
    from oige_train.sweeps.search_space import split_arguments, tried_values
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
    _check_settings(same, settings)
    tried = [[f"{key}={value}" for key, value in values.items()] for values in tried_values(settings)]
    runs = [checked_run([*same, *values], starts=True) for values in tried]
    for run in runs:
        _check_schedules(run)
    run = runs[-1]
    learner = run.config.train.params.config
    _check_epochs(run, options)
    name = last_value(same, "experiment") or f"{learner.full_experiment_name}_pbt"
    on_gpu = run.config.rl_device != "cpu"
    parallel = options.at_once(on_gpu=on_gpu)
    same = [a for a in same if a.partition("=")[0].lstrip("+") not in ("experiment", "seed", "max_iterations")]
    check_extra("ray", "oige-pbt", module=RAY)
    if not on_gpu:
        check_parallel_memory(run.config, run.spec, parallel)
        same = limited_threads(same, parallel)

    from oige_train.pbt.plan import Plan, first_values

    plan = Plan(tuple(same), tuple(settings), name, run.config.seed, options.interval, str(Path.cwd()))
    for member, values in enumerate(first_values(settings, options.population, plan.seed)):
        arguments = plan.arguments_of(member, plan.seed + member, values)
        checked_run([*arguments, f"max_iterations={options.interval}"])

    from oige_train.pbt.population import train_population

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


def _check_settings(same: Sequence[str], settings: Sequence["Setting"]) -> None:
    """Refuse settings that cannot vary: those of the command, of networks, and those that are given twice."""
    from oige_core.errors import ConfigError

    from oige_train.config.origin import last_value

    for name, instead in INSTEAD.items():
        if (value := last_value(same, f"train.params.config.{name}")) is not None:
            raise ConfigError(f"train.params.config.{name}={value}: has no effect in oige-pbt; set {instead} instead.")
    keys = [setting.key for setting in settings]
    if ends := [setting.key for setting in settings if setting.reaches_one]:
        raise ConfigError(f"{ends[0]}: expected an interval that ends below 1; copies change the distance from 1.")
    for key in keys:
        if not key.startswith(("train.", "task.")):
            raise ConfigError(f"{key}: expected a single value; only keys below train and task can vary.")
        if any(part in key for part in OF_NETWORKS):
            raise ConfigError(f"{key}: expected a single value; copies have the networks of the member they copy.")
        if keys.count(key) > 1 or last_value(same, key) is not None:
            raise ConfigError(f"{key}: is given twice; leave one out.")


def _check_schedules(run: "Run") -> None:
    """Refuse schedules that depend on the last epoch."""
    from oige_core.errors import ConfigError

    learner = run.config.train.params.config
    for key, value in (("lr_schedule", "linear"), ("schedule_entropy", True)):
        if getattr(learner, key, None) == value:
            raise ConfigError(
                f"train.params.config.{key}={value}: oige-pbt trains from interval to interval, so that a schedule "
                "which ends at the last epoch has no meaning; choose another value."
            )


def _check_epochs(run: "Run", options: "PbtOptions") -> None:
    """Refuse numbers of epochs that do not fit the interval, and other limits."""
    from oige_core.errors import ConfigError

    learner = run.config.train.params.config
    epochs, interval = learner.max_epochs, options.interval
    if epochs < interval or epochs % interval:
        raise ConfigError(
            f"max_iterations={epochs}: expected a multiple of interval={interval}, the epochs between two comparisons."
        )
    if learner.max_frames > 0:
        raise ConfigError(
            f"train.params.config.max_frames={learner.max_frames}: members train for max_iterations epochs; leave it "
            "out."
        )


def _gpus(on_gpu: bool) -> int:
    """Return the number of GPUs that members share."""
    if not on_gpu:
        return 0
    import torch

    return torch.cuda.device_count()


def _result(last: Iterable[dict[str, Any]]) -> list[str]:
    """Return lines with the last report of each member, best first, and how to play the best policy.

    Raises:
        OigeError: there is no policy, because the training of all members diverged.
    """
    from oige_core.errors import OigeError

    from oige_train.pbt.history import describe

    ranked = sorted(last, key=lambda row: -math.inf if row["reward"] is None else row["reward"], reverse=True)
    lines = []
    for row in ranked:
        reward, values = describe(row)
        folder = f", {row['folder']}" if row["folder"] else ""
        lines.append(f"member {row['member']}: {reward} after epoch {row['epoch']}, {values}{folder}")
    best = next((row for row in ranked if row["file"] is not None), None)
    if best is None:
        raise OigeError(f"no member has a policy; of member {ranked[0]['member']}, {ranked[0]['problem']}")
    return [*lines, f"best policy:  {best['file']}", f"play:         oige-train checkpoint={best['file']} test=True"]


if __name__ == "__main__":
    main()
