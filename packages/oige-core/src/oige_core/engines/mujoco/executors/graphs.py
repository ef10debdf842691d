"""Warp work that is captured once and replayed: CUDA graphs, and their counterpart on Warp's CPU device."""

import contextlib
import gc
import traceback
import warnings
from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import warp as wp

from oige_core.engines.mujoco.executors.modules import load_modules, needed_modules
from oige_core.warp_runtime import init_warp

__all__ = ["Graphs", "TorchGraphs", "calling_line"]

_PACKAGE = Path(__file__).parents[3]
_CAPTURE = _PACKAGE / "tasks" / "step_capture.py"


class Graphs:
    """Graphs by key, replayed on torch's current stream, so that torch operations before and after are ordered.

    Args:
        device: device of the work.

    Attributes:
        captured: the graphs by key.
        version: number of times that graphs were dropped.
        warp_device: the device as a Warp device.
    """

    def __init__(self, device: torch.device) -> None:
        init_warp()
        self.captured: dict[Hashable, Any] = {}
        self.version = 0
        self.warp_device = wp.device_from_torch(device)
        self._device = device
        self._streams: dict[int, Any] = {}

    def run(self, key: Hashable, work: Callable[[], object]) -> None:
        """Run Warp work by replaying its graph, which the first call with this key captures.

        The call captures twice, first to find the kernels that must be compiled and loaded. While torch captures a
        graph, the work becomes a part of that graph.
        """
        if self.recording:
            with self.on_torch_stream():
                self.launch(work)
            return
        if key not in self.captured:
            self.load(work)
            self.captured[key] = self._capture(work)
        wp.capture_launch(self.captured[key], stream=self.stream())

    def load(self, work: Callable[[], object]) -> None:
        """Compile and load the kernels that Warp work launches, without running it."""
        load_modules(needed_modules(lambda: self._capture(work)), self.warp_device)

    def _capture(self, work: Callable[[], object]) -> Any:
        with _uncollected(), wp.ScopedDevice(self.warp_device), wp.ScopedCapture() as capture:
            work()
        return capture.graph

    def forget(self) -> None:
        """Drop graphs whose addresses or work are out of date."""
        self.version += 1
        if self.captured:
            wp.synchronize_device(self.warp_device)
            self.captured.clear()

    def launch(self, work: Callable[[], object]) -> None:
        """Do Warp work at once; within :meth:`on_torch_stream`."""
        work()

    @contextlib.contextmanager
    def on_torch_stream(self) -> Iterator[None]:
        """Let Warp launch on torch's current stream."""
        # Without sync_enter, which would wait for a stream outside of the graph that is being recorded.
        with wp.ScopedDevice(self.warp_device), wp.ScopedStream(self.stream(), sync_enter=False):
            yield

    @property
    def recording(self) -> bool:
        """Whether torch is capturing a graph."""
        return self.warp_device.is_cuda and torch.cuda.is_current_stream_capturing()

    def close(self) -> None:
        """Free the graphs."""
        self.forget()
        self._streams.clear()

    def stream(self) -> Any:
        """Return torch's current stream as a Warp stream; None on the CPU."""
        if not self.warp_device.is_cuda:
            return None
        torch_stream = torch.cuda.current_stream(self._device)
        if torch_stream.cuda_stream not in self._streams:
            self._streams[torch_stream.cuda_stream] = wp.stream_from_torch(torch_stream)
        return self._streams[torch_stream.cuda_stream]


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Suspend garbage collection: if it frees an old graph while another one is captured, the capture fails."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


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
        capture = torch.cuda.graph(graph, capture_error_mode="thread_local")
        with _uncollected(), torch.cuda.device(self._device), capture:
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
