"""Types that select worlds, joints and links in calls of views."""

from collections.abc import Sequence

import numpy as np
import torch

__all__ = ["Indices"]

Indices = torch.Tensor | np.ndarray | Sequence[int] | None
"""Whole numbers of worlds, joints or links, of worlds also a bool mask; None stands for all."""
