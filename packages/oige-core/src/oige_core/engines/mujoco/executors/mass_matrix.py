"""The dense joint-space inertia of worlds, from the sparse one of MuJoCo."""

import mujoco
import numpy as np
import torch

__all__ = ["MassMatrix"]


class MassMatrix:
    """Keeps a dense matrix for each world.

    Args:
        model: the compiled model.
        num_envs: number of worlds.
        device: device of the matrices.
    """

    def __init__(self, model: mujoco.MjModel, num_envs: int, device: torch.device) -> None:
        rows = np.repeat(np.arange(model.nv), model.M_rownnz)
        self._rows = torch.from_numpy(rows).to(device)
        self._columns = torch.from_numpy(model.M_colind.astype(np.int64)).to(device)
        self._dense = torch.zeros(num_envs, model.nv, model.nv, device=device)

    def update(self, entries: torch.Tensor) -> torch.Tensor:
        """Return the symmetric matrices ``(num_envs, nv, nv)``, float32, always the same tensor.

        Args:
            entries: ``(num_envs, nM)`` values of the lower triangle, MuJoCo's field ``M``.
        """
        entries = entries.to(torch.float32)
        self._dense[:, self._rows, self._columns] = entries
        self._dense[:, self._columns, self._rows] = entries
        return self._dense
