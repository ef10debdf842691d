"""Reflections of observations and actions, with numbers computed by hand."""

import torch
from oige_core.tasks import SignedPermutation, Symmetry

SWAP = SignedPermutation.of([1.0, -1.0], [1, 0])
TURN = SignedPermutation.of([-1.0, 1.0, 1.0])
VALUES = torch.tensor([[1.0, 2.0], [3.0, 4.0]])


def test_signed_permutation_reorders_and_negates() -> None:
    assert SWAP(VALUES).tolist() == [[2.0, -1.0], [4.0, -3.0]]
    assert SWAP(VALUES[0]).tolist() == [2.0, -1.0]
    assert TURN(torch.tensor([5.0, 6.0, 7.0])).tolist() == [-5.0, 6.0, 7.0]


def test_then_applies_permutations_in_order() -> None:
    negative = SignedPermutation.of([-1.0, 1.0])
    assert SWAP.then(negative)(VALUES).tolist() == negative(SWAP(VALUES)).tolist() == [[-2.0, -1.0], [-4.0, -3.0]]
    assert negative.then(SWAP)(VALUES).tolist() == SWAP(negative(VALUES)).tolist() == [[2.0, 1.0], [4.0, 3.0]]


def test_join_concatenates_permutations() -> None:
    joined = SignedPermutation.join([SWAP, TURN, SWAP])
    assert joined(torch.arange(1.0, 8.0)).tolist() == [2.0, -1.0, -3.0, 4.0, 5.0, 7.0, -6.0]


def test_mirror_composes_observations_and_actions() -> None:
    mirror = Symmetry(TURN, SWAP)
    both = mirror.then(mirror).to(torch.device("cpu"))
    assert both.observations(torch.tensor([5.0, 6.0, 7.0])).tolist() == [5.0, 6.0, 7.0]
    assert both.actions(VALUES[0]).tolist() == [-1.0, -2.0]
