"""Symmetries of a task, with which a learner can augment its samples."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

__all__ = ["SignedPermutation", "Symmetry"]


@dataclass(frozen=True)
class SignedPermutation:
    """Permutes the entries of vectors and negates some of them: entry i becomes ``signs[i] · values[order[i]]``.

    Attributes:
        order: ``(n,)`` int64, each index once.
        signs: ``(n,)`` float32, 1 or -1.
    """

    order: torch.Tensor
    signs: torch.Tensor

    @classmethod
    def of(cls, signs: Sequence[float], order: Sequence[int] | None = None) -> "SignedPermutation":
        """Return the signed permutation with these signs and this order; by default the order is unchanged."""
        return cls(torch.tensor(order or range(len(signs))), torch.tensor(signs, dtype=torch.float32))

    @classmethod
    def join(cls, parts: "Iterable[SignedPermutation]") -> "SignedPermutation":
        """Return the block-diagonal permutation: each part applies to the entries after those of the previous part."""
        orders, signs, start = [], [], 0
        for part in parts:
            orders.append(part.order + start)
            signs.append(part.signs)
            start += len(part.order)
        return cls(torch.cat(orders), torch.cat(signs))

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """Return ``values`` ``(…, n)`` permuted and negated."""
        return values[..., self.order] * self.signs

    def then(self, other: "SignedPermutation") -> "SignedPermutation":
        """Return the composition that applies this one first, then the other."""
        return SignedPermutation(self.order[other.order], self.signs[other.order] * other.signs)

    def to(self, device: torch.device) -> "SignedPermutation":
        """Return the same for tensors on another device."""
        return SignedPermutation(self.order.to(device), self.signs.to(device))


@dataclass(frozen=True)
class Symmetry:
    """A symmetry of a task, such as a reflection: the image of a trajectory is as likely and has the same rewards.

    Attributes:
        observations: maps observations ``(N, n)`` to their images.
        actions: maps actions ``(N, num_actions)`` to their images.
    """

    observations: SignedPermutation
    actions: SignedPermutation

    def then(self, other: "Symmetry") -> "Symmetry":
        """Return the composition that applies this one first, then the other."""
        return Symmetry(self.observations.then(other.observations), self.actions.then(other.actions))

    def to(self, device: torch.device) -> "Symmetry":
        """Return the same for tensors on another device."""
        return Symmetry(self.observations.to(device), self.actions.to(device))
