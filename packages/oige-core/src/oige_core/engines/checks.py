"""Checks of the arguments of views: worlds, joints and links, shapes, devices, values.

They use only what the host knows, so that nothing waits for a GPU. Messages start with the called method, which is
looked up only in case of an error.
"""

import math
import operator
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn

import numpy as np
import torch

from oige_core.errors import OigeError, dtype_name
from oige_core.selections import host_can_read, is_mask

__all__ = ["WorldChecker", "check_numbers", "check_quaternions", "fail", "part_numbers", "values_of_shape"]

_PACKAGE = __name__.rpartition(".")[0]


def fail(message: str) -> NoReturn:
    """Raise an OigeError whose message starts with the called method and the name of its view, camera or engine."""
    frame, call = sys._getframe(1), ""
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_PACKAGE):
        name = getattr(frame.f_locals.get("self"), "name", None)
        if name is not None and frame.f_code.co_name.isidentifier() and not frame.f_code.co_name.startswith("_"):
            call = f"{frame.f_code.co_name} of '{name}': "
        frame = frame.f_back
    raise OigeError(call + message)


class WorldChecker:
    """Converts world indices to tensors, and caches the last one, which a reset uses for many calls.

    Args:
        num_envs: number of worlds.
    """

    def __init__(self, num_envs: int) -> None:
        self._num_envs = num_envs
        self._last: torch.Tensor | None = None
        self._version = 0

    def __call__(self, indices: object, device: torch.device) -> torch.Tensor:
        """Return a selection of worlds on a device: int64 numbers ``(n,)``, or a mask ``(num_envs,)`` of bool.

        Values of CUDA tensors are not checked.

        Raises:
            OigeError: they are neither world indices nor a mask, or on another GPU.
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
            fail(f"indices of type {dtype_name(indices.dtype)}: expected integer world indices.")
        if indices.ndim != 1:
            fail(f"indices of shape {tuple(indices.shape)}: expected (n,).")
        if indices.dtype != torch.int64:
            indices = indices.to(torch.int64)
        if indices.device.type == "cpu":
            self._check_range(indices.numpy())
        if indices.device != device:
            return indices.to(device)
        self._keep(indices)
        return indices

    def indices_of(self, mask: torch.Tensor) -> torch.Tensor:
        """Return the indices ``(n,)`` int64 of a mask ``(num_envs,)`` of bool; they need no check later."""
        indices = mask.nonzero().squeeze(-1)
        self._keep(indices)
        return indices

    def _keep(self, indices: torch.Tensor) -> None:
        if not indices.is_inference():  # inference tensors have no version counter
            self._last, self._version = indices, indices._version

    def _host_selection(self, indices: object) -> np.ndarray:
        try:
            numbers = np.asarray(indices)
        except ValueError:
            fail(f"indices {indices!r}: expected a list of world indices.")
        if numbers.size == 0:
            numbers = numbers.astype(np.int64)
        if numbers.dtype == bool:
            self._check_mask(numbers.shape)
            return numbers
        if numbers.ndim != 1 or not np.issubdtype(numbers.dtype, np.integer):
            fail(f"indices {_short(indices)}: expected a list of world indices.")
        numbers = numbers.astype(np.int64)
        self._check_range(numbers)
        return numbers

    def _check_mask(self, shape: tuple[int, ...]) -> None:
        if shape != (self._num_envs,):
            fail(f"mask of worlds of shape {shape}: expected ({self._num_envs},).")

    def _check_range(self, numbers: np.ndarray) -> None:
        # Negative numbers are large as unsigned numbers.
        if numbers.size and numbers.view(np.uint64).max() >= self._num_envs:
            wrong = numbers[(numbers < 0) | (numbers >= self._num_envs)][0]
            fail(f"indices name world {wrong}: expected numbers from 0 to {self._num_envs - 1}.")


def part_numbers(indices: object, count: int, what: str) -> tuple[int, ...]:
    """Return indices of joints or links as Python integers.

    Args:
        indices: a list, an array, or a tensor on the CPU.
        count: number of joints or links.
        what: name of the argument.

    Raises:
        OigeError: they are not valid indices.
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
        names = isinstance(indices, Iterable) and any(isinstance(each, str) for each in indices)
        hint = "; get_dof_index and get_link_index return the number of a name" if names else ""
        fail(f"{what} {_short(indices)}: expected a list of whole numbers{hint}.")
    for number in numbers:
        if not 0 <= number < count:
            expected = f"expected numbers from 0 to {count - 1}" if count else "there are none"
            fail(f"{what} name {number}: {expected}.")
    return numbers


def values_of_shape(
    what: str,
    values: object,
    shape: tuple[int, ...],
    device: torch.device,
    worlds: torch.Tensor | None = None,
    *,
    column: bool = False,
    check: Callable[[torch.Tensor], None] | None = None,
) -> torch.Tensor:
    """Return values as a tensor of a shape.

    Args:
        what: name of the values in messages.
        values: a tensor on ``device`` or on the CPU, an array or lists; one number or row applies to all worlds.
        shape: the shape, with worlds as first dimension.
        device: device of the simulation.
        worlds: the selection of worlds.
        column: whether one number per world may apply to all joints or links.
        check: raises if there is an invalid value. It is called with the rows of selected worlds, unless reading them
            would have to wait for a GPU: values in lists, arrays and tensors on the CPU are checked on every device.

    Raises:
        OigeError: the shape or the device is wrong, or the values are not numbers.
    """
    number = values if isinstance(values, int | float) else None
    visible = True
    if isinstance(values, torch.Tensor):
        if values.device != device and values.device.type != "cpu":
            fail(f"{what} on {values.device}: expected {device}; use .to('{device}').")
        visible = check is not None and host_can_read(values)
    else:
        try:
            values = torch.as_tensor(values, dtype=torch.float32, device="cpu")
        except (TypeError, ValueError, RuntimeError):
            fail(f"{what} {_short(values)}: expected numbers of shape {shape}.")
    if values.is_complex():
        fail(f"{what} of type {dtype_name(values.dtype)}: expected real numbers.")
    if values.requires_grad:
        values = values.detach()  # otherwise everything that is read later would have gradients
    given = values.shape
    if given != shape:
        fits = not given or given == shape[1:] or given == (1, *shape[1:]) or (column and given == (shape[0], 1))
        if not fits:
            why = ", with a row for each world, because a mask selects the worlds" if is_mask(worlds) else ""
            fail(f"{what} of shape {tuple(given)}: expected {shape}{why}.")
    if check is not None and visible and (not is_mask(worlds) or host_can_read(worlds)):
        rows = values.expand(shape)
        check(rows[worlds] if is_mask(worlds) else rows)
    if values.device != device:
        # Filling with a number does not wait for a GPU, and copying to it does.
        values = values.to(device) if number is None else values.new_full((), number, device=device)
    return values if given == shape else values.expand(shape)


def check_numbers(what: str, values: torch.Tensor, *, low: float = -math.inf, infinite: bool = False) -> None:
    """Raise if properties are NaN, below a bound or infinite.

    Args:
        what: name of the values in messages.
        values: the values.
        low: the bound.
        infinite: whether values may be infinite.

    Raises:
        OigeError: a value is out of range.
    """
    good = values >= low if infinite else (values >= low) & (values < math.inf)
    if low == -math.inf and not infinite:
        good &= values > low
    if not bool(good.all()):
        wrong = values[~good][0].item()
        bound = "numbers" if low == -math.inf else f"numbers of at least {low:g}"
        fail(f"{what} contain {wrong:g}: expected {bound if infinite else f'finite {bound}'}.")


def check_quaternions(values: torch.Tensor, *, finite: bool = True) -> None:
    """Raise if orientations are zero quaternions or, if ``finite``, not finite.

    Raises:
        OigeError: a value is invalid.
    """
    if finite:
        check_numbers("orientations", values)
    if bool((torch.linalg.vector_norm(values.float(), dim=-1) == 0.0).any()):
        fail("orientations contain a quaternion of zeros: expected w, x, y, z of length 1.")


def _short(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
