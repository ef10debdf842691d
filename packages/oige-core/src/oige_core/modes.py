"""Torch modes that an environment does not inherit from its caller."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

__all__ = ["plain_tensors"]

P = ParamSpec("P")
R = TypeVar("R")


def plain_tensors(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function without gradients and outside ``torch.inference_mode()``, whatever mode its caller is in.

    A tensor that is created in inference mode cannot be written in place outside it. Functions that create tensors
    which outlive the call need this decorator, so that a program may mix both kinds of calls.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        # set_grad_enabled(False) takes half the time of no_grad, and inference_mode(False) even more.
        with torch.set_grad_enabled(False):
            if not torch.is_inference_mode_enabled():
                return function(*args, **kwargs)
            with torch.inference_mode(False), torch.no_grad():  # inference_mode(False) enables gradients
                return function(*args, **kwargs)

    return call
