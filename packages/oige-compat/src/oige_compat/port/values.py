"""Values and the state of an evaluation, and which functions of torch, NumPy and Python it calls."""

import ast
import builtins
import math
import os.path
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from oige_compat.check.modules import ClassInfo, Function, Module

__all__ = [
    "LIBRARIES",
    "UNKNOWN",
    "ClassRef",
    "Foreign",
    "Frame",
    "FunctionRef",
    "Instance",
    "Member",
    "is_comprehension",
    "is_known",
    "library_member",
    "method_of",
]


class _Unknown:
    """A value that is not known before a program runs."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __bool__(self) -> bool:
        raise TypeError("an unknown value is neither true nor false")


UNKNOWN = _Unknown()


@dataclass(frozen=True)
class Foreign:
    """A module, class, function or object of Isaac Sim, by its canonical name."""

    name: str


@dataclass(frozen=True)
class ClassRef:
    """A class of the code base."""

    info: ClassInfo


@dataclass(eq=False)
class Instance:
    """An instance of a class of the code base.

    Attributes:
        info: its class.
        values: its attributes.
        record: the robot, object or view that it stands for.
    """

    info: ClassInfo
    values: dict[str, Any] = field(default_factory=dict)
    record: Any = None


@dataclass(eq=False)
class FunctionRef:
    """A function of the code base, or a method with its instance.

    Attributes:
        module: its module.
        node: its definition.
        owner: the class that defines it.
        instance: ``self``, for a method.
        closure: local variables of the function in which it is defined.
    """

    module: Module
    node: Function
    owner: ClassInfo | None = None
    instance: Instance | None = None
    closure: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Member:
    """A member of an object, about which a recorder decides."""

    holder: Any
    name: str


@dataclass(eq=False)
class Frame:
    """A call that is being evaluated.

    Attributes:
        function: what is called.
        values: local variables.
    """

    function: FunctionRef
    values: dict[str, Any] = field(default_factory=dict)


BUILTINS = [
    "abs",
    "all",
    "any",
    "bool",
    "dict",
    "enumerate",
    "float",
    "int",
    "isinstance",
    "len",
    "list",
    "max",
    "min",
    "range",
    "reversed",
    "round",
    "set",
    "sorted",
    "str",
    "sum",
    "tuple",
    "zip",
]
PATHS = ("abspath", "basename", "dirname", "join", "normpath")
"""Functions of os.path."""
LIBRARIES: dict[str, Any] = {"torch": torch, "numpy": np, "math": math}
FUNCTIONS = {
    "abs",
    "acos",
    "arange",
    "arcsin",
    "array",
    "asarray",
    "asin",
    "atan",
    "atan2",
    "cat",
    "ceil",
    "clamp",
    "clip",
    "concatenate",
    "cos",
    "deg2rad",
    "degrees",
    "exp",
    "eye",
    "float32",
    "float64",
    "float",
    "int32",
    "int64",
    "long",
    "floor",
    "full",
    "from_numpy",
    "full_like",
    "inf",
    "Inf",
    "int",
    "linspace",
    "log",
    "maximum",
    "meshgrid",
    "minimum",
    "norm",
    "ones",
    "ones_like",
    "pi",
    "pow",
    "rad2deg",
    "radians",
    "repeat",
    "reshape",
    "round",
    "sign",
    "sin",
    "sqrt",
    "square",
    "stack",
    "sum",
    "tan",
    "Tensor",
    "tensor",
    "tile",
    "vstack",
    "zeros",
    "zeros_like",
    "bool",
}
METHODS: dict[type, set[str]] = {
    list: {"append", "copy", "count", "extend", "index", "insert", "pop", "reverse", "sort"},
    dict: {"copy", "get", "items", "keys", "pop", "setdefault", "update", "values"},
    str: {"endswith", "format", "join", "lower", "replace", "split", "startswith", "strip", "upper"},
    tuple: {"count", "index"},
    torch.Tensor: {
        "abs",
        "clone",
        "copy_",
        "cpu",
        "detach",
        "expand",
        "flatten",
        "float",
        "int",
        "item",
        "long",
        "mean",
        "mul",
        "numel",
        "numpy",
        "repeat",
        "reshape",
        "size",
        "squeeze",
        "sum",
        "t",
        "to",
        "tolist",
        "transpose",
        "type",
        "unsqueeze",
        "view",
    },
    np.ndarray: {"astype", "copy", "flatten", "item", "mean", "reshape", "sum", "tolist", "transpose"},
}
"""Methods that depend on nothing else and change nothing else."""
VALUES = {"shape", "T", "dtype", "size", "ndim"}


def is_known(value: Any) -> bool:
    """Whether a value, and each element of a list, is known."""
    if isinstance(value, list | tuple):
        return all(is_known(each) for each in value)
    return not isinstance(value, _Unknown | Foreign | ClassRef | FunctionRef | Member)


def library_member(name: str) -> Any:
    """Return a function or constant of Python, os.path, torch, NumPy or math by its name; UNKNOWN for others."""
    library, _, rest = name.partition(".")
    if name.startswith("os.path.") and name.rpartition(".")[2] in PATHS:
        return getattr(os.path, name.rpartition(".")[2])
    if not rest and library in BUILTINS:
        return getattr(builtins, library)
    if library in LIBRARIES and rest in FUNCTIONS:
        return getattr(LIBRARIES[library], rest, UNKNOWN)
    return UNKNOWN


def method_of(value: Any, name: str) -> Callable[..., Any] | Any:
    """Return a method or a property of a value; UNKNOWN for others."""
    for kind, methods in METHODS.items():
        if isinstance(value, kind):
            known = name in methods or (kind in (torch.Tensor, np.ndarray) and name in VALUES)
            return getattr(value, name) if known else UNKNOWN
    return UNKNOWN


def is_comprehension(node: ast.AST) -> bool:
    """Whether an expression is a comprehension over one sequence."""
    return isinstance(node, ast.ListComp | ast.GeneratorExp | ast.SetComp) and len(node.generators) == 1
