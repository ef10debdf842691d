"""Common part of the programs: help without slow imports, errors in one line, exit codes."""

import os
import re
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from oige_train.cli.exits import exit_code
from oige_train.console import show_messages

if TYPE_CHECKING:
    from oige_train.config import Run

APPLICATION = "oige_core.engines.isaacsim.application"

__all__ = ["checked_run", "checked_runs", "limit_busy_waiting", "pop_int", "pop_text", "refuse_ignored", "run_cli"]

#: Root keys that only training reads.
OF_TRAINING = ("resume", "stop_within")


def run_cli(program: Callable[[list[str]], int | None], usage: str = "", package: str = "oige-train") -> None:
    """Run a program, or print its usage or version, and exit as :func:`exit_code` says.

    Args:
        program: takes the arguments and returns the exit code; None stands for 0.
        usage: text that ``--help`` prints; empty: the program handles it.
        package: distribution to which the program belongs, whose version ``--version`` prints.
    """

    def run() -> int | None:
        show_messages()
        arguments = sys.argv[1:]
        if usage and any(argument in ("-h", "--help") for argument in arguments):
            print(usage)
        elif "--version" in arguments:
            import importlib.metadata

            print(f"{package} {importlib.metadata.version(package)}")
        else:
            limit_busy_waiting()
            return program(arguments)
        return 0

    try:
        code = exit_code(run)
    except Exception:
        if _has_started_isaac_sim():
            traceback.print_exc()
            _close_isaac_sim(1)
        raise
    _close_isaac_sim(code)
    sys.exit(code)


def _has_started_isaac_sim() -> bool:
    return APPLICATION in sys.modules


def _close_isaac_sim(code: int) -> None:
    """Close the application of Isaac Sim if this program has started it, which may end the process with ``code``."""
    if _has_started_isaac_sim():
        sys.modules[APPLICATION].close_application(code)


def limit_busy_waiting() -> None:
    """Let torch's threads on the CPU sleep after some microseconds without work; call this before torch is imported.

    By default they wait for milliseconds on a core that physics or other programs need. The variables of OpenMP in the
    environment take precedence.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def pop_int(arguments: list[str], key: str, default: int) -> int:
    """Remove ``key=number`` from ``arguments`` and return the last such number, or ``default`` if there is none.

    Raises:
        ConfigError: a value is not a whole number above 0.
    """
    from oige_core.errors import ConfigError

    number = default
    for argument in [argument for argument in arguments if re.match(rf"\+*{key}=", argument)]:
        value = argument.partition("=")[2]
        if not re.fullmatch(r"0*[1-9][0-9]{0,17}", value):
            raise ConfigError(f"{argument}: expected a whole number above 0.")
        arguments.remove(argument)
        number = int(value)
    return number


def pop_text(arguments: list[str], key: str, default: str) -> str:
    """Remove ``key=text`` from ``arguments`` and return the last such text, or ``default`` if there is none.

    Raises:
        ConfigError: the text is empty.
    """
    from oige_core.errors import ConfigError

    text = default
    for argument in [argument for argument in arguments if re.match(rf"\+*{key}=", argument)]:
        text = argument.partition("=")[2]
        if not text:
            raise ConfigError(f"{argument}: a value is required.")
        arguments.remove(argument)
    return text


def refuse_ignored(arguments: list[str], program: str, *keys: str) -> None:
    """Refuse settings of training and playing that a program would ignore, and those that only training reads.

    Args:
        arguments: command-line arguments.
        program: name of the program.
        keys: keys that it ignores; one that ends in ``_`` stands for all keys that begin with it.

    Raises:
        ConfigError: an argument sets one of the keys.
    """
    from oige_core.errors import ConfigError

    for argument in arguments:
        name = argument.partition("=")[0].lstrip("+")
        if name in (*OF_TRAINING, *keys) or any(key.endswith("_") and name.startswith(key) for key in keys):
            raise ConfigError(f"{argument}: has no effect in {program}; leave it out.")


def checked_runs(arguments: list[str], *, starts: bool = False) -> "list[Run]":
    """Return the checked runs that the arguments describe: one, those of a sweep, or none if they only ask for help.

    Args:
        arguments: command-line arguments.
        starts: whether the engines of the runs are started next, so that one that cannot start is refused now.

    Raises:
        ConfigError: an argument is wrong.
        OigeError: an engine is not installed.
    """
    from oige_core.engines.available import check_engine

    from oige_train.config import resolve_run, run_hydra

    runs: list[Run] = []
    run_hydra(arguments, lambda cfg, overridden: runs.append(resolve_run(cfg, overridden)))
    if starts:
        for run in runs:
            check_engine(run.config)
    return runs


def checked_run(arguments: list[str], *, starts: bool = False) -> "Run":
    """Return the single checked run that the arguments describe.

    Args:
        arguments: command-line arguments.
        starts: see :func:`checked_runs`.

    Raises:
        ConfigError: an argument is wrong, or asks for a sweep.
        OigeError: the engine is not installed.
    """
    from oige_core.errors import ConfigError

    runs = checked_runs(arguments, starts=starts)
    if len(runs) != 1:
        raise ConfigError(f"{' '.join(arguments)}: expected a single run.")
    return runs[0]
