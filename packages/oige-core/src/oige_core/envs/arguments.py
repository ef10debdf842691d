"""Checks of arguments of the environment."""

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from oige_core.errors import OigeError, dtype_name, nearest

__all__ = ["checked_actions", "checked_mask", "checked_options", "checked_seed"]

OPTIONS = ("reset_mask", "stagger")  # of VecEnv.reset


def checked_seed(seed: Any) -> int | None:
    """Return a seed of Python, NumPy or torch as a Python int.

    Raises:
        OigeError: it is not an integer, or negative.
    """
    if seed is None:
        return None
    try:
        number = -1 if isinstance(seed, bool | np.bool_) else operator.index(seed)
    except TypeError:
        number = -1
    if number < 0:
        raise OigeError(f"seed={seed!r}: expected an integer of at least 0.")
    return number


def checked_options(options: Any) -> Mapping[str, Any]:
    """Return options of a reset; :func:`checked_mask` checks the mask.

    Raises:
        OigeError: they are not a dictionary, one is unknown, or ``stagger`` is not a bool.
    """
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise OigeError(f"reset options {options!r}: expected a dictionary.")
    for option in options:
        if option not in OPTIONS:
            raise OigeError(f"reset option '{option}': unknown. {nearest(str(option), OPTIONS)}")
    if not isinstance(options.get("stagger", False), bool | np.bool_):
        raise OigeError(f"reset option stagger={options['stagger']!r}: expected True or False.")
    return options


def checked_mask(mask: Any, num_envs: int, device: torch.device) -> torch.Tensor:
    """Return a mask of worlds ``(N,)`` bool.

    Raises:
        OigeError: it has another shape or type, for example world indices.
    """
    expected = f"expected ({num_envs},) bool"
    try:
        tensor = torch.as_tensor(mask, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise OigeError(f"reset_mask={mask!r}: {expected}.") from error
    if tensor.shape != (num_envs,):
        raise OigeError(f"reset_mask of shape {tuple(tensor.shape)}: {expected}.")
    if tensor.dtype != torch.bool:
        raise OigeError(f"reset_mask of type {dtype_name(tensor.dtype)}: {expected}.")
    return tensor


def checked_actions(actions: Any, shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Return actions ``(N, num_actions)`` in float32.

    Raises:
        OigeError: they are not numbers, or have another shape.
    """
    try:
        if actions.is_complex() if isinstance(actions, torch.Tensor) else np.iscomplexobj(actions):
            raise TypeError
        tensor = torch.as_tensor(actions, dtype=torch.float32, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise OigeError(f"actions of type {type(actions).__name__}: expected numbers of shape {shape}.") from error
    if tensor.shape != shape:
        raise OigeError(f"actions of shape {tuple(tensor.shape)}: expected {shape}.")
    return tensor
