"""Launches Warp kernels on torch tensors, in the order of torch's operations."""

from typing import Any

import torch
import warp as wp

from oige_core.warp_runtime import init_warp

__all__ = ["KernelLaunch", "launch"]

_streams: dict[tuple[int, int], Any] = {}  # by device and handle: the default stream of every device has handle 0


class KernelLaunch:
    """A launch on the current stream of torch, which a graph of torch records.

    Args:
        kernel: the kernel.
        dim: number of threads, or their numbers in several dimensions.
        arguments: the arguments of the kernel: tensors for arrays, and anything else as it is.
        block_dim: number of threads of a block.
    """

    def __init__(self, kernel: Any, dim: int | tuple[int, ...], *arguments: Any, block_dim: int = 256) -> None:
        init_warp()
        self._kernel, self._dim, self._block_dim = kernel, dim, block_dim
        self._device = next(each for each in arguments if isinstance(each, torch.Tensor)).device
        self._arguments = arguments  # so that their memory is not freed
        self._inputs = [_as_array(each) if isinstance(each, torch.Tensor) else each for each in arguments]

    def run(self) -> None:
        """Launch the kernel."""
        stream = _stream(self._device)
        device = None if stream is not None else wp.device_from_torch(self._device)
        wp.launch(self._kernel, self._dim, inputs=self._inputs, device=device, stream=stream, block_dim=self._block_dim)


def launch(kernel: Any, dim: int | tuple[int, ...], *arguments: Any, block_dim: int = 256) -> None:
    """Launch a Warp kernel on torch tensors; see :class:`KernelLaunch`."""
    KernelLaunch(kernel, dim, *arguments, block_dim=block_dim).run()


def _as_array(tensor: torch.Tensor) -> Any:
    return wp.from_torch(tensor.detach(), requires_grad=False, return_ctype=True)


def _stream(device: torch.device) -> Any:
    """Return torch's current stream as a Warp stream; None on the CPU."""
    if device.type != "cuda":
        return None
    stream = torch.cuda.current_stream(device)
    key = stream.device_index, stream.cuda_stream
    if key not in _streams:
        _streams[key] = wp.stream_from_torch(stream)
    return _streams[key]
