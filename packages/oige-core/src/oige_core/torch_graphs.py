"""Work of torch that is captured once in a CUDA graph and replayed."""

import contextlib
import functools
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from oige_core.garbage import uncollected

__all__ = ["TorchGraphs", "calling_line"]

_PACKAGE = Path(__file__).parent
_CAPTURE = _PACKAGE / "tasks" / "step_capture.py"


class TorchGraphs:
    """Records work of torch and Warp in CUDA graphs; see :class:`~oige_core.engines.base.GraphRecorder`.

    Args:
        device: a CUDA device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def record(self, work: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
        """See :class:`~oige_core.engines.base.GraphRecorder`."""
        graph = torch.cuda.CUDAGraph()
        for generator in generators:
            if generator.device.type == "cuda":
                graph.register_generator_state(generator)
        capture = torch.cuda.graph(graph, stream=_stream(self._device), capture_error_mode="thread_local")
        with uncollected(), torch.cuda.device(self._device), capture:
            work()
        # On its own stream, the capture has set the position in the random streams to zero; a replay sets it as well.
        torch.cuda.synchronize(self._device)
        return graph.replay

    @contextlib.contextmanager
    def watch_waits(self) -> Iterator[list[str]]:
        """See :class:`~oige_core.engines.base.GraphRecorder`."""
        waits: list[str] = []
        others: list[tuple[Any, ...]] = []

        def note(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any) -> None:
            if "synchronizing CUDA operation" in str(message):
                waits.append(calling_line())
            else:
                others.append((message, category, filename, lineno))

        mode = torch.cuda.get_sync_debug_mode()
        torch.cuda.set_sync_debug_mode("warn")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("always")
                warnings.showwarning = note
                yield waits
        finally:
            torch.cuda.set_sync_debug_mode(mode)
        for warning in others:
            warnings.warn_explicit(*warning)


@functools.cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    """Return the stream of all captures on a device; torch's own is on the device that is current in the first one."""
    return torch.cuda.Stream(device)


def calling_line(*ignored: str) -> str:
    """Return the file and line of the task that is being stepped, or of the library if no task called it.

    Args:
        ignored: files that do not count.
    """
    innermost = ""
    passed = {__file__, warnings.__file__, contextlib.__file__, *ignored}
    for frame in reversed(traceback.extract_stack()):
        path = Path(frame.filename)
        if frame.filename in passed or path.is_relative_to(Path(torch.__file__).parent):
            continue
        line = f"{path.name}:{frame.lineno}"
        innermost = innermost or line
        if path == _CAPTURE:
            break
        if not path.is_relative_to(_PACKAGE):
            return line
    return innermost
