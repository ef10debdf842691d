"""What programs tell the user; standard output is for results."""

import sys

__all__ = ["say"]


def say(*lines: str) -> None:
    """Write lines to standard error at once."""
    for line in lines:
        print(line, file=sys.stderr, flush=True)
