"""Stages of scenes in PhysX: what slides, rolls, stands and falls does so as on paper and in MuJoCo."""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import mujoco
import numpy as np
import pytest
import torch
from oige_core.config import ActorConfig, DefaultPhysicsMaterialConfig
from oige_core.engines.mujoco.compile import compile_scene
from oige_core.scene import ArticulationAsset, Material, Scene
from scene_helpers import new_scene

pytest.importorskip("ovphysx", reason="needs the group isaacsim")

from oige_core.engines.isaacsim.usd.prims import new_stage
from oige_core.engines.isaacsim.usd.scene import write_scene
from oige_core.engines.isaacsim.usd.stage_map import path_in_world
from oige_core.testing.physx import OvphysxHost
from pxr import Sdf

G, DT = 9.81, 1 / 240
SLOPE = math.atan(0.4)

# A table of four legs that stands on balls, and a pendulum on it.
TABLE = """<mujoco><worldbody><body name="top"><freejoint/>
  <geom type="box" size=".3 .2 .02" mass="3"/>
  <geom size=".05" pos=".25 .15 -.3" mass=".2"/><geom size=".05" pos="-.25 .15 -.3" mass=".2"/>
  <geom size=".05" pos=".25 -.15 -.3" mass=".2"/><geom size=".05" pos="-.25 -.15 -.3" mass=".2"/>
  <body name="rod" pos="0 0 .1"><joint name="hinge" axis="0 1 0" damping="2"/>
    <geom type="capsule" fromto="0 0 0 .2 0 0" size=".02" mass=".3"/></body>
</body></worldbody></mujoco>"""


class Physx:
    """A scene in PhysX, with worlds at given positions.

    Args:
        scene: the scene.
        positions: ``(n, 3)`` of the worlds in metres.
        filtered: whether worlds are kept apart.
    """

    def __init__(self, scene: Scene, positions: Any = ((0.0, 0.0, 0.0),), *, filtered: bool = True) -> None:
        self.host = host = OvphysxHost()
        self.map = stage_map = write_scene(scene, host.new_stage())
        self.worlds = [path_in_world(stage_map.world, world) for world in range(len(positions))]
        host.clone(stage_map.world, self.worlds, np.array(positions, dtype=float))
        if filtered:
            host.filter_collisions(
                stage_map.physics_scene, stage_map.collision_root, self.worlds, stage_map.shared_paths
            )
        host.play()
        self.scene = scene
        self.time = 0.0
        self.views: dict[str, Any] = {
            name: host.simulation_view().create_rigid_body_view(prims.path.replace("env_0", "*"))
            for name, prims in stage_map.rigids.items()
        }
        for name, prims in stage_map.articulations.items():
            pattern = prims.root_path.replace("env_0", "*")
            self.views[name] = host.simulation_view().create_articulation_view(pattern)
        self.place(positions)

    def place(self, positions: Any) -> None:
        """Restore the initial poses: to start physics takes two steps."""
        for name, view in self.views.items():
            element: Any = self.scene.elements[name]
            w, x, y, z = element.orientation
            rows = [[*np.add(element.position, offset), x, y, z, w] for offset in positions]
            rest = torch.zeros(len(rows), 6)
            poses, indices = torch.tensor(rows, dtype=torch.float32), torch.arange(len(rows), dtype=torch.int32)
            if name in self.map.rigids:
                view.set_transforms(poses, indices)
                view.set_velocities(rest, indices)
            else:
                view.set_root_transforms(poses, indices)
                view.set_root_velocities(rest, indices)
                view.set_dof_positions(torch.zeros(len(rows), view.max_dofs), indices)
                view.set_dof_velocities(torch.zeros(len(rows), view.max_dofs), indices)

    def push(self, name: str, velocity: tuple[float, ...]) -> None:
        """Set the velocity of a body in all worlds."""
        count = len(self.worlds)
        values = torch.tensor([[*velocity, 0.0, 0.0, 0.0]] * count, dtype=torch.float32)
        self.views[name].set_velocities(values, torch.arange(count, dtype=torch.int32))

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / DT)):
            self.host.simulate(DT, self.time)
            self.time += DT

    def pose(self, name: str) -> np.ndarray:
        """Positions and quaternions x, y, z, w of a body or root ``(worlds, 7)``."""
        view = self.views[name]
        return (view.get_transforms() if name in self.map.rigids else view.get_root_transforms()).numpy().copy()

    def velocity(self, name: str) -> np.ndarray:
        return self.views[name].get_velocities().numpy().copy()


@pytest.fixture
def physx() -> Iterator[Callable[..., Physx]]:
    made = []

    def make(*arguments: Any, **options: Any) -> Physx:
        made.append(Physx(*arguments, **options))
        return made[-1]

    yield make
    for each in made:
        assert each.host.errors() == []
        each.host.close()


def level_ground(scene: Scene, kind: str, material: Material | None = None) -> None:
    if kind == "plane":
        scene.add_ground_plane(material=material)
    else:
        scene.add_height_field(
            "terrain", np.zeros((41, 41)), horizontal_scale=0.25, origin=(-5.0, -5.0, 0.0), material=material
        )


@pytest.mark.parametrize("kind", ["plane", "terrain"])
def test_a_box_slides_a_ball_rolls_and_shapes_stand(physx: Callable[..., Physx], kind: str) -> None:
    _, scene = new_scene(dt=DT)
    level_ground(scene, kind)
    scene.add_box("slider", size=(0.2, 0.2, 0.1), position=(0.0, 0.0, 0.05))
    scene.add_sphere("ball", radius=0.1, position=(0.0, 1.0, 0.1))
    scene.add_cylinder("can", radius=0.1, length=0.2, position=(0.0, -1.0, 0.1))
    scene.add_capsule("pill", radius=0.05, length=0.2, position=(0.0, 2.0, 0.05), orientation=(0.5, 0.5, 0.5, 0.5))
    world = physx(scene)
    speed = 1.0
    for name in ("slider", "ball"):
        world.push(name, (speed, 0.0, 0.0))
    world.run(0.5)
    stops_after = speed**2 / (2 * G) - 0.5 * speed * DT  # with friction 1; velocities change before positions
    assert world.pose("slider")[0, 0] == pytest.approx(stops_after, rel=0.002)
    assert world.velocity("ball")[0, 0] == pytest.approx(5 / 7 * speed, rel=0.01)  # rolls without slipping
    assert world.velocity("ball")[0, 4] == pytest.approx(5 / 7 * speed / 0.1, rel=0.01)
    for name, height in (("slider", 0.05), ("ball", 0.1), ("can", 0.1), ("pill", 0.05)):
        assert world.pose(name)[0, 2] == pytest.approx(height, abs=5e-4), name
    for name in ("can", "pill"):
        assert np.abs(world.velocity(name)[0]).max() < 0.01, name


@pytest.mark.parametrize(
    ("ground", "own", "default", "acting"),
    [
        (None, None, 0.2, 0.2),
        (0.1, None, 0.5, 0.1),
        (None, 0.1, 0.5, 0.1),
        (0.1, 0.25, 1.0, 0.25),
        (0.3, 0.1, 0.2, 0.3),
    ],
)
def test_boxes_slide_down_a_slope_with_the_friction_that_a_scene_means(
    physx: Callable[..., Physx], ground: float | None, own: float | None, default: float, acting: float
) -> None:
    material = DefaultPhysicsMaterialConfig(static_friction=default, dynamic_friction=default)
    _, scene = new_scene(dt=DT, default_physics_material=material)
    rise = np.tan(SLOPE) * 0.25 * np.arange(41)
    scene.add_height_field(
        "terrain", np.repeat(rise[:, None], 9, axis=1), horizontal_scale=0.25, origin=(0.0, -1.0, 0.0),
        material=Material(friction=ground),
    )  # fmt: skip
    distance, half = 6.0, 0.05
    start = (distance * np.cos(SLOPE) - half * np.sin(SLOPE), 0.0, distance * np.sin(SLOPE) + half * np.cos(SLOPE))
    tilt = (np.cos(SLOPE / 2), 0.0, -np.sin(SLOPE / 2), 0.0)
    scene.add_box("slider", size=(0.3, 0.3, 0.1), position=start, orientation=tilt, material=Material(friction=own))
    world = physx(scene)
    world.run(0.5)
    travelled = np.linalg.norm(world.pose("slider")[0, :3] - start)
    acceleration = max(G * (np.sin(SLOPE) - acting * np.cos(SLOPE)), 0.0)
    assert travelled == pytest.approx(0.5 * acceleration * 0.5 * (0.5 + DT), rel=0.01)


def bumps() -> np.ndarray:
    x, y = np.meshgrid(np.linspace(0, 6, 41), np.linspace(0, 6, 41), indexing="ij")
    return 0.05 * np.sin(2 * x) * np.cos(3 * y) + 0.1 * x


@pytest.mark.parametrize("kind", ["plane", "terrain"])
def test_a_robot_comes_to_rest_where_it_does_in_mujoco(physx: Callable[..., Physx], kind: str) -> None:
    _, scene = new_scene(dt=DT)
    if kind == "plane":
        scene.add_ground_plane()
    else:
        scene.add_height_field("terrain", bumps(), horizontal_scale=0.15, origin=(-3.0, -3.0, -0.3))
    scene.add_articulation("table", ArticulationAsset(mjcf=TABLE), position=(0.2, 0.1, 0.6))
    world = physx(scene)
    world.run(2.0)
    compiled = compile_scene(scene)
    data = mujoco.MjData(compiled.model)
    data.qpos[:] = compiled.qpos
    for _ in range(480):
        mujoco.mj_step(compiled.model, data)
    position, rotation = world.pose("table")[0, :3], world.pose("table")[0, 3:]
    body = data.body("table/top")
    np.testing.assert_allclose(position, body.xpos, atol=6e-3)
    np.testing.assert_allclose(rotation[[3, 0, 1, 2]] * np.sign(rotation[3]), body.xquat, atol=0.01)
    assert float(world.views["table"].get_dof_positions()[0, 0]) == pytest.approx(float(data.qpos[7]), abs=0.02)


@pytest.mark.parametrize("kind", ["plane", "terrain"])
def test_worlds_in_one_place_do_not_touch_but_stand_on_shared_ground(physx: Callable[..., Physx], kind: str) -> None:
    _, scene = new_scene(dt=DT)
    level_ground(scene, kind)
    scene.add_box("block", size=(0.2, 0.2, 0.2), position=(0.0, 0.0, 0.1))
    scene.add_articulation("table", ArticulationAsset(mjcf=TABLE), position=(1.0, 0.0, 0.4))
    world = physx(scene, [(0.0, 0.0, 0.0)] * 12)
    world.run(0.5)
    for name, height in (("block", 0.1), ("table", 0.35)):
        positions = world.pose(name)[:, :3]
        np.testing.assert_allclose(positions[:, 2], height, atol=2e-3)
        np.testing.assert_allclose(positions, np.broadcast_to(positions[0], positions.shape), atol=1e-6)


OLDER = {"physxScene:gpuMaxSoftBodyContacts", "physxJoint:armature"}  # names of Kit 110 and before, which ovphysx lacks


def test_attributes_of_physx_have_the_names_and_types_of_its_schemas() -> None:
    schemas = pytest.importorskip("physx_usd_schemas", reason="needs the group isaacsim")
    known: dict[str, Any] = {}
    for folder in schemas.schema_paths():
        layer = Sdf.Layer.FindOrOpen(str(folder / "generatedSchema.usda"))
        for schema in layer.rootPrims:
            known |= {attribute.name: attribute.typeName for attribute in schema.attributes}
    actor = ActorConfig(override_usd_defaults=True, solver_position_iteration_count=9, enable_self_collisions=1)
    _, scene = new_scene(actors={"ball": actor, "table": actor})
    scene.add_ground_plane()
    scene.add_sphere("ball", radius=0.1, track_contact_forces=True, disable_gravity=True)
    scene.add_articulation("table", ArticulationAsset(mjcf=TABLE))
    stage = new_stage()
    write_scene(scene, stage)
    written = {}
    for prim in stage.Traverse():
        for attribute in prim.GetAuthoredAttributes():
            name = re.sub(":(angular|linear):", ":__INSTANCE_NAME__:", attribute.GetName())
            if name.startswith("physx") and name not in OLDER:
                written[name] = attribute.GetTypeName()
    assert len(written) > 30
    assert written == {name: known.get(name) for name in written}
