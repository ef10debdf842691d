"""``oige-benchmark``: how fast a task is simulated, stepped, played and learned."""

import time
from pathlib import Path

from oige_train.cli.common import run_cli

__all__ = ["main"]

HELP = """usage: oige-benchmark task=<Task> [num_envs=<n>] [rounds=<n>] [--json FILE] [key=value …]

Measure the speed of a task in one run, in environment steps per second of each stage:
  physics             the engine only, which repeats the physics of the steps of the next stage
  environment         whole steps with random actions
  policy inference    whole steps with actions of an untrained policy
  learning            whole epochs of training
with ratios to physics, start-up time and peak memory. The four stages take turns in every round, and the figures are
medians over the rounds, so that other load on the machine affects all stages alike.

  rounds=<n>     number of rounds; default 7, of which slow stages, such as learning from images, skip some
  multi_gpu=True measure all GPUs together, with num_envs worlds on each:
                 torchrun --nproc-per-node=<GPUs> -m oige_train.cli.benchmark task=<Task> multi_gpu=True
  --json FILE    also write the figures to a file, with machine, versions, seed and date"""


def main() -> None:
    """Run the program."""
    run_cli(benchmark, HELP)


def benchmark(arguments: list[str]) -> int:
    """Measure, print and write the figures.

    Args:
        arguments: command-line arguments.

    Returns:
        The exit code.

    Raises:
        OigeError: an argument is wrong, or the simulation stands still or diverged.
    """
    entered = time.time()
    from oige_core.errors import ConfigError

    from oige_train.cli.common import checked_run, pop_int, refuse_ignored
    from oige_train.console import say
    from oige_train.headline import headline

    refuse_ignored(arguments, "oige-benchmark", "checkpoint", "test", "max_iterations", "experiment", "wandb_")
    json_file = None
    if "--json" in arguments:
        position = arguments.index("--json")
        if position + 1 == len(arguments):
            raise ConfigError("--json: expected a file name after it.")
        json_file = Path(arguments[position + 1]).expanduser()
        if json_file.is_dir() or not json_file.resolve().parent.is_dir():
            raise ConfigError(f"--json {arguments[position + 1]}: expected a file in a folder that exists.")
        existed = json_file.exists()
        json_file.open("a").close()  # fails now rather than after the measurement
        if not existed:
            json_file.unlink()
        del arguments[position : position + 2]
    rounds = pop_int(arguments, "rounds", default=0)
    run = checked_run(arguments, starts=True)
    for key, wanted in (("headless", True), ("enable_livestream", False), ("enable_recording", False)):
        if getattr(run.config, key) != wanted:
            raise ConfigError(f"{key}={not wanted}: not available while benchmarking; use {key}={wanted}.")

    say(*headline(run, arguments, "measuring"))
    from oige_train.benchmark.measure import measure
    from oige_train.learner.distributed import Workers

    workers = Workers.of_run(run)
    with workers.reporting():
        report = measure(run, workers, rounds=rounds or None, started=_process_start(entered))
    if workers.rank == 0:
        print(report.text())
        if json_file is not None:
            report.write(json_file)
    workers.leave()
    return 0


def _process_start(otherwise: float) -> float:
    """Return the start time of this process in seconds since 1970, or ``otherwise`` on systems other than Linux."""
    import os

    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        uptime = float(Path("/proc/uptime").read_text().split()[0])
    except OSError:
        return otherwise
    return time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
