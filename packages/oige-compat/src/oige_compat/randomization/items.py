"""``omni.replicator.core.distribution``: distributions whose parameters scripts read and change by their node."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from oige_compat.errors import CompatError, caller

__all__ = ["Item", "log_uniform", "normal", "uniform"]


def numbers(values: Any) -> tuple[float, ...]:
    """Return numbers of a number or of nested sequences."""
    return tuple(float(value) for value in np.asarray(values, dtype=float).ravel())


class _NodeType:
    def __init__(self, name: str) -> None:
        self._name = name

    def get_node_type(self) -> str:
        """Return the name of the type."""
        return self._name


class _Attribute:
    """A parameter of a distribution."""

    def __init__(self, item: "Item", name: str) -> None:
        self._item, self._name = item, name

    def get(self) -> list[float]:
        """Return the numbers."""
        return list(self._item.parameters[self._name])

    def set(self, values: Any) -> bool:
        """Set the numbers."""
        self._item.set_parameters({self._name: values})
        return True


class _Node:
    """The node of a distribution in the graph of Replicator."""

    def __init__(self, item: "Item") -> None:
        self._item = item

    def get_node_type(self) -> _NodeType:
        """Return the type of the node."""
        return _NodeType(f"omni.replicator.core.OgnSample{self._item.kind}")

    def get_attribute(self, name: str) -> _Attribute:
        """Return a parameter, such as ``inputs:lower``.

        Raises:
            CompatError: the distribution has no such parameter.
        """
        key = name.removeprefix("inputs:")
        if key not in self._item.parameters:
            expected = ", ".join(self._item.parameters)
            raise CompatError(f"get_attribute('{name}') (used in {caller()}): expected one of {expected}.")
        return _Attribute(self._item, key)


class Item:
    """A distribution.

    Args:
        kind: the end of the name of its node type.
        parameters: two parameters by name, in their order.

    Attributes:
        parameters: numbers by name.
        listeners: functions that are called with both parameters when one has changed.
    """

    def __init__(self, kind: str, parameters: Mapping[str, Any]) -> None:
        self.kind = kind
        self.parameters = {name: numbers(values) for name, values in parameters.items()}
        self.listeners: list[Callable[[list[Sequence[float]]], None]] = []
        self.node = _Node(self)
        first, second = map(len, self.parameters.values())
        if first != second:
            names = " and ".join(self.parameters)
            raise CompatError(f"distribution (used in {caller()}): {names} have {first} and {second} numbers.")

    @property
    def rows(self) -> list[Sequence[float]]:
        """Both parameters."""
        return list(self.parameters.values())

    def set_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Set parameters by name.

        Raises:
            CompatError: a name is unknown, or the number of numbers would change.
        """
        given = {name: numbers(values) for name, values in parameters.items()}
        for name, values in given.items():
            if name not in self.parameters or len(values) != len(self.parameters[name]):
                size = len(next(iter(self.parameters.values())))
                raise CompatError(
                    f"{name}={list(values)} (used in {caller()}): expected {' or '.join(self.parameters)} with {size} "
                    "numbers."
                )
        self.parameters |= given
        for listener in self.listeners:
            listener(self.rows)


def uniform(lower: Any, upper: Any) -> Item:
    """Return a distribution between two bounds: numbers, or one for each dimension."""
    return Item("Uniform", {"lower": lower, "upper": upper})


def normal(mean: Any, std: Any) -> Item:
    """Return a normal distribution: numbers, or one for each dimension."""
    return Item("Normal", {"mean": mean, "std": std})


def log_uniform(lower: Any, upper: Any) -> Item:
    """Return a distribution whose logarithm is uniform between those of two bounds."""
    return Item("LogUniform", {"lower": lower, "upper": upper})
