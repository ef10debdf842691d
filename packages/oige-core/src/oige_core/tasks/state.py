"""Converts the attributes of a task to plain values for checkpoints, and back."""

import enum
import random
import types
from collections import deque, namedtuple
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
import torch

__all__ = ["UNSAVED", "decode_into", "encode", "is_constant", "shared_memory"]

UNSAVED = object()
"""The result of :func:`encode` for a value that a checkpoint cannot contain."""

_TAG = "oige_type"
_CONTAINERS: dict[type, str] = {list: "list", tuple: "tuple", set: "set", deque: "deque"}


def encode(value: Any) -> Any:
    """Return a copy of a value, made of tensors, numbers, strings, lists and dictionaries; or :data:`UNSAVED`.

    Supported are tensors, NumPy arrays and numbers, plain values, random generators of torch, NumPy and Python, and
    lists, tuples, named tuples, sets, deques and dictionaries of these.
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
    if type(value) is np.random.RandomState:
        return {_TAG: "numpy.RandomState", "value": encode(value.get_state(legacy=False))}
    if type(value) is random.Random:
        return {_TAG: "random.Random", "value": encode(value.getstate())}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        values = encode(list(value))
        names = [type(value).__name__, *getattr(value, "_fields", ())]
        return UNSAVED if values is UNSAVED else {_TAG: "namedtuple", "value": values, "names": names}
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


def is_constant(value: Any) -> bool:
    """Whether a value does not have to be in a checkpoint, because it does not change in a step.

    These are classes, functions, paths, members of enumerations, types and devices of torch, objects of this library
    (the engine saves views), and tuples and lists of such values.
    """
    if isinstance(value, list | tuple):
        return all(encode(each) is not UNSAVED or is_constant(each) for each in value)
    known = (type, types.ModuleType, types.BuiltinFunctionType, enum.Enum, PurePath, torch.device, torch.dtype)
    callables = (types.FunctionType, types.MethodType, np.ufunc)
    return isinstance(value, known + callables) or type(value).__module__.startswith("oige_core.")


def decode_into(
    current: Any, encoded: Any, device: torch.device, *, name: str = "", replaced: Collection[str] = ()
) -> Any:
    """Return the value from the result of :func:`encode`.

    Existing tensors, arrays and generators are overwritten in place, so that views of them remain views. Otherwise new
    ones are created.

    Args:
        current: the current value.
        encoded: the result of :func:`encode`.
        device: device of new tensors.
        name: name of the value; elements of containers are named as in :func:`shared_memory`.
        replaced: names of tensors and arrays that must not be overwritten.
    """
    if isinstance(encoded, torch.Tensor):
        if name not in replaced and _can_take(current, encoded):
            return current.copy_(encoded)
        return encoded.to(device, copy=True)
    if not isinstance(encoded, Mapping):
        return encoded

    def part(key: object, old: Any, value: Any) -> Any:
        return decode_into(old, value, device, name=_part_name(name, key), replaced=replaced)

    value = encoded["value"]
    match encoded[_TAG]:
        case "numpy":
            array = value.cpu().numpy().copy()
            if encoded["scalar"]:
                return array[()]
            fits = isinstance(current, np.ndarray) and (current.shape, current.dtype) == (array.shape, array.dtype)
            if fits and current.flags.writeable and name not in replaced:
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
        case "numpy.RandomState":
            generator = current if isinstance(current, np.random.RandomState) else np.random.RandomState()
            generator.set_state(decode_into(None, value, device))
            return generator
        case "random.Random":
            generator = current if isinstance(current, random.Random) else random.Random()
            generator.setstate(decode_into(None, value, device))
            return generator
        case "dict":
            old = current if isinstance(current, dict) else {}
            keys = [decode_into(None, key, device) for key, _ in value]
            return {key: part(key, old.get(key), each) for key, (_, each) in zip(keys, value, strict=True)}
        case "namedtuple":
            kind = type(current) if getattr(current, "_fields", None) == tuple(encoded["names"][1:]) else None
            return (kind or namedtuple(encoded["names"][0], encoded["names"][1:]))(*part("", current, value))
        case kind:
            fits = isinstance(current, list | tuple) and len(current) == len(value)
            old = list(current) if fits else [None] * len(value)
            values = [part(i, a, b) for i, (a, b) in enumerate(zip(old, value, strict=True))]
            if kind == "deque":
                return deque(values, encoded["maxlen"])
            return {"list": list, "tuple": tuple, "set": set}[kind](values)


def shared_memory(values: Mapping[str, Any]) -> list[list[str]]:
    """Return the names of tensors and arrays that share memory, in groups of two or more.

    Args:
        values: values by name; elements of lists, tuples and dictionaries are named ``name[0]`` or ``name['key']``.
    """
    groups: dict[int, list[str]] = {}
    for name, value in values.items():
        for part, array in _arrays(name, value):
            groups.setdefault(_address(array), []).append(part)
    return [names for names in groups.values() if len(names) > 1]


def _arrays(name: str, value: Any) -> Iterator[tuple[str, torch.Tensor | np.ndarray]]:
    """Yield the tensors and arrays of a value with their names."""
    if isinstance(value, torch.Tensor):
        if value.numel() and value.layout == torch.strided:
            yield name, value
    elif isinstance(value, np.ndarray):
        if value.size:
            yield name, value
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        yield from _arrays(_part_name(name, ""), list(value))
    elif isinstance(value, dict | list | tuple):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in parts:
            yield from _arrays(_part_name(name, key), each)


def _part_name(name: str, key: object) -> str:
    return f"{name}[{key!r}]"


def _address(array: torch.Tensor | np.ndarray) -> int:
    """Return the start of the memory of a tensor or an array."""
    if isinstance(array, torch.Tensor):
        return array.untyped_storage().data_ptr()
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array.ctypes.data


def _can_take(current: Any, values: torch.Tensor) -> bool:
    """Whether a tensor can be overwritten with values: shape and type match, and no element of it is aliased."""
    if not isinstance(current, torch.Tensor) or (current.shape, current.dtype) != (values.shape, values.dtype):
        return False
    repeats = any(stride == 0 and size > 1 for stride, size in zip(current.stride(), current.shape, strict=True))
    return not repeats and (torch.is_inference_mode_enabled() or not current.is_inference())
