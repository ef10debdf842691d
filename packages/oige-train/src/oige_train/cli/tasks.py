"""``oige-tasks``: list the installed tasks."""

import sys

from oige_train.cli.common import guarded

__all__ = ["main"]

HELP = """usage: oige-tasks

List the installed tasks: name, observations, actions, default number of environments, package."""


def main() -> None:
    """Run the program."""
    guarded(tasks, HELP)


def tasks(arguments: list[str]) -> int:
    """Print the table.

    Args:
        arguments: must be empty.

    Raises:
        ConfigError: there are arguments.
    """
    from oige_core.config import compose
    from oige_core.errors import ConfigError
    from oige_core.registry import installed_tasks

    if arguments:
        raise ConfigError(f"{arguments[0]}: oige-tasks takes no arguments.")
    rows = [("task", "observations", "actions", "envs", "package")]
    for task in installed_tasks().values():
        spec = task.spec()
        shape = "×".join(map(str, spec.observation_shape))
        observations = f"{shape} + {spec.num_states} states" if spec.num_states else shape
        envs = compose(task).task.env.numEnvs
        rows.append((task.name, observations, str(spec.num_actions), str(envs), task.package))
    if len(rows) == 1:
        print("no task is installed; install a task package, for instance oige-tasks-classic", file=sys.stderr)
        return 0
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


if __name__ == "__main__":
    main()
