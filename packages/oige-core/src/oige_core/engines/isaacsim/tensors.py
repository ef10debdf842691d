"""Conventions of ``omni.physics.tensors``: names per release, quaternions, orders of rows and columns.

Rows of its views are prims in an order that releases choose, and so are columns of links and joints. Here, both are
found by path. States are on the simulation's device, properties are always on the CPU.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from oige_core.engines.isaacsim.usd.stage_map import WORLDS, path_in_world
from oige_core.errors import CapabilityError, OigeError
from oige_core.selections import is_mask

__all__ = ["Order", "TensorRows", "call", "columns_of_paths", "from_xyzw", "to_xyzw", "write_gravity"]

_RENAMED: Mapping[str, tuple[str, ...]] = {
    "get_coriolis_and_centrifugal_compensation_forces": ("get_coriolis_and_centrifugal_forces",),
}
"""Names of methods in the latest release, and those of earlier ones."""

_WORLD = re.compile(rf"{re.escape(WORLDS)}/env_(\d+)(?:/|$)")


def call(view: Any, name: str, *arguments: Any) -> Any:
    """Call a method of a view by its name in the latest release, or by that of the view's release.

    Raises:
        CapabilityError: the release has none of them.
    """
    for each in (name, *_RENAMED.get(name, ())):
        if hasattr(view, each):
            return getattr(view, each)(*arguments)
    raise CapabilityError(f"{type(view).__name__}.{name}: this release of Isaac Sim does not have it; use a later one.")


def write_gravity(simulation: Any, gravity: Sequence[float]) -> None:
    """Set the gravity of a simulation view, in m/s².

    Up to Kit 107 it takes and returns a vector of Kit's, from Kit 110 on sequences of numbers.
    """
    current = simulation.get_gravity()
    simulation.set_gravity(type(current)(*gravity) if hasattr(current, "x") else list(gravity))


def from_xyzw(quaternions: torch.Tensor) -> torch.Tensor:
    """Return w, x, y, z of quaternions x, y, z, w ``(…, 4)``."""
    return quaternions.roll(1, dims=-1)


def to_xyzw(quaternions: torch.Tensor) -> torch.Tensor:
    """Return x, y, z, w of quaternions w, x, y, z ``(…, 4)``."""
    return quaternions.roll(-1, dims=-1)


class Order:
    """Rows or columns in the order of the engine, and where a view has them.

    Args:
        numbers: number in the view of each one.
        size: how many the view has.
        device: device of states.
    """

    def __init__(self, numbers: Sequence[int], size: int, device: torch.device) -> None:
        self.size = size
        self._same = list(numbers) == list(range(size))
        tensor = torch.tensor(numbers, dtype=torch.int64)
        self._numbers = {place: tensor.to(place) for place in {torch.device("cpu"), device}}

    def numbers(self, device: torch.device) -> torch.Tensor:
        """Return the number in the view of each one, int64 on a device."""
        return self._numbers[device]

    def pick(self, values: torch.Tensor, dim: int = 0) -> torch.Tensor:
        """Return values of a view in the engine's order; they may share memory."""
        return values if self._same else values.index_select(dim, self._numbers[values.device])

    def put(self, target: torch.Tensor, values: torch.Tensor, dim: int = 0) -> None:
        """Write values in the engine's order to a tensor in that of the view."""
        if self._same:
            target.copy_(values)
        else:
            target.index_copy_(dim, self._numbers[target.device], values.to(target.dtype))


class TensorRows:
    """The rows that worlds have in a view of ``omni.physics.tensors``, one each.

    Args:
        view: the view.
        paths: path of the prim of each row.
        num_envs: number of worlds.
        device: device of states.

    Raises:
        OigeError: a world has no row, or more than one.
    """

    def __init__(self, view: Any, paths: Sequence[str], num_envs: int, device: torch.device) -> None:
        self.view = view
        self.order = Order(_rows_of_worlds(paths, num_envs), len(paths), device)
        self._buffers: dict[str, torch.Tensor] = {}

    def read(self, name: str, *arguments: Any) -> torch.Tensor:
        """Return what a getter of the view returns ``(num_envs, …)``, valid until its next call."""
        values = call(self.view, name, *arguments)
        return self.order.pick(values.view(self.order.size, *values.shape[1:]))

    def write(self, name: str, values: torch.Tensor, worlds: torch.Tensor | None = None) -> None:
        """Pass values ``(num_envs, …)`` to a setter of the view.

        Args:
            name: of the setter.
            values: all rows, on the device that the setter expects.
            worlds: selection of worlds whose rows are set.
        """
        rows = self.order.numbers(values.device)
        if worlds is not None:
            worlds = worlds.to(values.device)
            rows = rows[worlds.nonzero().squeeze(-1) if is_mask(worlds) else worlds]
        if not len(rows):
            return
        # Views take values of all rows, and set those of the indices.
        data = self._buffers.get(name)
        if data is None or data.shape[1:] != values.shape[1:]:
            data = self._buffers[name] = values.new_zeros(self.order.size, *values.shape[1:])
        self.order.put(data, values)
        call(self.view, name, data, rows.to(torch.int32))


def _rows_of_worlds(paths: Sequence[str], num_envs: int) -> list[int]:
    """Return the row of each world."""
    rows = {}
    for row, path in enumerate(paths):
        match = _WORLD.match(path)
        if match and int(match[1]) < num_envs:
            if int(match[1]) in rows:
                raise OigeError(f"'{paths[rows[int(match[1])]]}' and '{path}': expected one prim per world.")
            rows[int(match[1])] = row
    missing = [world for world in range(num_envs) if world not in rows]
    if missing:
        known = paths[0] if paths else "none"
        raise OigeError(f"world {missing[0]} has no prim among the {len(paths)} that physics found, such as '{known}'.")
    return [rows[world] for world in range(num_envs)]


def columns_of_paths(
    wanted: Iterable[str], row_paths: Sequence[Sequence[str]], rows: Sequence[int], what: str
) -> list[int]:
    """Return the columns of links or joints, which must be the same in all worlds.

    Args:
        wanted: their paths in world 0.
        row_paths: paths of the columns of each row.
        rows: row of each world.
        what: element of the scene, for messages.

    Raises:
        OigeError: a path is missing, or a world has another order.
    """
    first = list(row_paths[rows[0]])
    for world, row in enumerate(rows):
        expected = [path_in_world(path, world) for path in first]
        if list(row_paths[row]) != expected:
            raise OigeError(f"'{what}': physics orders its parts in world {world} unlike those in world 0.")
    columns = []
    for path in wanted:
        if path not in first:
            raise OigeError(f"'{what}': physics does not know '{path}', only {', '.join(first) or 'nothing'}.")
        columns.append(first.index(path))
    return columns
