"""Views of soft bodies on both executors, against MuJoCo's own vertices and rigid motions."""

import math
from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np
import pytest
import torch
from oige_core.config import MujocoConfig, SimConfig
from oige_core.errors import CapabilityError, ConfigError, OigeError
from oige_core.scene import DeformableAsset, Scene
from scene_helpers import new_scene, raises

TUBE = DeformableAsset.tube(
    outer_radius=0.02, inner_radius=0.015, length=0.3, youngs_modulus=1e5, cells=(3, 1, 1), segments=8, rows=6
)
POSITION, YAW_60 = (0.6, 0.1, 0.05), (3**0.5 / 2, 0.0, 0.0, 0.5)
TURN = np.array([[0.5, -(3**0.5) / 2, 0.0], [3**0.5 / 2, 0.5, 0.0], [0.0, 0.0, 1.0]])
NUM_ENVS, DT, G = 3, 1 / 120, 9.81
DISCRETE = MujocoConfig(integrator="discrete")


def set_up_scene(scene: Scene) -> dict[str, Any]:
    scene.add_ground_plane()
    return {
        "tube": scene.add_deformable("tube", TUBE, position=POSITION, orientation=YAW_60),
        "table": scene.add_box(
            "table", size=(0.5, 0.5, 0.1), position=(0, 5, 1), kinematic=True, track_contact_forces=True
        ),
    }


@pytest.fixture(scope="module")
def built(build: Callable[..., Any], any_executor: str) -> Any:
    return build(set_up_scene, NUM_ENVS, any_executor, dt=DT, mujoco=DISCRETE)


def positions(world: Any) -> torch.Tensor:
    return world.tube.get_simulation_mesh_nodal_positions()


def velocities(world: Any) -> torch.Tensor:
    return world.tube.get_simulation_mesh_nodal_velocities()


def spin(world: Any, rate: float) -> torch.Tensor:
    """Velocities (worlds, k, 3) of a rotation about the vertical axis through the tube's centre."""
    x, y, _ = (positions(world) - world.tensor(POSITION)).unbind(dim=-1)
    return rate * torch.stack([-y, x, torch.zeros_like(x)], dim=-1)


def test_nodes_start_where_the_scene_places_them(world: Any) -> None:
    world.close(positions(world), TUBE.vertices @ TURN.T + POSITION, tol=1e-6)
    world.close(velocities(world), 0.0, tol=0.0)
    world.close(world.tube.get_simulation_mesh_rest_points(), TUBE.vertices, tol=1e-8)
    assert torch.equal(world.tube.get_simulation_mesh_indices()[2].cpu(), torch.as_tensor(TUBE.triangles.copy()))
    assert world.tube.max_simulation_mesh_vertices_per_body == 2 * 7 * 8
    assert world.tube.max_simulation_mesh_elements_per_body == len(TUBE.triangles)


def test_nodes_are_where_mujoco_has_the_vertices_of_the_surface(world: Any) -> None:
    world.tube.set_simulation_mesh_nodal_velocities(spin(world, 2.0) * world.tensor([1.0, 0.5, 1.0]))  # not rigid
    world.engine.step(12)
    model = world.engine.compiled.model
    data = mujoco.MjData(model)
    for number in range(NUM_ENVS):
        data.qpos[:] = world.engine.executor.field("qpos")[number].cpu()
        mujoco.mj_forward(model, data)
        world.close(positions(world)[number], data.flexvert_xpos, tol=1e-6)


def test_velocities_are_the_rate_of_change_of_positions(world: Any) -> None:
    world.tube.set_simulation_mesh_nodal_velocities(spin(world, 1.0))
    before = positions(world)
    world.engine.step()
    world.close(velocities(world), (positions(world) - before).cpu() / DT, tol=1e-4)


def test_falls_freely(world: Any) -> None:
    world.tube.set_simulation_mesh_nodal_velocities(world.everywhere(0.1, -0.2, 0.3).unsqueeze(1).expand(-1, 112, -1))
    before = positions(world)
    world.engine.step(6)
    t = 6 * DT
    drop = -0.5 * G * t * (t + DT)  # semi-implicit steps: g·dt² · (1 + 2 + … + n)
    world.close(positions(world) - before, [0.1 * t, -0.2 * t, 0.3 * t + drop], tol=1e-5)
    world.close(velocities(world), [0.1, -0.2, 0.3 - G * t], tol=1e-4)


def test_rests_on_the_ground_at_its_contact_radius(world: Any) -> None:
    lowered = positions(world) - world.tensor([0.0, 0.0, POSITION[2] - 0.021])
    world.tube.set_simulation_mesh_nodal_positions(lowered)
    world.engine.step(12)  # in free fall, this would be 4.9 cm
    world.close(positions(world)[..., 2].amin(dim=1), 0.001, tol=7e-4)
    world.close(velocities(world).mean(dim=1), 0.0, tol=2e-3)
    assert not any(world.engine.problems().values())
    world.close(world.table.get_net_contact_forces(), 0.0, tol=0.0)  # it touches nothing


def test_measured_contact_forces_change_the_momentum(world: Any) -> None:
    world.table.set_world_poses(world.tensor([POSITION[0], POSITION[1], 0.4]))
    lifted = positions(world) + world.tensor([0.0, 0.0, 0.471 - POSITION[2]])  # on the table, whose top is at 0.45
    world.tube.set_simulation_mesh_nodal_positions(lifted)
    impulse, steps = 0.0, 10
    for _ in range(steps):
        world.engine.step()
        impulse = impulse - world.table.get_net_contact_forces() * DT
    masses = torch.from_numpy(TUBE.corner_masses())
    speeds = world.engine.executor.field("qvel").cpu().double().view(NUM_ENVS, -1, 3)
    momentum = masses @ speeds
    weight = TUBE.mass * G * steps * DT
    world.close(impulse, momentum + torch.tensor([0.0, 0.0, weight]), tol=0.01 * weight)
    world.close(momentum[:, 2], 0.0, tol=0.2 * weight)


def test_depth_of_contacts_counts_soft_bodies(world: Any) -> None:
    lowered = positions(world) - world.tensor([0.0, 0.0, POSITION[2] - 0.0205])  # the surface at 0.5 mm of 1 mm
    world.tube.set_simulation_mesh_nodal_positions(lowered[:1], [1])
    expected = torch.tensor([0.0, 0.0005, 0.0])
    world.close(world.engine.deepest_penetration(), expected, tol=1e-6)
    world.close(world.engine.deepest_penetration("tube", "ground_plane"), expected, tol=1e-6)
    world.close(world.engine.deepest_penetration("tube", "table"), 0.0, tol=0.0)


def test_executors_agree(build: Callable[..., Any], built: Any) -> None:
    """From free fall to rolling on the ground."""
    if built.executor != "warp-cpu":
        pytest.skip("this compares MuJoCo Warp with the C engine")
    exact = build(set_up_scene, NUM_ENVS, "c", dt=DT, mujoco=DISCRETE)
    built.engine.load_state_dict(built.initial_state)
    for world in (exact, built):
        lowered = positions(world) - world.tensor([0.0, 0.0, POSITION[2] - 0.025])
        world.tube.set_simulation_mesh_nodal_positions(lowered)
        world.tube.set_simulation_mesh_nodal_velocities(spin(world, 2.0) - world.tensor([0.0, 0.2, 0.5]))
        world.engine.step(10)
    built.close(positions(built), positions(exact), tol=2e-5)
    built.close(velocities(built), velocities(exact), tol=1e-3)
    assert exact.engine.deepest_penetration().min() > 0.0  # it touches the ground


@pytest.mark.parametrize("nodes", [[111, 0, 5], torch.tensor([111, 0, 5]), np.array([111, 0, 5])])
def test_selected_nodes_are_those_of_all(world: Any, nodes: Any) -> None:
    world.tube.set_simulation_mesh_nodal_velocities(spin(world, 1.0))
    world.engine.step()
    world.close(
        world.tube.get_simulation_mesh_nodal_positions(node_indices=nodes), positions(world)[:, [111, 0, 5]], tol=1e-7
    )
    chosen = world.tube.get_simulation_mesh_nodal_velocities([2, 0], node_indices=nodes)
    world.close(chosen, velocities(world)[[2, 0]][:, [111, 0, 5]], tol=1e-6)


def test_setting_what_was_read_restores_the_state(world: Any) -> None:
    world.tube.set_simulation_mesh_nodal_velocities(spin(world, 3.0))
    world.engine.step(10)
    state = {name: world.engine.executor.field(name).clone() for name in ("qpos", "qvel")}
    x, v = positions(world), velocities(world)
    world.engine.reset()
    world.tube.set_simulation_mesh_nodal_positions(x)
    world.tube.set_simulation_mesh_nodal_velocities(v)
    world.close(world.engine.executor.field("qpos"), state["qpos"], tol=1e-7)
    world.close(world.engine.executor.field("qvel"), state["qvel"], tol=1e-6)
    world.close(positions(world), x, tol=1.2e-7)  # one unit in the last place


@pytest.mark.parametrize("worlds", [[2, 0], torch.tensor([True, False, True])])
def test_setters_change_the_selected_worlds(world: Any, worlds: Any) -> None:
    before = positions(world)
    rows = 2 if isinstance(worlds, list) else 3
    moved = before[:rows] + world.tensor([0.0, 0.0, 0.1])
    v = world.tensor([0.0, 1.0, 0.0]).expand(rows, 112, 3)
    world.tube.set_simulation_mesh_nodal_positions(moved, worlds)
    world.tube.set_simulation_mesh_nodal_velocities(v, worlds)
    world.close(positions(world) - before, torch.tensor([0.1, 0.0, 0.1]).view(3, 1, 1) * torch.eye(3)[2], tol=1e-6)
    world.close(velocities(world)[:, :, 1], torch.tensor([[1.0], [0.0], [1.0]]), tol=1e-6)


def test_reset_restores_nodes_of_the_selected_worlds_exactly(world: Any) -> None:
    start = positions(world)
    world.tube.set_simulation_mesh_nodal_velocities(spin(world, 3.0))
    world.engine.step(10)
    moved = positions(world)
    world.engine.reset(torch.tensor([1], device=world.engine.device))
    now = positions(world)
    assert torch.equal(now[1], start[1])
    assert torch.equal(velocities(world)[1], torch.zeros_like(now[1]))
    assert torch.equal(now[[0, 2]], moved[[0, 2]])


def test_loaded_state_continues_alike(world: Any) -> None:
    """Bitwise, except on a GPU, where sums of parallel threads have no order."""
    world.tube.set_simulation_mesh_nodal_velocities(spin(world, 3.0))
    world.engine.step(5)
    state = world.engine.state_dict()
    world.engine.step(10)
    expected = positions(world)
    world.engine.reset()
    world.engine.load_state_dict(state)
    world.engine.step(10)
    atol = 1e-5 if world.executor == "warp-cuda" else 0.0
    torch.testing.assert_close(positions(world), expected, atol=atol, rtol=0.0)


def test_diverged_world_restarts_and_others_go_on(world: Any) -> None:
    start = positions(world)
    world.tube.set_simulation_mesh_nodal_velocities(world.tensor(math.nan).expand(1, 112, 3), [1])
    world.engine.step()
    assert world.engine.problems()["diverged"] == 1
    now = positions(world)
    assert torch.equal(now[1], start[1])
    world.close(now[[0, 2]] - start[[0, 2]], [0.0, 0.0, -G * DT * DT], tol=1e-6)


def test_positions_that_cells_cannot_take_raise(world: Any) -> None:
    if not world.looks_at_tensors:
        pytest.skip("numbers in tensors on a GPU are not checked")
    dented = positions(world)
    dented[2, 17, 2] += 0.01
    message = r"set_simulation_mesh_nodal_positions of 'tube': positions that the cells .* cannot take: .*"
    with raises(OigeError, message):
        world.tube.set_simulation_mesh_nodal_positions(dented)
    world.tube.set_simulation_mesh_nodal_positions(dented[:2], [0, 1])


def test_invalid_arguments_raise(world: Any) -> None:
    with raises(OigeError, r".* of 'tube': positions of shape \(3, 5, 3\): expected \(3, 112, 3\)\."):
        world.tube.set_simulation_mesh_nodal_positions(world.tensor(0.0).expand(3, 5, 3))
    with raises(OigeError, ".* of 'tube': node_indices name 112: expected numbers from 0 to 111."):
        world.tube.get_simulation_mesh_nodal_velocities(node_indices=[112])
    with raises(OigeError, ".* of 'tube': indices name world 3: expected numbers from 0 to 2."):
        world.tube.get_simulation_mesh_nodal_positions([3])


def test_another_integrator_raises() -> None:
    engine, scene = new_scene()
    set_up_scene(scene)
    with raises(ConfigError, "task.sim.mujoco.integrator=implicitfast: deformable 'tube' needs the integrator .*"):
        engine.build(scene)


def test_warp_refuses_more_degrees_of_freedom_than_it_simulates(new_engine: Callable[..., Any]) -> None:
    asset = DeformableAsset.box((0.6, 0.1, 0.1), youngs_modulus=1e5, rows=(6, 1, 1), cells=(5, 1, 1))
    engine = new_engine("warp-cpu", 1)
    scene = Scene(engine, SimConfig(mujoco=DISCRETE))
    scene.add_deformable("bar", asset)
    with raises(CapabilityError, r"MuJoCo Warp cannot run this model: .* nv > 60 \(nv = 72\)\. Use sim_device=cpu\."):
        engine.build(scene)


def test_asset_of_another_type_raises() -> None:
    _, scene = new_scene()
    with raises(OigeError, r"deformable 'tube': its asset is a str, expected DeformableAsset\(…\)\."):
        scene.add_deformable("tube", "tube.xml")  # type: ignore[arg-type]
