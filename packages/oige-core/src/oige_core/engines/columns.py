"""Columns of live tensors that belong to joints, links, bodies or tendons."""

from collections.abc import Sequence

import numpy as np
import torch

from oige_core.engines.checks import fail, part_numbers
from oige_core.errors import dtype_name
from oige_core.math.fused import fuses
from oige_core.selections import host_can_read, is_indices, write_rows
from oige_core.views import Indices

__all__ = ["ColumnSet", "Columns"]

FEW_RUNS = range(2, 5)  # reading 2 to 4 runs of neighbouring columns is faster than reading the range that holds them
_FLAGS = frozenset({bool, np.bool_})
KEPT_TENSORS = 16  # tensors of joint indices whose columns are remembered


def _pick(values: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Return columns of ``(n, k, …)`` by the faster of two ways: a GPU takes twice as long for the one of the CPU."""
    return values[:, columns] if values.is_cuda else values.index_select(1, columns)


def _as_float(values: torch.Tensor, clone: bool = False) -> torch.Tensor:
    """Return values in float32, as a copy if requested."""
    if values.dtype == torch.float32 and not clone:
        return values  # calling torch costs as much as an operation
    return values.to(torch.float32, copy=clone)


class Columns:
    """Columns of tensors ``(num_envs, k, …)``.

    Columns that fill a range, in any order, are read and written as that range, which is much faster on the CPU than
    writing them one by one. A few runs of neighbouring columns are read as slices.

    Args:
        columns: their numbers; the values of a tensor ``(m,)`` on the device are not read.
        device: device of the tensors.
        joints: joints, links or bodies of the columns; by default each has one column.

    Attributes:
        joints: indices of the joints; None if the columns are a tensor.
        count: number of joints.
    """

    def __init__(
        self, columns: Sequence[int] | torch.Tensor, device: torch.device, joints: Sequence[int] | torch.Tensor = ()
    ) -> None:
        numbers = joints if len(joints) else range(len(columns))
        self.count = len(numbers)
        self.joints = None if isinstance(numbers, torch.Tensor) else numbers
        self._size = len(columns)
        self._range: slice | None = None  # None: all columns of the tensors
        self._offsets: torch.Tensor | None = None  # in the range; None: the whole range in order
        self._inverse: torch.Tensor | None = None  # of the offsets, where they are a permutation of the range
        self._runs: list[slice] = []
        if isinstance(columns, torch.Tensor):
            self._offsets = columns
            return
        starts = [i for i, column in enumerate(columns) if i == 0 or column != columns[i - 1] + 1]
        if len(starts) in FEW_RUNS:
            ends = [*starts[1:], len(columns)]
            self._runs = [slice(columns[a], columns[a] + b - a) for a, b in zip(starts, ends, strict=True)]
        first, order = min(columns, default=0), torch.arange(self._size)
        self._range = slice(first, max(columns, default=-1) + 1)
        self._width = self._range.stop - first
        offsets = torch.tensor(columns, dtype=torch.int64) - first
        if not torch.equal(offsets, order):
            self._offsets = offsets.to(device)
            if torch.equal(offsets.sort().values, order):
                self._inverse = offsets.argsort().to(device)

    def read(self, values: torch.Tensor, worlds: torch.Tensor | None = None, clone: bool = False) -> torch.Tensor:
        """Return the columns ``(n, m, …)`` of selected worlds in float32.

        Args:
            values: ``(num_envs, k, …)``.
            worlds: the selection.
            clone: whether the result must not share memory with ``values``.
        """
        if self._runs and not is_indices(worlds):
            return _as_float(torch.cat([values[:, run] for run in self._runs], dim=1))
        values = self._part(values)
        if is_indices(worlds):
            values, clone = values.index_select(0, worlds), False
        if self._offsets is None:
            return _as_float(values, clone)
        return _pick(_as_float(values), self._offsets)  # gathering float64 is slow

    def write(self, target: torch.Tensor, values: torch.Tensor, worlds: torch.Tensor | None = None) -> None:
        """Set the columns of selected worlds.

        Args:
            target: ``(num_envs, k, …)``.
            values: ``(n, m, …)``, or a tensor that can be expanded to that shape.
            worlds: the selection.
        """
        part = self._part(target)
        shape = (part.shape[0] if worlds is None else worlds.shape[0], self._size, *part.shape[2:])
        if values.shape != shape:
            values = values.expand(shape)
        if self._offsets is None:
            write_rows(part, values, worlds)
        elif part.ndim == 2 and not is_indices(worlds) and fuses(part, values):
            self._write_fused(part, values, worlds)
        elif self._inverse is not None:
            write_rows(part, _pick(values, self._inverse), worlds)
        elif is_indices(worlds):
            part[worlds[:, None], self._offsets] = values.to(part.dtype)
        else:
            values = values.to(part.dtype)
            if worlds is not None:
                old = part.index_select(1, self._offsets)
                values = torch.where(worlds.view(-1, *[1] * (part.ndim - 1)), values, old)
            part.index_copy_(1, self._offsets, values)

    def _write_fused(self, part: torch.Tensor, values: torch.Tensor, worlds: torch.Tensor | None) -> None:
        from oige_core.engines import column_kernels as kernels
        from oige_core.kernel_launch import launch

        if not values.numel():
            return
        arguments = values, self._offsets, part
        if worlds is None:
            launch(kernels.write_columns, tuple(values.shape), *arguments)
        else:
            launch(kernels.write_columns_of_worlds, tuple(values.shape), worlds, *arguments)

    def _part(self, values: torch.Tensor) -> torch.Tensor:
        """Return the range of ``(num_envs, k, …)`` that holds the columns; tensors of that size are not sliced."""
        return values if self._range is None or values.shape[1] == self._width else values[:, self._range]


class ColumnSet:
    """The columns that joints, links or tendons have in tensors ``(num_envs, k, …)``.

    Args:
        columns: columns of each joint, the same number for all; none for joints without columns.
        device: device of the tensors.
        what: the argument of views that selects joints.
    """

    def __init__(self, columns: Sequence[Sequence[int]], device: torch.device, what: str = "joint_indices") -> None:
        self._columns = columns
        self._device = device
        self._what = what
        self._complete = all(columns)
        self._all = Columns([column for own in columns for column in own], device, range(len(columns)))
        self._table = torch.tensor(columns, dtype=torch.int64, device=device) if self._complete and columns else None
        self._by_numbers: dict[tuple[int, ...], Columns] = {}
        self._by_tensor: dict[int, tuple[torch.Tensor, int, Columns]] = {}

    def select(self, joints: Indices = None) -> Columns:
        """Return the columns of these joints; of all if None. Numbers on a GPU are not read.

        Raises:
            KeyError: a joint has no columns; the argument is its index.
            OigeError: a joint does not exist.
        """
        if joints is None:
            return self._all if self._complete else self._of_numbers(range(len(self._columns)))
        if isinstance(joints, torch.Tensor):
            return self._of_tensor(joints)
        try:
            known = self._by_numbers[tuple(joints)]
        except (KeyError, TypeError):
            return self._of_numbers(joints)
        # True and False are the same keys as 1 and 0, but no joints.
        return known if _FLAGS.isdisjoint(map(type, joints)) else self._of_numbers(joints)

    def _of_numbers(self, numbers: object) -> Columns:
        joints = part_numbers(numbers, len(self._columns), self._what)
        for joint in joints:
            if not self._columns[joint]:
                raise KeyError(joint)
        columns = [column for joint in joints for column in self._columns[joint]]
        self._by_numbers[joints] = Columns(columns, self._device, joints)
        return self._by_numbers[joints]

    def _of_tensor(self, joints: torch.Tensor) -> Columns:
        """Return the columns of a tensor of joints; they are kept until the tensor changes."""
        if joints.is_inference():  # such tensors have no version that would show a change
            return self._look_up(joints)
        last, version, columns = self._by_tensor.get(id(joints), (None, 0, None))
        if last is joints and version == joints._version and columns is not None:
            return columns
        columns = self._look_up(joints)
        # A tensor that is computed during the capture of a graph has its values only after the graph is replayed.
        if joints.device.type != "cuda" or not torch.cuda.is_current_stream_capturing():
            if len(self._by_tensor) >= KEPT_TENSORS:
                del self._by_tensor[next(iter(self._by_tensor))]
            self._by_tensor[id(joints)] = joints, joints._version, columns
        return columns

    def _look_up(self, joints: torch.Tensor) -> Columns:
        if joints.ndim != 1:
            fail(f"{self._what} of shape {tuple(joints.shape)}: expected (n,).")
        if joints.dtype == torch.bool or joints.dtype.is_floating_point or joints.dtype.is_complex:
            fail(f"{self._what} of type {dtype_name(joints.dtype)}: expected whole numbers.")
        if not host_can_read(joints) and self._table is not None:
            return Columns(self._table.index_select(0, joints).flatten(), self._device, joints)
        return self.select(joints.tolist())
