"""``oige-randomization``: show what the domain randomisation of a task draws."""

from oige_train.cli.common import run_cli

__all__ = ["main"]

HELP = """usage: oige-randomization task=<Task> [key=value …]

Show each distribution of task.domain_randomization: what it changes and when, a histogram of 10,000 draws, and the
range of the resulting values in their unit. Blocks are shown also if randomize is False.

  task.domain_randomization.randomization_params…=…    change the blocks, as in a training"""

IGNORED = ("checkpoint", "test", "max_iterations", "experiment", "multi_gpu", "wandb_", "headless", "enable_")


def main() -> None:
    """Run the program."""
    run_cli(randomization, HELP)


def randomization(arguments: list[str]) -> int:
    """Build one world of the task and print the report of its randomisation.

    Args:
        arguments: command-line arguments.

    Returns:
        The exit code.

    Raises:
        ConfigError: an argument is wrong, or the task has no blocks.
    """
    from oige_core.errors import ConfigError

    from oige_train.cli.common import checked_run, refuse_ignored

    refuse_ignored(arguments, "oige-randomization", *IGNORED)
    run = checked_run(arguments, starts=True)
    config, random = run.config, run.config.task.domain_randomization
    if not random.draws:
        raise ConfigError(
            f"task.domain_randomization.randomization_params: {run.task.name} has no blocks to show; see "
            "docs/randomization.md for what they look like."
        )
    worlds, enabled = config.task.env.numEnvs, random.randomize
    config.task.env.numEnvs, random.randomize, config.warp = 1, True, False

    from oige_core import make_env
    from oige_core.randomization.report import report_lines

    env = make_env(config)
    try:
        note = "" if enabled else "; nothing of this happens without task.domain_randomization.randomize=True"
        count = f"{len(random.draws)} distribution{'s' * (len(random.draws) != 1)}"
        print(f"{run.task.name}: {count} in each of {worlds:,} worlds{note}")
        if random.min_frequency > 1:
            print(f"resets randomise a world again only after {random.min_frequency} control steps or more")
        assert env.task.randomization is not None
        print("\n" + "\n".join(report_lines(env.task.randomization)))
    finally:
        env.close()
    return 0


if __name__ == "__main__":
    main()
