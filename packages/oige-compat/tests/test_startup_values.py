"""Masses and sizes that a script sets before the worlds exist, compared with numbers computed by hand."""

from typing import Any

import pytest
import torch
from oige_compat.cloner import GridCloner
from oige_compat.errors import CompatError
from oige_compat.objects import DynamicCuboid, FixedCuboid, RigidPrim, XFormPrim
from oige_compat.session import restart, session
from oige_compat.stage import add_reference_to_stage
from oige_compat.views import RigidPrimView
from oige_compat.world import World

EDGE, DT = 0.1, 0.01
ROOT = "/World/envs/env_0"


@pytest.fixture
def stage() -> Any:
    """A stage with one world, which is copied once."""
    restart()
    session().stage.DefinePrim(ROOT, "Xform")

    def copy() -> World:
        cloner = GridCloner(spacing=2.0)
        cloner.define_base_env("/World/envs")
        cloner.clone(source_prim_path=ROOT, prim_paths=cloner.generate_paths("/World/envs/env", 2))
        return World(sim_params={"dt": DT, "gravity": [0.0, 0.0, 0.0]})

    return copy


def _box_view(stage: Any, **options: Any) -> tuple[RigidPrimView, World]:
    DynamicCuboid(ROOT + "/box", scale=[EDGE] * 3, mass=0.0, density=1000.0)
    world = stage()
    return RigidPrimView("/World/envs/.*/box", "boxes", **options), world


def test_inertia_follows_mass_and_size_of_each_world(stage: Any) -> None:
    view, world = _box_view(stage, masses=torch.tensor([3.0, 2.0]))
    view.set_local_scales(view.get_local_scales() * torch.tensor([[1.0], [2.0]]))
    view.set_masses(view.get_masses(indices=[0]) - 1.0, indices=torch.tensor([0]))
    world.reset()
    torch.testing.assert_close(view.get_masses(), torch.tensor([2.0, 2.0]))
    view.apply_forces_and_torques_at_pos(torques=torch.tensor([[0.0, 0.0, 1e-3]] * 2))
    world.step()
    inertias = torch.tensor([2.0 * EDGE**2 / 6.0, 2.0 * (2.0 * EDGE) ** 2 / 6.0])
    torch.testing.assert_close(view.get_angular_velocities()[:, 2], 1e-3 * DT / inertias, rtol=1e-4, atol=0.0)


def test_density_of_a_world_makes_its_mass(stage: Any) -> None:
    view, world = _box_view(stage)
    torch.testing.assert_close(view.get_densities(), torch.tensor([1000.0, 1000.0]))
    assert not view.get_masses().any()  # none is stated
    view.set_densities(torch.tensor([500.0]), indices=[1])
    world.reset()
    torch.testing.assert_close(view.get_masses(), torch.tensor([1.0, 0.5]))
    torch.testing.assert_close(view.get_densities(), torch.tensor([1000.0, 500.0]))


def test_bodies_begin_where_the_view_says(stage: Any) -> None:
    positions = torch.tensor([[3.0, 0.0, 1.0], [4.0, 0.0, 2.0]])
    view, world = _box_view(stage, positions=positions, linear_velocities=torch.tensor([[0.0, 0.0, 1.0]] * 2))
    world.reset()
    torch.testing.assert_close(view.get_world_poses()[0], positions)
    world.step()
    torch.testing.assert_close(view.get_world_poses()[0][:, 2], positions[:, 2] + DT)


def test_parameters_of_a_view_may_stand_in_their_order(stage: Any) -> None:
    DynamicCuboid(ROOT + "/box", scale=[EDGE] * 3, mass=0.0, density=1000.0)
    world = stage()
    translations = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, 2.0]])
    view = RigidPrimView(
        "/World/envs/.*/box", "boxes", None, translations, None, None, None, False, torch.tensor([3.0, 4.0])
    )
    world.reset()
    torch.testing.assert_close(view.get_local_poses()[0], translations)
    torch.testing.assert_close(view.get_masses(), torch.tensor([3.0, 4.0]))


def test_size_cannot_change_after_the_worlds_were_built(stage: Any) -> None:
    view, world = _box_view(stage)
    world.reset()
    with pytest.raises(CompatError) as caught:
        view.set_local_scales(torch.ones(2, 3))
    assert str(caught.value).startswith("set_local_scales (used in ")
    assert str(caught.value).endswith(
        "): sizes of bodies cannot change after the worlds were built; set them in set_up_scene."
    )


def _pair_view(stage: Any, scale: float) -> World:
    """Return a world with a body of two boxes, whose size is to be changed."""
    RigidPrim(ROOT + "/pair", mass=1.0)
    for number in range(2):
        FixedCuboid(f"{ROOT}/pair/part_{number}", scale=[EDGE] * 3, translation=[0.0, 0.0, EDGE * number])
    world = stage()
    RigidPrimView("/World/envs/.*/pair", "pairs", scales=torch.full((2, 3), scale))
    return world


def test_body_of_two_shapes_can_keep_its_size(stage: Any) -> None:
    world = _pair_view(stage, 1.0)
    world.reset()
    assert world.is_playing()


def test_size_of_a_body_of_two_shapes_is_refused_in_one_line(stage: Any) -> None:
    with pytest.raises(CompatError) as caught:
        _pair_view(stage, 2.0).reset()
    assert str(caught.value) == (
        "set_local_scales of view 'pairs': only bodies that are one sphere, box, cylinder or capsule, and robots of "
        "such shapes, can have another size in each world; scale the prim before it is cloned."
    )


def test_two_blocks_of_isaac_sim_are_two_cubes(stage: Any) -> None:
    usd = "anywhere/Isaac/Props/Blocks/block_instanceable.usd"
    for name, height in (("object", 0.5), ("goal", 1.0)):
        add_reference_to_stage(usd, f"{ROOT}/{name}")
        XFormPrim(f"{ROOT}/{name}", translation=[0.0, 0.0, height])
    world = stage()
    objects = RigidPrimView("/World/envs/env_.*/object/object", "object_view")
    objects.set_local_scales(2.0 * objects.get_local_scales())
    goals = RigidPrimView("/World/envs/env_.*/goal/object", "goal_view")
    world.reset()
    torch.testing.assert_close(objects.get_masses(), torch.full((2,), 567.0 * 0.1**3))
    torch.testing.assert_close(objects.get_world_poses()[0][:, 2], torch.full((2,), 0.5))
    torch.testing.assert_close(goals.get_world_poses()[0][:, 2], torch.full((2,), 1.0))
