"""Sizes, densities, offsets, velocity limits and tendon limits that differ between worlds, against closed forms.

Where nothing else is said, a tolerance is the rounding of float32.
"""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from articulation_scene import C1, DT, EFFORT, L1, L2, M1, M2, PENDULUM_INERTIA, build_articulations
from articulation_scene import PENDULUM_LENGTH as LENGTH
from articulation_scene import PENDULUM_MASS as MASS
from oige_core.engines.mujoco.views.frames import _axes_by_kernel
from oige_core.errors import CapabilityError, OigeError
from oige_core.math import quat_to_matrix
from oige_core.scene import ArticulationAsset
from rigid_scene import BOX_MASS, BRICK_INERTIA, BRICK_MASS, BRICK_SIZE, G, build_rigid_bodies

SCALES = [1.0, 1.5, 0.6]


@pytest.fixture(scope="module")
def built(build: Callable[..., Any], executor: str) -> Any:
    return build_articulations(build, executor)


@pytest.fixture(scope="module")
def built_bodies(build: Callable[..., Any], executor: str) -> Any:
    return build_rigid_bodies(build, executor)


@pytest.fixture
def bodies(built_bodies: Any) -> Any:
    built_bodies.engine.load_state_dict(built_bodies.initial_state)
    return built_bodies


def uniform(world: Any, *scales: float) -> torch.Tensor:
    return world.tensor(scales).unsqueeze(-1).expand(-1, 3)


# ------------------------------------------------------------------------------------------------ rigid bodies


def test_larger_boxes_rest_higher_and_keep_a_stated_mass(bodies: Any) -> None:
    bodies.needs("scales")
    bodies.box.set_local_scales(uniform(bodies, *SCALES))
    bodies.close(bodies.box.get_local_scales()[:, 1], SCALES, tol=1e-6)
    heights = [0.1 * scale for scale in SCALES]
    bodies.box.set_world_poses(bodies.tensor([[3.0, 0.0, height + 0.001] for height in heights]))
    bodies.run(0.2)
    bodies.close(bodies.box.get_world_poses()[0][:, 2], heights, tol=5e-4)
    bodies.close(bodies.box.get_net_contact_forces()[:, 2], BOX_MASS * G, tol=0.3)
    bodies.close(bodies.box.get_masses(), BOX_MASS, tol=1e-6)
    expected = [BOX_MASS * (0.2 * scale) ** 2 / 6 for scale in SCALES]  # m a² / 6 of a cube
    bodies.close(bodies.box.get_inertias()[:, 4], expected, tol=1e-7)


def test_mass_and_inertia_follow_the_size_at_constant_density(bodies: Any) -> None:
    """A cylinder: m = ρ π r² l, and moments m (3 r² + l²) / 12 across and m r² / 2 along its axis."""
    bodies.needs("scales")
    bodies.can.set_local_scales(bodies.tensor([[1.0, 1.0, 1.0], [2.0, 2.0, 3.0], [0.5, 0.5, 0.7]]))
    radii, lengths = [0.1, 0.2, 0.05], [0.3, 0.9, 0.21]
    masses = [500 * math.pi * r**2 * l for r, l in zip(radii, lengths, strict=True)]  # noqa: E741
    bodies.close(bodies.can.get_masses(), masses, tol=1e-5, rel=1e-6)
    inertias = bodies.can.get_inertias()
    across = [m * (3 * r**2 + l**2) / 12 for m, r, l in zip(masses, radii, lengths, strict=True)]  # noqa: E741
    bodies.close(inertias[:, 0], across, tol=1e-7, rel=1e-5)
    bodies.close(inertias[:, 4], across, tol=1e-7, rel=1e-5)
    bodies.close(inertias[:, 8], [m * r**2 / 2 for m, r in zip(masses, radii, strict=True)], tol=1e-7, rel=1e-5)
    bodies.close(bodies.can.get_densities(), 500.0, tol=1e-2)
    bodies.pill.set_local_scales(uniform(bodies, 2.0), indices=[1])
    mass = 500 * (math.pi * 0.1**2 * 0.3 + 4 / 3 * math.pi * 0.1**3)
    bodies.close(bodies.pill.get_masses(), [mass, 8 * mass, mass], tol=1e-4)


def test_scales_replace_each_other(bodies: Any) -> None:
    bodies.needs("scales")
    before = bodies.can.get_masses(), bodies.can.get_inertias()
    for scale in (2.0, 0.3, 1.0):
        bodies.can.set_local_scales(uniform(bodies, scale, scale, scale))
    bodies.close(bodies.can.get_masses(), before[0].cpu(), tol=0.0, rel=1e-6)
    bodies.close(bodies.can.get_inertias(), before[1].cpu(), tol=1e-9, rel=1e-5)


def test_denser_bodies_need_more_force(bodies: Any) -> None:
    """v = F t / m, with m = ρ V; the inertia is proportional to the density."""
    densities = bodies.tensor([100.0, 250.0, 4000.0])
    bodies.brick.set_densities(densities)
    bodies.close(bodies.brick.get_densities(), densities.cpu(), tol=1e-3)
    masses = densities.cpu().double() * math.prod(BRICK_SIZE)
    bodies.close(bodies.brick.get_masses(), masses, tol=1e-5, rel=1e-6)
    bodies.close(bodies.brick.get_inertias()[:, 0], masses / BRICK_MASS * BRICK_INERTIA[0], tol=1e-6, rel=1e-5)
    bodies.brick.disable_gravities()
    bodies.brick.apply_forces(bodies.everywhere(6.0, 0.0, 0.0))
    bodies.run(0.1)
    bodies.close(bodies.brick.get_linear_velocities()[:, 0], 6.0 * 0.1 / masses, tol=1e-6, rel=1e-5)


def test_bodies_rest_above_each_other_by_their_rest_offsets(bodies: Any) -> None:
    offsets = [0.0, 0.01, 0.025]
    bodies.box.set_rest_offsets(bodies.tensor(offsets))
    bodies.close(bodies.box.get_rest_offsets(), offsets, tol=1e-7)
    bodies.box.set_world_poses(bodies.tensor([[3.0, 0.0, 0.101 + offset] for offset in offsets]))
    bodies.run(0.2)
    bodies.close(bodies.box.get_world_poses()[0][:, 2], [0.1 + offset for offset in offsets], tol=5e-4)


def test_materials_of_links_are_those_of_their_shapes(bodies: Any) -> None:
    """The links are stand, foot and idle, of which the first has no shape."""
    base = bodies.press.get_material_properties()
    bodies.close(base, [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0.5, 0]], tol=1e-6)
    bodies.press.set_material_properties(bodies.tensor([[[0.9, 0.9, 0.0]]]), indices=[1], body_indices=[1])
    frictions = bodies.press.get_material_properties()[..., 0]
    bodies.close(frictions, [[0, 0.5, 0.5], [0, 0.9, 0.5], [0, 0.5, 0.5]], tol=1e-6)
    bodies.close(bodies.foot.get_material_properties()[:, 1], [0.5, 0.9, 0.5], tol=1e-6)
    bodies.press.set_material_properties(bodies.tensor([[[0.1, 0.1, 0], [0.2, 0.2, 0], [0.3, 0.3, 0]]]), indices=[2])
    bodies.close(bodies.press.get_material_properties()[2, :, 0], [0, 0.2, 0.3], tol=1e-6)
    bodies.close(bodies.foot.get_material_properties()[2, :2], 0.2, tol=1e-6)
    if "restitution" not in bodies.engine.capabilities:
        with pytest.raises(CapabilityError, match=r"'press': the engine MuJoCo does not support restitution"):
            bodies.press.set_material_properties([[[0.5, 0.5, 0.1]] * 3] * 3)


def test_contact_offsets_are_above_rest_offsets(bodies: Any) -> None:
    bodies.needs("contact_offsets")
    bodies.box.set_contact_offsets(bodies.tensor([0.01, 0.03]), indices=[0, 2])
    bodies.close(bodies.box.get_contact_offsets()[[0, 2]], [0.01, 0.03], tol=1e-7)
    bodies.box.set_rest_offsets(0.02)
    bodies.close(bodies.box.get_rest_offsets(), 0.02, tol=1e-7)
    assert (bodies.box.get_contact_offsets() > 0.0201).all()
    bodies.close(bodies.box.get_contact_offsets()[2], 0.03, tol=1e-7)
    with pytest.raises(
        OigeError, match=r"offsets contain 0\.01: expected more than the rest offset, 0\.02; set a lower"
    ):
        bodies.box.set_contact_offsets(0.01)
    bodies.parts.set_contact_offsets(bodies.tensor([[0.04, 0.05]]), indices=[1])
    bodies.close(bodies.foot.get_contact_offsets()[1], 0.05, tol=1e-7)
    assert (bodies.foot.get_contact_offsets()[[0, 2]] != 0.05).all()


def test_invalid_sizes_and_unsupported_properties_raise(bodies: Any) -> None:
    bodies.needs("scales")
    for view, scales, message in (
        (bodies.ball, [1.0, 1.0, 2.0], "scales differ between axes: expected the same along x, y and z"),
        (bodies.can, [1.0, 2.0, 2.0], "scales differ between axes: expected the same along x and y"),
        (bodies.brick, [1.0, 0.0, 2.0], "scales contain 0: expected numbers above 0"),
    ):
        with pytest.raises(OigeError, match=rf"\Aset_local_scales of '{view.name}': {message}\.\Z"):
            view.set_local_scales(scales)
    with pytest.raises(CapabilityError, match=r"'foot': links have no size or density of their own"):
        bodies.foot.set_densities(1000.0)
    with pytest.raises(CapabilityError, match=r"'box': the engine MuJoCo does not support contact offsets.*Isaac Sim"):
        bodies.box.set_contact_offsets(0.02)


# ------------------------------------------------------------------------------------------------ articulations


def test_a_scaled_pendulum_swings_slower(world: Any) -> None:
    """m ∝ s³, l ∝ s and I ∝ s⁵: angular accelerations are proportional to 1 / s, and moments to s⁴."""
    world.needs("scales")
    scales = torch.tensor(SCALES, dtype=torch.float64)
    world.pendulum.set_local_scales(uniform(world, *SCALES))
    world.pendulum.set_joint_positions(0.3)
    moments = scales**4 * MASS * G * LENGTH * math.sin(0.3)
    world.close(world.pendulum.get_generalized_gravity_forces()[:, 0], moments, tol=1e-5)
    world.close(world.pendulum.get_body_masses()[:, 1], MASS * scales**3, tol=1e-5)
    world.run(DT)
    world.close(world.pendulum.get_joint_velocities()[:, 0], -DT * moments / (PENDULUM_INERTIA * scales**5), tol=1e-6)


def test_a_scaled_arm_reaches_farther(world: Any) -> None:
    world.needs("scales")
    scales = torch.tensor(SCALES, dtype=torch.float64)
    hand = world.arm.get_link_index("hand")
    world.arm.set_local_scales(uniform(world, *SCALES))
    world.arm.set_joint_positions([0.0, 0.5])
    # The Jacobian of the hand holds its distance from the axes.
    jacobian = world.arm.get_jacobians()[:, hand, 2]
    fore = L2 * math.cos(0.5)
    expected = torch.stack((scales * (L1 + fore), scales * fore), dim=-1)
    world.close(jacobian, expected, tol=1e-6)
    world.close(world.arm.get_world_poses()[0], [[0, 4, 1]] * 3, tol=1e-6)  # the root stays
    moment = G * (M1 * C1 + M2 * (L1 + 0.25 * math.cos(0.5)))
    world.close(world.arm.get_generalized_gravity_forces()[:, 0], scales**4 * moment, tol=1e-4)


def test_joint_forces_of_a_scaled_chain_are_its_weight(world: Any) -> None:
    world.needs("scales")
    world.chain.set_local_scales(uniform(world, *SCALES))
    world.run(DT)
    forces = world.chain.get_measured_joint_forces()
    lower = world.chain.get_link_index("lower")
    world.close(forces[:, lower, :3].norm(dim=-1), [3 * G * scale**3 for scale in SCALES], tol=1e-3)


def test_articulations_that_cannot_be_scaled_raise(world: Any, build: Callable[..., Any], executor: str) -> None:
    world.needs("scales")
    with pytest.raises(OigeError, match=r"set_local_scales of 'arm': scales differ .* along x, y and z"):
        world.arm.set_local_scales([1.0, 2.0, 1.0])
    if executor != "c":
        return
    mesh = """<mujoco><asset><mesh name="m" vertex="0 0 0 1 0 0 0 1 0 0 0 1"/></asset><worldbody><body name="root">
      <body name="a"><joint name="a"/><geom type="mesh" mesh="m"/></body></body></worldbody></mujoco>"""
    asset = ArticulationAsset(mjcf=mesh, usd="none.usd")
    other = build(lambda scene: {"robot": scene.add_articulation("robot", asset)})
    with pytest.raises(CapabilityError, match=r"'robot': cannot be scaled .* shapes of 'robot/a' are meshes"):
        other.robot.set_local_scales([2.0, 2.0, 2.0])


def test_joints_do_not_exceed_their_maximum_velocities(world: Any) -> None:
    """A mass of 4 kg under 6 N: v = min(1.5 t, limit), and x its integral."""
    limits, time = [math.inf, 0.06, 0.03], 0.1
    assert bool(world.rails.get_joint_max_velocities().isinf().all())
    world.rails.set_max_joint_velocities(world.tensor(limits).unsqueeze(-1), joint_indices=[EFFORT])
    world.close(world.rails.get_joint_max_velocities(joint_indices=[EFFORT]).squeeze(-1), limits, tol=1e-7)
    world.rails.set_joint_efforts(world.everywhere(6.0), joint_indices=[EFFORT])
    world.run(time)
    world.close(world.rails.get_joint_velocities()[:, EFFORT], [1.5 * time, *limits[1:]], tol=1e-6)
    distances = [0.75 * time**2] + [limit * time - limit**2 / 3.0 for limit in limits[1:]]
    world.close(world.rails.get_joint_positions()[:, EFFORT], distances, tol=0.75 * time * DT + 1e-6)
    world.rails.set_joint_efforts(world.everywhere(-6.0), joint_indices=[EFFORT])
    world.run(time)
    world.close(world.rails.get_joint_velocities()[1:, EFFORT], [-limit for limit in limits[1:]], tol=1e-6)


# ------------------------------------------------------------------------------------------------ tendons


def push(world: Any, length: torch.Tensor, force: float) -> None:
    """Put the carts where the tendons L = a + 2 b have a length ``(n,)``, and push them along the tendons."""
    world.coupled.set_joint_positions(torch.stack((torch.zeros_like(length), length / 2.0), dim=-1))
    world.coupled.set_joint_velocities(0.0)
    world.coupled.set_joint_efforts(world.everywhere(force, 2.0 * force))


def test_limits_of_tendons_give_way_by_their_stiffness(world: Any) -> None:
    """At rest, a force F along the tendon is F / k beyond the limit of 0.5 m."""
    world.needs("branched_tendons")
    stiffnesses = [4000.0, 16000.0, 64000.0]
    both = world.tensor(stiffnesses).unsqueeze(-1).expand(-1, 2)
    world.coupled.set_fixed_tendon_properties(limit_stiffnesses=both)
    world.close(world.coupled.get_fixed_tendon_limit_stiffnesses(), both.cpu(), tol=1.0)
    push(world, world.tensor([0.5] * 3), 160.0)
    world.run(0.32)
    beyond = world.coupled.get_fixed_tendon_lengths()[:, 0] - 0.5
    world.close(beyond, [160.0 / stiffness for stiffness in stiffnesses], tol=0.0, rel=0.02)
    with pytest.raises(OigeError, match="limit_stiffnesses contain 0 or less: expected numbers above 0"):
        world.coupled.set_fixed_tendon_properties(limit_stiffnesses=[[0.0, 1.0]])


def test_offsets_of_tendons_move_joints(world: Any) -> None:
    """A spring rests, and limits act, at lengths that contain the offset."""
    world.needs("branched_tendons")
    offsets = [0.0, 0.1, -0.2]
    both = world.tensor(offsets).unsqueeze(-1).expand(-1, 2)
    world.coupled.set_fixed_tendon_properties(offsets=both)
    world.close(world.coupled.get_fixed_tendon_offsets(), both.cpu(), tol=1e-7)
    world.close(world.coupled.get_fixed_tendon_limits()[:, 0], [[-0.5, 0.5]] * 3, tol=1e-6)
    world.close(world.coupled.get_fixed_tendon_rest_lengths(), 0.0, tol=1e-6)
    world.close(world.coupled.get_fixed_tendon_lengths(), both.cpu(), tol=1e-6)
    world.coupled.set_fixed_tendon_properties(
        stiffnesses=world.everywhere(0.0, 4000.0), dampings=world.everywhere(0.0, 73.0)
    )
    world.run(0.15)  # a time constant of 9 ms
    world.close(world.coupled.get_fixed_tendon_lengths()[:, 1], 0.0, tol=1e-4)
    a, b = world.coupled.get_joint_positions().unbind(-1)
    world.close(a + 2 * b, [-offset for offset in offsets], tol=1e-4)
    world.coupled.set_fixed_tendon_properties(stiffnesses=[[0.0, 0.0]])
    push(world, 0.5 - both[:, 0], 160.0)
    world.run(0.15)
    a, b = world.coupled.get_joint_positions().unbind(-1)
    world.close(a + 2 * b, [0.5 - offset for offset in offsets], tol=0.012)


# ------------------------------------------------------------------------------------------------ saved states


def test_saved_attributes_continue_bitwise_in_new_worlds(world: Any, build: Callable[..., Any]) -> None:
    """The engine that loads the state has none of the fields of its own, and no velocity limits, before."""
    world.needs("exact_state")
    world.needs("scales")
    world.arm.set_local_scales(uniform(world, *SCALES))
    world.rails.set_max_joint_velocities(world.tensor([[0.03], [0.02], [0.01]]))
    world.rails.set_joint_efforts(world.everywhere(20.0))
    pair = world.tensor([[0.1, 0.0], [0.2, 0.1], [0.0, 0.0]])
    world.coupled.set_fixed_tendon_properties(offsets=pair, limit_stiffnesses=4000.0 + pair)
    world.arm.set_armatures(world.tensor([[0.1], [0.2], [0.3]]))
    world.run(5 * DT)
    world.arm.set_body_masses(world.arm.get_body_masses() * 1.1)
    saved = world.engine.state_dict()
    fresh = build_articulations(build, world.executor)
    outcomes = []
    for each in (world, fresh):
        each.engine.load_state_dict(saved)
        each.run(10 * DT)
        views = each.arm, each.rails, each.coupled
        outcomes.append(torch.cat([view.get_joint_positions() for view in views], dim=1))
        assert torch.equal(each.arm.get_local_scales(), uniform(world, *SCALES))
        assert torch.equal(each.coupled.get_fixed_tendon_offsets(), pair)
    assert torch.equal(*outcomes)
    assert bool((outcomes[0] != 0.0).any())


# ------------------------------------------------------------------------------------------------ inertias


def test_kernel_finds_principal_axes() -> None:
    """For any symmetric matrix, also with equal moments, whose axes are not unique."""
    random = torch.Generator().manual_seed(4)
    rotations = quat_to_matrix(torch.nn.functional.normalize(torch.randn(64, 4, generator=random), dim=-1))
    moments = 0.1 + torch.rand(64, 3, generator=random)
    moments[:16, 1] = moments[:16, 0]
    moments[8:16, 2] = moments[8:16, 0]
    matrices = rotations @ torch.diag_embed(moments) @ rotations.transpose(-1, -2)
    found, orientations = _axes_by_kernel(matrices.reshape(64, 1, 9))
    axes = quat_to_matrix(orientations[:, 0])
    torch.testing.assert_close(
        axes @ torch.diag_embed(found[:, 0]) @ axes.transpose(-1, -2), matrices, atol=2e-6, rtol=0
    )
    torch.testing.assert_close(orientations.norm(dim=-1), torch.ones(64, 1), atol=1e-6, rtol=0)
