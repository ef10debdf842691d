"""Operations of torch in terms of ONNX.

Each function gets a :class:`Writer` and a value, and returns the name of its result. Numbers are float32, int64 or
bool; complex numbers are float32 with a last dimension of 2.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from oige_train.zoo.recorder import RecordingError
from oige_train.zoo.values import Value

__all__ = ["LOWERINGS", "Lowering", "Writer", "array_of", "axes_of", "kind_of", "lowers", "option"]


def kind_of(dtype: torch.dtype) -> type:
    """Return the type of numbers in a page: float32, int64 or bool."""
    if dtype == torch.bool:
        return np.bool_
    return np.float32 if dtype.is_floating_point or dtype.is_complex else np.int64


def array_of(tensor: torch.Tensor) -> np.ndarray:
    """Return numbers as an array of a page's types."""
    return tensor.detach().numpy().astype(kind_of(tensor.dtype))


class Writer:
    """What lowerings need of the graph that they write."""

    def ref(self, value: Value) -> str:
        """Return the name of a value."""
        raise NotImplementedError

    def const(self, numbers: Any, kind: type | None = None) -> str:
        """Return the name of constant numbers."""
        raise NotImplementedError

    def node(self, operation: str, *inputs: str, **attributes: Any) -> str:
        """Add an operation of ONNX and return the name of its result."""
        raise NotImplementedError

    # Arguments of torch operations

    def number(self, argument: Any, kind: type) -> str:
        """Return the name of a value or a number as a type."""
        if not isinstance(argument, Value):
            return self.const(argument, kind)
        name = self.ref(argument)
        return name if kind_of(argument.real.dtype) is kind else self.cast(name, kind)

    def cast(self, name: str, kind: type) -> str:
        """Return the name of numbers as another type."""
        return self.node("Cast", name, to={np.float32: 1, np.int64: 7, np.bool_: 9}[kind])

    def reshape(self, name: str, shape: Sequence[int]) -> str:
        """Return the name of numbers in another shape."""
        return self.node("Reshape", name, self.const(list(shape), np.int64))

    def expand(self, name: str, shape: Sequence[int]) -> str:
        """Return the name of numbers that are repeated to a shape."""
        return self.node("Expand", name, self.const(list(shape), np.int64))

    def reduce(self, operation: str, name: str, axes: Sequence[int] | None, *, keep: bool) -> str:
        """Return the name of a reduction; all axes if None."""
        inputs = (name,) if axes is None else (name, self.const(list(axes), np.int64))
        return self.node(operation, *inputs, keepdims=int(keep))


Lowering = Callable[[Writer, Value], str]
LOWERINGS: dict[str, Lowering] = {}
"""Lowerings by name of the operation, without its overload."""


def lowers(*names: str) -> Callable[[Lowering], Lowering]:
    """Register a lowering."""

    def add(function: Lowering) -> Lowering:
        LOWERINGS.update(dict.fromkeys(names, function))
        return function

    return add


def option(value: Value, position: int, name: str, default: Any = None) -> Any:
    """Return an argument by position or name."""
    if position < len(value.arguments):
        return value.arguments[position]
    return value.options.get(name, default)


def axes_of(given: Any, rank: int) -> list[int] | None:
    """Return dimensions as numbers from 0; None for all."""
    if given is None or given == []:
        return None
    return [axis % rank for axis in ([given] if isinstance(given, int) else given)]


# Elementwise

_UNARY = {
    "neg": "Neg",
    "abs": "Abs",
    "sqrt": "Sqrt",
    "exp": "Exp",
    "log": "Log",
    "sin": "Sin",
    "cos": "Cos",
    "tan": "Tan",
    "asin": "Asin",
    "acos": "Acos",
    "atan": "Atan",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "relu": "Relu",
    "softplus": "Softplus",
    "floor": "Floor",
    "ceil": "Ceil",
    "round": "Round",
    "sign": "Sign",
    "sgn": "Sign",
    "reciprocal": "Reciprocal",
    "bitwise_not": "Not",
    "logical_not": "Not",
}


@lowers(*_UNARY)
def unary(writer: Writer, value: Value) -> str:
    """Lower an operation of one argument."""
    name = value.operation.partition(".")[0]
    kind = np.bool_ if name in ("bitwise_not", "logical_not") else kind_of(value.real.dtype)
    return writer.node(_UNARY[name], writer.number(value.arguments[0], kind))


_BINARY = {"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "maximum": "Max", "minimum": "Min", "pow": "Pow"}


@lowers(*_BINARY)
def binary(writer: Writer, value: Value) -> str:
    """Lower an operation of two arguments."""
    name, kind = value.operation.partition(".")[0], kind_of(value.real.dtype)
    first, second = value.arguments
    if name == "mul" and value.options.get("complex"):
        return complex_product(writer, first, second)
    if kind is np.bool_:
        return writer.node("And" if name == "mul" else "Or", *(writer.number(each, kind) for each in (first, second)))
    right = writer.number(second, kind)
    if name in ("add", "sub") and value.options.get("alpha", 1) != 1:
        right = writer.node("Mul", right, writer.const(value.options["alpha"], kind))
    result = writer.node(_BINARY[name], writer.number(first, kind), right)
    if name == "div" and value.options.get("rounding_mode") is not None:
        result = writer.node({"floor": "Floor", "trunc": "Floor"}[value.options["rounding_mode"]], result)
    return result


@lowers("rsub")
def rsub(writer: Writer, value: Value) -> str:
    """Lower ``second - first``."""
    first, second = (writer.number(each, kind_of(value.real.dtype)) for each in value.arguments[:2])
    return writer.node("Sub", second, first)


@lowers("square")
def square(writer: Writer, value: Value) -> str:
    """Lower a square."""
    name = writer.ref(value.arguments[0])
    return writer.node("Mul", name, name)


@lowers("rsqrt")
def rsqrt(writer: Writer, value: Value) -> str:
    """Lower the reciprocal of a square root."""
    return writer.node("Reciprocal", writer.node("Sqrt", writer.ref(value.arguments[0])))


@lowers("addcmul", "addcdiv")
def addcmul(writer: Writer, value: Value) -> str:
    """Lower ``first + factor · second · third``, or with a quotient."""
    kind = kind_of(value.real.dtype)
    first, second, third = (writer.number(each, kind) for each in value.arguments[:3])
    product = writer.node("Mul" if value.operation.startswith("addcmul") else "Div", second, third)
    if value.options.get("value", 1) != 1:
        product = writer.node("Mul", product, writer.const(value.options["value"], kind))
    return writer.node("Add", first, product)


@lowers("lerp")
def lerp(writer: Writer, value: Value) -> str:
    """Lower ``first + weight · (second - first)``."""
    first, second, weight = (writer.number(each, np.float32) for each in value.arguments[:3])
    return writer.node("Add", first, writer.node("Mul", weight, writer.node("Sub", second, first)))


@lowers("remainder")
def remainder(writer: Writer, value: Value) -> str:
    """Lower the remainder that has the sign of the divisor."""
    kind = kind_of(value.real.dtype)
    first, second = (writer.number(each, kind) for each in value.arguments[:2])
    if kind is np.int64:
        return writer.node("Mod", first, second)
    whole = writer.node("Floor", writer.node("Div", first, second))
    return writer.node("Sub", first, writer.node("Mul", whole, second))


@lowers("atan2")
def atan2(writer: Writer, value: Value) -> str:
    """Lower the angle of a vector."""
    return angle_of(writer, *(writer.number(each, np.float32) for each in value.arguments[:2]))


def angle_of(writer: Writer, y: str, x: str) -> str:
    """Write the angle of vectors, from -π to π."""
    zero = writer.const(0.0, np.float32)
    is_zero = writer.node("Equal", x, zero)
    slope = writer.node("Atan", writer.node("Div", y, writer.node("Where", is_zero, writer.const(1.0, np.float32), x)))
    sign = writer.node("Where", writer.node("Less", y, zero), *(writer.const(s, np.float32) for s in (-1.0, 1.0)))
    left = writer.node("Add", slope, writer.node("Mul", sign, writer.const(np.pi, np.float32)))
    upright = writer.node("Mul", writer.node("Sign", y), writer.const(np.pi / 2, np.float32))
    sideways = writer.node("Where", writer.node("Less", x, zero), left, slope)
    return writer.node("Where", is_zero, upright, sideways)


@lowers("sinc")
def sinc(writer: Writer, value: Value) -> str:
    """Lower ``sin(πx) / πx``."""
    x = writer.node("Mul", writer.ref(value.arguments[0]), writer.const(np.pi, np.float32))
    is_zero, one = writer.node("Equal", x, writer.const(0.0, np.float32)), writer.const(1.0, np.float32)
    quotient = writer.node("Div", writer.node("Sin", x), writer.node("Where", is_zero, one, x))
    return writer.node("Where", is_zero, one, quotient)


@lowers("elu")
def elu(writer: Writer, value: Value) -> str:
    """Lower ELU."""
    return writer.node("Elu", writer.ref(value.arguments[0]), alpha=float(option(value, 1, "alpha", 1.0)))


@lowers("silu")
def silu(writer: Writer, value: Value) -> str:
    """Lower SiLU."""
    name = writer.ref(value.arguments[0])
    return writer.node("Mul", name, writer.node("Sigmoid", name))


@lowers("clamp", "clamp_min", "clamp_max")
def clamp(writer: Writer, value: Value) -> str:
    """Lower bounds."""
    kind, name = kind_of(value.real.dtype), value.operation.partition(".")[0]
    result = writer.number(value.arguments[0], kind)
    low = option(value, 1, "min") if name != "clamp_max" else None
    high = option(value, 2, "max") if name == "clamp" else option(value, 1, "max") if name == "clamp_max" else None
    if low is not None:
        result = writer.node("Max", result, writer.number(low, kind))
    if high is not None:
        result = writer.node("Min", result, writer.number(high, kind))
    return result


# Comparisons and logic

_COMPARISONS = {
    "lt": "Less",
    "le": "LessOrEqual",
    "gt": "Greater",
    "ge": "GreaterOrEqual",
    "eq": "Equal",
    "ne": "Equal",
}


@lowers(*_COMPARISONS)
def compare(writer: Writer, value: Value) -> str:
    """Lower a comparison."""
    name = value.operation.partition(".")[0]
    floats = any(
        isinstance(each, float) or (isinstance(each, Value) and kind_of(each.real.dtype) is np.float32)
        for each in value.arguments[:2]
    )
    first, second = (writer.number(each, np.float32 if floats else np.int64) for each in value.arguments[:2])
    result = writer.node(_COMPARISONS[name], first, second)
    return writer.node("Not", result) if name == "ne" else result


_LOGIC = {"and": "And", "or": "Or", "xor": "Xor"}


@lowers(*(f"{kind}_{name}" for kind in ("bitwise", "logical") for name in _LOGIC))
def logic(writer: Writer, value: Value) -> str:
    """Lower an operation on flags."""
    if kind_of(value.real.dtype) is not np.bool_:
        raise RecordingError(f"{value.operation} of whole numbers: pages know it for flags only.")
    name = value.operation.partition(".")[0].rpartition("_")[2]
    return writer.node(_LOGIC[name], *(writer.number(each, np.bool_) for each in value.arguments[:2]))


@lowers("where")
def where(writer: Writer, value: Value) -> str:
    """Lower a choice."""
    condition, first, second = value.arguments[:3]
    kind = kind_of(value.real.dtype)
    flags = writer.number(condition, np.bool_)
    return choose(writer, flags, writer.number(first, kind), writer.number(second, kind), kind)


def choose(writer: Writer, condition: str, first: str, second: str, kind: type) -> str:
    """Write a choice; ONNX Runtime cannot choose between flags."""
    if kind is not np.bool_:
        return writer.node("Where", condition, first, second)
    otherwise = writer.node("And", writer.node("Not", condition), second)
    return writer.node("Or", writer.node("And", condition, first), otherwise)


@lowers("masked_fill")
def masked_fill(writer: Writer, value: Value) -> str:
    """Lower the replacement of masked elements."""
    target, mask, filling = value.arguments[:3]
    kind = kind_of(value.real.dtype)
    return choose(writer, writer.ref(mask), writer.number(filling, kind), writer.number(target, kind), kind)


@lowers("_to_copy", "clone", "copy", "fill", "scalar_tensor")
def copy(writer: Writer, value: Value) -> str:
    """Lower a copy, perhaps of another type or shape."""
    source = value.arguments[-1] if value.operation.startswith(("copy", "fill")) else value.arguments[0]
    source = value.arguments[1] if value.operation.startswith("copy") else source
    name = writer.number(source, kind_of(value.real.dtype))
    shape = source.shape if isinstance(source, Value) else ()
    return name if shape == value.shape else writer.expand(name, value.shape)


@lowers("zero", "zeros_like", "zeros", "new_zeros")
def zero(writer: Writer, value: Value) -> str:
    """Lower zeros."""
    return writer.const(np.zeros(value.shape), kind_of(value.real.dtype))


@lowers("full_like", "ones_like", "new_ones", "new_full", "ones", "full")
def full(writer: Writer, value: Value) -> str:
    """Lower equal numbers, which do not depend on a value."""
    return writer.const(array_of(value.real))


# Memory


@lowers("read")
def read(writer: Writer, value: Value) -> str:
    """Lower the reading of some elements."""
    memory, place = value.arguments
    name = writer.ref(memory)
    if place.is_run:
        bounds = (writer.const([number], np.int64) for number in (place.offset, place.offset + place.count))
        return writer.reshape(writer.node("Slice", name, *bounds), place.sizes)
    if 0 in place.strides:
        once = tuple(1 if stride == 0 else size for size, stride in zip(place.sizes, place.strides, strict=True))
        name = writer.node("Gather", name, writer.const(type(place)(place.offset, once, place.strides).elements()))
        return writer.expand(name, place.sizes)
    return writer.node("Gather", name, writer.const(place.elements()), axis=0)


@lowers("write")
def write(writer: Writer, value: Value) -> str:
    """Lower the writing of some elements."""
    memory, written, place = value.arguments
    elements = writer.const(place.elements().flatten())
    return writer.node("ScatterElements", writer.ref(memory), elements, writer.reshape(writer.ref(written), [-1]))


@lowers("reshape")
def reshape(writer: Writer, value: Value) -> str:
    """Lower another shape."""
    source, shape = value.arguments
    return writer.ref(source) if source.shape == tuple(shape) else writer.reshape(writer.ref(source), shape)


@lowers("cast")
def cast(writer: Writer, value: Value) -> str:
    """Lower another type and shape."""
    source, shape = value.arguments
    name = writer.number(source, kind_of(value.real.dtype))
    return name if source.shape == tuple(shape) else writer.expand(name, shape)


# Complex numbers


@lowers("conjugate")
def conjugate(writer: Writer, value: Value) -> str:
    """Lower complex conjugates."""
    return writer.node("Mul", writer.ref(value.arguments[0]), writer.const([1.0, -1.0], np.float32))


@lowers("angle")
def angle(writer: Writer, value: Value) -> str:
    """Lower the angle of complex numbers."""
    real, imaginary = parts(writer, value.arguments[0])
    return angle_of(writer, imaginary, real)


def parts(writer: Writer, value: Value) -> list[str]:
    """Return real and imaginary parts of complex numbers."""
    name = writer.ref(value)
    return [writer.node("Gather", name, writer.const(index, np.int64), axis=-1) for index in (0, 1)]


def complex_product(writer: Writer, first: Value, second: Value) -> str:
    """Write the product of complex numbers."""
    (a, b), (c, d) = parts(writer, first), parts(writer, second)
    real = writer.node("Sub", writer.node("Mul", a, c), writer.node("Mul", b, d))
    imaginary = writer.node("Add", writer.node("Mul", a, d), writer.node("Mul", b, c))
    last = writer.const([-1], np.int64)
    return writer.node("Concat", *(writer.node("Unsqueeze", each, last) for each in (real, imaginary)), axis=-1)
