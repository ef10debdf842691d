"""The symmetries of AnymalTerrain."""

from collections.abc import Sequence

import torch
from oige_core import SignedPermutation, Symmetry

__all__ = ["reflections"]


def reflections(joints: Sequence[str], points: torch.Tensor) -> tuple[Symmetry, Symmetry, Symmetry]:
    """Return the symmetries that swap left and right, front and rear, and both.

    Left and right legs of ANYmal C are mirror images, and so are front and rear ones. The hull's centre of mass is
    19 mm behind its middle and 0.2 mm to the right, which is neglected.

    Args:
        joints: names of the joints, of two letters for the leg and three for the joint, as ``LF_HAA``; in the order of
            actions.
        points: ``(n, 2)`` sample points of heights, in m forwards and to the left; symmetric about both axes.
    """
    sideways = _reflection(joints, points, x=1.0, y=-1.0)
    lengthways = _reflection(joints, points, x=-1.0, y=1.0)
    return sideways, lengthways, sideways.then(lengthways)


def _reflection(joints: Sequence[str], points: torch.Tensor, *, x: float, y: float) -> Symmetry:
    """Return the reflection that multiplies positions by x and y, of which one is -1."""
    vector = SignedPermutation.of([x, y, 1.0])
    rotation = SignedPermutation.of([y, x, -1.0])  # about the axes; a reflection negates those about axes in its plane
    command = SignedPermutation.of([x, y, -1.0])
    # Legs are named by side and end; HAA turns about the x axis, HFE and KFE about the y axis.
    swap = str.maketrans("LR", "RL") if y < 0.0 else str.maketrans("FH", "HF")
    partners = [joints.index(name[:2].translate(swap) + name[2:]) for name in joints]
    legs = SignedPermutation.of([y if name.endswith("HAA") else x for name in joints], partners)
    distances = torch.cdist(points * torch.tensor([x, y]), points)
    heights = SignedPermutation.of([1.0] * len(points), distances.argmin(dim=1).tolist())
    observed = [vector, rotation, vector, command, legs, legs, heights, legs]
    return Symmetry(SignedPermutation.join(observed), legs)
