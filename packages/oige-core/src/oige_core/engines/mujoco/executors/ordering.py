"""Makes kernels of MuJoCo Warp append contacts and constraint rows in the same order in every run."""

from collections.abc import Iterable

import warp as wp

from oige_core.engines.mujoco.executors.modules import ModuleVariant

__all__ = ["APPENDING", "order_appends"]

APPENDING = ("collision", "constraint")
"""Beginnings of the names of MuJoCo Warp's files whose kernels append."""

MOST_APPENDS = 64
"""Contacts that one thread appends at most; MuJoCo's pairs of shapes have at most 50."""


def order_appends(modules: Iterable[ModuleVariant]) -> None:
    """Let Warp order what kernels append, by threads instead of by the time at which they run.

    The modules are compiled again, and remain ordered in this process. Warp then runs each kernel twice and sorts
    between the two runs.

    Args:
        modules: of kernels; those that do not append are left as they are.
    """
    for module, _ in modules:
        files = {kernel.func.__module__.rpartition(".")[2] for kernel in module.kernels.values()}
        ordered = module.options.get("deterministic") == wp.DeterministicMode.RUN_TO_RUN
        if not ordered and any(file.startswith(APPENDING) for file in files):
            module.options["deterministic"] = wp.DeterministicMode.RUN_TO_RUN
            module.options["deterministic_max_records"] = MOST_APPENDS
            module.mark_modified()
