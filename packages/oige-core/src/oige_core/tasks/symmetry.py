"""Reflections under which a task looks the same, so that a learner can train on mirror images, too."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

__all__ = ["Mirror", "SignedPermutation"]


@dataclass(frozen=True)
class SignedPermutation:
    """Reorders the entries of vectors and turns some of them around: entry i becomes ``signs[i] · values[order[i]]``.

    Attributes:
        order: ``(n,)`` int64, each index once.
        signs: ``(n,)`` float32, 1 or -1.
    """

    order: torch.Tensor
    signs: torch.Tensor

    @classmethod
    def of(cls, signs: Sequence[float], order: Sequence[int] | None = None) -> "SignedPermutation":
        """Return the one of these signs and order, by default that of the entries."""
        return cls(torch.tensor(order or range(len(signs))), torch.tensor(signs, dtype=torch.float32))

    @classmethod
    def join(cls, parts: "Iterable[SignedPermutation]") -> "SignedPermutation":
        """Return the one that does each of ``parts`` to the entries that follow those of the part before."""
        orders, signs, start = [], [], 0
        for part in parts:
            orders.append(part.order + start)
            signs.append(part.signs)
            start += len(part.order)
        return cls(torch.cat(orders), torch.cat(signs))

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """Return ``values`` ``(…, n)`` reordered and turned around."""
        return values[..., self.order] * self.signs

    def then(self, other: "SignedPermutation") -> "SignedPermutation":
        """Return what does this one first, then the other."""
        return SignedPermutation(self.order[other.order], self.signs[other.order] * other.signs)

    def to(self, device: torch.device) -> "SignedPermutation":
        """Return it for tensors on another device."""
        return SignedPermutation(self.order.to(device), self.signs.to(device))


@dataclass(frozen=True)
class Mirror:
    """What a reflection makes of observations and actions.

    It is a symmetry of a task where the mirror image of every trajectory is as likely as the trajectory and pays the
    same.

    Attributes:
        observations: for observations ``(N, observations)``.
        actions: for actions ``(N, actions)``.
    """

    observations: SignedPermutation
    actions: SignedPermutation

    def then(self, other: "Mirror") -> "Mirror":
        """Return the symmetry that this one and then the other make."""
        return Mirror(self.observations.then(other.observations), self.actions.then(other.actions))

    def to(self, device: torch.device) -> "Mirror":
        """Return it for tensors on another device."""
        return Mirror(self.observations.to(device), self.actions.to(device))
