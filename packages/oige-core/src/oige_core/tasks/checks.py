"""Checks of the results of a task's methods. Messages name the method, its result and what was expected."""

from typing import Any

import torch

from oige_core.errors import TaskError, dtype_name

__all__ = ["NO_RESET_OF_THE_BASE", "check_new_tensor", "check_tensor"]

NO_RESET_OF_THE_BASE = (
    "did not call super().reset_idx({}), which starts episodes and restores the worlds: expected that call first."
)


def check_tensor(
    what: str, value: Any, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, hint: str = ""
) -> None:
    """Raise unless a value is a tensor of the expected kind with finite numbers; this waits for the device.

    Args:
        what: name of the value in the message, starting with the method.
        value: the value from the task.
        shape: the expected shape.
        dtype: the expected type.
        device: the expected device.
        hint: end of the message, which explains the expected shape.

    Raises:
        TaskError: it is anything else, or a number is NaN or infinite.
    """
    if not isinstance(value, torch.Tensor):
        raise TaskError(f"{what} is {type(value).__name__}: expected a tensor of shape {shape}{hint}.")
    if tuple(value.shape) != shape:
        raise TaskError(f"{what} has shape {tuple(value.shape)}: expected {shape}{hint}.")
    if value.dtype != dtype:
        raise TaskError(f"{what} is of type {dtype_name(value.dtype)}: expected {dtype_name(dtype)}.")
    if value.device != device:
        raise TaskError(f"{what} is on {value.device}: expected {device}, the device of the simulation.")
    if value.is_floating_point():
        bad = ~value.isfinite()
        if bad.any():
            first = bad.nonzero()[0].tolist()
            column = f", entry {first[1:] if len(first) > 2 else first[1]}" if len(first) > 1 else ""
            worlds = int(bad.reshape(len(value), -1).any(dim=1).sum())
            raise TaskError(
                f"{what} is {value[tuple(first)].item()} in world {first[0]}{column}, and not finite in {worlds} of "
                f"{len(value)} worlds: expected finite numbers."
            )


def check_new_tensor(method: str, value: torch.Tensor, before: torch.Tensor) -> None:
    """Raise if a method returns the tensor of the previous step, or one that shares its memory.

    The previous step returned that tensor, so writing into it changes values that callers hold: a learner's rewards,
    and the last observations of episodes that ended.

    Args:
        method: name of the method in the message.
        value: the returned tensor.
        before: the tensor that it returned in the previous step.

    Raises:
        TaskError: the tensor is not new.
    """
    if value.numel() and value.untyped_storage().data_ptr() == before.untyped_storage().data_ptr():
        raise TaskError(
            f"{method} returned the tensor of the last step, which callers hold: expected a new tensor, and none that "
            "is written in place."
        )
