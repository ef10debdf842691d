"""Views of rigid bodies on a double of ``omni.physics.tensors``: level 1 of docs/isaac_sim_mapping.md.

Numbers are worked out by hand from the conventions that the double has, which are those measured in PhysX.
"""

import inspect
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from body_doubles import BodyHost, DoubleBody
from isaacsim_doubles import API
from oige_core.config import SimConfig
from oige_core.engines.isaacsim.engine import IsaacSimEngine
from oige_core.engines.isaacsim.views.surfaces import Surfaces
from oige_core.errors import OigeError
from oige_core.scene import SHAPES, Material, Scene
from oige_core.testing.physx import articulations, bodies, simulation
from pxr import UsdGeom

N, DT, G = 12, 0.01, 9.81
HALF = math.sqrt(0.5)
KITS = list(API["tensors"])


class Worlds:
    """Twelve worlds: a brick whose centre of mass is not at its origin, a kinematic wall, and a toy of three shapes."""

    def __init__(self, kit: str, *, reverse_shapes: bool = False, substeps: int = 1) -> None:
        self.host = BodyHost(kit, reverse_shapes=reverse_shapes)
        self.engine = IsaacSimEngine(N, self.host)
        scene = Scene(self.engine, SimConfig(dt=DT, substeps=substeps))
        options: dict[str, Any] = {"track_contact_forces": True, "disable_gravity": False}
        self.brick = scene.add_box("brick", size=(0.2, 0.4, 0.6), mass=12.0, position=(1, 2, 30), **options)
        self.wall = scene.add_box("wall", size=(1, 1, 1), kinematic=True, position=(0, 0, 1))
        self.toy = scene.add_box(
            "toy",
            size=(0.1, 0.1, 0.1),
            mass=0.3,
            material=Material(friction=0.3),
            alternatives={"sphere": (0.06,), "capsule": (0.03, 0.08)},
            face_colors=[(1.0, 0.0, 0.0, 1.0)] * 6,
        )
        self.engine.build(scene)

    def body(self, name: str, world: int) -> DoubleBody:
        return self.host.bodies[f"/World/envs/env_{world}/{name}"]


class Shape:
    """The only shape of a body in two worlds."""

    def __init__(self) -> None:
        self.materials = torch.full((2, 1, 3), 0.3)

    def read(self, name: str) -> torch.Tensor:
        assert name == "get_material_properties"
        return self.materials

    def write(self, name: str, values: torch.Tensor, worlds: torch.Tensor | None) -> None:
        assert (name, worlds) == ("set_material_properties", None)
        self.materials = values


@pytest.fixture(params=KITS)
def worlds(request: pytest.FixtureRequest) -> Iterator[Worlds]:
    worlds = Worlds(request.param)
    yield worlds
    worlds.engine.close()


def close(actual: torch.Tensor, expected: Any, tol: float = 1e-5) -> None:
    expected = torch.as_tensor(expected, dtype=torch.float32).expand_as(actual)
    torch.testing.assert_close(actual, expected, atol=tol, rtol=0)


def test_initial_state_is_restored_after_the_steps_of_play(worlds: Worlds) -> None:
    close(worlds.brick.get_world_poses()[0], [1.0, 2.0, 30.0])
    close(worlds.brick.get_velocities(), 0.0)
    assert worlds.body("brick", 3).velocity[2] != 0.0
    worlds.engine.step()
    close(worlds.brick.get_linear_velocities(), [0.0, 0.0, -G * DT])
    close(worlds.brick.get_world_poses()[0], [1.0, 2.0, 30.0 - G * DT * DT])
    assert worlds.host.steps == [DT]


def test_rows_belong_to_the_worlds_of_their_paths(worlds: Worlds) -> None:
    positions = torch.stack([torch.tensor([float(world), 0.0, 5.0]) for world in range(N)])
    worlds.brick.set_world_poses(positions)
    worlds.brick.set_masses(torch.arange(1.0, N + 1.0))
    worlds.brick.set_velocities(torch.full((1, 6), 3.0), indices=[10])
    worlds.brick.disable_gravities(indices=[10])
    worlds.engine.step()
    origins = worlds.engine.worlds.origins
    for world in range(N):
        body = worlds.body("brick", world)
        assert body.mass == world + 1.0
        assert body.gravity_disabled == (world == 10)
        close(body.velocity[:3], [3.0, 3.0, 3.0] if world == 10 else [0.0, 0.0, -G * DT])
        if world != 10:
            close(body.origin, origins[world] + torch.tensor([world, 0.0, 5.0 - G * DT * DT]))
    close(worlds.brick.get_world_poses(indices=[2])[0], [2.0, 0.0, 5.0 - G * DT * DT])
    close(worlds.brick.get_masses(indices=[11, 1]), [12.0, 2.0])


def test_orientations_are_turned_to_x_y_z_w(worlds: Worlds) -> None:
    worlds.brick.set_world_poses(orientations=torch.tensor([[HALF, 0.0, HALF, 0.0]]), indices=[1])
    close(worlds.brick.get_world_poses()[1][:2], [[1.0, 0, 0, 0], [HALF, 0.0, HALF, 0.0]])
    worlds.brick.disable_gravities()
    worlds.engine.step()
    close(worlds.body("brick", 1).orientation, [HALF, 0.0, HALF, 0.0])
    close(worlds.brick.get_world_poses(indices=[1])[1], [HALF, 0.0, HALF, 0.0])


def test_velocities_are_those_of_origins(worlds: Worlds) -> None:
    """The centre of mass is at (0, 0.1, 0) of a body that is turned by 90° about z, hence at (−0.1, 0, 0)."""
    brick = worlds.brick
    brick.set_coms(torch.tensor([[0.0, 0.1, 0.0]]), indices=[4])
    brick.set_world_poses(orientations=torch.tensor([[HALF, 0.0, 0.0, HALF]]), indices=[4])
    brick.set_velocities(torch.tensor([[1.0, 2.0, 3.0, 0.0, 0.0, 5.0]]), indices=[4])
    close(brick.get_velocities(indices=[4]), [1.0, 2.0, 3.0, 0.0, 0.0, 5.0])
    worlds.engine.worlds.flush()
    # ω × r = (0, 0, 5) × (−0.1, 0, 0) = (0, −0.5, 0)
    close(worlds.body("brick", 4).velocity, [1.0, 1.5, 3.0, 0.0, 0.0, 5.0])
    close(worlds.body("brick", 4).position - worlds.body("brick", 4).origin, [-0.1, 0.0, 0.0])
    brick.set_angular_velocities(torch.tensor([[0.0, 0.0, -10.0]]), indices=[4])
    worlds.engine.worlds.flush()
    close(worlds.body("brick", 4).velocity, [1.0, 3.0, 3.0, 0.0, 0.0, -10.0])
    worlds.engine.step()
    # One step later the body has turned by −0.1 rad: r = 0.1 (−cos 0.1, sin 0.1, 0), and v = (1, 3, ·) − ω × r.
    expected = [1.0 - math.sin(0.1), 3.0 - math.cos(0.1), 3.0 - G * DT]
    close(brick.get_linear_velocities(indices=[4]), expected, tol=1e-4)
    # In the body's frame: turned back by 90° − 0.1 rad.
    angle = math.pi / 2 - 0.1
    x = expected[0] * math.cos(angle) + expected[1] * math.sin(angle)
    y = -expected[0] * math.sin(angle) + expected[1] * math.cos(angle)
    close(brick.get_body_frame_velocities(indices=[4]), [x, y, expected[2], 0.0, 0.0, -10.0], tol=1e-4)


def test_moving_the_centre_of_mass_keeps_velocities_and_inertias(worlds: Worlds) -> None:
    brick, matrix = worlds.brick, torch.tensor([0.5, 0.1, 0.0, 0.1, 0.4, 0.05, 0.0, 0.05, 0.3])
    brick.set_inertias(matrix, indices=[7])
    brick.set_velocities(torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.0, 2.0]]), indices=[7])
    worlds.engine.worlds.flush()
    brick.set_coms(torch.tensor([[0.3, 0.0, 0.0]]), indices=[7])
    close(brick.get_inertias(indices=[7]), matrix, tol=1e-6)
    close(worlds.body("brick", 7).inertia.flatten(), matrix, tol=1e-6)
    close(brick.get_velocities(indices=[7]), [0.0, 0.0, 0.0, 0.0, 0.0, 2.0])
    worlds.engine.worlds.flush()
    close(worlds.body("brick", 7).velocity, [0.0, 0.6, 0.0, 0.0, 0.0, 2.0])


def test_wrenches_act_in_each_physics_step_of_a_control_step() -> None:
    """12 kg, moments 0.52, 0.4, 0.2 kg·m²: 4 physics steps of 2.5 ms; the force acts 0.5 m along x of the centre."""
    worlds = Worlds(KITS[-1], substeps=4)
    brick = worlds.brick
    brick.disable_gravities()
    position = brick.get_world_poses()[0]
    brick.apply_forces(torch.tensor([[12.0, 0.0, 0.0]]), indices=[2, 10])
    at = position[[10]] + torch.tensor([0.5, 0.0, 0.0])
    brick.apply_forces_and_torques_at_pos(torch.tensor([[0.0, 24.0, 0.0]]), positions=at, indices=[10])
    worlds.engine.step()
    assert worlds.host.steps == [DT / 4] * 4
    close(worlds.body("brick", 2).velocity, [DT, 0.0, 0.0, 0.0, 0.0, 0.0])
    close(worlds.body("brick", 10).velocity, [DT, 2 * DT, 0.0, 0.0, 0.0, 12.0 / 0.2 * DT], tol=1e-4)
    close(worlds.body("brick", 1).velocity, 0.0)
    worlds.engine.step()
    close(worlds.body("brick", 2).velocity[:3], [DT, 0.0, 0.0])
    worlds.engine.close()


def test_wrenches_in_the_frame_of_the_body(worlds: Worlds) -> None:
    """A body turned by 90° about y: its x axis points along −z, its z axis along x."""
    brick = worlds.brick
    brick.disable_gravities()
    brick.set_world_poses(orientations=torch.tensor([[HALF, 0.0, HALF, 0.0]]), indices=[5, 6])
    force, torque = torch.tensor([[12.0, 0.0, 24.0]]), torch.tensor([[0.52, 0.0, 0.0]])
    brick.apply_forces_and_torques_at_pos(force, torque, indices=[5], is_global=False)
    # At (0.3, 0, 0) of a body whose centre of mass is at (0.1, 0, 0): an arm of 0.2 m.
    brick.set_coms(torch.tensor([[0.1, 0.0, 0.0]]), indices=[6])
    force, point = torch.tensor([[0.0, 1.0, 0.0]]), torch.tensor([[0.3, 0.0, 0.0]])
    brick.apply_forces_and_torques_at_pos(force, positions=point, indices=[6], is_global=False)
    worlds.engine.step()
    close(worlds.body("brick", 5).velocity, [2 * DT, 0.0, -DT, 0.0, 0.0, -DT])
    close(worlds.body("brick", 6).velocity, [0.0, DT / 12, 0.0, DT * 0.2 / 0.2, 0.0, 0.0])


def test_kinematic_bodies_get_targets_and_resets_place_them(worlds: Worlds) -> None:
    worlds.engine.step()
    worlds.wall.set_world_poses(torch.tensor([[0.02, 0.0, 1.0]]), indices=[10])
    close(worlds.wall.get_world_poses(indices=[10])[0], [0.02, 0.0, 1.0])
    worlds.engine.step()
    close(worlds.body("wall", 10).velocity[:3], [2.0, 0.0, 0.0])
    close(worlds.body("wall", 1).velocity, 0.0)
    close(worlds.wall.get_world_poses()[0][[1, 10]], [[0.0, 0.0, 1.0], [0.02, 0.0, 1.0]])
    worlds.engine.reset(torch.tensor([10]))
    worlds.engine.step()
    close(worlds.body("wall", 10).velocity, 0.0)
    close(worlds.body("wall", 10).origin - worlds.engine.worlds.origins[10], [0.0, 0.0, 1.0])


def test_contact_forces_are_those_of_the_last_physics_step() -> None:
    worlds = Worlds(KITS[0], substeps=2)
    close(worlds.brick.get_net_contact_forces(), 0.0)
    worlds.body("brick", 10).force = torch.tensor([1.0, 2.0, 30.0])
    close(worlds.brick.get_net_contact_forces(), 0.0)
    worlds.engine.step()
    expected = torch.zeros(N, 3)
    expected[10] = torch.tensor([1.0, 2.0, 30.0])
    close(worlds.brick.get_net_contact_forces(), expected)
    worlds.engine.reset(torch.tensor([10]))
    close(worlds.brick.get_net_contact_forces(), 0.0)
    worlds.engine.close()


def test_contact_forces_come_back_with_a_state() -> None:
    """Tasks may observe them before the next step, which is the first one to compute them again."""
    worlds = Worlds(KITS[0])
    worlds.body("brick", 10).force = torch.tensor([1.0, 2.0, 30.0])
    worlds.engine.step()
    saved = worlds.engine.state_dict()
    worlds.body("brick", 10).force = torch.zeros(3)
    worlds.body("brick", 3).force = torch.tensor([4.0, 0.0, 0.0])
    worlds.engine.step()
    worlds.engine.load_state_dict(saved)
    close(worlds.brick.get_net_contact_forces()[[3, 10]], [[0.0] * 3, [1.0, 2.0, 30.0]])
    worlds.engine.step()
    close(worlds.brick.get_net_contact_forces()[[3, 10]], [[4.0, 0.0, 0.0], [0.0] * 3])
    worlds.engine.close()


def test_gravity_comes_back_with_a_state(worlds: Worlds) -> None:
    engine = worlds.engine
    engine.set_gravity(torch.tensor([[0.0, 2.0, -3.0]]).expand(N, 3))
    saved = engine.state_dict()
    engine.set_gravity(torch.tensor([[0.0, 0.0, 5.0]]).expand(N, 3))
    engine.load_state_dict(saved)
    close(engine.get_gravity(), [0.0, 2.0, -3.0])
    engine.step()
    close(worlds.brick.get_linear_velocities(), [0.0, 2.0 * DT, -3.0 * DT])


def test_loading_materials_leaves_those_alone_that_do_not_change() -> None:
    """PhysX may have another coefficient than the scene: 0.3 instead of the default of 1, so that 0.3 acts in pairs."""
    rows = [Shape(), Shape()]
    surfaces = Surfaces(lambda: rows, [(1.0, 1.0, 0.0)] * 2, (1.0, 1.0), 2, torch.device("cpu"))  # type: ignore[arg-type]
    saved = surfaces.state_dict()
    surfaces.set_materials(torch.full((2, 1, 3), 0.5), None, [1])
    close(rows[0].materials, 0.3)
    close(rows[1].materials, 0.5)
    surfaces.load_state_dict(saved)
    close(rows[0].materials, 0.3)
    close(rows[1].materials[..., :2], 1.0)


@pytest.mark.parametrize("reverse", [False, True])
def test_shapes_are_found_in_the_order_of_physics(reverse: bool) -> None:
    worlds = Worlds(KITS[-1], reverse_shapes=reverse)
    toy = worlds.toy
    names = ["box", "capsule", "sphere"][:: -1 if reverse else 1]
    toy.set_shapes(torch.tensor([SHAPES.index("sphere"), SHAPES.index("capsule")]), indices=[0, 10])
    for world, present in ((0, "sphere"), (10, "capsule"), (3, "box")):
        body = worlds.body("toy", world)
        assert body.shapes == names
        assert [name for name, rest in zip(names, body.rest_offsets.tolist(), strict=True) if rest == 0.0] == [present]
        assert body.rest_offsets.min() <= -1000.0
    stage = worlds.engine.worlds.stage
    for world, shown in ((0, {"sphere"}), (10, {"capsule"}), (3, {"box", "face_0"})):
        prims = [stage.GetPrimAtPath(f"/World/envs/env_{world}/toy/{name}") for name in (*names, "face_0")]
        assert {prim.GetName() for prim in prims if UsdGeom.Imageable(prim).ComputeVisibility() == "inherited"} == shown
    close(worlds.body("toy", 0).inertia.diagonal(), [0.4 * 0.3 * 0.06**2] * 3, tol=1e-8)
    toy.set_rest_offsets(torch.tensor([0.03]), indices=[10])
    close(toy.get_rest_offsets()[[0, 10]], [0.0, 0.03])
    rest = worlds.body("toy", 10).rest_offsets[names.index("capsule")]
    assert rest.item() == pytest.approx(0.03)
    worlds.engine.close()


def test_other_shapes_in_physics_raise() -> None:
    class Host(BodyHost):
        def play(self) -> None:
            super().play()
            for body in self.bodies.values():
                body.rest_offsets = torch.zeros_like(body.rest_offsets)

    engine = IsaacSimEngine(2, Host(KITS[-1]))
    scene = Scene(engine, SimConfig())
    scene.add_box("toy", size=(0.1, 0.1, 0.1), alternatives={"sphere": (0.06,)})
    with pytest.raises(OigeError, match=r"'toy': physics has 2 shapes with rest offsets .*, expected box, sphere"):
        engine.build(scene)
    engine.close()


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("mass", 11.0, "mass, world 1: is 11 in physics, expected 12"),
        ("com", torch.tensor([0.0, 0.1, 0.0]), "centre of mass, world 1: is 0.1 in physics, expected 0"),
        ("moments", torch.tensor([0.52, 0.4, 0.3]), "inertia, world 1: is 0.3 in physics, expected 0.2"),
    ],
)
def test_other_properties_in_physics_raise(attribute: str, value: Any, message: str) -> None:
    class Host(BodyHost):
        def play(self) -> None:
            super().play()
            setattr(self.bodies["/World/envs/env_1/brick"], attribute, value)

    engine = IsaacSimEngine(2, Host(KITS[-1]))
    scene = Scene(engine, SimConfig())
    scene.add_box("brick", size=(0.2, 0.4, 0.6), mass=12.0)
    with pytest.raises(OigeError, match=f"'brick': {message}; report it with the output of oige-isaacsim-check"):
        engine.build(scene)
    engine.close()


def test_materials_are_written_to_every_shape(worlds: Worlds) -> None:
    close(worlds.toy.get_material_properties(), [0.3, 0.3, 0.0])
    worlds.toy.set_material_properties(torch.tensor([[0.9, 0.7, 0.1]]), indices=[11])
    close(worlds.body("toy", 11).materials, [0.9, 0.7, 0.1])
    close(worlds.body("toy", 1).materials, 0.5)
    close(worlds.toy.get_material_properties(indices=[11, 1]), [[0.9, 0.7, 0.1], [0.3, 0.3, 0.0]])
    with pytest.raises(OigeError, match="dynamic friction above static friction"):
        worlds.toy.set_material_properties(torch.tensor([0.3, 0.5, 0.0]))


def test_densities_move_mass_and_inertia(worlds: Worlds) -> None:
    worlds.brick.set_densities(torch.tensor([1000.0]), indices=[10])  # 0.048 m³
    body = worlds.body("brick", 10)
    assert body.mass == pytest.approx(48.0)
    close(body.inertia.diagonal(), [4 * 0.52, 4 * 0.4, 4 * 0.2])
    close(worlds.brick.get_densities()[[0, 10]], [250.0, 1000.0], tol=1e-3)


@pytest.mark.parametrize("module", [articulations, bodies, simulation])
def test_stand_in_has_the_names_of_a_release(module: Any) -> None:
    """The stand-in over ovphysx offers nothing that views of Kit do not have, with the same parameters."""
    known = API["tensors"]["110.0"]["classes"]
    for name in module.__all__:
        if name not in known:
            continue
        for member, value in inspect.getmembers(getattr(module, name)):
            if member.startswith("_") or member == "backend":
                continue
            assert member in known[name], f"{name}.{member}"
            if callable(value):
                parameters = [text.rstrip("=") for text in known[name][member]]
                assert list(inspect.signature(value).parameters)[1:] == parameters, f"{name}.{member}"
