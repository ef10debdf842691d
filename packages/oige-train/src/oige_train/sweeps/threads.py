"""Threads of trainings that run side by side on one machine."""

from collections.abc import Iterable

from oige_core.cores import available_cores

from oige_train.config.origin import last_value

__all__ = ["limited_threads"]


def limited_threads(arguments: Iterable[str], parallel: int) -> list[str]:
    """Return arguments with which ``parallel`` trainings on the CPU share the cores equally, unless they say otherwise.

    Args:
        arguments: command-line arguments of ``oige-train``.
        parallel: number of trainings that run at the same time.
    """
    given = list(arguments)
    if parallel < 2:
        return given
    threads = max(1, available_cores() // parallel)
    wanted = {"num_threads": threads, "train.params.torch_threads": 1}
    return [*given, *(f"{key}={value}" for key, value in wanted.items() if last_value(given, key) is None)]
