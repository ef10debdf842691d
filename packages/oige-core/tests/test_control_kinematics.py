"""Errors of poses, Jacobians and inverse kinematics against closed forms and numpy."""

import math

import numpy as np
import pytest
import torch
from oige_core.config.control_schema import IkMethod
from oige_core.control import analytic_jacobian, ik_step, pose_error, rotation_vector_rates
from oige_core.math import quat_from_angle_axis, quat_from_rotation_vector, quat_mul, rotation_vector_from_quat

X, Y, Z = torch.eye(3)
ORIGIN = torch.zeros(1, 3)
IDENTITY = torch.tensor([[1.0, 0.0, 0.0, 0.0]])


def about(axis: torch.Tensor, degrees: float) -> torch.Tensor:
    return quat_from_angle_axis(torch.tensor([math.radians(degrees)]), axis)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def planar_jacobian(first: float, second: float) -> torch.Tensor:
    """Return ``(1, 2, 2)``: of the tip of two links of 1 m and 0.5 m, at (cos q₁ + ½ cos q₁₂, sin q₁ + ½ sin q₁₂)."""
    s1, c1 = math.sin(first), math.cos(first)
    s12, c12 = 0.5 * math.sin(first + second), 0.5 * math.cos(first + second)
    return torch.tensor([[[-s1 - s12, -s12], [c1 + c12, c12]]])


def test_rotation_vectors_take_the_shorter_way() -> None:
    """270° about z is −90°, and so is the negative quaternion; a rotation of zero is zero, not NaN."""
    quarter = 0.5 * math.pi
    quaternions = torch.cat((about(Z, 270.0), -about(Z, 270.0), about(X, 90.0), IDENTITY, -IDENTITY))
    expected = torch.tensor([[0, 0, -quarter], [0, 0, -quarter], [quarter, 0, 0], [0, 0, 0], [0, 0, 0]])
    torch.testing.assert_close(rotation_vector_from_quat(quaternions), expected)


def test_rotation_vectors_keep_tiny_and_half_turns() -> None:
    vectors = torch.tensor([[1e-7, 0, 0], [0, 3e-4, 0], [0, 0, 3.1415], [1.2, -0.4, 2.0], [0, 0, 0]])
    torch.testing.assert_close(
        rotation_vector_from_quat(quat_from_rotation_vector(vectors)), vectors, atol=1e-9, rtol=2e-6
    )


def test_pose_error_is_the_shortest_rotation_in_the_world_frame() -> None:
    """From 10° to 350° about z are −20°, whichever sign quaternions have; in front of a 90° turn about x, z stays z."""
    position, target = torch.tensor([[0.1, 0.2, 0.3]]), torch.tensor([[0.4, 0.0, 0.3]])
    for sign in (1.0, -1.0):
        error = pose_error(position, about(Z, 10.0), target, sign * about(Z, 350.0))
        torch.testing.assert_close(error, torch.tensor([[0.3, -0.2, 0.0, 0.0, 0.0, math.radians(-20.0)]]))
    turned = about(X, 90.0)
    error = pose_error(position, turned, position, quat_mul(about(Z, 30.0), turned))
    torch.testing.assert_close(error, torch.tensor([[0, 0, 0, 0, 0, math.radians(30.0)]]), atol=1e-6, rtol=0)


def test_analytic_error_is_the_difference_of_rotation_vectors() -> None:
    """60° about x from 90° about y: (60°, −90°, 0). Across half a turn, from 170° to −170°, it is 20°."""
    error = pose_error(ORIGIN, about(Y, 90.0), ORIGIN, about(X, 60.0), "analytic")
    torch.testing.assert_close(error[:, 3:], torch.tensor([[math.pi / 3, -math.pi / 2, 0.0]]))
    error = pose_error(ORIGIN, about(Y, 170.0), ORIGIN, about(Y, -170.0), "analytic")
    torch.testing.assert_close(error[:, 3:], torch.tensor([[0.0, math.radians(20.0), 0.0]]))
    assert pose_error(ORIGIN, IDENTITY, ORIGIN, -IDENTITY, "analytic").tolist() == [[0.0] * 6]


@pytest.mark.parametrize("length", [0.0, 1e-3, 0.049, 0.051, 1.0, 2.5, 3.1])
def test_rates_of_rotation_vectors_match_finite_differences(length: float) -> None:
    """dφ/dt = E ω: the vector of exp(ω dt) · q, minus that of exp(−ω dt) · q, over 2 dt, in float64."""
    vector = length * torch.nn.functional.normalize(torch.tensor([[0.3, -0.5, 0.8]], dtype=torch.float64), dim=-1)
    velocity = torch.tensor([[0.7, 0.2, -0.4]], dtype=torch.float64)
    dt = 1e-5
    orientation = quat_from_rotation_vector(vector)
    after, before = (
        rotation_vector_from_quat(quat_mul(quat_from_rotation_vector(step * velocity), orientation))
        for step in (dt, -dt)
    )
    rates = (rotation_vector_rates(orientation) @ velocity.unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(rates, (after - before) / (2 * dt), atol=1e-8, rtol=1e-8)


def test_analytic_jacobian_changes_only_rotations() -> None:
    """At rest pose E is the identity; after 90° about z, by hand: E = 1 − ¼π [z] + (1 − ¼π) [z]²."""
    jacobian = random(1, 6, 7)
    torch.testing.assert_close(analytic_jacobian(jacobian, IDENTITY), jacobian)
    turned = analytic_jacobian(jacobian, about(Z, 90.0))
    quarter = math.pi / 4
    rates = torch.tensor([[quarter, quarter, 0.0], [-quarter, quarter, 0.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(turned[:, :3], jacobian[:, :3])
    torch.testing.assert_close(turned[:, 3:], rates @ jacobian[:, 3:])


def test_steps_of_a_planar_arm_by_hand() -> None:
    """Links along x and y: J = ((−½, −½), (1, 0)), whose inverse takes (dx, dy) to (dy, −2 dx − dy)."""
    jacobian = planar_jacobian(0.0, 0.5 * math.pi)
    delta = torch.tensor([[0.1, 0.02]])
    inverse = torch.tensor([[0.02, -0.22]])
    for method in ("pinv", "svd"):
        torch.testing.assert_close(ik_step(delta, jacobian, method), inverse, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(ik_step(delta, jacobian, "trans"), torch.tensor([[-0.03, -0.05]]))
    # (J Jᵀ + 0.01) w = delta with J Jᵀ = ((½, −½), (−½, 1)): w = (1.01 · 0.1 + ½ · 0.02, ½ · 0.1 + 0.51 · 0.02) / det
    determinant = 0.51 * 1.01 - 0.25
    weights = torch.tensor([[0.111, 0.0602]]) / determinant
    expected = torch.stack((-0.5 * weights[:, 0] + weights[:, 1], -0.5 * weights[:, 0]), dim=-1)
    torch.testing.assert_close(ik_step(delta, jacobian, "dls"), expected)


def test_damped_least_squares_reach_a_point_with_a_planar_arm() -> None:
    """Repeated steps converge to the closed-form solution: cos q₂ = (x² + y² − 1.25) / 1."""
    goal = torch.tensor([[0.9, 0.8]])
    angles = torch.tensor([0.2, 1.0])
    for _ in range(60):
        first, second = angles.tolist()
        tip = torch.tensor([[math.cos(first) + 0.5 * math.cos(first + second)] * 2])
        tip[0, 1] = math.sin(first) + 0.5 * math.sin(first + second)
        angles = angles + ik_step(goal - tip, planar_jacobian(first, second), "dls")[0]
    elbow = math.acos(0.9**2 + 0.8**2 - 1.25)
    shoulder = math.atan2(0.8, 0.9) - math.atan2(0.5 * math.sin(elbow), 1 + 0.5 * math.cos(elbow))
    torch.testing.assert_close(angles, torch.tensor([shoulder, elbow]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("method", ["pinv", "trans", "dls", "svd"])
def test_steps_match_numpy(method: IkMethod) -> None:
    jacobian, delta = random(50, 6, 7), random(50, 6, seed=1)
    j, d = jacobian.double().numpy(), delta.double().numpy()[..., None]
    transpose = j.transpose(0, 2, 1)
    expected = {
        "pinv": np.linalg.pinv(j) @ d,
        "svd": np.linalg.pinv(j) @ d,
        "trans": transpose @ d,
        "dls": transpose @ np.linalg.solve(j @ transpose + 0.01 * np.eye(6), d),
    }[method]
    torch.testing.assert_close(
        ik_step(delta, jacobian, method), torch.from_numpy(expected[..., 0]).float(), atol=2e-5, rtol=2e-4
    )


def test_singular_values_below_the_limit_are_left_out() -> None:
    """A singular value of 0.9e-5 is dropped, one of 1.1e-5 gives a step of 1e-3 / 1.1e-5; dls damps both to 10·σ·δ."""
    jacobian = torch.zeros(2, 2, 3)
    jacobian[:, 0, 0] = 1.0
    jacobian[:, 1, 2] = torch.tensor([0.9e-5, 1.1e-5])
    delta = torch.full((2, 2), 1e-3)
    step = ik_step(delta, jacobian, "svd")
    torch.testing.assert_close(step, torch.tensor([[1e-3, 0.0, 0.0], [1e-3, 0.0, 1e-3 / 1.1e-5]]))
    damped = ik_step(delta, jacobian, "dls")
    torch.testing.assert_close(damped[:, 2], 1e-3 * torch.tensor([0.9e-5, 1.1e-5]) / 0.01)


def test_pseudoinverse_is_precise_near_a_singular_pose() -> None:
    """An arm bent by 0.1 mrad, with singular values 6.7e-5 and 1.1, does what numpy says; a stretched one is finite."""
    jacobian, delta = planar_jacobian(0.3, 1e-4), torch.tensor([[1e-5, 2e-5]])
    expected = np.linalg.solve(jacobian[0].double().numpy(), delta[0].double().numpy())
    torch.testing.assert_close(
        ik_step(delta, jacobian, "pinv")[0], torch.from_numpy(expected).float(), atol=0, rtol=1e-3
    )
    assert ik_step(delta, planar_jacobian(0.3, 0.0), "pinv").isfinite().all()
