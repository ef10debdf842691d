"""Base of the views of all engines: selections of worlds, and checked values."""

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from oige_core.engines.checks import check_numbers, check_quaternions, values_of_shape
from oige_core.errors import OigeError
from oige_core.views import Indices

__all__ = ["Check", "WorldView"]

Check = Callable[[torch.Tensor], None]
"""Raises if a tensor contains an invalid value."""

_ROUNDING = 1e-6  # tolerance of the length of a quaternion in single precision


class WorldView:
    """Selections of worlds, and values of views as checked tensors.

    They can be used once their class has stored the built worlds in ``_worlds``, with ``device`` and ``select``.

    Args:
        name: name of the view.
        num_envs: number of worlds.

    Attributes:
        name: see above.
        count: number of worlds.
    """

    _worlds: Any

    def __init__(self, name: str, num_envs: int) -> None:
        self.name = name
        self.count = num_envs

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_") and "_worlds" not in self.__dict__:
                raise OigeError(f"'{self.name}': views can be used after set_up_scene, not in it.")
            raise AttributeError(f"{type(self).__name__} has no attribute '{name}'")

    def _index(self, indices: Indices) -> torch.Tensor | None:
        return self._worlds.select(indices)

    def _values(
        self,
        what: str,
        values: Any,
        worlds: torch.Tensor | None,
        *shape: int,
        column: bool = False,
        check: Check | None = None,
    ) -> torch.Tensor:
        """Return values of worlds as a tensor ``(n, *shape)``; ``column``: a world's one stands for its joints."""
        n = self.count if worlds is None else worlds.shape[0]
        return values_of_shape(what, values, (n, *shape), self._worlds.device, worlds, column=column, check=check)

    def _poses(
        self, positions: Any, orientations: Any, worlds: torch.Tensor | None, *, free: bool
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Return positions ``(n, 3)`` and normalised quaternions ``(n, 4)``; zero quaternions become NaN on a GPU.

        Quaternions are normalised because they rotate velocities. Numbers that are not finite make a ``free`` body
        diverge, which is counted; of other bodies they are refused.
        """
        fixed = not free
        if positions is not None:
            check = partial(check_numbers, "positions") if fixed else None
            positions = self._values("positions", positions, worlds, 3, check=check)
        if orientations is not None:
            check = partial(check_quaternions, finite=fixed)
            values = self._values("orientations", orientations, worlds, 4, check=check)
            values = values if values.is_floating_point() else values.to(torch.float32)
            lengths = torch.linalg.vector_norm(values, dim=-1, keepdim=True)
            orientations = torch.where((lengths - 1.0).abs() < _ROUNDING, values, values / lengths)
        return positions, orientations

    def _properties(
        self,
        what: str,
        values: Any,
        worlds: torch.Tensor | None,
        *shape: int,
        low: float = -math.inf,
        infinite: bool = False,
        column: bool = False,
        check: Check | None = None,
    ) -> torch.Tensor:
        """Return values of properties as a tensor ``(n, *shape)``, checked if that needs no wait for a GPU."""

        def check_all(given: torch.Tensor) -> None:
            check_numbers(what, given, low=low, infinite=infinite)
            if check is not None:
                check(given)

        return self._values(what, values, worlds, *shape, column=column, check=check_all)

    def _check_inertias(self, values: torch.Tensor) -> None:
        matrices = values.unflatten(-1, (3, 3)).double()
        if not torch.allclose(matrices, matrices.transpose(-1, -2), rtol=1e-4, atol=1e-9):
            raise OigeError(f"inertias of '{self.name}': expected symmetric matrices.")
        if not bool((torch.linalg.eigvalsh(matrices) > 0).all()):
            raise OigeError(f"inertias of '{self.name}': expected positive definite matrices.")
