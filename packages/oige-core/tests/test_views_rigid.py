"""Rigid bodies, and links as bodies, against closed forms, on both executors.

Where nothing else is said, a tolerance is the rounding of float32, or the first-order error of the time step of 2 ms.
"""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from oige_core.errors import CapabilityError, OigeError
from oige_core.math import quat_apply, quat_to_matrix
from oige_core.scene import Material
from rigid_scene import (
    BRICK_INERTIA,
    BRICK_MASS,
    DT,
    IDENTITY,
    NUM_ENVS,
    G,
    build_rigid_bodies,
    turned,
)


@pytest.fixture(scope="module")
def built(build: Callable[..., Any], executor: str) -> Any:
    return build_rigid_bodies(build, executor)


# ------------------------------------------------------------------------------------------------ free motion


def test_free_fall_matches_the_closed_form(world: Any) -> None:
    """v = v0 − g t and z = z0 + v0 t − g t (t + dt) / 2: the integrator takes the new velocity."""
    view = world.brick
    view.set_world_poses(world.tensor([[1.0, 2.0, 40.0]]), indices=[1])
    view.set_velocities(world.tensor([[0.5, -0.2, 3.0, 0.0, 0.0, 0.0]]), indices=[1])
    t = 0.2
    world.run(t)
    expected = torch.tensor([[0, 0, 30.0], [1 + 0.5 * t, 2 - 0.2 * t, 40 + 3 * t], [0, 0, 30.0]], dtype=torch.float64)
    expected[:, 2] -= G * t * (t + DT) / 2
    world.close(view.get_world_poses()[0], expected, tol=2e-5)
    world.close(view.get_world_poses()[1], IDENTITY, tol=1e-7)
    world.close(view.get_velocities()[1], [0.5, -0.2, 3 - G * t, 0, 0, 0], tol=1e-5)
    world.close(view.get_linear_velocities(indices=[2, 1])[:, 2], [-G * t, 3 - G * t], tol=1e-5)


def test_spin_about_a_principal_axis_is_steady(world: Any) -> None:
    """The body is turned; its angular velocity is given, and read, in the world frame."""
    view, spin = world.brick, 3.0
    start = turned(world, 1.0, 1.0, 2.0, -0.5)
    axis = quat_apply(start, world.tensor([0.0, 0.0, 1.0]))
    view.set_world_poses(orientations=start.expand(NUM_ENVS, 4))
    view.set_angular_velocities((spin * axis).expand(NUM_ENVS, 3))
    world.close(view.get_angular_velocities(), spin * axis, tol=1e-6)
    world.run(0.1)
    world.close(view.get_angular_velocities(), spin * axis, tol=1e-5)
    x = quat_apply(view.get_world_poses()[1], world.tensor([1.0, 0.0, 0.0]).expand(NUM_ENVS, 3))
    expected = quat_apply(turned(world, 0.1 * spin, *axis.tolist()), quat_apply(start, world.tensor([1.0, 0.0, 0.0])))
    world.close(x, expected, tol=1e-5)


def test_tumbling_conserves_angular_momentum(world: Any) -> None:
    """R I Rᵀ ω is constant to about ω dt / 2 while ω itself changes."""
    view = world.brick
    view.set_world_poses(orientations=turned(world, 0.7, 1.0, -1.0, 2.0).expand(NUM_ENVS, 4))
    omega = world.tensor([[0.3, 4.0, 0.2], [1.0, 2.0, 3.0], [3.0, 0.1, -2.0]])
    view.set_angular_velocities(omega)

    def momentum() -> torch.Tensor:
        rotation = quat_to_matrix(view.get_world_poses()[1])
        inertia = rotation @ torch.diag(world.tensor(BRICK_INERTIA)) @ rotation.transpose(-1, -2)
        return (inertia @ view.get_angular_velocities().unsqueeze(-1)).squeeze(-1)

    before = momentum()
    world.run(0.3)
    world.close(momentum(), before, tol=0.015 * float(before.abs().max()))
    assert ((view.get_angular_velocities() - omega).norm(dim=1) > 0.1).all()


def test_pose_and_velocity_setters_accept_selected_worlds(world: Any) -> None:
    view = world.brick
    view.set_velocities(world.tensor([[1.0, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]]), indices=[2, 0])
    world.close(view.get_velocities(), [[7, 8, 9, 10, 11, 12], [0] * 6, [1, 2, 3, 4, 5, 6]], tol=1e-5)
    turn = turned(world, 0.5, 0, 0, 1)
    view.set_world_poses(orientations=turn.expand(1, 4), indices=torch.tensor([2], device=world.engine.device))
    world.close(view.get_velocities(), [[7, 8, 9, 10, 11, 12], [0] * 6, [1, 2, 3, 4, 5, 6]], tol=1e-5)
    view.set_world_poses(positions=world.tensor([[1.0, 2.0, 3.0]]), indices=[0])
    positions, orientations = view.get_world_poses()
    world.close(positions, [[1, 2, 3], [0, 0, 30], [0, 0, 30]], tol=1e-6)
    world.close(orientations[2], turn, tol=1e-6)
    world.close(view.get_world_poses(indices=[2, 0])[0], [[0, 0, 30], [1, 2, 3]], tol=1e-6)
    assert view.count == NUM_ENVS


def test_body_gravity_is_switched_per_world(world: Any) -> None:
    view = world.brick
    view.disable_gravities(indices=[0, 2])
    view.enable_gravities(indices=[0])
    world.run(DT)
    world.close(view.get_linear_velocities()[:, 2], [-G * DT, -G * DT, 0.0], tol=1e-6)
    view.disable_gravities()
    world.run(DT)
    world.close(view.get_linear_velocities()[:, 2], [-G * DT, -G * DT, 0.0], tol=1e-6)
    with pytest.raises(CapabilityError, match=r"'box': gravity cannot be switched; .* disable_gravity=False"):
        world.box.disable_gravities()


# ------------------------------------------------------------------------------------------------ external forces


def weightless(world: Any) -> Any:
    """Return the brick, without gravity, in another orientation in each world."""
    world.brick.disable_gravities()
    orientations = torch.stack([turned(world, 0.4 * i, 1.0, 0.5 * i, -1.0) for i in range(NUM_ENVS)])
    world.brick.set_world_poses(orientations=orientations)
    return world.brick


def inverse_inertia(world: Any) -> torch.Tensor:
    rotation = quat_to_matrix(world.brick.get_world_poses()[1]).double()
    inverse = torch.diag(1 / torch.tensor(BRICK_INERTIA, dtype=torch.float64)).to(rotation)
    return rotation @ inverse @ rotation.transpose(-1, -2)


def test_force_at_the_centre_and_torque_accelerate_a_body(world: Any) -> None:
    """a = F / m, α = I⁻¹ τ; during all substeps of one step, and gone after it."""
    view = weightless(world)
    inverse = inverse_inertia(world)
    force, torque = world.everywhere(6.0, -12.0, 24.0), world.everywhere(0.02, -0.01, 0.03)
    view.apply_forces_and_torques_at_pos(forces=force, torques=torque)
    world.run(5 * DT)
    world.close(view.get_linear_velocities(), 5 * DT * force / BRICK_MASS, tol=1e-6)
    expected = 5 * DT * (inverse @ torque.double().unsqueeze(-1)).squeeze(-1)
    world.close(view.get_angular_velocities(), expected, tol=1e-6)
    assert expected.abs().max() > 5e-4
    world.run(5 * DT)
    world.close(view.get_linear_velocities(), 5 * DT * force / BRICK_MASS, tol=1e-6)


def test_force_at_a_point_adds_its_torque(world: Any) -> None:
    """α = I⁻¹ (r × F), r from the centre of mass, in the world frame."""
    view = weightless(world)
    inverse, position = inverse_inertia(world), view.get_world_poses()[0]
    force, arm = world.everywhere(0.0, 3.0, 1.0), world.everywhere(0.2, 0.1, -0.3)
    view.apply_forces_and_torques_at_pos(forces=force, positions=position + arm)
    world.run(DT)
    moment = torch.linalg.cross(arm.double(), force.double())
    world.close(view.get_linear_velocities(), DT * force / BRICK_MASS, tol=1e-7)
    world.close(view.get_angular_velocities(), DT * (inverse @ moment.unsqueeze(-1)).squeeze(-1), tol=1e-7)


def test_forces_in_the_body_frame_add_up(world: Any) -> None:
    """Forces, torques and points turn with the body; those of several calls add up; worlds without get none."""
    view = weightless(world)
    inverse, orientation = inverse_inertia(world), view.get_world_poses()[1]
    force, arm, torque = world.everywhere(0.0, 3.0, 1.0), world.everywhere(0.2, 0.1, -0.3), world.everywhere(0.1, 0, 0)
    some = [2, 0]
    view.apply_forces_and_torques_at_pos(force[some], torque[some], arm[some], indices=some, is_global=False)
    view.apply_forces(world.tensor([[5.0, 0.0, 0.0]]), indices=[0], is_global=True)
    view.apply_forces(force, is_global=False)
    world.run(DT)
    times = world.tensor([[2.0], [1.0], [2.0]])
    total = quat_apply(orientation, times * force)
    total[0, 0] += 5.0
    world.close(view.get_linear_velocities(), DT * total / BRICK_MASS, tol=1e-6)
    moment = quat_apply(orientation, (times - 1) * (torch.linalg.cross(arm, force) + torque)).double()
    world.close(view.get_angular_velocities(), DT * (inverse @ moment.unsqueeze(-1)).squeeze(-1), tol=1e-6)


def test_forces_on_links_accelerate_them(world: Any) -> None:
    """Several links at once: (n, links, 3)."""
    forces = torch.zeros(NUM_ENVS, 2, 3, device=world.engine.device)
    forces[:, 0, 0] = world.tensor([4.0, 8.0, 12.0])  # on the idle link, of 4 kg
    forces[:, 1, 2] = 1.5 * G + 3.0  # on the foot, of 1.5 kg
    world.parts.apply_forces(forces)
    world.run(DT)
    world.close(world.press.get_joint_velocities(), [[2 * DT, DT * i] for i in (1, 2, 3)], tol=1e-6)
    world.close(world.parts.get_velocities()[:, 0, 0], [DT, 2 * DT, 3 * DT], tol=1e-6)
    world.close(world.parts.get_velocities()[:, 1, 2], 2 * DT, tol=1e-6)
    world.close(world.parts.get_world_poses(indices=[1])[0], [[[-5, 1, 0.2], [-5, 0, 0.1]]], tol=1e-4)


# ------------------------------------------------------------------------------------------------ body properties


def test_primitive_masses_follow_density_and_size(world: Any) -> None:
    """Density times volume, or the mass that is given."""
    world.close(world.brick.get_masses(), BRICK_MASS, tol=1e-5)
    world.close(world.can.get_masses(), 500 * math.pi * 0.1**2 * 0.3, tol=1e-5)
    world.close(world.pill.get_masses(), 500 * math.pi * (0.1**2 * 0.3 + 4 / 3 * 0.1**3), tol=1e-5)
    world.close(world.parts.get_masses(), [4.0, 1.5], tol=1e-6)
    world.close(world.brick.get_inertias(), torch.diag(torch.tensor(BRICK_INERTIA)).flatten(), tol=1e-6)
    # The cylinder's axis, and the capsule's, is z: they stand on their flat side, on their cap.
    r, h, m = 0.1, 0.3, 500 * math.pi * 0.1**2 * 0.3
    world.close(world.can.get_inertias()[:, 8], m * r * r / 2, tol=1e-6)
    world.close(world.can.get_inertias()[:, 0], m * (3 * r * r + h * h) / 12, tol=1e-6)


def test_masses_can_differ_between_worlds(world: Any) -> None:
    """a = F / m with the mass of the world."""
    view = weightless(world)
    view.set_masses(world.tensor([6.0, 24.0]), indices=[2, 1])
    world.close(view.get_masses(), [12, 24, 6], tol=1e-6)
    world.close(view.get_masses(indices=[2]), [6], tol=1e-6)
    view.apply_forces(world.everywhere(0.0, 12.0, 0.0))
    world.run(DT)
    world.close(view.get_linear_velocities()[:, 1], [DT, DT / 2, 2 * DT], tol=1e-7)
    world.close(view.get_inertias()[:, 0], BRICK_INERTIA[0], tol=1e-6)  # inertias stay


def test_inertias_may_have_off_diagonal_terms(world: Any) -> None:
    """α = I⁻¹ τ with the full matrix of each world."""
    view = world.brick
    view.disable_gravities()
    values = world.tensor(
        [[0.5, 0.1, 0.0, 0.1, 0.4, 0.05, 0.0, 0.05, 0.3], [0.6, -0.1, 0.05, -0.1, 0.5, 0, 0.05, 0, 0.2]]
    )
    view.set_inertias(values, indices=[0, 2])
    world.close(view.get_inertias(indices=[0, 2]), values, tol=1e-6)
    world.close(view.get_inertias()[1], torch.diag(torch.tensor(BRICK_INERTIA)).flatten(), tol=1e-6)
    torque = world.everywhere(1.0, 2.0, -1.0)
    view.apply_forces_and_torques_at_pos(torques=torque)
    world.run(DT)
    matrices = view.get_inertias().reshape(-1, 3, 3).double()
    expected = DT * torch.linalg.solve(matrices, torque.double().unsqueeze(-1)).squeeze(-1)
    world.close(view.get_angular_velocities(), expected, tol=2e-6)


def test_centres_of_mass_can_be_set_and_read(world: Any) -> None:
    """A force at the frame's origin turns a body whose centre of mass is elsewhere; one at the centre does not."""
    view = world.brick
    view.disable_gravities()
    world.close(view.get_coms(), 0.0, tol=0)
    view.set_coms(world.tensor([[0.05, 0.0, 0.0]]), indices=[1])
    world.close(view.get_coms(), [[0, 0, 0], [0.05, 0, 0], [0, 0, 0]], tol=1e-7)
    force = world.everywhere(0.0, 12.0, 0.0)
    view.apply_forces_and_torques_at_pos(forces=force, positions=view.get_world_poses()[0])
    world.run(DT)
    # r = origin − centre = (−0.05, 0, 0): r × F = (0, 0, −0.6) N·m.
    spin = -0.6 * DT / BRICK_INERTIA[2]
    world.close(view.get_angular_velocities(), [[0, 0, 0], [0, 0, spin], [0, 0, 0]], tol=1e-6)
    # The origin moves with the centre and turns about it: v = F dt / m + ω × r.
    world.close(view.get_linear_velocities()[:, 1], [DT, DT - 0.05 * spin, DT], tol=1e-6)
    world.engine.load_state_dict(world.initial_state)
    view.disable_gravities()
    view.set_coms(world.everywhere(0.05, 0.02, -0.1))
    view.apply_forces(force)
    world.run(DT)
    world.close(view.get_angular_velocities(), 0.0, tol=1e-6)


def test_material_can_be_set_and_read(world: Any) -> None:
    world.close(world.box.get_material_properties(), [0.5, 0.5, 0.0], tol=1e-7)
    world.box.set_material_properties(world.tensor([[0.8, 0.8, 0.0]]), indices=[1])
    world.close(world.box.get_material_properties()[:, 1], [0.5, 0.8, 0.5], tol=1e-7)
    links = world.tensor([[[0.3, 0.3, 0.0], [0.4, 0.4, 0.0]]]).expand(NUM_ENVS, -1, -1)
    world.parts.set_material_properties(links)
    world.close(world.parts.get_material_properties()[..., 1], [0.3, 0.4], tol=1e-7)
    world.close(world.foot.get_material_properties()[:, 1], 0.4, tol=1e-7)
    different = world.tensor([0.7, 0.5, 0.2])
    if "restitution" in world.engine.capabilities:
        world.box.set_material_properties(different, indices=[2])
        world.close(world.box.get_material_properties(), [[0.5, 0.5, 0], [0.8, 0.8, 0], [0.7, 0.5, 0.2]], tol=1e-6)
        return
    with pytest.raises(
        CapabilityError, match="'box': the engine MuJoCo does not support restitution; supported by: Isaac Sim"
    ):
        world.box.set_material_properties(different)


# ------------------------------------------------------------------------------------------------ reset and state


def state(world: Any) -> dict[str, torch.Tensor]:
    return {
        "brick": torch.cat([*world.brick.get_world_poses(), world.brick.get_velocities()], dim=1),
        "ball": torch.cat([*world.ball.get_world_poses(), world.ball.get_velocities()], dim=1),
        "pusher": world.pusher.get_world_poses()[0],
        "force": world.box.get_net_contact_forces(),
        "foot": world.foot.get_world_poses()[0],
    }


def stir(world: Any) -> None:
    world.brick.set_velocities(world.tensor(torch.arange(18).reshape(3, 6)) / 10 + 0.1)
    world.ball.set_world_poses(world.tensor([[9.0, 0.0, 0.1 + 0.01 * (i + 1)] for i in range(3)]))
    world.pusher.set_world_poses(world.tensor([[0.0, 8.0 + i, 1.0] for i in range(3)]))
    world.press.set_joint_efforts(world.everywhere(30.0), joint_indices=[0])
    world.run(0.02)


def test_reset_restores_selected_worlds(world: Any) -> None:
    first = state(world)
    stir(world)
    before = state(world)
    world.brick.apply_forces(world.everywhere(1000.0, 0.0, 0.0))
    world.engine.reset(torch.tensor([1], device=world.engine.device))
    after = state(world)
    for name, values in after.items():
        assert torch.equal(values[[0, 2]], before[name][[0, 2]]), name
        assert torch.equal(values[1], first[name][1]), name
        assert not torch.equal(values[1], before[name][1]), name
    world.run(DT)
    velocity = world.brick.get_linear_velocities()[:, 0] - before["brick"][:, 7]
    world.close(velocity[[0, 2]], 1000 * DT / BRICK_MASS, tol=1e-4)
    world.close(world.brick.get_linear_velocities()[1], [0, 0, -G * DT], tol=1e-6)
    world.engine.reset()
    for name, values in state(world).items():
        assert torch.equal(values, first[name]), name


def test_loaded_state_continues_bitwise(world: Any) -> None:
    """Also when forces wait to act, and properties and gravity were changed in between."""
    world.needs("exact_state")
    world.box.set_material_properties(world.tensor([[0.7, 0.7, 0.0]]), indices=[1])
    stir(world)
    world.brick.apply_forces(world.everywhere(10.0, 0.0, 0.0))
    saved = world.engine.state_dict()
    world.run(0.02)
    world.run(0.02)
    expected = state(world)
    world.box.set_material_properties(world.tensor([[0.1, 0.1, 0.0]]), indices=[1])
    world.engine.set_gravity(world.everywhere(1.0, 1.0, 1.0))
    world.run(0.02)
    world.engine.load_state_dict(saved)
    world.run(0.02)
    world.run(0.02)
    for name, values in state(world).items():
        assert torch.equal(values, expected[name]), name


def test_diverged_world_is_restored(world: Any) -> None:
    """It is restored to the initial state within the step, counted each time, and nothing else is touched."""
    first = state(world)
    stir(world)
    world.run(DT)
    before = world.brick.get_velocities()
    for count in (1, 2):
        world.brick.set_linear_velocities(world.tensor([[math.nan, 0.0, 0.0]]), indices=[1])
        world.run(DT)
        assert world.engine.problems() == {"diverged": count}
        for name, values in state(world).items():
            assert torch.equal(values[1], first[name][1]), name
    world.close(world.brick.get_velocities()[[0, 2], :2], before[[0, 2], :2], tol=1e-6)


def test_problems_is_empty_initially(world: Any) -> None:
    """The tests above ran within all buffers, and no world diverged."""
    assert world.engine.problems() == {}


def test_closed_engine_raises(build: Callable[..., Any]) -> None:
    world = build(lambda scene: {"ball": scene.add_sphere("ball", radius=0.1, position=(0, 0, 1))})
    world.run(world.engine.physics_dt)
    world.engine.close()
    with pytest.raises(OigeError, match="the engine is closed: its views can no longer be used"):
        world.engine.step()


def test_material_of_an_element_is_used(build: Callable[..., Any]) -> None:
    world = build(
        lambda scene: {
            "ball": scene.add_sphere("ball", radius=0.1, position=(0, 0, 1), material=Material(friction=0.3))
        }
    )
    world.close(world.ball.get_material_properties(), [0.3, 0.3, 0.0], tol=1e-7)
