"""Views of physics objects whose methods read and write one tensor each."""

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
from pxr import Usd

from oige_core.testing.physx.runtime import PhysxRuntime

__all__ = ["TensorView", "find_prims", "reads", "rotate", "writes"]

Getter = Callable[[Any], torch.Tensor]
Setter = Callable[[Any, torch.Tensor, torch.Tensor], None]


def find_prims(stage: Usd.Stage, patterns: str | Sequence[str], wanted: Callable[[Usd.Prim], bool]) -> list[str]:
    """Return the paths of prims, sorted as strings.

    Args:
        stage: where to look.
        patterns: absolute paths, in whose components ``*`` stands for any text, as ``?`` and ``[ab]`` do for a letter.
        wanted: whether a prim that matches counts.
    """
    found = set()
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        prims = [stage.GetPseudoRoot()]
        for name in pattern.strip("/").split("/"):
            prims = [child for prim in prims for child in prim.GetAllChildren() if fnmatchcase(child.GetName(), name)]
        found.update(str(prim.GetPath()) for prim in prims if wanted(prim))
    return sorted(found)


class TensorView:
    """Objects whose properties are tensors with a row per object.

    A view of no object has no backend: as in Isaac Sim, PhysX reports an error, and use of the view raises
    AttributeError.

    Args:
        runtime: the running physics.
        paths: paths of the objects, in the order of rows.
        kind: what they are, for messages.
    """

    def __init__(self, runtime: PhysxRuntime, paths: Sequence[str], kind: str) -> None:
        self._backend = _Bindings(runtime, paths) if paths else None
        if not paths:
            runtime.report(f"Provided pattern list did not match any {kind}")

    @property
    def backend(self) -> "_Bindings":
        """The bindings of the objects."""
        if self._backend is None:
            raise AttributeError("the view has matched no object")
        return self._backend

    @property
    def count(self) -> int:
        """Number of objects."""
        return len(self.backend.paths)

    @property
    def prim_paths(self) -> list[str]:
        """Paths of the objects, in the order of rows."""
        return list(self.backend.paths)

    def check(self) -> bool:
        """Return whether all objects exist."""
        return self.backend.binding(self.backend.main).count == self.count


class _Bindings:
    """Tensor bindings of some prims, made when they are first used, and their buffers."""

    main = ""

    def __init__(self, runtime: PhysxRuntime, paths: Sequence[str]) -> None:
        self.runtime = runtime
        self.paths = tuple(paths)
        self._bindings: dict[str, Any] = {}
        self._buffers: dict[str, torch.Tensor] = {}

    def binding(self, tensor_type: str) -> Any:
        if tensor_type not in self._bindings:
            self._bindings[tensor_type] = self.runtime.bind(tensor_type, self.paths)
        return self._bindings[tensor_type]

    def shape(self, tensor_type: str) -> tuple[int, ...]:
        return tuple(self.binding(tensor_type).shape)

    def read(self, tensor_type: str) -> torch.Tensor:
        binding = self.binding(tensor_type)
        if tensor_type not in self._buffers:
            dtype = torch.uint8 if binding.dtype_name == "uint8" else torch.float32
            self._buffers[tensor_type] = torch.zeros(tuple(binding.shape), dtype=dtype)
        buffer = self._buffers[tensor_type]
        if buffer.numel():
            binding.read(buffer)
        return buffer

    def write(self, tensor_type: str, values: torch.Tensor, indices: torch.Tensor) -> None:
        binding = self.binding(tensor_type)
        dtype = torch.uint8 if binding.dtype_name == "uint8" else torch.float32
        shape = tuple(binding.shape)
        if values.numel() != _size(shape):
            raise RuntimeError(f"{tensor_type} takes values of all rows, {shape}; got {tuple(values.shape)}")
        values = values.detach().to(dtype).contiguous().reshape(shape)
        if values.numel():
            binding.write(values, indices=indices.to(torch.int32).contiguous().flatten())


def reads(tensor_type: str, *row: int) -> Getter:
    """Return a method that reads a tensor ``(count, …)``, into the same memory in every call.

    Args:
        tensor_type: name in ``ovphysx.TensorType``.
        row: shape of a row where it differs from ovphysx'.
    """

    def read(self: TensorView) -> torch.Tensor:
        values = self.backend.read(tensor_type)
        return values.view(self.count, *row) if row else values

    return read


def writes(tensor_type: str) -> Setter:
    """Return a method that writes the rows ``indices`` of a tensor ``(count, …)``, given whole."""

    def write(self: TensorView, data: torch.Tensor, indices: torch.Tensor) -> None:
        self.backend.write(tensor_type, data, indices)

    return write


def rotate(orientations: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    """Rotate vectors ``(…, 3)`` by quaternions x, y, z, w ``(…, 4)``."""
    axis, w = orientations[..., :3], orientations[..., 3:]
    return vectors + 2 * torch.linalg.cross(axis, torch.linalg.cross(axis, vectors) + w * vectors)


def _size(shape: Sequence[int]) -> int:
    return int(torch.Size(shape).numel())
