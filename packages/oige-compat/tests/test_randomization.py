"""Domain randomisation with the calls of ``omni.replicator.isaac``, compared with numbers computed by hand."""

# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false

import contextlib
import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from oige_compat.articulation_view import ArticulationView
from oige_compat.cloner import GridCloner
from oige_compat.errors import CompatError
from oige_compat.imports import install
from oige_compat.objects import DynamicCuboid, Robot
from oige_compat.randomization.randomizer import note_without_effect
from oige_compat.session import restart, session
from oige_compat.stage import add_reference_to_stage, get_assets_root_path
from oige_compat.views import RigidPrimView
from oige_compat.world import World

NUM_ENVS, MASS, DT = 3, 2.0, 0.01
ROOT = "/World/envs/env_0"


@pytest.fixture(scope="module", autouse=True)
def _modules() -> None:
    install()


@pytest.fixture(scope="module")
def built() -> Any:
    """Three worlds with a cart and a box of 2 kg."""
    install()
    restart()
    session().stage.DefinePrim(ROOT, "Xform")
    add_reference_to_stage(get_assets_root_path() + "/Isaac/Robots/Cartpole/cartpole.usd", f"{ROOT}/Cartpole")
    Robot(prim_path=f"{ROOT}/Cartpole", name="Cartpole", translation=[0.0, 0.0, 2.0])
    DynamicCuboid(f"{ROOT}/box", scale=[0.1] * 3, mass=MASS, translation=[0.0, 1.0, 5.0])
    cloner = GridCloner(spacing=2.0)
    cloner.define_base_env("/World/envs")
    cloner.clone(source_prim_path=ROOT, prim_paths=cloner.generate_paths("/World/envs/env", NUM_ENVS))
    world = World(sim_params={"dt": DT, "gravity": [0.0, 0.0, -9.81]})
    boxes = RigidPrimView("/World/envs/.*/box", "boxes")
    carts = ArticulationView("/World/envs/.*/Cartpole", "carts")
    world.reset()
    engine = session().engine
    assert engine is not None
    state = copy.deepcopy(engine.state_dict())
    return SimpleNamespace(world=world, boxes=boxes, carts=carts, session=session(), engine=engine, state=state)


@pytest.fixture
def scene(built: Any) -> Any:
    """The scene with a new randomisation, of which everything is registered."""
    import omni.replicator.core as rep
    import omni.replicator.isaac as dr

    built.engine.load_state_dict(copy.deepcopy(built.state))
    built.session.notes.clear()
    built.session.randomizer = None
    rep.set_global_seed(42)
    dr.physics_view.register_simulation_context(built.world)
    dr.physics_view.register_rigid_prim_view(built.boxes)
    dr.physics_view.register_articulation_view(built.carts)
    built.dr, built.rep = dr, rep
    return built


def _always(scene: Any, value: Any) -> Any:
    return scene.rep.distribution.uniform(value, value)


def test_interval_counts_calls_since_the_reset_of_each_world(scene: Any) -> None:
    dr = scene.dr
    with dr.trigger.on_rl_frame(num_envs=NUM_ENVS), dr.gate.on_interval(interval=3):
        dr.physics_view.randomize_rigid_prim_view("boxes", operation="additive", mass=_always(scene, (1.0,)))
    scene.rep.orchestrator.run()
    changed = []
    for call in range(5):
        dr.physics_view.step_randomization(torch.tensor([[1]]) if call == 1 else [])
        changed.append((scene.boxes.get_masses() > MASS).tolist())
    none, others = [False] * NUM_ENVS, [True, False, True]
    assert changed == [none, none, none, others, [True] * NUM_ENVS]


def test_interval_changes_what_the_reset_left(scene: Any) -> None:
    dr = scene.dr
    with dr.trigger.on_rl_frame(num_envs=NUM_ENVS):
        with dr.gate.on_env_reset():
            dr.physics_view.randomize_rigid_prim_view("boxes", operation="scaling", mass=_always(scene, (3.0,)))
        with dr.gate.on_interval(interval=1):
            dr.physics_view.randomize_rigid_prim_view("boxes", operation="additive", mass=_always(scene, (0.5,)))
    seen = []
    for resets in ([0], [], [], [0]):
        dr.physics_view.step_randomization(resets)
        seen.append(scene.boxes.get_masses()[0].item())
    # 2 · 3, then 6 + 0.5, which does not add up; a reset restores 2 · 3.
    assert seen == pytest.approx([6.0, 6.5, 6.5, 6.0])
    assert scene.boxes.get_masses()[1].item() == pytest.approx(MASS + 0.5)


def test_direct_draw_replaces_the_value(scene: Any) -> None:
    dr = scene.dr
    with dr.trigger.on_rl_frame(num_envs=NUM_ENVS), dr.gate.on_env_reset():
        dr.physics_view.randomize_rigid_prim_view("boxes", mass=7.0)
    dr.physics_view.step_randomization([2])
    torch.testing.assert_close(scene.boxes.get_masses(), torch.tensor([MASS, MASS, 7.0]))


def test_gravity_is_the_same_in_all_worlds_and_moves_bodies(scene: Any) -> None:
    dr = scene.dr
    with dr.trigger.on_rl_frame(num_envs=NUM_ENVS), dr.gate.on_interval(interval=1):
        gravity = scene.rep.distribution.normal((0.0, 0.0, 1.0), (0.0, 0.0, 0.5))
        dr.physics_view.randomize_simulation_context(operation="additive", gravity=gravity)
    for _ in range(2):
        dr.physics_view.step_randomization()
    scene.boxes.set_velocities(torch.zeros(NUM_ENVS, 6))
    scene.world.step()
    accelerations = scene.boxes.get_linear_velocities()[:, 2] / DT
    assert (accelerations == accelerations[0]).all()
    assert -8.81 - 2.0 < accelerations[0] < -8.81 + 2.0
    assert accelerations[0] != pytest.approx(-8.81, abs=1e-3)
    torch.testing.assert_close(
        dr.physics_view._simulation_context_initial_values["gravity"], torch.tensor([0.0, 0.0, -9.81])
    )


def test_parameters_of_a_distribution_can_change(scene: Any) -> None:
    dr = scene.dr
    with dr.trigger.on_rl_frame(num_envs=NUM_ENVS), dr.gate.on_env_reset():
        mass = scene.rep.distribution.log_uniform((1.0,), (1.0,))
        dr.physics_view.randomize_rigid_prim_view("boxes", operation="scaling", mass=mass)
    assert mass.node.get_node_type().get_node_type() == "omni.replicator.core.OgnSampleLogUniform"
    dr.utils.set_distribution_params(mass, {"lower": [4.0], "upper": [4.0]})
    assert dr.utils.get_distribution_params(mass, ["lower", "upper"]) == [[4.0], [4.0]]
    dr.physics_view.step_randomization([0])
    torch.testing.assert_close(scene.boxes.get_masses(), torch.tensor([4.0 * MASS, MASS, MASS]))


def test_buckets_limit_the_number_of_frictions(scene: Any) -> None:
    dr = scene.dr
    assert dr.physics_view._rigid_prim_views_initial_values["boxes"]["material_properties"].shape == (NUM_ENVS, 3)
    with dr.trigger.on_rl_frame(num_envs=NUM_ENVS), dr.gate.on_env_reset():
        frictions = scene.rep.distribution.uniform((0.5, 1.0, 1.0), (1.5, 1.0, 1.0))
        dr.physics_view.randomize_rigid_prim_view(
            "boxes", operation="scaling", num_buckets=3, material_properties=frictions
        )
    seen = set()
    for _ in range(20):
        dr.physics_view.step_randomization([0, 1])
        values = scene.boxes._bound().get_material_properties()
        seen |= {round(value, 4) for value in values[:2, 0].tolist()}
        assert values[2, 0] == 1.0
    assert seen == {0.5, 1.0, 1.5}


def test_joints_of_reset_worlds_are_drawn(scene: Any) -> None:
    dr, carts = scene.dr, scene.carts
    limits = carts.get_dof_limits().clone()
    assert dr.physics_view._articulation_views_initial_values["carts"]["max_efforts"].shape == (NUM_ENVS, 2)
    with dr.trigger.on_rl_frame(num_envs=NUM_ENVS), dr.gate.on_env_reset():
        dr.physics_view.randomize_articulation_view(
            "carts",
            operation="direct",
            joint_friction=_always(scene, (0.25, 0.5)),
            damping=_always(scene, 3.0),
        )
        dr.physics_view.randomize_articulation_view(
            "carts", operation="additive", upper_dof_limits=_always(scene, (-1.0, 0.0))
        )
    dr.physics_view.step_randomization(torch.tensor([1]))
    friction = carts._bound().get_friction_coefficients()
    torch.testing.assert_close(friction[1], torch.tensor([0.25, 0.5]))
    assert not friction[[0, 2]].any()
    torch.testing.assert_close(carts.get_gains()[1][1], torch.tensor([3.0, 3.0]))
    torch.testing.assert_close(carts.get_dof_limits()[1, 0, 1], limits[1, 0, 1] - 1.0)
    torch.testing.assert_close(carts.get_dof_limits()[0], limits[0])


def test_position_is_one_of_the_stage(scene: Any) -> None:
    dr = scene.dr
    with dr.trigger.on_rl_frame(num_envs=NUM_ENVS), dr.gate.on_env_reset():
        dr.physics_view.randomize_rigid_prim_view("boxes", position=_always(scene, (1.0, 2.0, 3.0)))
    dr.physics_view.step_randomization([0, 1, 2])
    torch.testing.assert_close(scene.boxes.get_world_poses()[0], torch.tensor([[1.0, 2.0, 3.0]] * NUM_ENVS))


def test_force_acts_in_one_physics_step(scene: Any) -> None:
    dr = scene.dr
    with dr.trigger.on_rl_frame(num_envs=NUM_ENVS), dr.gate.on_env_reset():
        dr.physics_view.randomize_rigid_prim_view("boxes", force=_always(scene, (4.0, 0.0, 0.0)))
    scene.boxes.set_velocities(torch.zeros(NUM_ENVS, 6))
    dr.physics_view.step_randomization([1])
    for _ in range(2):
        scene.world.step()
        torch.testing.assert_close(
            scene.boxes.get_linear_velocities()[:, 0], torch.tensor([0.0, 4.0 * DT / MASS, 0.0]), rtol=1e-4, atol=1e-6
        )


def test_efforts_of_joints_remain_until_others_are_set(scene: Any) -> None:
    dr = scene.dr
    with dr.trigger.on_rl_frame(num_envs=NUM_ENVS), dr.gate.on_env_reset():
        efforts = _always(scene, (2.0, 0.0))
        dr.physics_view.randomize_articulation_view("carts", operation="additive", joint_efforts=efforts)
    dr.physics_view.step_randomization([2])
    scene.world.step()
    assert scene.carts.get_applied_joint_efforts()[:, 0].tolist() == [0.0, 0.0, 2.0]
    assert scene.carts.get_joint_velocities()[2, 0] > 0.0


def _message(scene: Any, interval: int | None = 1, view: str = "boxes", **attributes: Any) -> str:
    """Return the message of a call that is refused, without the place of the call."""

    def randomize() -> None:
        gate = contextlib.nullcontext() if interval is None else scene.dr.gate.on_interval(interval=interval)
        with gate:
            scene.dr.physics_view.randomize_rigid_prim_view(view, **attributes)

    with pytest.raises(CompatError) as caught:
        randomize()
    start, _, rest = str(caught.value).partition(" (used in ")
    return f"{start}{rest.partition(')')[2]}"


def test_errors_are_one_line(scene: Any) -> None:
    mass = _always(scene, (1.0,))
    assert _message(scene, None, mass=mass) == (
        "randomisation of mass of 'boxes': expected within gate.on_interval or gate.on_env_reset."
    )
    assert _message(scene, 0, mass=mass) == "on_interval(interval=0): expected a whole number, at least 1."
    assert _message(scene, mass=mass, operation="add") == (
        "randomisation of mass of 'boxes': operation='add', expected one of additive, scaling, direct."
    )
    assert _message(scene, mass=_always(scene, (1.0, 2.0))) == (
        "randomisation of mass of 'boxes': 2 numbers, expected 1, or one."
    )
    assert _message(scene, view="balls", mass=mass) == "view 'balls': it is not registered for randomisation."
    assert _message(scene, contact_offset=mass) == (
        "randomisation of contact_offset: the engine does not have it. MuJoCo: contacts act from the rest offset on"
    )
    assert _message(scene, color=mass) == (
        "randomisation of color of 'boxes': expected one of position, orientation, linear_velocity, angular_velocity, "
        "velocity, force, mass, inertia, material_properties, contact_offset, rest_offset."
    )
    assert _message(scene, operation="direct", material_properties=_always(scene, (1.0, 1.0, 0.5))) == (
        "randomisation of material_properties of 'boxes': restitutions other than 0 may be drawn, which the engine "
        "does not have; let the third number be 0, or 1 with operation scaling."
    )


class _Forgetful:
    _dr_randomizer = SimpleNamespace(randomize=True)


def test_randomisation_that_a_task_never_sets_up_is_noted(scene: Any, capsys: pytest.CaptureFixture[str]) -> None:
    note_without_effect(_Forgetful())
    assert not capsys.readouterr().out  # it is set up
    scene.session.randomizer = None
    note_without_effect(_Forgetful())
    assert capsys.readouterr().out == (
        "oige-compat: domain_randomization.randomize=True has no effect: _Forgetful does not call "
        "set_up_domain_randomization in post_reset; nothing is drawn, as in Isaac Sim.\n"
    )


def test_draw_that_cannot_change_anything_is_noted(scene: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with scene.dr.gate.on_env_reset():
        scene.dr.physics_view.randomize_articulation_view(
            "carts", operation="scaling", joint_friction=_always(scene, 2.0)
        )
    assert capsys.readouterr().out == (
        "oige-compat: randomisation of joint_friction of 'carts' has no effect: its values are 0, and scaling keeps "
        "them.\n"
    )
