"""Tensors packed into one buffer of bytes, so that one operation copies all of them."""

import itertools
from collections.abc import Sequence

import torch

__all__ = ["Packing"]


class Packing:
    """The places of tensors in a buffer of bytes.

    Args:
        tensors: tensors of the shapes and types that are packed; on one device.
    """

    def __init__(self, tensors: Sequence[torch.Tensor]) -> None:
        # Larger numbers first, so that each begins at a multiple of its size.
        self._order = sorted(range(len(tensors)), key=lambda i: -tensors[i].element_size())
        self._shapes = [tensors[i].shape for i in self._order]
        runs = itertools.groupby((tensors[i] for i in self._order), key=lambda tensor: tensor.dtype)
        self._runs = [(dtype, [tensor.numel() for tensor in run]) for dtype, run in runs]
        self._sizes = [dtype.itemsize * sum(counts) for dtype, counts in self._runs]

    def pack(self, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return a buffer with the values of the tensors, ``(bytes,)`` uint8."""
        return torch.cat([tensors[i].reshape(-1).view(torch.uint8) for i in self._order])

    def unpack(self, buffer: torch.Tensor) -> list[torch.Tensor]:
        """Return the tensors as views of a buffer, in the order in which they were packed."""
        parts = [
            part
            for (dtype, counts), run in zip(self._runs, buffer.split_with_sizes(self._sizes), strict=True)
            for part in run.view(dtype).split_with_sizes(counts)
        ]
        unpacked = list(parts)
        for i, part, shape in zip(self._order, parts, self._shapes, strict=True):
            unpacked[i] = part if part.shape == shape else part.view(shape)
        return unpacked
