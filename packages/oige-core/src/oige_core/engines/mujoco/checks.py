"""Checks of what tasks hand to views: worlds, joints and links, shapes, devices, values.

They look at what the host knows, so that nothing waits for a GPU. Messages begin with the method that was called, which
is looked up only when something is wrong.
"""

import math
import operator
import sys
from typing import NoReturn

import numpy as np
import torch

from oige_core.engines.mujoco.selections import can_look_at, masked_rows
from oige_core.errors import OigeError, dtype_name

__all__ = ["WorldChecker", "check_numbers", "fail", "part_numbers", "values_of_shape"]

_PACKAGE = __name__.rpartition(".")[0]


def fail(message: str) -> NoReturn:
    """Raise an OigeError that begins with the method of a view, camera or engine that was called, and its name."""
    frame, call = sys._getframe(1), ""
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_PACKAGE):
        name = getattr(frame.f_locals.get("self"), "name", None)
        if name is not None and frame.f_code.co_name.isidentifier() and not frame.f_code.co_name.startswith("_"):
            call = f"{frame.f_code.co_name} of '{name}': "
        frame = frame.f_back
    raise OigeError(call + message)


class WorldChecker:
    """Makes tensors of numbers of worlds, and remembers the last one, which a reset uses for many calls.

    Args:
        num_envs: number of worlds.
    """

    def __init__(self, num_envs: int) -> None:
        self._num_envs = num_envs
        self._last: torch.Tensor | None = None
        self._version = 0

    def __call__(self, indices: object, device: torch.device) -> torch.Tensor:
        """Return a selection of worlds on a device: int64 numbers ``(n,)``, or a mask ``(num_envs,)`` of bool.

        What CUDA tensors hold is not looked at.

        Raises:
            OigeError: they are neither numbers of worlds nor a mask, or on another GPU.
        """
        if indices is self._last and self._last is not None and self._last._version == self._version:
            return self._last
        if not isinstance(indices, torch.Tensor):
            return torch.from_numpy(self._host_selection(indices)).to(device)
        if indices.device != device and indices.device.type != "cpu":
            fail(f"indices on {indices.device}: expected {device}; use indices.to('{device}').")
        if indices.dtype == torch.bool:
            self._check_mask(tuple(indices.shape))
            return indices.to(device)
        if indices.dtype.is_floating_point or indices.dtype.is_complex:
            fail(f"indices of type {dtype_name(indices.dtype)}: expected whole numbers of worlds.")
        if indices.ndim != 1:
            fail(f"indices of shape {tuple(indices.shape)}: expected (n,).")
        if indices.dtype != torch.int64:
            indices = indices.to(torch.int64)
        if indices.device.type == "cpu":
            self._check_range(indices.numpy())
        if indices.device != device:
            return indices.to(device)
        if not indices.is_inference():  # such tensors do not know that they were changed
            self._last, self._version = indices, indices._version
        return indices

    def _host_selection(self, indices: object) -> np.ndarray:
        try:
            numbers = np.asarray(indices)
        except ValueError:
            fail(f"indices {indices!r}: expected a list of numbers of worlds.")
        if numbers.size == 0:
            numbers = numbers.astype(np.int64)
        if numbers.dtype == bool:
            self._check_mask(numbers.shape)
            return numbers
        if numbers.ndim != 1 or not np.issubdtype(numbers.dtype, np.integer):
            fail(f"indices {_short(indices)}: expected a list of numbers of worlds.")
        numbers = numbers.astype(np.int64)
        self._check_range(numbers)
        return numbers

    def _check_mask(self, shape: tuple[int, ...]) -> None:
        if shape != (self._num_envs,):
            fail(f"mask of worlds of shape {shape}: expected ({self._num_envs},).")

    def _check_range(self, numbers: np.ndarray) -> None:
        # As unsigned numbers negative ones are large.
        if numbers.size and numbers.view(np.uint64).max() >= self._num_envs:
            wrong = numbers[(numbers < 0) | (numbers >= self._num_envs)][0]
            fail(f"indices name world {wrong}: expected numbers from 0 to {self._num_envs - 1}.")


def part_numbers(indices: object, count: int, what: str) -> tuple[int, ...]:
    """Return numbers of joints or links as Python ones.

    Args:
        indices: a list, an array, or a tensor on the CPU.
        count: how many there are.
        what: name of the argument.

    Raises:
        OigeError: they are no such numbers.
    """
    if isinstance(indices, torch.Tensor | np.ndarray):
        if indices.ndim != 1:
            fail(f"{what} of shape {tuple(indices.shape)}: expected (n,).")
        indices = indices.tolist()
    try:
        listed = list(indices)  # type: ignore[call-overload]
        if any(isinstance(number, bool | np.bool_) for number in listed):
            raise TypeError
        numbers = tuple(operator.index(number) for number in listed)
    except TypeError:
        fail(f"{what} {_short(indices)}: expected a list of whole numbers.")
    for number in numbers:
        if not 0 <= number < count:
            expected = f"expected numbers from 0 to {count - 1}" if count else "there are none"
            fail(f"{what} name {number}: {expected}.")
    return numbers


def values_of_shape(
    what: str, values: object, shape: tuple[int, ...], device: torch.device, *, column: bool = False
) -> torch.Tensor:
    """Return values as a tensor of a shape.

    Args:
        what: what they are, in messages.
        values: a tensor, there or on the CPU, an array or lists; one number, or a row, stands for all worlds.
        shape: worlds first.
        device: the simulation's.
        column: whether one number of each world may stand for all joints or links.

    Raises:
        OigeError: the shape is another one, a tensor is on another device, or there is something else than numbers.
    """
    if not isinstance(values, torch.Tensor):
        try:
            values = torch.as_tensor(values, dtype=torch.float32, device=device)
        except (TypeError, ValueError, RuntimeError):
            fail(f"{what} {_short(values)}: expected numbers of shape {shape}.")
    elif values.device != device:
        if values.device.type != "cpu":
            fail(f"{what} on {values.device}: expected {device}; use .to('{device}').")
        values = values.to(device)
    if values.is_complex():
        fail(f"{what} of type {dtype_name(values.dtype)}: expected real numbers.")
    if values.requires_grad:
        values = values.detach()  # or all that is read later would have its gradients
    given = values.shape
    if given == shape:
        return values
    fits = not given or given == shape[1:] or given == (1, *shape[1:]) or (column and given == (shape[0], 1))
    if not fits:
        fail(f"{what} of shape {tuple(given)}: expected {shape}.")
    return values.expand(shape)


def check_numbers(
    what: str,
    values: torch.Tensor,
    worlds: torch.Tensor | None = None,
    *,
    low: float = -math.inf,
    infinite: bool = False,
) -> None:
    """Raise where properties are NaN, below a bound or infinite; on a GPU that would have to be waited for, and is not.

    Args:
        what: what they are, in messages.
        values: worlds first.
        worlds: the selection of worlds that they are of; with a mask, rows of others are not looked at.
        low: the bound.
        infinite: whether they may be infinite.

    Raises:
        OigeError: one is.
    """
    if not can_look_at(values):
        return
    values = masked_rows(values, worlds)
    good = values >= low if infinite else (values >= low) & (values < math.inf)
    if low == -math.inf and not infinite:
        good &= values > low
    if not bool(good.all()):
        wrong = values[~good][0].item()
        bound = "numbers" if low == -math.inf else f"numbers of at least {low:g}"
        fail(f"{what} hold {wrong:g}: expected {bound if infinite else f'finite {bound}'}.")


def _short(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
