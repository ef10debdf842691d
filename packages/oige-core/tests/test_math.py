"""Rotations against numbers computed by hand and against each other."""

import math

import pytest
import torch
from oige_core.math import (
    grid_positions,
    heading_roll_up,
    quat_apply,
    quat_apply_inverse,
    quat_conjugate,
    quat_from_angle_axis,
    quat_from_rotation_vector,
    quat_mul,
    quat_to_matrix,
    rotation_vector_from_quat,
)
from oige_core.math.products import matmul

H = math.sqrt(0.5)
QUARTER_X, QUARTER_Z = torch.tensor([H, H, 0.0, 0.0]), torch.tensor([H, 0.0, 0.0, H])
X, Y, Z = torch.eye(3)


def random_quaternions(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(*shape, 4, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(values, dim=-1)


def test_quarter_turns_rotate_the_axes() -> None:
    """A quarter about z takes x to y, y to −x; a quarter about x takes y to z."""
    for vector, expected in ((X, Y), (Y, -X), (Z, Z)):
        torch.testing.assert_close(quat_apply(QUARTER_Z, vector), expected)
        torch.testing.assert_close(quat_apply_inverse(QUARTER_Z, expected), vector)
    torch.testing.assert_close(quat_apply(QUARTER_X, Y), Z)


def test_product_applies_the_second_rotation_first() -> None:
    """x, turned about z, is y; that, turned about x, is z. The other way round x stays, and then is y."""
    torch.testing.assert_close(quat_apply(quat_mul(QUARTER_X, QUARTER_Z), X), Z)
    torch.testing.assert_close(quat_apply(quat_mul(QUARTER_Z, QUARTER_X), X), Y)
    torch.testing.assert_close(quat_mul(QUARTER_X, QUARTER_Z), torch.tensor([0.5, 0.5, -0.5, 0.5]))


def test_angle_and_axis_give_the_quaternion() -> None:
    """cos and sin of half the angle; 60° about y takes z to (sin 60°, 0, cos 60°)."""
    angle = torch.tensor([0.0, math.pi / 3, -math.pi / 2])
    axis = torch.stack([X, Y, Z])
    expected = torch.tensor([[1.0, 0, 0, 0], [math.sqrt(0.75), 0, 0.5, 0], [H, 0, 0, -H]])
    quaternions = quat_from_angle_axis(angle, axis)
    torch.testing.assert_close(quaternions, expected)
    torch.testing.assert_close(quat_apply(quaternions[1], Z), torch.tensor([math.sqrt(0.75), 0.0, 0.5]))


def test_matrix_matches_the_quaternion() -> None:
    torch.testing.assert_close(quat_to_matrix(QUARTER_Z), torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]))
    q = random_quaternions(5, 3)
    v = torch.randn(5, 3, 3, dtype=torch.float64)
    matrices = quat_to_matrix(q)
    assert matrices.shape == (5, 3, 3, 3)
    torch.testing.assert_close((matrices @ v.unsqueeze(-1)).squeeze(-1), quat_apply(q, v))
    torch.testing.assert_close(torch.linalg.det(matrices), torch.ones(5, 3, dtype=torch.float64))


def test_conjugate_is_the_inverse() -> None:
    q = random_quaternions(7)
    identity = torch.tensor([1.0, 0, 0, 0], dtype=torch.float64).expand(7, 4)
    torch.testing.assert_close(quat_mul(q, quat_conjugate(q)), identity)
    v = torch.randn(7, 3, dtype=torch.float64)
    torch.testing.assert_close(quat_apply_inverse(q, v), quat_apply(quat_conjugate(q), v))
    torch.testing.assert_close(quat_apply_inverse(q, quat_apply(q, v)), v)


def test_composition_equals_successive_application() -> None:
    a, b = random_quaternions(2, 6)
    v = torch.randn(6, 3, dtype=torch.float64)
    torch.testing.assert_close(quat_apply(quat_mul(a, b), v), quat_apply(a, quat_apply(b, v)))


@pytest.mark.parametrize("shape", [(), (4,), (2, 3)])
def test_one_rotation_broadcasts_to_many_vectors(shape: tuple[int, ...]) -> None:
    """A quaternion is broadcast over the vectors."""
    vectors = torch.randn(*shape, 3)
    expected = vectors @ quat_to_matrix(QUARTER_X).T
    torch.testing.assert_close(quat_apply(QUARTER_X, vectors), expected)
    torch.testing.assert_close(quat_apply_inverse(QUARTER_X, expected), vectors)


def test_grid_is_centred_and_ordered() -> None:
    """Five points: isqrt(5) = 2, so three rows of two, the last half empty."""
    expected = [[3.0, -1.5, 0.0], [3.0, 1.5, 0.0], [0.0, -1.5, 0.0], [0.0, 1.5, 0.0], [-3.0, -1.5, 0.0]]
    assert grid_positions(5, 3.0).tolist() == expected
    assert grid_positions(1, 3.0).tolist() == [[0.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    "shapes", [((16,), (16, 9)), ((5, 4), (4, 3)), ((5, 2, 4), (4, 3)), ((5, 1, 2, 4), (5, 6, 4, 3))]
)
def test_products_are_the_same_where_a_gpu_would_round_factors(
    shapes: tuple[tuple[int, ...], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    monkeypatch.setattr("oige_core.math.products._rounds_factors", lambda values: True)
    torch.testing.assert_close(matmul(a, b), a @ b)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_rotation_matrices_keep_their_precision_where_products_may_be_rounded() -> None:
    quaternions = torch.nn.functional.normalize(torch.randn(100, 4, generator=torch.Generator().manual_seed(0)), dim=-1)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        matrices = quat_to_matrix(quaternions.cuda()).cpu()
    finally:
        torch.set_float32_matmul_precision(before)
    torch.testing.assert_close(matrices, quat_to_matrix(quaternions.double()).float(), atol=1e-6, rtol=0)


def test_rotations_are_the_same_where_a_gpu_would_fuse_them(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    a, b = (torch.nn.functional.normalize(drawn(7, 3, 4), dim=-1) for _ in range(2))
    wide = torch.cat((drawn(7, 2), a[:, 0], drawn(7, 1)), dim=1)[:, 2:6]  # as in a row of the state
    target = drawn(7, 2)
    cases = {
        "products": lambda: quat_mul(a, b),
        "products with one": lambda: quat_mul(a, b[0, 0]),
        "vectors": lambda: quat_apply(a[:, 0], target @ torch.ones(2, 3)),
        "one vector": lambda: quat_apply_inverse(wide, torch.tensor([0.5, -2.0, 1.0]).expand(7, 3)),
        "one rotation": lambda: quat_apply(a[:, :1], b[..., 1:]),
        "matrices": lambda: quat_to_matrix(a),
        "attitudes": lambda: heading_roll_up(wide, target, target.norm(dim=-1)),
        "rotation vectors": lambda: rotation_vector_from_quat(a),
        "tiny rotation vectors": lambda: rotation_vector_from_quat(quat_from_rotation_vector(1e-9 * wide[:, :3])),
        "of rotation vectors": lambda: quat_from_rotation_vector(wide[:, :3]),
        "of no rotation": lambda: quat_from_rotation_vector(0.0 * wide[:, :3]),
        "nothing": lambda: quat_mul(a[:0], b[:0]),
    }
    with torch.no_grad():
        expected = {name: case() for name, case in cases.items()}
        monkeypatch.setattr("oige_core.math.fused._on_gpu", lambda values: True)
        for name, case in cases.items():
            torch.testing.assert_close(case(), expected[name], atol=1e-6, rtol=1e-6, msg=name)
            assert case().is_contiguous(), name
        assert quat_mul(a.double(), b.double()).dtype == torch.float64
    assert quat_mul(a.requires_grad_(), b).requires_grad
