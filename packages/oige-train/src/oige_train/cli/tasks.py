"""``oige-tasks``: list the installed tasks."""

import sys

from oige_train.cli.common import run_cli

__all__ = ["main"]

HELP = """usage: oige-tasks

List the installed tasks: name, observations, actions, default number of environments, package."""


def main() -> None:
    """Run the program."""
    run_cli(tasks, HELP)


def tasks(arguments: list[str]) -> int:
    """Print the table, then an error for each task that cannot be loaded.

    Args:
        arguments: must be empty.

    Returns:
        The exit code.

    Raises:
        ConfigError: there are arguments.
    """
    from oige_core.errors import ConfigError, OigeError
    from oige_core.registry import installed_tasks, load_config, load_spec

    if arguments:
        raise ConfigError(f"{arguments[0]}: oige-tasks takes no arguments.")
    rows = [("task", "observations", "actions", "envs", "package")]
    broken = []
    for task in installed_tasks().values():
        try:
            spec, env = load_spec(task), load_config(task).task.env
        except OigeError as error:
            broken.append(str(error))
            continue
        shape = "×".join(map(str, spec.shape_for(env)))
        states = spec.states_for(env)
        observations = f"{shape} + {states} states" if states else shape
        rows.append((task.name, observations, str(spec.num_actions), str(env.numEnvs), task.package))
    if len(rows) == 1 and not broken:
        print("no task is installed; install a task package, for instance oige-tasks-classic", file=sys.stderr)
        return 0
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    sys.stdout.flush()
    for line in broken:
        print(f"error: {line}", file=sys.stderr)
    return 2 if broken else 0


if __name__ == "__main__":
    main()
