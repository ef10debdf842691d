"""Compiles and loads the modules of kernels that Warp work needs, all at once, before the work is done.

Warp itself compiles a module when one of its kernels is first launched, one module after the other.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import warp as wp

from oige_core.cores import available_cores

__all__ = ["ModuleVariant", "load_modules", "needed_modules"]

ModuleVariant = tuple[Any, int]
"""A ``warp.Module`` and the number of threads of a block that it is compiled for."""

#: Seconds between two messages on progress.
INTERVAL = 5.0
#: A compilation needs up to half a GiB of memory.
MOST_WORKERS = 16

_log = logging.getLogger(__name__)
_lock = threading.Lock()


def needed_modules(work: Callable[[], object]) -> list[ModuleVariant]:
    """Return the modules whose kernels ``work`` launches, in the order of first use.

    The launches of this thread do nothing meanwhile. Other operations, such as copies, are carried out: capture a graph
    if they must not be.

    Args:
        work: calls ``warp.launch``.
    """
    with _recorded() as needed:
        work()
    return list(needed)


@contextlib.contextmanager
def _recorded() -> Iterator[dict[ModuleVariant, None]]:
    """Note the modules that launches of this thread load; a launch whose module is not loaded does nothing."""
    needed: dict[ModuleVariant, None] = {}
    thread, load = threading.get_ident(), wp.Module.load

    def note(module: Any, device: Any, block_dim: int | None = None, *others: Any, **options: Any) -> Any:
        if threading.get_ident() != thread or block_dim is None:  # only launches have determined it
            return load(module, device, block_dim, *others, **options)
        needed[module, block_dim] = None
        return None

    with _lock:
        wp.Module.load = note
        try:
            yield needed
        finally:
            wp.Module.load = load


def load_modules(modules: Iterable[ModuleVariant], device: wp.Device) -> None:
    """Load modules in parallel, after compiling those that Warp's folder of compiled kernels does not have.

    If some must be compiled, a message says so at the beginning and at the end, and others every few seconds.

    Args:
        modules: from :func:`needed_modules`.
        device: where their kernels will run.
    """
    # Large modules first, so that none is still being compiled when all others are done.
    variants = sorted(modules, key=lambda variant: -len(variant[0].kernels))
    missing = [variant for variant in variants if not _is_compiled(variant, device)]
    present = [variant for variant in variants if variant not in missing]
    progress = _Progress(len(missing), device) if missing else None
    pool = ThreadPoolExecutor(min(MOST_WORKERS, available_cores()))
    try:
        jobs: dict[Future[None], ModuleVariant] = {
            pool.submit(wp.force_load, device, [module], block_dim, 0): (module, block_dim)
            for module, block_dim in [*missing, *present]
        }
        waiting = set(jobs)
        while waiting:
            done, waiting = wait(waiting, INTERVAL, FIRST_COMPLETED)
            for job in done:
                job.result()
            if progress is not None:
                progress.show(sum(jobs[job] in missing for job in done))
    finally:
        pool.shutdown(cancel_futures=True)


def _is_compiled(variant: ModuleVariant, device: wp.Device) -> bool:
    """Whether the folder of compiled kernels has a module for a device."""
    module, block_dim = variant
    folder = Path(str(wp.config.kernel_cache_dir)) / module.get_module_identifier(block_dim)
    return any(folder.glob("*.o" if device.is_cpu else f"*.sm{device.get_cuda_compile_arch()}*"))


class _Progress:
    """Logs how many of ``count`` modules have been compiled."""

    def __init__(self, count: int, device: wp.Device) -> None:
        self._count = count
        self._done = 0
        self._start = self._last = time.monotonic()
        _log.info(
            "compiling kernels for %s: 0 of %d modules, kept in %s for later runs",
            device.name,
            count,
            wp.config.kernel_cache_dir,
        )

    def show(self, done: int) -> None:
        """Count modules that are done; log their number if the last message is some seconds old, or all are done."""
        self._done += done
        now = time.monotonic()
        if (done and self._done == self._count) or now - self._last >= INTERVAL:
            self._last = now
            _log.info("compiling kernels: %d of %d modules after %.0f s", self._done, self._count, now - self._start)
