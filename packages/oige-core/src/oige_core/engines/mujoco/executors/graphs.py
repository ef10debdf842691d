"""Warp work that is captured once and replayed: CUDA graphs, and their counterpart on Warp's CPU device."""

import contextlib
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import torch
import warp as wp

from oige_core.engines.mujoco.executors.modules import load_modules, needed_modules
from oige_core.engines.mujoco.executors.ordering import order_rows
from oige_core.garbage import uncollected
from oige_core.warp_runtime import init_warp

__all__ = ["Graphs"]


class Graphs:
    """Graphs by key, replayed on torch's current stream, so that torch operations before and after are ordered.

    Args:
        device: device of the work.
        ordered: kernels append constraint rows in an order that does not vary.

    Attributes:
        captured: the graphs by key.
        version: number of times that graphs were dropped.
        warp_device: the device as a Warp device.
    """

    def __init__(self, device: torch.device, *, ordered: bool = False) -> None:
        init_warp()
        self.captured: dict[Hashable, Any] = {}
        self.version = 0
        self.warp_device = wp.device_from_torch(device)
        self._device = device
        self._ordered = ordered
        self._streams: dict[int, Any] = {}

    def run(self, key: Hashable, work: Callable[[], object]) -> None:
        """Run Warp work by replaying its graph, which the first call with this key captures.

        The call captures twice, first to find the kernels that must be compiled and loaded. While torch captures a
        graph, the work becomes a part of that graph.
        """
        if self.recording:
            with self.on_torch_stream(), self._joined_capture():
                self.launch(work)
            return
        if key not in self.captured:
            self.load(work)
            self.captured[key] = self._capture(work)
        wp.capture_launch(self.captured[key], stream=self.stream())

    def load(self, work: Callable[[], object]) -> None:
        """Compile and load the kernels that Warp work launches, without running it."""
        modules = needed_modules(lambda: self._capture(work))
        if self._ordered:
            order_rows(modules)
        load_modules(modules, self.warp_device)

    def _capture(self, work: Callable[[], object]) -> Any:
        with uncollected(), wp.ScopedDevice(self.warp_device), wp.ScopedCapture() as capture:
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

    @contextlib.contextmanager
    def _joined_capture(self) -> Iterator[None]:
        """Let Warp know of torch's capture, so that temporary arrays become a part of the graph."""
        wp.capture_begin(stream=self.stream(), external=True)
        try:
            yield
        finally:
            wp.capture_end(stream=self.stream())

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
