"""Records what torch computes as a program of values, without shared memory and writes in place.

Each memory (a storage of torch) has a current value. A tensor reads some elements of it, and an operation that writes
in place gives the memory a new value. Views need no operation: they are other elements of the same memory.
"""

import traceback
from collections.abc import Sequence
from typing import Any

import torch
from oige_core.errors import OigeError
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from oige_train.zoo.random_numbers import NUMBERS, RandomNumbers
from oige_train.zoo.values import Place, Value, place_of

__all__ = ["Memory", "Recorder", "RecordingError", "key_of"]

_FACTORIES = frozenset({"empty", "new_empty", "empty_like", "empty_strided", "new_empty_strided"})
_READS = frozenset({"_local_scalar_dense", "nonzero", "masked_select", "unique", "is_nonzero", "item"})


class RecordingError(OigeError):
    """A task does something in a step that a page cannot do."""


class Memory:
    """A storage during a recording.

    Attributes:
        tensor: a tensor of it, which keeps it alive.
        first: the input that stands for its numbers when it was first used; None if the recording created it.
        current: its current value, one number after the other.
        seen: values of places since the last write.
    """

    def __init__(self, tensor: torch.Tensor, current: Value, first: Value | None) -> None:
        self.tensor = tensor
        self.first = first
        self.current = current
        self.seen: dict[Place, Value] = {}


def key_of(tensor: torch.Tensor) -> int:
    """Return what identifies the memory of a tensor."""
    return tensor.untyped_storage()._cdata


def flat(tensor: torch.Tensor) -> torch.Tensor:
    """Return all elements of the memory of a tensor as a copy; complex numbers are two elements."""
    plain = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
    storage = plain.untyped_storage()
    count = storage.nbytes() // plain.element_size()
    return plain.as_strided((count,), (1,), 0).clone()


class Recorder(TorchDispatchMode):
    """Records operations while it is active; see the module.

    Args:
        numbers: draws random numbers, which become inputs of the program.

    Attributes:
        memories: by key.
        segment: number of the current part of the program; see :meth:`cut`.
        inputs: what stands for numbers that the recording did not compute.
        random: inputs that stand for random numbers, with their kind.
        fixed: values whose numbers were read, with the code that read them; they must be the same in each step.
    """

    def __init__(self, numbers: RandomNumbers) -> None:
        super().__init__()
        self.memories: dict[int, Memory] = {}
        self.segment = 0
        self.inputs: list[Value] = []
        self.random: list[tuple[Value, str]] = []
        self.fixed: list[tuple[Value, str]] = []
        self._numbers = numbers

    # Memory

    def memory(self, tensor: torch.Tensor) -> Memory:
        """Return the memory of a tensor; its numbers are an input if the recording has not seen it yet."""
        key = key_of(tensor)
        if key not in self.memories:
            first = Value("input", (), {}, flat(tensor), self.segment, storage=key)
            self.memories[key] = Memory(tensor, first, first)
            self.inputs.append(first)
        return self.memories[key]

    def renew(self, tensor: torch.Tensor) -> None:
        """Let a new input stand for a memory that changed outside of the recording."""
        self.memories.pop(key_of(tensor), None)

    def read(self, tensor: torch.Tensor) -> Value:
        """Return the value of a tensor."""
        memory, place = self.memory(tensor), place_of(tensor)
        if place not in memory.seen:
            memory.seen[place] = self._read(memory, place, self._real(tensor))
        value = memory.seen[place]
        if tensor.is_conj():
            value = Value("conjugate", (value,), {}, torch.view_as_real(tensor.resolve_conj()).clone(), self.segment)
        return value

    def _read(self, memory: Memory, place: Place, real: torch.Tensor) -> Value:
        shape = place.sizes
        for known, value in memory.seen.items():  # the same elements in another shape
            if known.offset == place.offset and known.count == place.count and known.is_run and place.is_run:
                return Value("reshape", (value, shape), {}, real, self.segment)
        if place.count == memory.current.real.numel() and place.offset == 0 and place.is_run:
            return Value("reshape", (memory.current, shape), {}, real, self.segment)
        return Value("read", (memory.current, place), {}, real, self.segment)

    @staticmethod
    def _real(tensor: torch.Tensor) -> torch.Tensor:
        """Return the numbers of a tensor, without its conjugation, as a contiguous copy."""
        if tensor.is_complex():
            plain = torch.conj(tensor) if tensor.is_conj() else tensor
            return torch.view_as_real(plain).clone(memory_format=torch.contiguous_format)
        return tensor.detach().clone(memory_format=torch.contiguous_format)

    def write(self, tensor: torch.Tensor, value: Value) -> None:
        """Set the value of a tensor that has been written; its memory contains the numbers already."""
        memory, place = self.memories[key_of(tensor)], place_of(tensor)
        real = self._real(tensor)
        if value.shape != place.sizes or value.real.dtype != real.dtype:
            value = Value("cast", (value, place.sizes), {}, real, self.segment)
        whole = flat(tensor)
        if place.count == whole.numel() and place.offset == 0 and place.is_run:
            memory.current = Value("reshape", (value, (whole.numel(),)), {}, whole, self.segment)
        else:
            memory.current = Value("write", (memory.current, value, place), {}, whole, self.segment)
        memory.seen = {place: value}

    def create(self, tensor: torch.Tensor, value: Value) -> None:
        """Note a tensor with memory of its own that an operation returned."""
        whole = flat(tensor)
        blank = Value("constant", (), {}, whole, self.segment)
        self.memories[key_of(tensor)] = Memory(tensor, blank, None)
        if tensor.numel():
            self.write(tensor, value)

    def cut(self) -> None:
        """End a part of the program: physics is computed here."""
        self.segment += 1

    # Operations

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        packet = func._schema.name.split("::")[1]
        if packet in NUMBERS or (packet in ("rand", "randn", "randint", "randperm")):
            return self._draw(packet, func, args, kwargs)
        if func._can_decompose():  # made of other operations, such as ``to``, which copies or not
            with self:
                return func.decompose(*args, **kwargs)
        if packet in _READS:
            tensor = next(each for each in tree_flatten((args, kwargs))[0] if isinstance(each, torch.Tensor))
            self.fixed.append((self.read(tensor), _place_in_code()))
            return func(*args, **kwargs)
        if packet == "view" and func._overloadname == "dtype":
            return self._other_type(func, args, kwargs)
        tensors = [each for each in tree_flatten((args, kwargs))[0] if isinstance(each, torch.Tensor)]
        for each in tensors:
            self.memory(each)
        arguments = options = None
        if not func.is_view and packet not in _FACTORIES:
            arguments, options = tree_map(self._as_value, (tuple(args), dict(kwargs)))
            if any(each.is_complex() for each in tensors):
                options["complex"] = True
        results = func(*args, **kwargs)
        if arguments is None or options is None:
            if packet in _FACTORIES:
                self.create(results, Value("constant", (), {}, self._real(results), self.segment))
            return results
        self._note(packet, func, args, kwargs, arguments, options, results)
        return results

    def _as_value(self, argument: Any) -> Any:
        return self.read(argument) if isinstance(argument, torch.Tensor) else argument

    def _note(
        self, packet: str, func: Any, args: Sequence, kwargs: dict, arguments: tuple, options: dict, results: Any
    ) -> None:
        """Note what an operation returned or wrote."""
        written: list[torch.Tensor] = []
        for number, argument in enumerate(func._schema.arguments):
            if argument.alias_info is None or not argument.alias_info.is_write:
                continue
            given = args[number] if number < len(args) else kwargs.get(argument.name)
            written += [given] if isinstance(given, torch.Tensor) else []
            options.pop(argument.name, None) if argument.kwarg_only else None
        if packet == "cholesky_solve":
            arguments = (arguments[0], _factored(arguments[1]), *arguments[2:])
        name = packet.rstrip("_") if written and packet.endswith("_") else packet
        targets = written or [each for each in tree_flatten(results)[0] if isinstance(each, torch.Tensor)]
        before = {key_of(each) for each in tree_flatten((args, kwargs))[0] if isinstance(each, torch.Tensor)}
        name = f"{name}.{func._overloadname}" if func._overloadname not in ("default", "") else name
        for index, target in enumerate(targets):
            value = Value(name, arguments, options, self._real(target), self.segment, output=index)
            if written:
                self.write(target, value)
            elif key_of(target) not in before:
                self.create(target, value)
            # Otherwise the operation returned its argument.

    def _draw(self, packet: str, func: Any, args: Sequence, kwargs: dict) -> torch.Tensor:
        """Let random numbers be an input, and compute with them what the operation returns."""
        drawn = self._numbers.draw(packet, func, args, kwargs)
        memory = self.memory(drawn.numbers)
        assert memory.first is not None
        memory.first.source = ("random", str(len(self.random)))
        self.random.append((memory.first, drawn.kind))
        with self:
            return drawn.result()

    def _other_type(self, func: Any, args: Sequence, kwargs: dict) -> torch.Tensor:
        """Read random bits as numbers of another type: they are other random numbers."""
        memory = self.memory(args[0])
        if memory.current.operation != "reshape" or args[1] != torch.int16 or not self._numbers.are_bits(args[0]):
            raise RecordingError(f"a step reads a tensor as {args[1]} in {_place_in_code()}.")
        drawn = self._numbers.halves(func(*args, **kwargs))
        first = self.memory(drawn.numbers).first
        assert first is not None
        first.source = ("random", str(len(self.random)))
        self.random.append((first, drawn.kind))
        with self:
            return drawn.result()


def _factored(factor: Value) -> Value:
    """Return the matrix of which a value is the Cholesky factor."""
    if not factor.operation.startswith("linalg_cholesky_ex"):
        raise RecordingError(f"cholesky_solve with a factor that is not from cholesky_ex in {_place_in_code()}.")
    return factor.arguments[0]


def _place_in_code() -> str:
    frames = [frame for frame in traceback.extract_stack() if "oige_tasks" in frame.filename]
    frames = frames or [frame for frame in traceback.extract_stack() if "oige_core" in frame.filename]
    return f"{frames[-1].name}: {frames[-1].line}" if frames else "code outside of the task"
