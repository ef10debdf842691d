"""Lets tasks that name the device ``cuda`` run on machines without a GPU."""

import sys
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from oige_compat.session import session

__all__ = ["redirect_cuda"]


class _OnTheCpu(TorchFunctionMode):
    """Puts on the CPU what code asks to be on a GPU."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if _is_cuda(kwargs.get("device")):
            kwargs = {**kwargs, "device": "cpu"}
        if func is torch.Tensor.cuda:
            return args[0]
        if func is torch.Tensor.to:
            args = tuple("cpu" if _is_cuda(part) else part for part in args)
        return func(*args, **kwargs)


def _is_cuda(device: Any) -> bool:
    return isinstance(device, str | torch.device) and str(device).partition(":")[0] == "cuda"


_modes: list[_OnTheCpu] = []


def redirect_cuda(kind: type) -> None:
    """Put tensors on the CPU if the modules of a task's class name the device ``cuda`` and there is no GPU.

    The replacement costs time in each call of torch, so that other tasks do without.

    Args:
        kind: the class of the task.
    """
    if torch.cuda.is_available() or _modes or not any(_names_cuda(base) for base in kind.__mro__):
        return
    session().note("the task asks for the device 'cuda' by name; without a GPU, its tensors are on the CPU.")
    _modes.append(_OnTheCpu())
    _modes[0].__enter__()


def _names_cuda(kind: type) -> bool:
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    if not file or kind.__module__.partition(".")[0] in ("oige_compat", "torch"):
        return False
    text = Path(file).read_text(encoding="utf-8")
    return any(f"device={quote}cuda" in text.replace(" ", "") for quote in "\"'")
