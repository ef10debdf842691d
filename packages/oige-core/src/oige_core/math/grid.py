"""Positions of worlds in the viewer and in recordings."""

import math

import torch

__all__ = ["grid_positions"]


def grid_positions(count: int, spacing: float, device: torch.device | str | None = None) -> torch.Tensor:
    """Return points ``(count, 3)`` on a square grid around the origin, in metres.

    Order and orientation are those of Isaac Sim's ``GridCloner``: rows from +x to −x, each from −y to +y. They are
    only for display: each world is simulated around its own origin.

    Args:
        count: number of points.
        spacing: distance between neighbours, in metres.
        device: device of the result.
    """
    rows = math.ceil(count / math.isqrt(count))
    columns = math.ceil(count / rows)
    number = torch.arange(count, device=device)
    x = spacing * (0.5 * (rows - 1) - number // columns)
    y = spacing * (number % columns - 0.5 * (columns - 1))
    return torch.stack((x, y, torch.zeros_like(x)), dim=-1)
