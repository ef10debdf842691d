"""Checks of a task's methods and of what they return. Messages name the method, its result and what was expected."""

import inspect
from typing import Any

import torch

from oige_core.errors import TaskError, dtype_name

__all__ = ["BUFFERS", "NO_RESET_OF_THE_BASE", "check_methods", "check_new_tensor", "check_tensor", "note_on_masks"]

NO_RESET_OF_THE_BASE = (
    "did not call super().reset_idx({}), which starts episodes and restores the worlds: expected that call first."
)

_ARGUMENTS = {
    "pre_physics_step": ("actions", "actions"),
    "get_observations": ("worlds=None", "", "worlds"),
    "get_states": ("worlds=None", "", "worlds"),
    "is_done": ("", ""),
    "calculate_metrics": ("", ""),
    "reset_idx": ("worlds", "worlds"),
}
"""Arguments of methods of a task: how a class declares them, then each way in which the base class passes them."""

BUFFERS = {
    "get_observations": "obs_buf",
    "get_states": "states_buf",
    "is_done": "terminated_buf",
    "calculate_metrics": "rew_buf",
}
"""Methods that return a tensor, and the buffer to which the base class assigns it."""


def check_methods(task: type) -> None:
    """Raise unless the methods of a task accept the arguments that the base class passes.

    Args:
        task: the class of the task.

    Raises:
        TaskError: a method has other arguments, for example ``get_observations`` has no ``worlds``.
    """
    for method, (declared, *calls) in _ARGUMENTS.items():
        signature = inspect.signature(getattr(task, method))
        for call in calls:
            try:
                signature.bind("self", *filter(None, [call]))
            except TypeError as error:
                given = ", ".join(str(parameter) for parameter in signature.parameters.values())
                expected = ", ".join(filter(None, ["self", declared]))
                why = ", because it is called for all worlds, then for those that were reset" if len(calls) > 1 else ""
                raise TaskError(f"{task.__name__}.{method}({given}): expected {method}({expected}){why}.") from error


def note_on_masks(method: str, worlds: torch.Tensor, error: Exception) -> None:
    """Add a line about masks to the message of an error of torch, if a method got its selection of worlds as one.

    Args:
        method: the method that raised the error.
        worlds: the selection of worlds, its argument.
        error: the error.
    """
    if worlds.dtype == torch.bool and not isinstance(error, torch.OutOfMemoryError):
        note = (
            f"{method}: worlds is a mask of shape {tuple(worlds.shape)}, because the task runs on a GPU: do not index "
            "with it; use self.assign(tensor, worlds, values) and self.rows(tensor, worlds), which accept both forms."
        )
        error.args = (f"{error}\n{note}",)


def check_tensor(
    what: str,
    value: Any,
    shape: tuple[int, ...],
    dtype: torch.dtype,
    device: torch.device,
    hint: str = "",
    buffer: str = "",
) -> None:
    """Raise unless a value is a tensor of the expected kind with finite numbers; this waits for the device.

    Args:
        what: name of the value in the message, starting with the method.
        value: the value from the task.
        shape: the expected shape.
        dtype: the expected type.
        device: the expected device.
        hint: end of the message, which explains the expected shape.
        buffer: attribute to which the base class assigns the value.

    Raises:
        TaskError: it is anything else, or a number is NaN or infinite.
    """
    if not isinstance(value, torch.Tensor):
        kind = "None" if value is None else type(value).__name__
        assigned = f"; return it, and the base class assigns it to {buffer}" if buffer else ""
        raise TaskError(f"{what} is {kind}: expected a tensor of shape {shape}{hint}{assigned}.")
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
