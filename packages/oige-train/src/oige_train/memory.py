"""How the C library treats the memory of tensors."""

import ctypes
import sys

__all__ = ["keep_freed_memory"]

# Parameters of mallopt in glibc's malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


def keep_freed_memory() -> None:
    """Let the process keep the memory of tensors on the CPU that were freed, for the next ones.

    glibc gives memory of more than 32 MiB back to the system as soon as it is freed, which clears it page by page when
    it is asked for again: a third of the processor time of learning from images on 2 cores. Other C libraries are left
    as they are.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)  # never
