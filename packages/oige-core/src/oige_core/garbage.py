"""Python's garbage collector."""

import contextlib
import gc
from collections.abc import Iterator

__all__ = ["uncollected"]


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Suspend garbage collection.

    Imports make many objects, which stay, and the collector looks at them again and again: half of the time that
    importing MuJoCo Warp takes. If it frees an old CUDA graph while another one is captured, the capture fails.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
