"""Views that return given tensors and record what is written to them."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import torch

__all__ = ["Call", "RecordingView"]


class Call:
    """A call of a setter.

    Attributes:
        name: name of the method.
        args: positional arguments, copied.
        kwargs: keyword arguments, copied.
    """

    def __init__(self, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        self.name = name
        self.args = [_copy(value) for value in args]
        self.kwargs = {key: _copy(value) for key, value in kwargs.items()}


class RecordingView:
    """A view of articulations, rigid bodies or cameras.

    ``get_<name>`` returns ``values[name]``: a tensor ``(N, …)``, or a tuple of them, in the rows of ``indices`` and the
    columns of ``joint_indices``. Methods whose names begin with ``set_`` or ``apply_`` add a :class:`Call` to
    :attr:`calls`. ``get_<type>_index`` looks names up in :attr:`names`.

    Args:
        name: name of the view; names of arrays begin with it.
        count: number of bodies or articulations.
        names: names of joints (``dof``) and links (``body``), in their order.
        values: tensors by the name of their getter.
        attributes: further attributes.
    """

    def __init__(
        self,
        name: str,
        count: int,
        *,
        names: Mapping[str, Sequence[str]] | None = None,
        values: dict[str, Any] | None = None,
        **attributes: Any,
    ) -> None:
        self.name = name
        self.count = count
        self.names = dict(names or {})
        self.values = dict(values or {})
        self.calls: list[Call] = []
        self.num_dof = len(self.names.get("dof", ()))
        self.num_bodies = len(self.names.get("body", ()))
        self.dof_names = list(self.names.get("dof", ()))
        self.body_names = list(self.names.get("body", ()))
        self._dof_indices = {name: index for index, name in enumerate(self.dof_names)}
        self._body_indices = {name: index for index, name in enumerate(self.body_names)}
        self.__dict__.update(attributes)

    def get_dof_index(self, name: str) -> int:
        return self.dof_names.index(name)

    def get_body_index(self, name: str) -> int:
        return self.body_names.index(name)

    def last(self, method: str) -> Call:
        """Return the last call of a setter."""
        return [call for call in self.calls if call.name == method][-1]

    def first(self, method: str, argument: int = 0) -> torch.Tensor:
        """Return an argument of the first call of a setter."""
        return next(call for call in self.calls if call.name == method).args[argument]

    def written(self, method: str, argument: int = 0) -> torch.Tensor:
        """Return an argument of the last call of a setter."""
        return self.last(method).args[argument]

    def __getattr__(self, method: str) -> Any:
        if method.startswith(("set_", "apply_")):
            return functools.partial(self._record, method)
        if method.startswith("get_"):
            return functools.partial(self._get, method.removeprefix("get_"))
        if method.startswith("__"):
            raise AttributeError(method)
        raise AttributeError(f"the view {self.__dict__.get('name')} has no {method}")

    def _record(self, method: str, *args: Any, **kwargs: Any) -> None:
        self.calls.append(Call(method, args, kwargs))

    def _get(self, name: str, indices: Any = None, joint_indices: Any = None, clone: bool = True) -> Any:
        if name not in self.values:
            raise AttributeError(f"the view {self.name} has no values for get_{name}")
        return _map(functools.partial(_select, indices=indices, columns=joint_indices), self.values[name])


def _select(values: Any, *, indices: Any, columns: Any) -> Any:
    if not isinstance(values, torch.Tensor):
        return values
    values = values if indices is None else values[torch.as_tensor(indices).long()]
    values = values if columns is None else values[:, torch.as_tensor(columns).long()]
    return values.clone()  # each call reads the simulation anew, and tasks change what they get


def _map(function: Any, values: Any) -> Any:
    return tuple(function(value) for value in values) if isinstance(values, tuple) else function(values)


def _copy(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return type(value)(_copy(each) for each in value)
    return value.clone() if isinstance(value, torch.Tensor) else value
