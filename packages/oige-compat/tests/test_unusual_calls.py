"""Less usual arguments of Isaac Sim's calls, compared with closed forms and numbers worked out by hand."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from oige_compat.articulation_view import ArticulationView
from oige_compat.errors import CompatError
from oige_compat.objects import DynamicSphere, XFormPrim
from oige_compat.session import session
from oige_compat.views import RigidPrimView
from oige_compat.world import World
from oige_core.errors import OigeError
from pxr import UsdPhysics
from small_scene import BALLS, DT, ENV, NUM_ENVS, build, in_worlds, step, two_balls


def hinge(stage: Any, stiffness: float = 0.0) -> dict[str, Any]:
    """A rod of 2 kg and 0.1 kg·m² about its centre, which hangs 0.4 m below a hinge about y."""
    for name, mass, height in (("base", 1.0, 2.0), ("rod", 2.0, 1.6)):
        body = XFormPrim(f"{ENV}/arm/{name}", translation=[0.0, 0.0, height])
        UsdPhysics.RigidBodyAPI.Apply(body.prim)
        api = UsdPhysics.MassAPI.Apply(body.prim)
        api.CreateMassAttr(mass)
        api.CreateDiagonalInertiaAttr((0.1, 0.1, 0.1))
    UsdPhysics.ArticulationRootAPI.Apply(stage.GetPrimAtPath(f"{ENV}/arm"))
    fixed = UsdPhysics.FixedJoint.Define(stage, f"{ENV}/arm/fixed")
    fixed.CreateBody1Rel().SetTargets([f"{ENV}/arm/base"])
    fixed.CreateLocalPos0Attr((0.0, 0.0, 2.0))
    joint = UsdPhysics.RevoluteJoint.Define(stage, f"{ENV}/arm/hinge")
    joint.CreateAxisAttr("Y")
    joint.CreateBody0Rel().SetTargets([f"{ENV}/arm/base"])
    joint.CreateBody1Rel().SetTargets([f"{ENV}/arm/rod"])
    joint.CreateLocalPos1Attr((0.0, 0.0, 0.4))
    if stiffness:
        UsdPhysics.DriveAPI.Apply(joint.GetPrim(), "angular").CreateStiffnessAttr(stiffness)
    return {
        "arms": ArticulationView("/World/envs/.*/arm", "arms"),
        "rods": RigidPrimView("/World/envs/.*/arm/rod", "rods"),
    }


# Indices


@pytest.mark.parametrize(
    "indices",
    [
        [3, 0],
        (3, 0),
        np.array([3, 0]),
        torch.tensor([3, 0], dtype=torch.int32),
        torch.tensor([3, 0], dtype=torch.uint8),
    ],
)
def test_bodies_are_read_and_written_in_the_order_of_their_indices(indices: Any) -> None:
    balls = build(two_balls)["balls"]
    velocities = np.array([[3.0, 0, 0, 0, 0, 0], [1.0, 0, 0, 0, 0, 0]])
    balls.set_velocities(velocities, indices)
    assert balls.get_velocities()[:, 0].tolist() == [1.0, 0.0, 0.0, 3.0]
    assert balls.get_linear_velocities(indices)[:, 0].tolist() == [3.0, 1.0]
    assert balls.get_masses([3, 3, 0]).tolist() == [2.0, 2.0, 1.0]


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_a_mask_selects_where_it_is_true(kind: Any) -> None:
    views = build(two_balls)
    views["balls"].set_velocities(torch.tensor([[3.0, 0, 0, 0, 0, 0]]), kind([False, False, True, False]))
    assert views["balls"].get_velocities()[:, 0].tolist() == [0.0, 0.0, 3.0, 0.0]
    assert views["ones"].get_velocities(kind([False, True]))[:, 0].tolist() == [3.0]


@pytest.mark.parametrize(
    ("indices", "given"), [(torch.tensor([0.0]), "float32 of shape (1,)"), ([True, False], "bool of shape (2,)")]
)
def test_other_indices_are_refused(indices: Any, given: str) -> None:
    balls = build(two_balls)["balls"]
    with pytest.raises(CompatError) as caught:
        balls.get_velocities(indices)
    start, _, end = str(caught.value).partition(" (used in ")
    assert start == "indices of view 'balls'"
    assert end.endswith(f"): {given}; expected whole numbers, or a mask of shape (4,).")


def test_joints_cannot_be_selected_by_a_mask() -> None:
    arms = build(hinge)["arms"]
    with pytest.raises(OigeError, match="joint_indices of type bool: expected whole numbers"):
        arms.get_joint_positions(joint_indices=torch.tensor([True]))


def test_writing_to_what_a_getter_returned_changes_nothing() -> None:
    views = build(two_balls)
    views["ones"].get_velocities(clone=False)[:] = 7.0
    views["balls"].get_world_poses(clone=False)[0][:] = 7.0
    assert not views["ones"].get_velocities().any()
    assert in_worlds(views["ones"])[0].tolist() == [[0.0, 0.0, 5.0]] * NUM_ENVS


# Poses


def test_one_half_of_a_pose_keeps_the_other_half() -> None:
    ones = build(two_balls)["ones"]
    turn = torch.tensor([[math.sqrt(0.5), 0.0, 0.0, math.sqrt(0.5)]])
    ones.set_world_poses(orientations=turn, indices=[1])
    ones.set_world_poses(positions=torch.tensor([[9.0, 8.0, 7.0]]), indices=[1])
    positions, orientations = ones.get_world_poses()
    torch.testing.assert_close(positions, torch.tensor([[2.0, 0.0, 5.0], [9.0, 8.0, 7.0]]))
    torch.testing.assert_close(orientations[1:], turn)


def test_local_poses_are_in_the_parent() -> None:
    """A ball on a shelf at (1, 0, 2), which is turned by 90° about z."""

    def fill(stage: Any) -> dict[str, Any]:
        XFormPrim(f"{ENV}/shelf", translation=[1.0, 0.0, 2.0], orientation=[math.sqrt(0.5), 0.0, 0.0, math.sqrt(0.5)])
        ball = DynamicSphere(f"{ENV}/shelf/ball", radius=0.1, translation=[0.0, 3.0, 0.0])
        return {"view": RigidPrimView("/World/envs/.*/shelf/ball", "balls"), "ball": ball}

    views = build(fill)
    torch.testing.assert_close(in_worlds(views["view"])[0], torch.tensor([[-2.0, 0.0, 2.0]] * NUM_ENVS))
    positions, orientations = views["view"].get_local_poses()
    torch.testing.assert_close(positions, torch.tensor([[0.0, 3.0, 0.0]] * NUM_ENVS))
    torch.testing.assert_close(orientations, torch.tensor([[1.0, 0.0, 0.0, 0.0]] * NUM_ENVS))
    views["view"].set_local_poses(translations=np.array([[1.0, 0.0, 0.0]]), indices=[1])
    torch.testing.assert_close(in_worlds(views["view"])[0][1], torch.tensor([1.0, 1.0, 2.0]))
    views["ball"].set_local_pose([0.0, 0.0, 4.0])
    torch.testing.assert_close(in_worlds(views["view"])[0][0], torch.tensor([1.0, 0.0, 6.0]))
    place, turn = views["ball"].get_local_pose()
    np.testing.assert_allclose(place, [0.0, 0.0, 4.0], atol=1e-6)
    np.testing.assert_allclose(turn, [1.0, 0.0, 0.0, 0.0], atol=1e-6)


def test_reset_of_the_world_restores_the_poses_of_a_view() -> None:
    def fill(stage: Any) -> dict[str, Any]:
        DynamicSphere(f"{ENV}/ball", radius=0.1, translation=[0.0, 0.0, 5.0])
        places = torch.tensor([[0.0, 0.0, 6.0], [0.0, 0.0, 7.0]])
        return {"balls": RigidPrimView("/World/envs/.*/ball", "balls", translations=places)}

    balls = build(fill)["balls"]
    step(3)
    world = World.instance()
    assert world is not None
    world.reset()  # type: ignore[attr-defined]
    assert balls.get_local_poses()[0][:, 2].tolist() == [6.0, 7.0]


# Forces


def test_forces_of_several_calls_add_for_one_step() -> None:
    """1 N, 2 N and a torque act on 1 kg in the second world, and nothing in the next step."""
    ones = build(two_balls, gravity=[0.0, 0.0, 0.0])["ones"]
    ones.apply_forces(np.array([[1.0, 0.0, 0.0]]), indices=[1])
    ones.apply_forces(torch.tensor([[2.0, 0.0, 0.0]]), indices=[1])
    ones.apply_forces_and_torques_at_pos(torques=torch.tensor([[0.0, 0.0, 0.004]]), indices=[1])
    step()
    expected = torch.zeros(NUM_ENVS, 6)
    expected[1, 0], expected[1, 5] = 3.0 * DT, 0.004 / (0.4 * 0.1**2) * DT
    torch.testing.assert_close(ones.get_velocities(), expected, rtol=1e-5, atol=1e-7)
    step()
    torch.testing.assert_close(ones.get_velocities(), expected, rtol=1e-5, atol=1e-7)


def test_force_in_the_frame_of_a_body_acts_at_a_point_of_it() -> None:
    """A body turned by 90° about z: 1 N along its x at its (0, 0.1, 0) is 1 N along y at (−0.1, 0, 0)."""
    ones = build(two_balls, gravity=[0.0, 0.0, 0.0])["ones"]
    ones.set_world_poses(orientations=torch.tensor([[math.sqrt(0.5), 0.0, 0.0, math.sqrt(0.5)]] * NUM_ENVS))
    ones.apply_forces_and_torques_at_pos(
        forces=torch.tensor([[1.0, 0.0, 0.0]] * NUM_ENVS),
        positions=torch.tensor([[0.0, 0.1, 0.0]] * NUM_ENVS),
        is_global=False,
    )
    step()
    expected = torch.tensor([[0.0, DT, 0.0, 0.0, 0.0, -0.1 / (0.4 * 0.1**2) * DT]] * NUM_ENVS)
    torch.testing.assert_close(ones.get_velocities(), expected, rtol=1e-4, atol=1e-6)


def test_force_at_a_position_on_the_stage_turns_the_body() -> None:
    ones = build(two_balls, gravity=[0.0, 0.0, 0.0])["ones"]
    points = ones.get_world_poses()[0] + torch.tensor([0.0, 0.1, 0.0])
    ones.apply_forces_and_torques_at_pos(torch.tensor([[1.0, 0.0, 0.0]] * NUM_ENVS), positions=points)
    step()
    expected = torch.tensor([[DT, 0.0, 0.0, 0.0, 0.0, -0.1 / (0.4 * 0.1**2) * DT]] * NUM_ENVS)
    torch.testing.assert_close(ones.get_velocities(), expected, rtol=1e-4, atol=1e-6)


def test_gravity_is_switched_for_the_bodies_of_a_world_together() -> None:
    class Balls(RigidPrimView):
        """A view of a script, in a module that calls disable_gravities."""

    def fill(stage: Any) -> dict[str, Any]:
        two_balls(stage)
        return {"balls": Balls(BALLS, "balls")}

    balls = build(fill)["balls"]
    with pytest.raises(CompatError) as caught:
        balls.disable_gravities([2])
    assert str(caught.value).endswith("): expected all 2 bodies of a world; use a view for each body.")
    balls.disable_gravities([2, 3])
    step()
    expected = torch.tensor([-9.81 * DT] * 2 + [0.0] * 2)
    torch.testing.assert_close(balls.get_linear_velocities()[:, 2], expected, rtol=1e-5, atol=1e-7)


def test_gravity_of_the_physics_context_acts_at_any_time() -> None:
    ones = build(two_balls)["ones"]
    world = World.instance()
    assert world is not None
    world.get_physics_context().set_gravity(-1.62)
    step()
    torch.testing.assert_close(ones.get_linear_velocities()[:, 2], torch.full((NUM_ENVS,), -1.62 * DT))


# Joints


def test_targets_that_were_set_before_gains_act_with_them() -> None:
    """At 0.5 rad, the target, a drive of 100 N·m/rad exerts nothing; gravity does m·g·l·sin(0.5)."""
    arms = build(hinge)["arms"]
    arms.set_joint_positions(torch.full((NUM_ENVS, 1), 0.5))
    arms.set_gains(kps=torch.full((NUM_ENVS, 1), 100.0))
    torch.testing.assert_close(arms.get_measured_joint_efforts(), torch.zeros(NUM_ENVS, 1), atol=1e-5, rtol=0.0)
    step()
    fallen = -2.0 * 9.81 * 0.4 * math.sin(0.5) / (0.1 + 2.0 * 0.4**2) * DT
    torch.testing.assert_close(arms.get_joint_velocities(), torch.full((NUM_ENVS, 1), fallen), rtol=0.05, atol=0.0)


def test_switching_drives_off_and_on_keeps_what_was_set_in_between() -> None:
    arms = build(lambda stage: hinge(stage, stiffness=100.0 * math.pi / 180.0))["arms"]
    arms.switch_control_mode("effort")
    arms.set_joint_positions(torch.tensor([[0.25]]), indices=[1])
    arms.switch_control_mode("position")
    torch.testing.assert_close(arms.get_gains()[0], torch.full((NUM_ENVS, 1), 100.0))
    torch.testing.assert_close(arms.get_measured_joint_efforts(), torch.zeros(NUM_ENVS, 1), atol=1e-5, rtol=0.0)


def test_jacobian_and_mass_matrix_of_a_pendulum() -> None:
    """At the angle q the centre moves along (−cos q, 0, sin q) · 0.4 m, about y; the inertia is I + m·l²."""
    arms = build(hinge)["arms"]
    arms.set_joint_positions(torch.full((NUM_ENVS, 1), 0.3))
    expected = torch.tensor([-0.4 * math.cos(0.3), 0.0, 0.4 * math.sin(0.3), 0.0, 1.0, 0.0])
    jacobians = arms.get_jacobians()
    assert jacobians.shape == (NUM_ENVS, 1, 6, 1)
    torch.testing.assert_close(jacobians[1, 0, :, 0], expected, atol=1e-6, rtol=0.0)
    inertia = torch.full((NUM_ENVS, 1, 1), 0.1 + 2.0 * 0.4**2)
    torch.testing.assert_close(arms.get_mass_matrices(), inertia, rtol=1e-4, atol=0.0)


def test_view_of_two_articulations_in_each_world_is_refused() -> None:
    def fill(stage: Any) -> dict[str, Any]:
        for number in range(2):
            UsdPhysics.ArticulationRootAPI.Apply(stage.DefinePrim(f"{ENV}/arm_{number}", "Xform"))
            DynamicSphere(f"{ENV}/arm_{number}/base", radius=0.1, mass=1.0, translation=[float(number), 0.0, 5.0])
        return {"arms": ArticulationView("/World/envs/.*/arm_.*", "arms")}

    with pytest.raises(CompatError) as caught:
        build(fill)
    assert str(caught.value) == (
        f"view 'arms' of /World/envs/.*/arm_.*: it has 2 articulations in each world, {ENV}/arm_0, {ENV}/arm_1; "
        "expected one. Use a view for each."
    )


def test_view_of_some_worlds_is_refused() -> None:
    def fill(stage: Any) -> dict[str, Any]:
        DynamicSphere(f"{ENV}/ball", radius=0.1, mass=1.0)
        return {"balls": RigidPrimView("/World/envs/env_0/ball", "balls")}

    with pytest.raises(CompatError) as caught:
        build(fill)
    assert str(caught.value) == (
        "view 'balls' of /World/envs/env_0/ball: it has prims of 1 of the 2 worlds; expected all of them, as of "
        "/World/envs/.*/ball."
    )


def test_view_of_links_and_a_loose_body_beside_them() -> None:
    def fill(stage: Any, before: str = "") -> dict[str, Any]:
        """The loose body of 4 kg comes last on the stage, or between the links."""
        arm = stage.DefinePrim(f"{ENV}/arm", "Xform")
        DynamicSphere(f"{ENV}/arm/loose", radius=0.1, mass=4.0, translation=[2.0, 0.0, 0.0])
        arm.SetChildrenReorder(["base", "loose", "rod"] if before == "rod" else ["base", "rod", "loose"])
        hinge(stage)
        return {"all": RigidPrimView("/World/envs/.*/arm/(base|rod|loose)", "all")}

    assert build(fill)["all"].get_masses().tolist() == [1.0, 2.0, 4.0] * NUM_ENVS
    with pytest.raises(CompatError) as caught:
        build(lambda stage: fill(stage, before="rod"))
    assert str(caught.value) == (
        "view 'all' of /World/envs/.*/arm/(base|rod|loose): on the stage, other bodies are between links of a robot; "
        "use a view for each."
    )


def test_chain_of_joints_that_a_script_adds_hangs_below_its_anchor() -> None:
    """Two balls on cords of 1 m, which start in a row beside the anchor, 4 m high, pull it with their weight below."""

    def fill(stage: Any) -> dict[str, Any]:
        above = ENV
        for number, height in enumerate((3.0, 2.0)):
            DynamicSphere(f"{ENV}/ball_{number}", radius=0.1, mass=1.0, translation=[0.0, 0.0, height])
            joint = UsdPhysics.SphericalJoint.Define(stage, f"{ENV}/joint_{number}")
            joint.CreateBody0Rel().SetTargets([above])
            joint.CreateBody1Rel().SetTargets([f"{ENV}/ball_{number}"])
            joint.CreateLocalPos0Attr((0.0, 0.0, 0.0 if number else 4.0))
            joint.CreateLocalPos1Attr((0.0, 0.0, 1.0))
            above = f"{ENV}/ball_{number}"
        return {"balls": RigidPrimView(BALLS, "balls")}

    balls = build(fill)["balls"]
    assert not [note for note in session().notes if "hinges" in note]
    balls.set_linear_velocities(torch.tensor([[0.05, 0.0, 0.0], [0.1, 0.0, 0.0]] * NUM_ENVS))
    step(100)
    first, second = in_worlds_of_balls(balls)
    anchor = torch.tensor([0.0, 0.0, 4.0])
    for lower, upper in ((first, anchor), (second, first)):
        torch.testing.assert_close((upper - lower).norm(dim=-1), torch.ones(NUM_ENVS), atol=5e-3, rtol=0.0)
    torch.testing.assert_close(second[:, 2], torch.full((NUM_ENVS,), 2.0), atol=0.02, rtol=0.0)


def in_worlds_of_balls(balls: RigidPrimView) -> torch.Tensor:
    """Return positions ``(2, num_envs, 3)`` of two balls in the frames of the worlds."""
    positions = balls.get_world_poses()[0].unflatten(0, (NUM_ENVS, 2)) - session().offsets.unsqueeze(1)
    return positions.transpose(0, 1)
