import math

import pytest
import torch
from oige_compat.imports import install
from oige_compat.torch_utils import maths, rotations, transformations
from scipy.spatial.transform import Rotation


@pytest.fixture
def quaternions() -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)
    return rotations.normalize(torch.randn(50, 4, generator=generator))


def scipy_rotation(q: torch.Tensor) -> Rotation:
    return Rotation.from_quat(rotations.wxyz2xyzw(q).numpy())


def test_rotations_agree_with_scipy(quaternions: torch.Tensor) -> None:
    vectors = torch.randn(50, 3, generator=torch.Generator().manual_seed(1))
    expected = scipy_rotation(quaternions)
    for ours, theirs in (
        (rotations.quat_rotate(quaternions, vectors), expected.apply(vectors.numpy())),
        (rotations.quat_rotate_inverse(quaternions, vectors), expected.inv().apply(vectors.numpy())),
        (rotations.quats_to_rot_matrices(quaternions), expected.as_matrix()),
        (torch.stack(rotations.get_euler_xyz(quaternions), -1), expected.as_euler("xyz") % (2 * math.pi)),
        (rotations.matrices_to_euler_angles(torch.tensor(expected.as_matrix()), False), expected.as_euler("XYZ")),
    ):
        torch.testing.assert_close(ours.double(), torch.tensor(theirs).double(), rtol=1e-4, atol=1e-5)


def test_quaternions_of_rotated_vectors_are_read_four_by_four() -> None:
    """Tasks repeat a quaternion along its row, once for each of the robot's points."""
    half = math.sqrt(0.5)
    quaternions = torch.tensor([[half, 0.0, 0.0, half], [1.0, 0.0, 0.0, 0.0]]).repeat(1, 2)  # 90° about z, and none
    points = torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 3.0]]).expand(2, 2, 3)
    turned = rotations.quat_apply(quaternions, points)
    expected = torch.stack((torch.tensor([[0.0, 1.0, 0.0], [-2.0, 0.0, 3.0]]), points[1]))
    torch.testing.assert_close(turned, expected)


def test_matrices_and_angles_give_the_same_rotation_back(quaternions: torch.Tensor) -> None:
    back = rotations.rot_matrices_to_quats(rotations.quats_to_rot_matrices(quaternions))
    angles = torch.stack(rotations.get_euler_xyz(quaternions), dim=-1)
    for found in (back, rotations.euler_angles_to_quats(angles)):
        torch.testing.assert_close((found * quaternions).sum(-1).abs(), torch.ones(50))


@pytest.mark.parametrize("extrinsic", [True, False])
def test_euler_angles_agree_with_scipy(extrinsic: bool) -> None:
    angles = torch.tensor([[0.3, -0.5, 1.1], [-2.0, 0.7, 3.0]])
    q = rotations.quat_from_euler_xyz(angles[:, 0], angles[:, 1], angles[:, 2], extrinsic)
    expected = Rotation.from_euler("xyz" if extrinsic else "XYZ", angles.numpy())
    torch.testing.assert_close(
        rotations.quats_to_rot_matrices(q).double(), torch.tensor(expected.as_matrix()), rtol=1e-5, atol=1e-6
    )


def test_pose_times_inverse_is_identity(quaternions: torch.Tensor) -> None:
    translations = torch.randn(50, 3)
    q, t = transformations.tf_combine(quaternions, translations, *transformations.tf_inverse(quaternions, translations))
    torch.testing.assert_close(t, torch.zeros(50, 3), rtol=0, atol=1e-5)
    torch.testing.assert_close(q, torch.tensor([1.0, 0.0, 0.0, 0.0]).expand(50, 4), rtol=0, atol=1e-5)


def test_scripted_code_may_call_the_helpers(quaternions: torch.Tensor) -> None:
    vec = torch.eye(3)[0].repeat(50, 1)
    upright = rotations.quat_conjugate(quaternions)
    heading = (quaternions, upright, vec, vec, vec, 2)
    for function, given in (
        (rotations.compute_heading_and_up, heading),
        (rotations.compute_rot, (quaternions, vec, vec, vec, 2 * vec)),
    ):
        for ours, scripted in zip(function(*given), torch.jit.script(function)(*given), strict=True):  # pyright: ignore
            torch.testing.assert_close(ours, scripted)


def test_scaling_maps_limits() -> None:
    lower, upper = torch.tensor([-2.0, 0.0]), torch.tensor([4.0, 1.0])
    torch.testing.assert_close(maths.unscale(torch.tensor([1.0, 1.0]), lower, upper), torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(maths.scale(torch.tensor([0.0, -1.0]), lower, upper), torch.tensor([1.0, 0.0]))
    clamped = maths.tensor_clamp(torch.tensor([9.0, -9.0]), lower, upper)
    torch.testing.assert_close(clamped, torch.tensor([4.0, 0.0]))


def test_same_seed_gives_same_numbers() -> None:
    assert maths.set_seed(5) == 5
    first = maths.torch_rand_float(-1.0, 1.0, (2, 3), "cpu")
    maths.set_seed(5)
    torch.testing.assert_close(maths.torch_rand_float(-1.0, 1.0, (2, 3), "cpu"), first)
    assert first.abs().max() <= 1.0


def test_rotations_bring_the_names_of_maths() -> None:
    install()
    from omni.isaac.core.utils.torch import rotations as served  # pyright: ignore[reportMissingImports]

    assert served.tensor_clamp is maths.tensor_clamp
    assert served.quat_mul is rotations.quat_mul
