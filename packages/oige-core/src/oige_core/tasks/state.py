"""What a task keeps between steps, as plain values that a checkpoint can hold, and back."""

import random
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

__all__ = ["UNSAVED", "decode_into", "encode", "shared_memory"]

UNSAVED = object()
"""What :func:`encode` returns for a value that a checkpoint cannot hold."""

_TAG = "oige_type"
_CONTAINERS: dict[type, str] = {list: "list", tuple: "tuple", set: "set", deque: "deque"}


def encode(value: Any) -> Any:
    """Return a copy of a value, made of tensors, numbers, strings, lists and dictionaries; or :data:`UNSAVED`.

    Tensors, NumPy arrays and numbers, plain values, random generators of torch, NumPy and Python, and lists, tuples,
    sets, deques and dictionaries of these are known.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind not in "bifu":
            return UNSAVED
        return {_TAG: "numpy", "value": torch.from_numpy(np.array(value)), "scalar": isinstance(value, np.generic)}
    if isinstance(value, torch.Generator):
        return {_TAG: "torch.Generator", "value": value.get_state()}
    if isinstance(value, np.random.Generator):
        inner = encode(value.bit_generator.state)
        return UNSAVED if inner is UNSAVED else {_TAG: "numpy.Generator", "value": inner}
    if type(value) is random.Random:
        return {_TAG: "random.Random", "value": encode(value.getstate())}
    if type(value) is dict:
        pairs = [[encode(key), encode(each)] for key, each in value.items()]
        if any(part is UNSAVED for pair in pairs for part in pair):
            return UNSAVED
        return {_TAG: "dict", "value": pairs}
    if type(value) in _CONTAINERS:
        values = [encode(each) for each in value]
        if any(each is UNSAVED for each in values):
            return UNSAVED
        extra = {"maxlen": value.maxlen} if isinstance(value, deque) else {}
        return {_TAG: _CONTAINERS[type(value)], "value": values, **extra}
    return UNSAVED


def decode_into(current: Any, encoded: Any, device: torch.device, *, in_place: bool = True) -> Any:
    """Return the value that :func:`encode` was given.

    Tensors, arrays and generators that are there already are overwritten, so that views of them keep showing what they
    showed; elsewhere new ones are made.

    Args:
        current: what holds the place of the value now.
        encoded: from :func:`encode`.
        device: where new tensors belong.
        in_place: whether tensors may be overwritten.
    """
    if isinstance(encoded, torch.Tensor):
        if in_place and _can_take(current, encoded):
            return current.copy_(encoded)
        return encoded.to(device, copy=True)
    if not isinstance(encoded, Mapping):
        return encoded
    value = encoded["value"]
    match encoded[_TAG]:
        case "numpy":
            array = value.cpu().numpy().copy()
            if encoded["scalar"]:
                return array[()]
            if isinstance(current, np.ndarray) and (current.shape, current.dtype) == (array.shape, array.dtype):
                current[...] = array
                return current
            return array
        case "torch.Generator":
            generator = current if isinstance(current, torch.Generator) else torch.Generator(device)
            generator.set_state(value.cpu())
            return generator
        case "numpy.Generator":
            generator = current if isinstance(current, np.random.Generator) else np.random.default_rng()
            generator.bit_generator.state = decode_into(None, value, device)
            return generator
        case "random.Random":
            generator = current if isinstance(current, random.Random) else random.Random()
            generator.setstate(decode_into(None, value, device))
            return generator
        case "dict":
            old = current if isinstance(current, dict) else {}
            keys = [decode_into(None, key, device) for key, _ in value]
            return {
                key: decode_into(old.get(key), each, device, in_place=in_place)
                for key, (_, each) in zip(keys, value, strict=True)
            }
        case kind:
            old = (
                list(current)
                if isinstance(current, list | tuple) and len(current) == len(value)
                else [None] * len(value)
            )
            values = [decode_into(a, b, device, in_place=in_place) for a, b in zip(old, value, strict=True)]
            if kind == "deque":
                return deque(values, encoded["maxlen"])
            return {"list": list, "tuple": tuple, "set": set}[kind](values)


def shared_memory(tensors: Mapping[str, torch.Tensor]) -> list[list[str]]:
    """Return the names of tensors that lie in the same memory, in groups of two or more."""
    groups: dict[int, list[str]] = {}
    for name, tensor in tensors.items():
        if tensor.numel():
            groups.setdefault(tensor.untyped_storage().data_ptr(), []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def _can_take(current: Any, values: torch.Tensor) -> bool:
    """Whether a tensor can be overwritten with values: it is of their kind, and no number of it shows twice."""
    if not isinstance(current, torch.Tensor) or (current.shape, current.dtype) != (values.shape, values.dtype):
        return False
    repeats = any(stride == 0 and size > 1 for stride, size in zip(current.stride(), current.shape, strict=True))
    return not repeats and (torch.is_inference_mode_enabled() or not current.is_inference())
