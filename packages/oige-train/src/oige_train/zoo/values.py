"""Values of a recorded program: what operations read and return, without memory that they share."""

from dataclasses import dataclass, field
from typing import Any

import torch

__all__ = ["Place", "Value", "place_of"]


@dataclass(eq=False)
class Value:
    """What an operation returns, or what a program reads.

    Attributes:
        operation: name of the operation: one of torch, or ``read``, ``write``, ``reshape``, ``cast``, ``conjugate``;
            ``input`` for what the program reads.
        arguments: values, numbers, and lists of them.
        options: further arguments by name.
        real: the numbers during the recording, ``(…)``; complex numbers have a last dimension of 2.
        segment: the part of the program in which it is computed.
        output: which of several results of the operation it is.
        storage: of an input: key of the memory that it stands for.
        source: of an input: what it is, once that is known.
    """

    operation: str
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    real: torch.Tensor
    segment: int
    output: int = 0
    storage: int = 0
    source: tuple[str, str] | None = None
    constant: bool | None = field(default=None, repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the value."""
        return tuple(self.real.shape)

    def inputs(self) -> list["Value"]:
        """Return the values among the arguments."""
        found: list[Value] = []
        for each in (*self.arguments, *self.options.values()):
            if isinstance(each, Value):
                found.append(each)
            elif isinstance(each, list | tuple):
                found += [part for part in each if isinstance(part, Value)]
        return found


@dataclass(frozen=True)
class Place:
    """The elements of a memory that a tensor consists of.

    Attributes:
        offset: first element.
        sizes: shape; complex numbers have a last dimension of 2.
        strides: steps between elements along each dimension.
    """

    offset: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def count(self) -> int:
        """Number of elements."""
        count = 1
        for size in self.sizes:
            count *= size
        return count

    def elements(self) -> torch.Tensor:
        """Return the numbers of the elements, of shape ``sizes``."""
        numbers = torch.tensor(self.offset)
        for size, stride in zip(self.sizes, self.strides, strict=True):
            numbers = numbers.unsqueeze(-1) + torch.arange(size) * stride
        return numbers.reshape(self.sizes)

    @property
    def is_run(self) -> bool:
        """Whether it is one run of neighbouring elements in order."""
        expected = 1
        for size, stride in zip(reversed(self.sizes), reversed(self.strides), strict=True):
            if size != 1 and stride != expected:
                return False
            expected *= size
        return True


def place_of(tensor: torch.Tensor) -> Place:
    """Return the place of a tensor in its memory."""
    offset, sizes, strides = int(tensor.storage_offset()), tuple(tensor.shape), tensor.stride()
    if tensor.is_complex():
        return Place(2 * offset, (*sizes, 2), (*(2 * stride for stride in strides), 1))
    return Place(offset, sizes, strides)
