"""Random numbers of a step as numbers that are given: by a page, or by a test."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from oige_core.errors import OigeError
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["NUMBERS", "Drawn", "GivenNumbers", "RandomNumbers"]

NUMBERS = frozenset({"uniform_", "normal_", "random_", "rand", "randn", "randint"})
"""Operations of torch that draw random numbers."""


@dataclass(frozen=True)
class Drawn:
    """Numbers of one operation.

    Attributes:
        kind: ``uniform`` from 0 to 1, ``normal``, or ``bits``: whole numbers from -32768 to 32767.
        numbers: the numbers, float32.
        result: computes from them what the operation returns.
    """

    kind: str
    numbers: torch.Tensor
    result: Callable[[], torch.Tensor]


class RandomNumbers:
    """Draws numbers from one stream and keeps them.

    Args:
        seed: of the stream.

    Attributes:
        kept: the numbers by operation, since the list was cleared.
    """

    def __init__(self, seed: int) -> None:
        self.kept: list[Drawn] = []
        self._generator = torch.Generator().manual_seed(seed)
        self._bits: set[int] = set()

    def draw(self, packet: str, func: Any, args: Sequence, kwargs: dict) -> Drawn:
        """Return the numbers of an operation of torch.

        Args:
            packet: its name.
            func: the operation.
            args: its arguments.
            kwargs: further arguments.

        Raises:
            OigeError: pages do not know the operation.
        """
        given = dict(zip([each.name for each in func._schema.arguments], args, strict=False)) | kwargs
        target, size = given.get("self"), given.get("size")
        shape = tuple(target.shape) if target is not None else tuple(size or ())
        if packet in ("randn", "normal_"):
            mean, deviation = float(given.get("mean") or 0.0), float(given.get("std", 1.0) or 0.0)
            numbers = torch.randn(shape, generator=self._generator)
            make = lambda: numbers * deviation + mean  # noqa: E731
        else:
            numbers = torch.rand(shape, generator=self._generator)
            low, high = _range(packet, given)
            if low is None or high is None:  # all 64 bits, which are read as 16 bits each
                self._bits.add(target.untyped_storage()._cdata if target is not None else 0)
                make = lambda: torch.zeros(shape, dtype=torch.int64)  # noqa: E731
            elif packet in ("randint", "random_"):
                width = high - low
                make = lambda: (numbers * width).floor().clamp(max=width - 1).to(torch.int64) + int(low)  # noqa: E731
            else:
                make = lambda: numbers * (high - low) + low  # noqa: E731
        result = make if target is None else lambda: target.copy_(make())
        drawn = Drawn("normal" if packet in ("randn", "normal_") else "uniform", numbers, result)
        self.kept.append(drawn)
        return drawn

    def are_bits(self, tensor: torch.Tensor) -> bool:
        """Return whether a tensor contains 64 random bits per number."""
        return tensor.untyped_storage()._cdata in self._bits

    def halves(self, tensor: torch.Tensor) -> Drawn:
        """Return random numbers of 16 bits in the shape of a tensor."""
        numbers = torch.randint(-(2**15), 2**15, tuple(tensor.shape), generator=self._generator).float()
        self.kept.append(Drawn("bits", numbers, lambda: numbers.to(torch.int16)))
        return self.kept[-1]


class GivenNumbers(TorchDispatchMode):
    """Lets operations of torch draw from :class:`RandomNumbers`, so that they are known.

    Args:
        numbers: the numbers.
    """

    def __init__(self, numbers: RandomNumbers) -> None:
        super().__init__()
        self._numbers = numbers

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        packet = func._schema.name.split("::")[1]
        if packet in NUMBERS:
            return self._numbers.draw(packet, func, args, kwargs).result()
        if packet == "view" and func._overloadname == "dtype" and self._numbers.are_bits(args[0]):
            return self._numbers.halves(func(*args, **kwargs)).result()
        return func(*args, **kwargs)


def _range(packet: str, given: dict) -> tuple[float | None, float | None]:
    """Return the range of an operation that draws; None if it draws all bits."""
    if packet == "rand":
        return 0.0, 1.0
    if packet == "uniform_":
        return float(given.get("from", 0.0)), float(given.get("to", 1.0))
    if packet == "randint":
        return float(given.get("low", 0)), float(given["high"])
    if given.get("from") == -(2**63) and given.get("to") is None:
        return None, None
    if given.get("to") is None:
        raise OigeError(f"{packet} without limits: pages draw numbers of a range only.")
    return float(given.get("from", 0)), float(given["to"])
