"""Columns of live tensors: those of joints, links, bodies or tendons."""

import torch

from oige_core.engines.mujoco.checks import part_numbers
from oige_core.views import Indices

__all__ = ["Columns", "Joints", "Part", "as_columns", "as_float"]

Columns = slice | torch.Tensor

FEW_RUNS = range(2, 5)  # of neighbouring columns; so many are read sooner run by run than all between them


def as_columns(addresses: list[int], device: torch.device) -> Columns:
    """Return a slice where addresses are consecutive (an alias, and much faster), else an index tensor."""
    if addresses and addresses == list(range(addresses[0], addresses[0] + len(addresses))):
        return slice(addresses[0], addresses[0] + len(addresses))
    return torch.tensor(addresses, dtype=torch.int64, device=device)


def as_float(values: torch.Tensor, clone: bool) -> torch.Tensor:
    """Return values in float32; a copy where that is asked for."""
    if values.dtype == torch.float32 and not clone:
        return values  # asking torch costs as much as an operation
    return values.to(torch.float32, copy=clone)


class Part:
    """Some columns of a live tensor ``(num_envs, k)``, whose address is fixed.

    Columns that fill a range in any order are read and written as this range, which on the CPU is much faster than to
    write them one by one; a few runs of neighbours with others between them are read as slices.

    Args:
        values: the tensor.
        columns: the columns; a tensor ``(m,)`` of them is not looked into.
    """

    def __init__(self, values: torch.Tensor, columns: list[int] | torch.Tensor) -> None:
        self._values = values
        self._columns: torch.Tensor | None = None  # None: all, in order
        self._inverse: torch.Tensor | None = None
        self._runs: list[torch.Tensor] = []
        if isinstance(columns, torch.Tensor):
            self._columns = columns
            return
        starts = [i for i, column in enumerate(columns) if i == 0 or column != columns[i - 1] + 1]
        if len(starts) in FEW_RUNS:
            ends = [*starts[1:], len(columns)]
            runs = [(columns[start], end - start) for start, end in zip(starts, ends, strict=True)]
            self._runs = [values[:, first : first + length] for first, length in runs]
        first, count = min(columns, default=0), len(columns)
        self._values = values[:, first : max(columns, default=-1) + 1]
        offsets = torch.tensor(columns, dtype=torch.int64) - first
        if not torch.equal(offsets, torch.arange(count)):
            self._columns = offsets.to(values.device)
            if torch.equal(offsets.sort().values, torch.arange(count)):
                self._inverse = offsets.argsort().to(values.device)

    def read(self, worlds: torch.Tensor | None, clone: bool) -> torch.Tensor:
        """Return the columns of these worlds, float32."""
        if self._runs and worlds is None:
            return as_float(torch.cat(self._runs, dim=1), clone=False)
        values = self._values if worlds is None else self._values.index_select(0, worlds)
        if self._columns is None:
            return as_float(values, clone and worlds is None)
        return as_float(values, clone=False).index_select(1, self._columns)  # gathering float64 is slow

    def write(self, values: torch.Tensor, worlds: torch.Tensor | None) -> None:
        """Set the columns of these worlds."""
        target = self._values
        values = torch.as_tensor(values, device=target.device)
        if self._columns is not None:
            if self._inverse is None:
                rows = slice(None) if worlds is None else worlds[:, None]
                target[rows, self._columns] = values.to(target.dtype)
                return
            if values.ndim and values.shape[-1] > 1:
                values = values.index_select(-1, self._inverse)
        if worlds is None:
            target.copy_(values)
        else:
            shape = (worlds.shape[0], *target.shape[1:])
            if values.shape != shape:
                values = values.expand(shape)
            target.index_copy_(0, worlds, values.to(target.dtype))


class Joints:
    """A live tensor ``(num_envs, k)`` in which the joints, or links, of an articulation have columns.

    Args:
        values: the tensor; its address is fixed.
        columns: those of each joint, as many for one as for another; none for joints that have no columns.
    """

    def __init__(self, values: torch.Tensor, columns: list[list[int]]) -> None:
        self._values = values
        self._columns = columns
        self._complete = all(columns)
        self._everything = Part(values, [column for own in columns for column in own])
        self._parts: dict[tuple[int, ...], Part] = {}

    def of(self, joint_indices: Indices) -> Part:
        """Return the columns of these joints; of all if None.

        Raises:
            KeyError: a joint has none; its number.
            OigeError: there is no such joint.
        """
        if joint_indices is None:
            if self._complete:
                return self._everything
            joint_indices = range(len(self._columns))
        if isinstance(joint_indices, torch.Tensor):
            if joint_indices.device.type == "cuda" and self._complete:  # not to be waited for
                columns = torch.tensor(self._columns, device=self._values.device)
                return Part(self._values, columns[joint_indices].flatten())
            joint_indices = joint_indices.tolist()
        try:
            return self._parts[tuple(joint_indices)]
        except (KeyError, TypeError):
            joints = part_numbers(joint_indices, len(self._columns), "joint_indices")
        for joint in joints:
            if not self._columns[joint]:
                raise KeyError(joint)
        columns = [column for joint in joints for column in self._columns[joint]]
        self._parts[joints] = Part(self._values, columns)
        return self._parts[joints]
