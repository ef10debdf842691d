"""What the host needs of an epoch, which one copy brings from the device."""

from collections.abc import Iterable

import torch

from oige_train.learner.divergence import largest_value

__all__ = ["EpochResults"]


class EpochResults:
    """Gathers tensors that stay where they are, and copies all of their values to the host at once.

    Args:
        tensors: floating-point tensors of any shape, in the order of :meth:`read`.
        finite: tensors of which only the largest absolute value is of interest.
    """

    def __init__(self, tensors: Iterable[torch.Tensor], finite: Iterable[torch.Tensor]) -> None:
        self._tensors, self._finite = list(tensors), list(finite)
        count = 1 + sum(tensor.numel() for tensor in self._tensors)
        self._values = torch.zeros(count, dtype=torch.float64, device=self._tensors[0].device)

    def gather(self) -> None:
        """Gather the values; the device is not waited for."""
        parts = [tensor.double().flatten() for tensor in (largest_value(self._finite), *self._tensors)]
        torch.cat(parts, out=self._values)

    def read(self) -> tuple[float, list[torch.Tensor]]:
        """Return the largest absolute value of ``finite``, and the tensors in float64 on the host."""
        largest, *values = self._values.cpu().split([1, *(tensor.numel() for tensor in self._tensors)])
        return float(largest), [part.view(like.shape) for part, like in zip(values, self._tensors, strict=True)]
