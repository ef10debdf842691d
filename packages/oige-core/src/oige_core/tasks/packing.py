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
        def place(i: int) -> tuple[int, str, bool]:
            # Larger numbers first, so that each begins at a multiple of its size; single numbers of a type together.
            return -tensors[i].element_size(), str(tensors[i].dtype), tensors[i].ndim == 0

        self._order = sorted(range(len(tensors)), key=place)
        self._runs: list[_Run] = []
        for dtype, run in itertools.groupby((tensors[i] for i in self._order), key=lambda tensor: tensor.dtype):
            shapes = [tensor.shape for tensor in run]
            self._runs.append(_Run(dtype, [shape for shape in shapes if shape], shapes.count(torch.Size())))
        self._sizes = [run.dtype.itemsize * sum(run.counts) for run in self._runs]

    def pack(self, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return a buffer with the values of the tensors, ``(bytes,)`` uint8."""
        return torch.cat([tensors[i].reshape(-1).view(torch.uint8) for i in self._order])

    def unpack(self, buffer: torch.Tensor) -> list[torch.Tensor]:
        """Return the tensors as views of a buffer, in the order in which they were packed."""
        ordered: list[torch.Tensor] = []
        for run, values in zip(self._runs, buffer.split_with_sizes(self._sizes), strict=True):
            ordered += run.unpack(values.view(run.dtype))
        unpacked = list(ordered)
        for i, tensor in zip(self._order, ordered, strict=True):
            unpacked[i] = tensor
        return unpacked


class _Run:
    """Neighbouring tensors of one type.

    Args:
        dtype: their type.
        shapes: shapes of those with dimensions.
        numbers: number of tensors without dimensions, which follow.
    """

    def __init__(self, dtype: torch.dtype, shapes: list[torch.Size], numbers: int) -> None:
        self.dtype = dtype
        self.counts = [*(shape.numel() for shape in shapes), numbers]
        self._shapes = shapes

    def unpack(self, values: torch.Tensor) -> list[torch.Tensor]:
        *parts, numbers = values.split_with_sizes(self.counts)
        shaped = [
            part if len(shape) == 1 else part.view(shape) for part, shape in zip(parts, self._shapes, strict=True)
        ]
        return [*shaped, *numbers.unbind()] if self.counts[-1] else shaped
