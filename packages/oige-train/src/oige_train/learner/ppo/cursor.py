"""A position in tensors that moves on by itself, also from one replay of a CUDA graph to the next."""

import torch

__all__ = ["Cursor"]


class Cursor:
    """An index of the first dimension of tensors.

    A graph contains the memory of its operands, not their values: there, the index is a tensor.

    Args:
        device: device of the tensors.
        on_device: keep the index on the device.
    """

    def __init__(self, device: torch.device, *, on_device: bool) -> None:
        self._first = torch.zeros(1, dtype=torch.int64, device=device)
        self._index = self._first.clone() if on_device else None
        self._position = 0

    def rewind(self) -> None:
        """Go to the first element."""
        self._position = 0
        if self._index is not None:
            self._index.zero_()

    def advance(self) -> None:
        """Go to the next element."""
        self._position += 1
        if self._index is not None:
            self._index.add_(1)

    def read(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the element of a tensor ``(n, …)``: a view, or a copy if the index is on the device."""
        if self._index is None:
            return tensor[self._position]
        return tensor.index_select(0, self._index).squeeze(0)

    def locate(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return an index ``(1,)``, and tensors ``(n, …)`` that have the cursor's elements there; nothing is copied."""
        if self._index is None:
            return self._first, [tensor[self._position : self._position + 1] for tensor in tensors]
        return self._index, list(tensors)

    def write(self, tensor: torch.Tensor, value: torch.Tensor) -> None:
        """Set the element of a tensor ``(n, …)``."""
        if self._index is None:
            tensor[self._position].copy_(value)
        else:
            tensor.index_copy_(0, self._index, value.to(tensor.dtype).unsqueeze(0))
