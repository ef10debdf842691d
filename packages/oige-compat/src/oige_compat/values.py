"""Numbers that task code passes as tensors, arrays, lists or vectors of ``Gf``."""

from typing import Any

__all__ = ["SHAPE_MASS", "as_list"]

SHAPE_MASS = 0.02
"""Mass in kg that Isaac Sim gives to a new dynamic shape without a stated mass, also if a density is stated."""


def as_list(values: Any) -> list[float]:
    """Return numbers of a tensor, array, Warp array, list or vector."""
    if not hasattr(values, "tolist") and hasattr(values, "numpy"):  # a Warp array
        values = values.numpy()
    return [float(value) for value in (values.tolist() if hasattr(values, "tolist") else values)]
