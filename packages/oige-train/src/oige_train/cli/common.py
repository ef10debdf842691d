"""What the programs share: help without imports, one-line errors and exit codes."""

import sys
from collections.abc import Callable

__all__ = ["INTERRUPTED", "USAGE_ERROR", "guarded", "wants_help"]

USAGE_ERROR = 2
INTERRUPTED = 130


def wants_help(arguments: list[str]) -> bool:
    """Whether the user asks for help."""
    return any(argument in ("-h", "--help") for argument in arguments)


def guarded(program: Callable[[list[str]], int]) -> None:
    """Run a program and exit: 0, 2 with one line on standard error after a mistake of the user's, 130 when interrupted.

    Args:
        program: takes the arguments and returns the exit code.
    """
    from oige_core.errors import OigeError

    try:
        code = program(sys.argv[1:])
    except OigeError as error:
        print(f"error: {error}", file=sys.stderr)
        code = USAGE_ERROR
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = INTERRUPTED
    sys.exit(code)
