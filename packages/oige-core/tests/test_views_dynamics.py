"""Kinematics, dynamics and joint wrenches of articulations against closed forms, on both executors.

Where nothing else is said, a tolerance is the rounding of float32 (views of the C engine compute in double, MuJoCo Warp
in single precision) or, for motions, the first-order error of the time step of 1 ms.
"""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from articulation_scene import (
    C1,
    C2,
    DT,
    I1,
    I2,
    L1,
    L2,
    M1,
    M2,
    NUM_ENVS,
    PENDULUM_INERTIA,
    PENDULUM_LENGTH,
    PENDULUM_MASS,
    G,
    build_articulations,
    pose_tree,
)
from oige_core.errors import CapabilityError, OigeError
from oige_core.math import quat_apply, quat_apply_inverse, quat_mul, quat_to_matrix
from torch.utils._python_dispatch import TorchDispatchMode
from view_tables import GETTERS, N, set_up_scene


class NoMatrixProducts(TorchDispatchMode):
    """Refuses matrix products, whose factors a GPU rounds to ten bits while a policy is trained."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func.name().partition(".")[0] not in (
            "aten::mm",
            "aten::bmm",
            "aten::addmm",
            "aten::baddbmm",
            "aten::mv",
        )
        return func(*args, **kwargs or {})


@pytest.fixture(scope="module")
def built(build: Callable[..., Any], executor: str) -> Any:
    return build_articulations(build, executor)


# ------------------------------------------------------------------------------------------------ pendulum


def energy(world: Any) -> torch.Tensor:
    q, v = world.pendulum.get_joint_positions()[:, 0], world.pendulum.get_joint_velocities()[:, 0]
    return 0.5 * PENDULUM_INERTIA * v * v - PENDULUM_MASS * G * PENDULUM_LENGTH * q.cos()


def test_pendulum_energy_is_conserved(world: Any) -> None:
    """Semi-implicit Euler is symplectic: the energy's error does not grow; its share is about dt · ω / 2 = 0.2 %."""
    world.pendulum.set_joint_positions(world.tensor([[0.5], [1.5], [2.5]]))
    before = energy(world)
    scale = PENDULUM_MASS * G * PENDULUM_LENGTH
    assert (before.diff() > 0.5 * scale).all()
    for _ in range(4):
        world.run(0.1)
        world.close(energy(world), before, tol=0.006 * scale)


def test_small_oscillations_have_the_analytic_period(world: Any) -> None:
    """T = 2 π √(I / m g l), here with g = 40: after a quarter it passes zero, after a half it is at the other side."""
    quarter = math.pi / 2 * math.sqrt(PENDULUM_INERTIA / (PENDULUM_MASS * 40.0 * PENDULUM_LENGTH))
    world.engine.set_gravity(world.everywhere(0.0, 0.0, -40.0))
    world.pendulum.set_joint_positions(world.everywhere(0.01))
    world.run(round(quarter, 3))
    # A step and the rounding of the quarter to one are a phase of 1.5 ω dt.
    world.close(world.pendulum.get_joint_positions(), 0.0, tol=0.01 * 0.014)
    world.run(round(quarter, 3))
    world.close(world.pendulum.get_joint_positions(), -0.01, tol=2e-5)


def test_gravity_can_differ_between_worlds(world: Any) -> None:
    """A step from rest at the horizontal gives v = dt · m g l / I, and the gravity of the world is g."""
    world.needs("gravity_per_world")
    world.close(world.engine.get_gravity(), [0, 0, -G], tol=1e-6)
    world.engine.set_gravity(world.tensor([[0.0, 0.0, -1.0], [0.0, 0.0, -20.0]]), indices=[0, 2])
    world.close(world.engine.get_gravity()[:, 2], [-1.0, -G, -20.0], tol=1e-6)
    world.pendulum.set_joint_positions(world.everywhere(-math.pi / 2))
    world.run(DT)
    gravity = torch.tensor([1.0, G, 20.0], dtype=torch.float64)
    expected = DT * PENDULUM_MASS * gravity * PENDULUM_LENGTH / PENDULUM_INERTIA
    world.close(world.pendulum.get_joint_velocities()[:, 0], expected, tol=1e-7, rel=1e-5)
    forces = world.pendulum.get_generalized_gravity_forces()[:, 0]
    # At about −π/2 the bob is at +x; holding it there takes a torque about −y.
    world.close(forces, -PENDULUM_MASS * gravity * PENDULUM_LENGTH, tol=1e-4, rel=1e-5)


# ------------------------------------------------------------------------------------------------ planar arm

Q = [[0.3, 0.9], [-1.2, 0.4], [2.0, -1.7]]
QD = [[0.5, -1.0], [2.0, 1.5], [-0.7, 0.3]]


def pose_arm(world: Any, view: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Set all worlds to different states; return angles and velocities ``(n, 2)`` in double precision."""
    view.set_joint_positions(world.tensor(Q))
    view.set_joint_velocities(world.tensor(QD))
    return torch.tensor(Q, dtype=torch.float64), torch.tensor(QD, dtype=torch.float64)


def arm_points(q: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Jacobians ``(n, 2)`` of x and z of the elbow and of the hand: the 2R arm of every textbook."""
    s1, c1 = q[:, 0].sin(), q[:, 0].cos()
    s12, c12 = q.sum(1).sin(), q.sum(1).cos()
    zero = torch.zeros_like(s1)
    elbow = (torch.stack([-L1 * s1, zero], -1), torch.stack([L1 * c1, zero], -1))
    hand_x = torch.stack([-L1 * s1 - L2 * s12, -L2 * s12], -1)
    hand_z = torch.stack([L1 * c1 + L2 * c12, L2 * c12], -1)
    return [elbow, (hand_x, hand_z)]


def test_arm_jacobians_match_the_closed_form(world: Any) -> None:
    q, _ = pose_arm(world, world.arm)
    expected = torch.zeros(NUM_ENVS, 4, 6, 2, dtype=torch.float64)  # base, upper, fore, hand
    for link, (x, z) in zip((2, 3), arm_points(q), strict=True):
        expected[:, link, 0], expected[:, link, 2] = x, z
    expected[:, 1:, 4, 0] = -1.0  # positive angles turn about −y
    expected[:, 2:, 4, 1] = -1.0
    world.close(world.arm.get_jacobians(), expected, tol=2e-6)
    world.close(world.arm.get_jacobians(indices=[2, 0]), expected[[2, 0]], tol=2e-6)
    # On a base turned by a quarter about z, x is the world's y, and −y its x.
    pose_arm(world, world.turned_arm)
    turned = torch.zeros_like(expected)
    turned[:, :, 1], turned[:, :, 2], turned[:, :, 3] = expected[:, :, 0], expected[:, :, 2], -expected[:, :, 4]
    world.close(world.turned_arm.get_jacobians(), turned, tol=2e-6)


def arm_mass_matrix(q: torch.Tensor, m1: torch.Tensor | float = M1, m2: torch.Tensor | float = M2) -> torch.Tensor:
    c2 = q[:, 1].cos()
    m22 = m2 * C2**2 + I2 + 0 * c2
    m12 = m22 + m2 * L1 * C2 * c2
    m11 = m1 * C1**2 + I1 + m2 * (L1**2 + C2**2 + 2 * L1 * C2 * c2) + I2
    return torch.stack([torch.stack([m11, m12], -1), torch.stack([m12, m22], -1)], -2)


def arm_gravity(q: torch.Tensor, m1: Any = M1, m2: Any = M2, g: Any = G) -> torch.Tensor:
    lower = m2 * C2 * g * q.sum(1).cos()
    return torch.stack([(m1 * C1 + m2 * L1) * g * q[:, 0].cos() + lower, lower], -1)


def arm_coriolis(q: torch.Tensor, v: torch.Tensor, m2: Any = M2) -> torch.Tensor:
    h = m2 * L1 * C2 * q[:, 1].sin()
    return torch.stack([-h * (2 * v[:, 0] * v[:, 1] + v[:, 1] ** 2), h * v[:, 0] ** 2], -1)


def test_arm_dynamics_match_the_closed_form(world: Any) -> None:
    """PhysX has no links without mass: the hand weighs 8.5 mg there, a millionth of the arm, at up to 1.4 m."""
    inertia, weight = world.tolerance(1e-5, physx=5e-5), world.tolerance(3e-5, physx=2e-4)
    for view in (world.arm, world.turned_arm):
        q, v = pose_arm(world, view)
        world.close(view.get_mass_matrices(), arm_mass_matrix(q), tol=inertia)
        world.close(view.get_generalized_gravity_forces(), arm_gravity(q), tol=weight)
        world.close(view.get_coriolis_and_centrifugal_forces(), arm_coriolis(q, v), tol=5e-5)
    world.close(world.arm.get_mass_matrices(indices=[1]), arm_mass_matrix(q)[[1]], tol=inertia)
    world.close(world.arm.get_generalized_gravity_forces(indices=[1]), arm_gravity(q)[[1]], tol=weight)
    world.close(world.arm.get_coriolis_and_centrifugal_forces(indices=[1]), arm_coriolis(q, v)[[1]], tol=5e-5)


def test_dynamics_follow_masses_armatures_and_gravity_of_each_world(world: Any) -> None:
    view, gravities = world.arm, [G, 1.0, 20.0]
    if "gravity_per_world" not in world.engine.capabilities:
        gravities = [1.0] * NUM_ENVS
    q, v = pose_arm(world, view)
    masses, g = torch.tensor([[2.0, 1.5], [4.0, 0.5], [1.0, 3.0]], dtype=torch.float64), torch.tensor(gravities)
    view.set_body_masses(world.tensor(masses), body_indices=[1, 2])
    view.set_armatures(world.tensor([[0.1, 0.2]]), indices=[1])
    world.engine.set_gravity(world.tensor([[0, 0, -float(value)] for value in g]))
    m1, m2 = masses.unbind(1)
    expected = arm_mass_matrix(q, m1, m2)
    expected[1] += torch.diag(torch.tensor([0.1, 0.2], dtype=torch.float64))
    # As above for the hand.
    world.close(view.get_mass_matrices(), expected, tol=world.tolerance(1e-5, physx=5e-5))
    world.close(view.get_generalized_gravity_forces(), arm_gravity(q, m1, m2, g.double()), tol=1e-4)
    world.close(view.get_coriolis_and_centrifugal_forces(), arm_coriolis(q, v, m2), tol=1e-4)
    # And the motion obeys them: M dv = −dt (c + g).
    forces = arm_coriolis(q, v, m2) + arm_gravity(q, m1, m2, g.double())
    world.run(DT)
    expected_v = v - DT * torch.linalg.solve(expected, forces.unsqueeze(-1)).squeeze(-1)
    world.close(view.get_joint_velocities(), expected_v, tol=5e-6)


def test_gravity_is_switched_per_link_and_world(world: Any) -> None:
    view = world.arm
    q, _ = pose_arm(world, view)
    view.set_joint_velocities(torch.zeros_like(world.tensor(QD)))
    assert not view.get_body_disable_gravity().any()
    view.set_body_disable_gravity(torch.tensor([[True]], device=world.engine.device), indices=[1], body_indices=[2])
    view.set_body_disable_gravity(torch.ones(1, 4, dtype=torch.bool, device=world.engine.device), indices=[2])
    expected = [[False] * 4, [False, False, True, False], [True] * 4]
    assert view.get_body_disable_gravity().tolist() == expected
    # World 1 carries only the upper arm, world 2 nothing.
    m1, m2 = (torch.tensor(m, dtype=torch.float64) for m in ([M1, M1, 0.0], [M2, 0.0, 0.0]))
    gravity = arm_gravity(q, m1, m2)
    # As above for the hand.
    world.close(view.get_generalized_gravity_forces(), gravity, tol=world.tolerance(3e-5, physx=2e-4))
    world.close(view.get_coriolis_and_centrifugal_forces(), 0.0, tol=3e-5)
    world.run(DT)
    expected_v = -DT * torch.linalg.solve(arm_mass_matrix(q), gravity.unsqueeze(-1)).squeeze(-1)
    world.close(view.get_joint_velocities(), expected_v, tol=world.tolerance(1e-6, physx=5e-6))
    with pytest.raises(CapabilityError, match=r"'chain': gravity cannot be switched; .* disable_gravity=False"):
        world.chain.set_body_disable_gravity(world.tensor(torch.ones(NUM_ENVS, 3)).bool())


# ------------------------------------------------------------------------------------------------ floating tree


def link_states(world: Any) -> dict[str, torch.Tensor]:
    """Masses, centres of mass, their velocities, and inertias in the world frame, of all links, in double precision."""
    view, links = world.tree, world.all_links
    mass, inertia = view.get_body_masses().double(), view.get_body_inertias().double().reshape(NUM_ENVS, 5, 3, 3)
    position, orientation = (values.double() for values in links.get_world_poses())
    velocity = links.get_velocities().double()
    arm = quat_apply(orientation, view.get_body_coms().double())
    rotation = quat_to_matrix(orientation)
    return {
        "mass": mass[..., None],
        "centre": position + arm,
        "linear": velocity[..., :3] + torch.linalg.cross(velocity[..., 3:], arm),
        "angular": velocity[..., 3:],
        "inertia": rotation @ inertia @ rotation.transpose(-1, -2),
    }


def test_floating_tree_root_state(world: Any) -> None:
    motion = pose_tree(world)
    world.close(world.tree.get_velocities(), motion[:, :6], tol=2e-6)
    world.close(world.tree.get_linear_velocities(indices=[2]), motion[[2], :3], tol=2e-6)
    world.close(world.tree.get_angular_velocities(indices=[2]), motion[[2], 3:6], tol=2e-6)
    orientations = world.tree.get_world_poses()[1].unsqueeze(1)
    turned = quat_apply_inverse(orientations, motion[:, :6].unflatten(1, (2, 3))).flatten(1)
    world.close(world.tree.get_body_frame_velocities(), turned, tol=3e-6)
    world.close(world.tree.get_body_frame_velocities(indices=[2]), turned[[2]], tol=3e-6)
    world.close(world.links.get_body_frame_velocities(indices=[0, 2])[:, 1], turned[[0, 2]], tol=5e-6)
    assert (turned - motion[:, :6]).abs().max() > 1.0
    # The first link of the tree is its root, whichever way one looks at it.
    world.close(world.links.get_velocities()[:, 1], motion[:, :6], tol=3e-6)
    for own, link in zip(world.tree.get_world_poses(), world.links.get_world_poses(), strict=True):
        world.close(link[:, 1], own, tol=1e-6)
    # Turning the root keeps its velocity in the world frame.
    world.tree.set_world_poses(orientations=world.tensor([[0.0, 1.0, 0.0, 0.0]]), indices=[1])
    world.close(world.tree.get_velocities(), motion[:, :6], tol=2e-6)
    world.tree.set_angular_velocities(world.tensor([[1.0, 2.0, 3.0]]), indices=[0])
    world.tree.set_linear_velocities(world.tensor([[4.0, 5.0, 6.0]]), indices=[0])
    world.close(world.tree.get_velocities(indices=[0]), [[4, 5, 6, 1, 2, 3]], tol=2e-6)
    world.close(world.tree.get_velocities(indices=[1, 2]), motion[1:, :6], tol=2e-6)


def test_jacobians_times_velocities_are_link_velocities(world: Any) -> None:
    motion = pose_tree(world)
    velocities = (world.tree.get_jacobians() @ motion[:, None, :, None]).squeeze(-1)
    world.close(velocities, world.all_links.get_velocities(), tol=1e-5)
    world.close(velocities[:, [4, 0, 1]], world.links.get_velocities(), tol=1e-5)
    assert velocities.abs().max() > 1.0


def test_link_velocities_are_derivatives_of_link_poses(world: Any) -> None:
    pose_tree(world)
    world.engine.set_gravity(world.everywhere(0.0, 0.0, 0.0))
    position, orientation = world.all_links.get_world_poses()
    world.run(DT)
    velocity = world.all_links.get_velocities()
    next_position, next_orientation = world.all_links.get_world_poses()
    world.close((next_position - position) / DT, velocity[..., :3], tol=0.02)
    # q' = q · (1, ω dt / 2): the vector part of q' q⁻¹ is ω dt / 2.
    conjugate = orientation * world.tensor([1.0, -1.0, -1.0, -1.0])
    turn = quat_mul(next_orientation, conjugate)
    turn = turn * turn[..., :1].sign()
    world.close(2 * turn[..., 1:] / DT, velocity[..., 3:], tol=0.02)


def test_kinetic_energy_matches_the_mass_matrix(world: Any) -> None:
    motion = pose_tree(world).double()
    s = link_states(world)
    linear = (0.5 * s["mass"] * s["linear"] ** 2).sum((1, 2))
    angular = 0.5 * torch.einsum("nbi,nbij,nbj->n", s["angular"], s["inertia"], s["angular"])
    mass = world.tree.get_mass_matrices().double()
    world.close(0.5 * torch.einsum("ni,nij,nj->n", motion, mass, motion), linear + angular, tol=0, rel=1e-5)
    world.close(mass, mass.transpose(1, 2), tol=1e-5)
    # In the world-frame convention the force that a linear acceleration of the whole takes is m a.
    world.close(mass[:, :3, :3], 7.7 * torch.eye(3, dtype=torch.float64), tol=1e-5)


def test_power_of_gravity_matches_the_change_of_height(world: Any) -> None:
    motion = pose_tree(world)
    s = link_states(world)
    forces = world.tree.get_generalized_gravity_forces()
    world.close((forces * motion).sum(1), (G * s["mass"] * s["linear"][..., 2:]).sum((1, 2)), tol=1e-4, rel=1e-5)
    world.close(forces[:, :3], [0, 0, 7.7 * G], tol=1e-4)


def test_floating_tree_satisfies_the_equations_of_motion(world: Any) -> None:
    """M a + c + g = τ in the world-frame convention; a is taken from two steps half a time step apart: error O(dt)."""
    before = pose_tree(world)
    effort = world.tensor([[1.0, -2.0, 3.0, 0.5]])
    world.tree.set_joint_efforts(effort.expand(NUM_ENVS, -1))
    forces = world.tree.get_coriolis_and_centrifugal_forces() + world.tree.get_generalized_gravity_forces()
    forces[:, 6:] -= effort
    mass = world.tree.get_mass_matrices()
    world.run(DT)
    after = torch.cat([world.tree.get_velocities(), world.tree.get_joint_velocities()], dim=1)
    world.close(
        (mass @ ((after - before) / DT).unsqueeze(-1)).squeeze(-1), -forces, tol=0.02 * float(forces.abs().max())
    )
    assert world.tree.get_coriolis_and_centrifugal_forces().abs().max() > 1.0


def test_momentum_is_conserved_without_external_forces(world: Any) -> None:
    """Semi-implicit Euler drifts by a share of the order of ω dt per turn."""
    world.engine.set_gravity(world.everywhere(0.0, 0.0, 0.0))
    pose_tree(world)

    def momenta() -> tuple[torch.Tensor, torch.Tensor]:
        s = link_states(world)
        linear = s["mass"] * s["linear"]
        spin = (s["inertia"] @ s["angular"].unsqueeze(-1)).squeeze(-1)
        return linear.sum(1), (torch.linalg.cross(s["centre"], linear) + spin).sum(1)

    linear, angular = momenta()
    world.run(0.1)
    for before, after in zip((linear, angular), momenta(), strict=True):
        world.close(after, before, tol=0.02 * float(before.abs().max()))


def test_inertias_can_be_set_and_read(world: Any) -> None:
    world.close(
        world.tree.get_body_inertias(indices=[0], body_indices=[0]),
        [[[0.3, 0.02, -0.03, 0.02, 0.25, 0.01, -0.03, 0.01, 0.2]]],
        tol=1e-6,
    )
    values = world.tensor([0.5, 0.05, 0.02, 0.05, 0.4, -0.03, 0.02, -0.03, 0.3])
    world.tree.set_body_inertias(values.expand(1, 1, 9), indices=[1], body_indices=[2])
    world.close(world.tree.get_body_inertias(indices=[1], body_indices=[2]), values.expand(1, 1, 9), tol=1e-6)
    test_kinetic_energy_matches_the_mass_matrix(world)
    for wrong, message in (([1, 2, 0, 0, 1, 0, 0, 0, 1], "symmetric"), ([1, 0, 0, 0, -1, 0, 0, 0, 1], "positive")):
        with pytest.raises(OigeError, match=f"inertias of 'tree': expected {message}"):
            world.tree.set_body_inertias(world.tensor(wrong).expand(NUM_ENVS, 1, 9), body_indices=[1])


# ------------------------------------------------------------------------------------------------ joint wrenches


def in_chain_frames(wrenches: torch.Tensor) -> torch.Tensor:
    """Turn wrenches ``(3, 6)`` from the axes of the chain's links to those of its joints.

    Its two hinges turn about y: x of a joint's frame is y of the link, and y is −x. The ceiling has no joint.
    """
    turned = torch.stack((wrenches[:, 1], -wrenches[:, 0], wrenches[:, 2]), dim=-1)
    turned = torch.cat((turned, torch.stack((wrenches[:, 4], -wrenches[:, 3], wrenches[:, 5]), dim=-1)), dim=-1)
    return torch.cat((wrenches[:1], turned[1:]))


def test_hanging_chain_wrenches_equal_the_weight_below(world: Any) -> None:
    """Each link carries what hangs on it: 6, 5 and 3 kg. The ceiling's own kilogram sits 0.3 m from its origin."""
    world.run(DT)
    expected = torch.zeros(3, 6, dtype=torch.float64)
    expected[:, 2] = torch.tensor([6.0, 5.0, 3.0]) * G
    expected[0, 4] = -1.0 * G * 0.3  # r × m g ẑ with r = 0.3 x̂ is −0.3 m g ŷ
    world.close(world.chain.get_measured_joint_forces(), expected, tol=1e-3)
    world.close(
        world.chain.get_measured_joint_forces(indices=[2], joint_indices=[2, 0]), expected[[2, 0]][None], tol=1e-3
    )


def test_wrenches_of_selected_links(world: Any) -> None:
    world.run(DT)
    carried = torch.tensor([[0.0, 0.0, 3.0 * G, 0.0, 0.0, 0.0]], dtype=torch.float64)
    for lower in ([2], torch.tensor([2], device=world.engine.device)):
        world.close(world.partly.get_measured_joint_forces(joint_indices=lower), carried, tol=1e-3)
    for missing in (None, [2, 0]):
        with pytest.raises(
            CapabilityError, match=r"'partly': joint forces of link 'ceiling' are not measured, only those of lower;"
        ):
            world.partly.get_measured_joint_forces(joint_indices=missing)


def test_cantilever_wrenches_match_statics(world: Any) -> None:
    """Turned by +90° about y the chain points to −x; drives hold it, and their torques are the joints' y components.

    Centres of mass: upper 0.2 m from its anchor; lower 0.15 m from its own and 0.4 + 0.1 = 0.5 m from the upper one.
    In a link's frame up is −x. The ceiling is not turned.
    """
    world.chain.set_joint_positions(world.everywhere(math.pi / 2, 0.0))
    held = torch.tensor([2 * 0.2 + 3 * 0.5, 3 * 0.15], dtype=torch.float64) * G
    world.close(world.chain.get_generalized_gravity_forces(), held, tol=1e-3)
    world.chain.set_joint_efforts(world.tensor(held).expand(NUM_ENVS, -1))
    world.run(DT)
    expected = torch.zeros(3, 6, dtype=torch.float64)
    expected[0, 2] = 6 * G
    expected[1, 0], expected[2, 0] = -5 * G, -3 * G
    expected[1, 4], expected[2, 4] = held[0], held[1]
    expected[0, 4] = held[0] - 1.0 * G * 0.3
    world.close(world.chain.get_measured_joint_forces(), in_chain_frames(expected), tol=2e-3)
    world.close(world.chain.get_joint_velocities(), 0.0, tol=1e-4)


def test_wrenches_balance_external_forces(world: Any) -> None:
    """4 N along y at the lower centre of mass: every joint pulls it back, with a torque about its own anchor."""
    world.lower.apply_forces(world.everywhere(0.0, 4.0, 0.0))
    world.run(DT)
    expected = torch.zeros(3, 6, dtype=torch.float64)
    expected[:, 2] = torch.tensor([6.0, 5.0, 3.0]) * G
    expected[:, 1] = -4.0
    # −(r × F ŷ) with r = (0, 0, −d) is (−d F, 0, 0): d from the anchor to the point.
    expected[:, 3] = -4.0 * torch.tensor([0.6, 0.5, 0.15])
    expected[0, 4] = -0.3 * G
    world.close(world.chain.get_measured_joint_forces(), in_chain_frames(expected), tol=2e-3)
    # Gone after the step.
    world.run(DT)
    world.close(world.chain.get_measured_joint_forces()[..., :2], 0.0, tol=1e-3)


def test_floating_root_has_no_joint_force(world: Any) -> None:
    pose_tree(world)
    world.run(DT)
    forces = world.tree.get_measured_joint_forces()
    world.close(forces[:, 0], 0.0, tol=1e-3)
    assert forces[:, 1:].abs().max() > 0.1


def test_free_fall_and_zero_gravity_give_no_joint_forces(world: Any) -> None:
    """The tree rests with gravity off on all links and falls as one with it on: no forces in joints either way."""
    world.tree.set_body_disable_gravity(
        torch.tensor([[True] * 5, [False] * 5, [True, True, False, True, True]], device=world.engine.device)
    )
    world.tree.set_joint_positions(world.everywhere(0.4, -0.3, 0.1, 0.2))
    world.run(DT)
    forces = world.tree.get_measured_joint_forces()
    world.close(forces[:2], 0.0, tol=2e-3)
    # In world 2 only the leg falls; it pulls the rest along.
    world.close(forces[2, 0], 0.0, tol=2e-3)
    assert forces[2, 2].norm() > 1.0
    world.close(world.tree.get_linear_velocities()[:2], [[0, 0, 0], [0, 0, -G * DT]], tol=1e-6)


def test_getters_are_exact_where_a_gpu_rounds_matrix_products(
    build: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = build(set_up_scene, num_envs=N)
    world.ant.set_world_poses(orientations=[0.5, 0.1, 0.7, -0.3])
    world.ant.set_body_disable_gravity([1.0, 0.0, 1.0])
    world.engine.step()
    getters = [world.method(name, method) for name, method in GETTERS]
    expected = [getter() for getter in getters]
    with pytest.raises(AssertionError), NoMatrixProducts():
        world.ant.get_mass_matrices()
    monkeypatch.setattr("oige_core.math.products._rounds_factors", lambda values: True)
    with NoMatrixProducts():
        actual = [getter() for getter in getters]
    torch.testing.assert_close(actual, expected, equal_nan=True)


def test_velocities_are_the_same_where_a_gpu_would_fuse_them(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pose_tree(world)
    getters = world.tree.get_velocities, world.tree.get_body_frame_velocities
    expected = [get() for get in getters]
    monkeypatch.setattr("oige_core.math.fused._on_gpu", lambda values: True)
    with torch.no_grad():
        for get, values in zip(getters, expected, strict=True):
            torch.testing.assert_close(get(), values, atol=1e-6, rtol=1e-6)
