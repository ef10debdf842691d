"""``oige-compat``: run code that was written for OmniIsaacGymEnvs."""

import importlib
import sys
from collections.abc import Mapping

from oige_train.cli.common import run_cli

__all__ = ["COMMANDS", "compat", "main"]

COMMANDS: Mapping[str, str] = {
    "check": "oige_compat.check.command:check",
    "convert": "oige_compat.assets.convert:convert",
    "port": "oige_compat.port.command:port",
    "run": "oige_compat.run:run",
}
"""The function of each command: it takes the arguments after the command and returns the exit code."""

HELP = """usage: oige-compat COMMAND …

Run code that was written for OmniIsaacGymEnvs on the embedded engine, without Isaac Sim, or check what it needs.

  run [--asset END=FILE …] SCRIPT [key=value …]
                                run a script, such as scripts/rlgames_train.py, with its own arguments. --asset gives
                                the file for paths that end with END, where the script has a path of another machine
                                and the code base no file of that name
  check PATH [--all] [--json]   read a code base without running it: what is served, approximated or missing; exit code
                                1 if something is missing. --all also lists what is served, with every line
  port PATH OUT [--task NAME] [--name NAME]
                                write a package of OIGE from the task in a Python file or folder; comments mark what is
                                left to do. --task selects one of several tasks, --name gives it another name
  convert FILE OUT.xml [prim=/path] [variant.<set>=<selection> …]
                                write the robot of a USD file as MJCF, and print its drives and what differs"""


def main() -> None:
    """Run the program."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["run"] and "".join(arguments[1:2]) not in ("-h", "--help", "--version"):
        del sys.argv[1:]  # options after the script are its own
    run_cli(lambda _: compat(arguments), HELP, "oige-compat")


def compat(arguments: list[str]) -> int:
    """Run a command.

    Args:
        arguments: the command and its arguments.

    Returns:
        The exit code.

    Raises:
        OigeError: there is no such command, or the command fails.
    """
    from oige_core.errors import ConfigError, nearest

    if not arguments:
        raise ConfigError(f"oige-compat without a command: expected one of {', '.join(COMMANDS)}.")
    command, *rest = arguments
    if command not in COMMANDS:
        raise ConfigError(f"oige-compat {command}: no such command. {nearest(command, COMMANDS)}")
    module, _, function = COMMANDS[command].partition(":")
    return getattr(importlib.import_module(module), function)(rest)


if __name__ == "__main__":
    main()
