"""Less usual shapes, materials and prims of a script, and what is not served, compared with closed forms."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from oige_compat.articulation_view import ArticulationView
from oige_compat.errors import CompatError, ServedNameError
from oige_compat.materials import PhysicsMaterial
from oige_compat.objects import DynamicCapsule, DynamicCuboid, DynamicSphere, FixedCuboid, GeometryPrim, XFormPrim
from oige_compat.session import restart, session
from oige_compat.stage import add_reference_to_stage
from oige_compat.views import RigidPrimView, XFormPrimView
from oige_compat.world import Scene, World
from pxr import UsdPhysics
from small_scene import DT, ENV, NUM_ENVS, build, in_worlds, step, two_balls

# Shapes and materials


def test_new_shapes_have_the_mass_and_lengths_of_isaac_sim() -> None:
    def fill(stage: Any) -> dict[str, Any]:
        box = DynamicCuboid(f"{ENV}/box", density=1000.0, translation=[5.0, 0.0, 5.0])
        capsule = DynamicCapsule(f"{ENV}/capsule", translation=[0.0, 0.0, 5.0])
        assert [capsule.prim.GetAttribute(name).Get() for name in ("radius", "height")] == [1.0, 1.0]
        assert box.prim.GetAttribute("size").Get() == 1.0
        return {"shapes": RigidPrimView("/World/envs/.*/(box|capsule)", "shapes")}

    torch.testing.assert_close(build(fill)["shapes"].get_masses(), torch.full((2 * NUM_ENVS,), 0.02))


def test_parameters_may_stand_in_their_order() -> None:
    def fill(stage: Any) -> dict[str, Any]:
        DynamicCuboid(f"{ENV}/box", "box", None, np.array([1.0, 2.0, 3.0]), [0.0, 1.0, 0.0, 0.0], [0.1, 0.1, 0.1])
        return {"boxes": RigidPrimView("/World/envs/.*/box", "boxes")}

    boxes = build(fill)["boxes"]
    assert in_worlds(boxes)[0].tolist() == [[1.0, 2.0, 3.0]] * NUM_ENVS
    torch.testing.assert_close(boxes.get_world_poses()[1], torch.tensor([[0.0, 1.0, 0.0, 0.0]] * NUM_ENVS))


@pytest.mark.parametrize("friction", [0.2, 0.5])
def test_block_slides_down_a_slope_that_is_steeper_than_its_friction(friction: float) -> None:
    """A slope of 20°: the acceleration is g·(sin a − μ·cos a), or 0 if tan a < μ."""
    angle = math.radians(20.0)

    def fill(stage: Any) -> dict[str, Any]:
        turn = [math.cos(angle / 2), 0.0, math.sin(angle / 2), 0.0]
        normal = np.array([math.sin(angle), 0.0, math.cos(angle)])
        material = PhysicsMaterial("/World/wood", static_friction=friction, dynamic_friction=friction)
        FixedCuboid(f"{ENV}/slope", orientation=turn, scale=[8.0, 2.0, 0.2], physics_material=material)
        DynamicCuboid(
            f"{ENV}/block",
            translation=0.2 * normal,
            orientation=turn,
            scale=[0.4, 0.4, 0.2],
            mass=1.0,
            physics_material=material,
        )
        return {"blocks": RigidPrimView("/World/envs/.*/block", "blocks")}

    blocks = build(fill)["blocks"]
    step(20)
    before = blocks.get_linear_velocities()
    step(30)
    gained = (blocks.get_linear_velocities() - before) @ torch.tensor([math.cos(angle), 0.0, -math.sin(angle)])
    expected = max(0.0, 9.81 * (math.sin(angle) - friction * math.cos(angle))) * 30 * DT
    torch.testing.assert_close(gained, torch.full((NUM_ENVS,), expected), rtol=0.03, atol=0.01)


def test_friction_of_the_ground_is_the_one_given() -> None:
    """A block at 1 m/s on the ground with μ = 0.1 loses μ·g per second."""

    def fill(stage: Any) -> dict[str, Any]:
        Scene().add_ground_plane(10.0, 1.0, dynamic_friction=0.1, restitution=0.5)
        DynamicCuboid(f"{ENV}/block", translation=[0.0, 0.0, 1.05], size=0.1, mass=1.0)
        return {"blocks": RigidPrimView("/World/envs/.*/block", "blocks")}

    blocks = build(fill)["blocks"]
    step(20)
    assert "/World/groundPlane: restitution=0.5: contacts of the engine have none." in session().notes
    torch.testing.assert_close(in_worlds(blocks)[0][:, 2], torch.full((NUM_ENVS,), 1.05), atol=2e-3, rtol=0.0)
    blocks.set_linear_velocities(torch.tensor([[1.0, 0.0, 0.0]] * NUM_ENVS))
    step(30)
    expected = torch.full((NUM_ENVS,), 1.0 - 0.1 * 9.81 * 30 * DT)
    torch.testing.assert_close(blocks.get_linear_velocities()[:, 0], expected, rtol=0.02, atol=0.0)


def test_velocity_of_a_new_body_is_told() -> None:
    def fill(stage: Any) -> dict[str, Any]:
        DynamicSphere(f"{ENV}/ball", radius=0.1, linear_velocity=[1.0, 0.0, 0.0])
        return {}

    build(fill)
    text = "velocity at which a body starts; set it with set_velocities; it has no effect."
    assert f"physics:velocity of {ENV}/ball: {text}" in session().notes


def test_file_in_other_units_is_told(tmp_path: Path) -> None:
    file = tmp_path / "box.usda"
    file.write_text('#usda 1.0\n(defaultPrim = "box"; metersPerUnit = 0.01; upAxis = "Y")\ndef Xform "box" {}\n')
    restart()
    add_reference_to_stage(str(file), f"{ENV}/box")
    expected = "the stage has 1 m and Z. Prims are as in the file: scale and turn them."
    assert session().notes == {f"{file}: metersPerUnit=0.01, upAxis=Y; {expected}"}


def test_values_of_a_view_before_there_are_worlds_for_them_are_refused() -> None:
    def fill(stage: Any) -> dict[str, Any]:
        DynamicSphere(f"{ENV}/ball", radius=0.1)
        RigidPrimView("/World/envs/.*/ball", "balls", masses=torch.tensor([1.0, 2.0]))
        return {}

    with pytest.raises(CompatError) as caught:
        build(fill)
    assert str(caught.value).startswith("masses of view 'balls' (used in ")
    end = "): 2 values; expected 1, one for each prim. Create the view after the worlds are cloned."
    assert str(caught.value).endswith(end)


# What is not served


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: DynamicSphere(f"{ENV}/ball", mystery=1), "DynamicSphere(mystery=…)"),
        (lambda: FixedCuboid(f"{ENV}/box", density=1.0), "FixedCuboid(density=…)"),
        (lambda: GeometryPrim(f"{ENV}/box", static_friction=1.0), "GeometryPrim(static_friction=…)"),
        (lambda: XFormPrimView("/World/envs/.*/box", "boxes", mystery=1), "XFormPrimView(mystery=…)"),
        (lambda: ArticulationView("/World/envs/.*/arm", "arms", mystery=1), "ArticulationView(mystery=…)"),
    ],
)
def test_unknown_parameter_is_refused(make: Any, expected: str) -> None:
    with pytest.raises(CompatError) as caught:
        make()
    start, _, end = str(caught.value).partition(" (used in ")
    assert start == expected
    assert end.endswith("): no such parameter is served; remove it.")


def test_unknown_method_says_what_it_does_in_isaac_sim() -> None:
    class Arms(ArticulationView):
        """A view of a script."""

    views = [ArticulationView("/World/envs/.*/arm", "arms"), Arms("/World/envs/.*/arm", "arms")]
    for view in views:
        with pytest.raises(ServedNameError) as caught:
            view.set_effort_modes("force")
        name = "omni.isaac.core.articulations.ArticulationView.set_effort_modes"
        assert str(caught.value).startswith(f"{name} (selects between forces and accelerations; used in ")
    with pytest.raises(ServedNameError) as caught:
        World(sim_params={"dt": DT}).add_physics_callback("mystery", lambda step: None)
    name = "omni.isaac.core.World.add_physics_callback"
    assert str(caught.value).startswith(f"{name} (calls a function before each physics step; used in ")


def test_values_on_the_stage_after_the_worlds_were_built_are_told() -> None:
    views = {}

    def fill(stage: Any) -> dict[str, Any]:
        views["ball"] = DynamicSphere(f"{ENV}/ball", radius=0.1, mass=1.0)
        XFormPrim(f"{ENV}/goal")
        return {}

    build(fill)
    before = set(session().notes)
    ball = views["ball"].prim
    ball.GetAttribute("radius").Set(0.2)
    UsdPhysics.MassAPI(ball).GetMassAttr().Set(3.0)
    XFormPrim(f"{ENV}/goal").set_local_pose([1.0, 0.0, 0.0])  # no body, so that physics does not read it
    text = "set after the worlds were built; it has no effect. Use a view."
    assert session().notes - before == {f"{name} of {ENV}/ball: {text}" for name in ("radius", "physics:mass")}


def test_prims_of_other_worlds_are_told() -> None:
    def fill(stage: Any) -> dict[str, Any]:
        for world, size in enumerate((0.1, 0.2)):
            DynamicCuboid(f"/World/envs/env_{world}/box", size=size, mass=1.0)
        DynamicCuboid("/World/envs/env_1/extra", size=0.1)
        return {}

    build(fill)
    missing = "the first world has no such prim; left out, all worlds are its copies."
    assert f"/World/envs/env_1/extra: {missing}" in session().notes
    different = "differs from that in the first world, which acts in all worlds."
    assert f"size of /World/envs/env_1/box: {different}" in session().notes


def test_single_prims_of_other_worlds_show_their_bodies() -> None:
    views = build(two_balls)
    other = DynamicSphere("/World/envs/env_1/ball_0")
    place, _ = other.get_world_pose()
    torch.testing.assert_close(place, views["ones"].get_world_poses()[0][1])
    np.testing.assert_allclose(other.get_local_pose()[0], [0.0, 0.0, 5.0], atol=1e-6)
    other.set_linear_velocity([1.0, 0.0, 0.0])
    assert views["ones"].get_linear_velocities()[:, 0].tolist() == [0.0, 1.0]
    other.set_local_pose([3.0, 0.0, 5.0])
    torch.testing.assert_close(in_worlds(views["ones"])[0][:, 0], torch.tensor([0.0, 3.0]))
