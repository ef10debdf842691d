"""Names, joint states, resets and saved states of articulations, on both executors.

Where nothing else is said, a tolerance is the rounding of float32 (views of the C engine compute in double, MuJoCo Warp
in single precision) or, for motions, the first-order error of the time step of 1 ms.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from articulation_scene import (
    DT,
    EFFORT,
    NUM_ENVS,
    POSITION,
    build_articulations,
    pose_tree,
)
from oige_core.errors import CapabilityError, OigeError


@pytest.fixture(scope="module")
def built(build: Callable[..., Any], executor: str) -> Any:
    return build_articulations(build, executor)


# ------------------------------------------------------------------------------------------------ names and state


def test_joints_and_links_are_in_breadth_first_order(world: Any) -> None:
    assert world.tree.body_names == ["trunk", "arm", "leg", "hand", "foot"]
    assert world.tree.dof_names == ["arm", "leg", "hand", "foot"]
    assert (world.tree.num_dof, world.tree.num_bodies, world.tree.num_fixed_tendons) == (4, 5, 0)
    assert (world.tree.get_dof_index("hand"), world.tree.get_link_index("hand")) == (2, 3)
    assert world.tree.count == NUM_ENVS
    # The joint called hand moves the link called hand along its z axis, and no other link.
    before = world.tree.get_jacobians()
    before_pose = world.hand.get_world_poses()[0]
    world.tree.set_joint_positions(world.everywhere(0.3), joint_indices=[2])
    moved = world.hand.get_world_poses()[0] - before_pose
    # The arm is turned by 30° about y: z' = (sin 30°, 0, cos 30°).
    world.close(moved, [0.15, 0.0, 0.3 * math.cos(math.pi / 6)], tol=1e-5)
    world.close(before[:, :, :3, 6 + 2].norm(dim=-1), [0.0, 0.0, 0.0, 1.0, 0.0], tol=1e-6)


def test_all_combinations_of_indices_are_supported(world: Any) -> None:
    view, n = world.tree, NUM_ENVS
    table = world.tensor(torch.arange(n * 4).reshape(n, 4)) / 10
    worlds = [None, [2], [2, 0], torch.tensor([1, 2]), []]
    joints = [None, [1], [3, 1], torch.tensor([0, 2]), [1, 2, 3]]
    for setter, getter in (
        (view.set_joint_positions, view.get_joint_positions),
        (view.set_joint_velocities, view.get_joint_velocities),
        (view.set_joint_efforts, view.get_applied_joint_efforts),
        (view.set_armatures, view.get_armatures),
        (view.set_friction_coefficients, view.get_friction_coefficients),
        (view.set_max_efforts, view.get_max_efforts),
    ):
        for rows in worlds:
            for columns in joints:
                setter(table)
                picked = np.ix_(range(n) if rows is None else rows, range(4) if columns is None else columns)
                expected = table.cpu().numpy().copy()
                expected[picked] = 7.0 + expected[picked]
                values = world.tensor(expected[picked])
                on_device = [i.to(world.engine.device) if isinstance(i, torch.Tensor) else i for i in (rows, columns)]
                setter(values, indices=on_device[0], joint_indices=on_device[1])
                world.close(getter(), expected, tol=1e-5)
                world.close(getter(indices=on_device[0], joint_indices=on_device[1]), expected[picked], tol=1e-5)


def test_values_broadcast_over_worlds_and_joints(world: Any) -> None:
    view, n, joints = world.tree, NUM_ENVS, [0.1, 0.2, 0.3, 0.4]
    view.set_joint_positions(world.tensor(joints))
    world.close(view.get_joint_positions(), [joints] * n, tol=1e-6)
    view.set_joint_positions(world.tensor([joints[::-1]]), indices=[2, 0])
    world.close(view.get_joint_positions(), [joints[::-1], joints, joints[::-1]], tol=1e-6)
    view.set_joint_positions(world.tensor([[1.0], [2.0], [3.0]]))
    world.close(view.get_joint_positions(), [[1.0] * 4, [2.0] * 4, [3.0] * 4], tol=1e-6)


def test_link_indices_select_links(world: Any) -> None:
    view = world.tree
    world.close(view.get_body_masses(), [4.0, 1.0, 1.5, 0.5, 0.7], tol=1e-6)
    view.set_body_masses(world.tensor([[8.0, 9.0]]), indices=[1], body_indices=[4, 2])
    world.close(view.get_body_masses(), [[4, 1, 1.5, 0.5, 0.7], [4, 1, 9, 0.5, 8], [4, 1, 1.5, 0.5, 0.7]], tol=1e-6)
    world.close(view.get_body_masses(indices=[1], body_indices=torch.tensor([2])), [[9.0]], tol=1e-6)
    world.close(view.get_body_coms(body_indices=[0])[:, 0], [0.1, -0.05, 0.02], tol=1e-6)
    view.set_body_coms(world.tensor([[[0.1, 0.2, 0.3]]]), indices=[2], body_indices=[3])
    world.close(view.get_body_coms(indices=[1, 2], body_indices=[3])[:, 0], [[0, 0, 0.05], [0.1, 0.2, 0.3]], tol=1e-6)


def test_clone_decides_between_copies_and_live_values(world: Any) -> None:
    """With clone=True the caller may keep, and write, what it gets."""
    for getter in (
        world.tree.get_joint_positions,
        world.tree.get_joint_velocities,
        world.tree.get_applied_joint_efforts,
        world.rails.get_applied_joint_efforts,
        world.rails.get_measured_joint_efforts,
        world.tree.get_body_masses,
        world.tree.get_velocities,
        world.tree.get_linear_velocities,
        lambda **options: world.tree.get_world_poses(**options)[0],
        lambda **options: world.rails.get_gains(**options)[0],
        lambda **options: world.hand.get_world_poses(**options)[1],
    ):
        before = getter(clone=True)
        kept = before.clone()
        before += 1.0
        assert torch.equal(getter(clone=True), kept)
        assert torch.equal(getter(clone=False), kept)


def test_getter_returns_what_a_setter_wrote(world: Any) -> None:
    """Poses and velocities of links follow the state that was set, in the worlds where it was set."""
    bob = world.bobs
    world.run(0.01)
    bob.get_world_poses()
    world.pendulum.set_joint_positions(world.tensor([[0.5]]), indices=[1])
    world.pendulum.set_joint_velocities(world.tensor([[2.0]]), indices=[1])
    angle = torch.tensor([0.0, 0.5, 0.0], dtype=torch.float64)
    half = angle / 2
    world.close(bob.get_world_poses()[1], torch.stack([half.cos(), 0 * half, half.sin(), 0 * half], -1), tol=1e-6)
    world.close(bob.get_angular_velocities(), [[0, 0, 0], [0, 2, 0], [0, 0, 0]], tol=1e-6)
    world.pendulum.set_joint_positions(world.tensor([[-0.5], [0.2]]), indices=torch.tensor([2, 0]))
    half = torch.tensor([0.2, 0.5, -0.5], dtype=torch.float64) / 2
    world.close(bob.get_world_poses()[1], torch.stack([half.cos(), 0 * half, half.sin(), 0 * half], -1), tol=1e-6)


def test_fixed_root_can_be_moved_and_is_reset(world: Any) -> None:
    view = world.pendulum
    world.close(view.get_world_poses()[0], [0, 0, 1], tol=0)
    world.close(view.get_velocities(), 0.0, tol=0)
    turned = world.tensor([[math.sqrt(0.5), 0, 0, math.sqrt(0.5)]])
    view.set_world_poses(world.tensor([[1.0, 2.0, 3.0]]), turned, indices=[1])
    world.close(view.get_world_poses()[0], [[0, 0, 1], [1, 2, 3], [0, 0, 1]], tol=1e-6)
    world.close(view.get_world_poses(indices=[1])[1], turned, tol=1e-6)
    view.set_joint_velocities(world.everywhere(1.0))
    # The hinge is along y of a root that a quarter turn about z makes the world's −x.
    world.close(world.bobs.get_angular_velocities(), [[0, 1, 0], [-1, 0, 0], [0, 1, 0]], tol=1e-6)
    with pytest.raises(CapabilityError, match="'pendulum': only free bodies and floating roots have a velocity"):
        view.set_velocities(world.everywhere(*[0.0] * 6))
    world.engine.reset(torch.tensor([0], device=world.engine.device))
    world.close(view.get_world_poses(indices=[1])[0], [[1, 2, 3]], tol=1e-6)
    world.engine.reset(torch.tensor([1], device=world.engine.device))
    world.close(view.get_world_poses()[0], [0, 0, 1], tol=1e-6)
    world.close(view.get_world_poses()[1], [1, 0, 0, 0], tol=1e-6)


# ------------------------------------------------------------------------------------------------ reset and state


def snapshot(world: Any) -> dict[str, torch.Tensor]:
    view = world.rails
    return {
        "q": view.get_joint_positions(),
        "v": view.get_joint_velocities(),
        "effort": view.get_applied_joint_efforts(),
        "measured": view.get_measured_joint_efforts(),
        "pendulum": world.pendulum.get_joint_positions(),
        "wrench": world.chain.get_measured_joint_forces(),
        "root": torch.cat([*world.tree.get_world_poses(), world.tree.get_velocities()], dim=1),
        "pushed": world.chain.get_applied_joint_efforts(),
        "links": world.links.get_world_poses()[0],
    }


def stir(world: Any) -> None:
    """Give every world another state."""
    world.rails.set_joint_position_targets(world.tensor([[0.2], [0.4], [0.6]]), joint_indices=[POSITION])
    world.rails.set_joint_efforts(world.tensor([[1.0], [2.0], [3.0]]), joint_indices=[EFFORT])
    world.pendulum.set_joint_velocities(world.tensor([[1.0], [2.0], [3.0]]))
    world.chain.set_joint_efforts(world.tensor([[1.0, 0.1], [2.0, 0.2], [3.0, 0.3]]))
    pose_tree(world)
    world.run(0.02)


def test_reset_restores_selected_worlds(world: Any) -> None:
    first = snapshot(world)
    stir(world)
    before = snapshot(world)
    world.lower.apply_forces(world.everywhere(0.0, 50.0, 0.0))
    world.engine.reset(torch.tensor([0, 2], device=world.engine.device))
    after = snapshot(world)
    for name, values in after.items():
        assert torch.equal(values[1], before[name][1]), name
        assert torch.equal(values[[0, 2]], first[name][[0, 2]]), name
        assert not torch.equal(values[[0, 2]], before[name][[0, 2]]), name
    assert not after["wrench"][[0, 2]].any()
    # The external force is cleared in the worlds that were reset, and acts in the other.
    world.run(DT)
    world.close(world.chain.get_measured_joint_forces()[:, 2, 0], [0, -50.0, 0], tol=0.5)  # along the hinge
    world.engine.reset()
    for name, values in snapshot(world).items():
        assert torch.equal(values, first[name]), name


def test_reset_restores_default_joint_states(world: Any) -> None:
    positions, velocities = world.tensor([[0.3], [0.2], [0.1]]), world.tensor([[1.0], [2.0], [3.0]])
    world.pendulum.set_joints_default_state(positions, velocities)
    world.close(world.pendulum.get_joint_positions(), 0.0, tol=0)
    world.engine.reset(torch.tensor([1, 2], device=world.engine.device))
    world.close(world.pendulum.get_joint_positions(), [[0.0], [0.2], [0.1]], tol=1e-7)
    world.close(world.pendulum.get_joint_velocities(), [[0.0], [2.0], [3.0]], tol=1e-7)
    # A driven joint is driven to where it starts.
    world.rails.set_joints_default_state(positions=world.everywhere(0.3, 0.0, 0.0, 0.0))
    world.rails.set_joint_position_targets(world.everywhere(-1.0), joint_indices=[POSITION])
    world.engine.reset()
    world.run(0.1)
    world.close(world.rails.get_joint_positions(), [0.3, 0, 0, 0], tol=1e-6)


def test_loaded_state_continues_bitwise(world: Any, build: Callable[..., Any]) -> None:
    """In the same engine after further changes, and in a new one."""
    world.pendulum.set_world_poses(world.tensor([[0.0, 0.0, 2.0]]), indices=[1])
    world.rails.set_gains(world.tensor([[70.0]]), indices=[2], joint_indices=[POSITION])
    world.arm.set_body_masses(world.tensor([[3.0]]), indices=[0], body_indices=[1])
    stir(world)
    world.lower.apply_forces(world.everywhere(0.0, 5.0, 0.0))
    saved = world.engine.state_dict()
    world.run(0.02)
    expected = snapshot(world)
    world.engine.set_gravity(world.everywhere(0.0, 0.0, -3.0))
    world.rails.set_friction_coefficients(world.everywhere(*[1.0] * 4))
    world.chain.set_body_masses(world.everywhere(*[9.0] * 3))
    world.run(0.02)
    others = [world]
    if world.executor == "c":
        others.append(build_articulations(build, world.executor))
    for other in others:
        other.engine.load_state_dict(saved)
        other.run(0.02)
        for name, values in snapshot(other).items():
            if world.executor == "c":
                assert torch.equal(values, expected[name]), name
            else:  # constants that follow from masses are recomputed in single precision
                world.close(values, expected[name], tol=1e-4)
    world.engine.reset(torch.tensor([1], device=world.engine.device))
    world.close(world.pendulum.get_world_poses()[0], [0, 0, 1], tol=1e-6)


# ------------------------------------------------------------------------------------------------ errors


def test_unknown_names_raise(world: Any) -> None:
    with pytest.raises(OigeError, match=r"joint 'shouldr' of 'arm': unknown\. Did you mean shoulder\?"):
        world.arm.get_dof_index("shouldr")
    with pytest.raises(OigeError, match=r"link 'elbow' of 'arm': unknown\. Available: base, fore, hand, upper\."):
        world.arm.get_link_index("elbow")


def test_untracked_quantities_and_unsupported_setters_raise(world: Any) -> None:
    with pytest.raises(CapabilityError, match=r"'arm': joint forces are not measured; .* track_joint_forces=True"):
        world.arm.get_measured_joint_forces()
    with pytest.raises(CapabilityError, match=r"'hand': contact forces are not measured; .* track_contact_forces=True"):
        world.hand.get_net_contact_forces()
    with pytest.raises(CapabilityError, match="'hand': links are moved by their joints; set joint positions"):
        world.hand.set_world_poses(world.everywhere(0.0, 0.0, 0.0))
    with pytest.raises(CapabilityError, match="'hand': only free bodies and floating roots have a velocity to set"):
        world.hand.set_velocities(world.everywhere(*[0.0] * 6))
