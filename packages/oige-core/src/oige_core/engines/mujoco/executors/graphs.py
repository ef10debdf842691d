"""Warp work that is captured once and replayed: CUDA graphs, and their counterpart on Warp's CPU device."""

from collections.abc import Callable, Hashable
from typing import Any

import torch
import warp as wp

from oige_core.warp_runtime import init_warp

__all__ = ["Graphs"]


class Graphs:
    """Graphs by key, replayed on torch's current stream, so that torch operations before and after are ordered.

    Args:
        device: where the work is done.

    Attributes:
        captured: the graphs by key.
        warp_device: the device as Warp has it.
    """

    def __init__(self, device: torch.device) -> None:
        init_warp()
        self.captured: dict[Hashable, Any] = {}
        self.warp_device = wp.device_from_torch(device)
        self._device = device
        self._streams: dict[int, Any] = {}

    def run(self, key: Hashable, work: Callable[[], object]) -> None:
        """Do Warp work by replaying its graph, which the first call with this key captures."""
        graph: Any = self.captured.get(key)
        if graph is None:
            with wp.ScopedDevice(self.warp_device), wp.ScopedCapture() as capture:
                work()
            graph = self.captured[key] = capture.graph
        wp.capture_launch(graph, stream=self.stream())

    def forget(self) -> None:
        """Drop graphs that hold addresses or a choice of work that no longer holds."""
        if self.captured:
            wp.synchronize_device(self.warp_device)
            self.captured.clear()

    def close(self) -> None:
        """Free what is held."""
        self.forget()
        self._streams.clear()

    def stream(self) -> Any:
        """Return torch's current stream as Warp has it; None on the CPU."""
        if not self.warp_device.is_cuda:
            return None
        torch_stream = torch.cuda.current_stream(self._device)
        if torch_stream.cuda_stream not in self._streams:
            self._streams[torch_stream.cuda_stream] = wp.stream_from_torch(torch_stream)
        return self._streams[torch_stream.cuda_stream]
