"""Inputs and outputs of a task of the original, and the file that they are stored in."""

import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tools.golden_vectors import COMMIT, ISAAC_SIM
from tools.golden_vectors.views import RecordingView

__all__ = ["QUANTILES", "Recording"]

QUANTILES = np.linspace(0.0, 1.0, 101)
"""Levels of the quantiles that describe a distribution."""


class Recording:
    """Arrays by name: ``in/<view>/<getter>``, ``in/<name>`` and ``out/<name>``.

    Args:
        task: name of the task.
        seed: seed of the random inputs.
        method: how inputs were drawn and outputs obtained, in a few sentences.
    """

    def __init__(self, task: str, seed: int, method: str) -> None:
        self.task = task
        self.arrays: dict[str, np.ndarray] = {}
        self.note = {
            "original": f"OmniIsaacGymEnvs {COMMIT}",
            "isaac_sim": ISAAC_SIM,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "seed": seed,
            "method": method,
        }

    def put(self, name: str, values: Any) -> None:
        """Store values under a name; the elements of tuples as ``<name>/0``, ``<name>/1``."""
        if isinstance(values, tuple):
            for i, value in enumerate(values):
                self.put(f"{name}/{i}", value)
            return
        array = values.detach().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
        if array.dtype.kind == "f":
            if not np.isfinite(array).all():
                raise ValueError(f"{self.task}: {name} is not finite")
            array = array.astype(np.float32)
        self.arrays[name] = array.copy()

    def put_view(self, view: RecordingView, prefix: str = "in") -> None:
        """Store the values of a view and the names of its joints and links."""
        for name, values in view.values.items():
            self.put(f"{prefix}/{view.name}/{name}", values)
        for kind, names in view.names.items():
            if names:
                self.put(f"{prefix}/{view.name}/{kind}_names", np.array(list(names)))

    def put_distribution(self, name: str, samples: torch.Tensor) -> None:
        """Store quantiles ``(101, d)`` and means ``(d,)`` of samples ``(n, …)`` as ``out/reset/<name>/…``."""
        values = samples.detach().reshape(len(samples), -1).double().numpy()
        self.put(f"out/reset/{name}/quantiles", np.quantile(values, QUANTILES, axis=0))
        self.put(f"out/reset/{name}/mean", values.mean(axis=0))
        self.put(f"out/reset/{name}/count", len(values))

    def save(self, folder: Path) -> Path:
        """Write ``<task>.npz`` and return its path."""
        path = folder / f"{self.task}.npz"
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, note=np.array(json.dumps(self.note)), **self.arrays)  # type: ignore[arg-type]
        return path
