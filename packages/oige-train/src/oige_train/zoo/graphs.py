"""Writes recorded functions as ONNX graphs, one per part between computations of physics."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnx.helper as make
import torch
from onnx import TensorProto, numpy_helper

import oige_train.zoo.lowering_arrays  # noqa: F401 - registers lowerings
from oige_train.zoo.lowering import LOWERINGS, Writer, array_of, kind_of
from oige_train.zoo.program import Program, Recording, is_constant
from oige_train.zoo.recorder import RecordingError
from oige_train.zoo.values import Value

__all__ = ["Graph", "write_graphs"]

OPSET = 18
_TYPES = {np.float32: TensorProto.FLOAT, np.int64: TensorProto.INT64, np.bool_: TensorProto.BOOL}
_COMPLEX = ("angle", "cat", "clone", "mul", "sum")  # operations that are known for complex numbers
_NAMES = {np.float32: "float32", np.int64: "int64", np.bool_: "bool"}


@dataclass
class Graph:
    """One part of a function.

    Attributes:
        model: the serialised ONNX model; None if it has no outputs.
        inputs: name, type and shape of each input.
        outputs: names of the outputs.
        nodes: number of operations.
    """

    model: bytes
    inputs: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    nodes: int = 0


class _GraphWriter(Writer):
    """Writes the values that a part needs.

    Args:
        segment: number of the part.
        carried: names of values that other parts compute, by identity; the writer adds those that it needs.
    """

    def __init__(self, segment: int, carried: dict[int, str]) -> None:
        self.segment = segment
        self._carried = carried
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}
        self.inputs: dict[str, Value] = {}
        self._names: dict[int, str] = {}
        self._constants: dict[tuple, str] = {}
        self._known: dict[tuple, str] = {}

    def const(self, numbers: Any, kind: type | None = None) -> str:
        array = array_of(numbers) if isinstance(numbers, torch.Tensor) else np.asarray(numbers)
        array = np.ascontiguousarray(array.astype(kind or array.dtype)).reshape(array.shape)
        key = array.tobytes(), array.shape, array.dtype.str
        if key not in self._constants:
            name = f"c{len(self._constants)}"
            self.initializers[name] = numpy_helper.from_array(array, name)
            self._constants[key] = name
        return self._constants[key]

    def node(self, operation: str, *inputs: str, **attributes: Any) -> str:
        key = (operation, inputs, tuple(sorted(attributes.items())))
        if key not in self._known:
            name = f"v{len(self.nodes)}"
            self.nodes.append(make.make_node(operation, list(inputs), [name], **attributes))
            self._known[key] = name
        return self._known[key]

    def ref(self, value: Value) -> str:
        if id(value) not in self._names:
            self._define(value)
        return self._names[id(value)]

    def _define(self, value: Value) -> None:
        """Write a value and all that it depends on, deepest first."""
        pending = [value]
        while pending:
            each = pending[-1]
            if id(each) in self._names:
                pending.pop()
            elif is_constant(each):
                self._names[id(each)] = self.const(each.real)
            elif (name := self._input(each)) is not None:
                self._names[id(each)] = name
            elif missing := [part for part in each.inputs() if id(part) not in self._names and self._is_needed(each)]:
                pending += missing
            else:
                self._names[id(each)] = self._lower(each)

    @staticmethod
    def _is_needed(value: Value) -> bool:
        return value.operation.partition(".")[0] not in ("zero", "zeros_like", "full_like", "ones_like", "new_ones")

    def _input(self, value: Value) -> str | None:
        """Return the name of an input; None if this part computes the value."""
        if value.operation == "input" and value.source is not None:
            kind, name = value.source
            if value.segment == self.segment or kind in ("state", "given", "random"):
                label = f"{kind}:{name}"
                self.inputs[label] = value
                return label
        if value.segment == self.segment:
            return None
        label = f"carry:{self._carried.setdefault(id(value), str(len(self._carried)))}"
        self.inputs[label] = value
        return label

    def _lower(self, value: Value) -> str:
        name = value.operation.partition(".")[0]
        if name not in LOWERINGS:
            raise RecordingError(f"{value.operation}: pages do not know this operation of torch.")
        if value.options.get("complex") and name not in _COMPLEX:
            raise RecordingError(f"{value.operation} of complex numbers: pages do not know this operation of torch.")
        return LOWERINGS[name](self, value)


def write_graphs(program: Program) -> dict[str, list[Graph]]:
    """Return the parts of each function.

    Raises:
        RecordingError: a value is computed by an operation that pages do not know.
    """
    needed = _needed_state(program)
    return {name: _write(recording, needed) for name, recording in program.functions.items()}


def _needed_state(program: Program) -> set[str]:
    """Return the paths of state on which a result, physics or the model depends."""
    needed: set[str] = set()
    while True:
        found = set(needed)
        for recording in program.functions.values():
            for outputs in recording.outputs.values():
                for name, value in outputs.items():
                    if not name.startswith("state:") or name.removeprefix("state:") in needed:
                        found |= _state_of(value)
        if found == needed:
            return needed
        needed = found


def _state_of(value: Value) -> set[str]:
    """Return the paths of state that a value depends on."""
    paths: set[str] = set()
    pending, seen = [value], set()
    while pending:
        each = pending.pop()
        if id(each) in seen or is_constant(each):
            continue
        seen.add(id(each))
        if each.source is not None and each.source[0] == "state":
            paths.add(each.source[1])
        pending += each.inputs()
    return paths


def _write(recording: Recording, needed: set[str]) -> list[Graph]:
    """Write the parts of a function, the last one first, because it determines what the others must compute."""
    graphs: list[Graph] = []
    carried: dict[int, dict[str, Value]] = {}
    names: dict[int, str] = {}
    for segment in range(recording.last, -1, -1):
        outputs = {
            name: value
            for name, value in recording.outputs.get(segment, {}).items()
            if value.real.numel() and (not name.startswith("state:") or name.removeprefix("state:") in needed)
        } | carried.get(segment, {})
        writer = _GraphWriter(segment, names)
        results = {name: writer.ref(value) for name, value in outputs.items()}
        for name, value in writer.inputs.items():
            if name.startswith("carry:"):
                carried.setdefault(value.segment, {})[name] = value
        graphs.insert(0, _assemble(writer, outputs, results))
    return graphs


def _assemble(writer: _GraphWriter, outputs: Mapping[str, Value], results: Mapping[str, str]) -> Graph:
    """Return the ONNX model of a part."""
    inputs = [
        make.make_tensor_value_info(name, _TYPES[kind_of(value.real.dtype)], list(value.shape))
        for name, value in writer.inputs.items()
    ]
    shown = []
    for name, value in outputs.items():
        writer.nodes.append(make.make_node("Identity", [results[name]], [f"out:{name}"]))
        shown.append(make.make_tensor_value_info(f"out:{name}", _TYPES[kind_of(value.real.dtype)], list(value.shape)))
    used = {name for node in writer.nodes for name in node.input}
    initializers = [tensor for name, tensor in writer.initializers.items() if name in used]
    graph = make.make_graph(writer.nodes, "part", inputs, shown, initializers)
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(model)
    described = [
        {"name": name, "type": _NAMES[kind_of(value.real.dtype)], "shape": list(value.shape)}
        for name, value in writer.inputs.items()
    ]
    return Graph(model.SerializeToString(), described, list(outputs), len(writer.nodes))
