"""Meshes outside the worlds become height fields, on which the worlds stand at their own places."""

# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from oige_compat.building.heights import heights_of_mesh
from oige_compat.building.robots import find_robots
from oige_compat.building.settings import sim_config
from oige_compat.building.terrain import add_terrain
from oige_compat.building.world import FirstWorld
from oige_compat.errors import CompatError
from oige_compat.gym_interface import BaseTask, RLTaskInterface, VecEnvBase
from oige_compat.imports import install
from oige_compat.session import restart, session

install()


def mesh_of(heights: np.ndarray, spacing: float, *, walls: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return points and triangles of a height field; ``walls`` moves lower points of steps below the upper."""
    rows, columns = heights.shape
    i, j = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    points = np.stack((i * spacing, j * spacing, heights), axis=-1).astype(np.float32)
    if walls:
        points[:-1, :, 0] += spacing * (np.diff(heights, axis=0) > 0.2)
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1)
    upper = np.stack((corner, corner + columns + 1, corner + 1), axis=-1)
    lower = np.stack((corner, corner + columns, corner + columns + 1), axis=-1)
    return points.reshape(-1, 3), np.concatenate((upper, lower))


HEIGHTS = np.round(np.random.default_rng(0).uniform(0.0, 0.1, (7, 5)), 3)


@pytest.mark.parametrize("transposed", [False, True])
def test_mesh_of_a_grid_gives_its_heights(transposed: bool) -> None:
    points, triangles = mesh_of(HEIGHTS, 0.25)
    if transposed:
        points = points[:, [1, 0, 2]]
    found = heights_of_mesh("terrain", points + np.array([-3.0, 2.0, 1.0]), triangles)
    np.testing.assert_allclose(found.values, (HEIGHTS.T if transposed else HEIGHTS) + 1.0, atol=1e-6)
    assert found.spacing == pytest.approx(0.25)
    assert found.origin == pytest.approx((-3.0, 2.0, 0.0))
    assert not found.differences


def test_points_below_walls_give_the_heights_and_a_note() -> None:
    heights = np.zeros((8, 6))
    heights[4:] = 0.5
    points, triangles = mesh_of(heights, 0.1, walls=True)
    found = heights_of_mesh("terrain", points, triangles)
    np.testing.assert_allclose(found.values, heights, atol=1e-6)
    assert found.differences == ["6 points make walls vertical; here walls are 0.1 m thick."]


def test_mesh_that_is_no_grid_is_sampled_at_its_highest_points() -> None:
    slope = np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 1.0], [2.0, 2.0, 1.0], [0.0, 2.0, 0.0]])  # z = x / 2
    triangles = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6]])
    table = np.array([[0.0, 0.0, 3.0], [1.0, 0.0, 3.0], [0.0, 1.0, 3.0]])  # half of the square below 1 m, at 3 m
    found = heights_of_mesh("terrain", np.concatenate((slope, table)), triangles)
    rows, columns = found.values.shape
    x, y = np.meshgrid(np.arange(rows) * found.spacing, np.arange(columns) * found.spacing, indexing="ij")
    np.testing.assert_allclose(found.values, np.where(x + y <= 1.0 + 1e-9, 3.0, x / 2), atol=1e-9)
    assert found.differences[0] == f"the mesh is no regular grid; heights are sampled every {found.spacing:.3g} m."
    assert "several heights, of which the highest is used" in found.differences[1]


def test_mesh_without_extent_raises() -> None:
    message = "terrain: a terrain without extent along x and y; expected a mesh of triangles."
    with pytest.raises(CompatError, match=f"^{message}$"):
        heights_of_mesh("terrain", np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 1.0]]), np.array([[0, 1, 2]]))


class _BallTask(RLTaskInterface):
    """A ball per world, 1.5 m above a mesh that is 1 m high for x > 2 m and 0 elsewhere, from −6 to 12 m."""

    def __init__(self) -> None:
        self._num_envs, self._num_actions, self._num_observations, self._num_states = 2, 1, 1, 0
        BaseTask.__init__(self, name="Ball", offset=None)
        self.action_space = self.observation_space = None

    def set_up_scene(self, scene) -> None:
        from omni.isaac.cloner import GridCloner
        from omni.isaac.core.objects import DynamicSphere
        from omni.isaac.core.prims import RigidPrimView, XFormPrim
        from omni.isaac.core.utils.stage import get_current_stage
        from pxr import UsdPhysics

        DynamicSphere(prim_path="/World/envs/env_0/ball", radius=0.1, translation=np.array([0.0, 0.0, 1.5]))
        cloner = GridCloner(spacing=8.0)
        paths = cloner.generate_paths("/World/envs/env", 2)
        self.places = torch.tensor(np.array(cloner.clone("/World/envs/env_0", paths)), dtype=torch.float)
        heights = np.zeros((37, 37))
        heights[16:] = 1.0
        points, triangles = mesh_of(heights, 0.5)
        mesh = get_current_stage().DefinePrim("/World/stairs", "Mesh")
        mesh.GetAttribute("points").Set(points)
        mesh.GetAttribute("faceVertexIndices").Set(triangles.flatten())
        mesh.GetAttribute("faceVertexCounts").Set(np.asarray([3] * len(triangles)))
        ground = XFormPrim(prim_path="/World/stairs", position=torch.tensor([-6.0, -6.0, 0.0]))
        UsdPhysics.CollisionAPI.Apply(ground.prim)
        self.balls = RigidPrimView(prim_paths_expr="/World/envs/.*/ball", name="balls")
        scene.add(self.balls)

    def pre_physics_step(self, actions) -> None:
        """Do nothing."""

    def post_physics_step(self):
        raise NotImplementedError


def test_worlds_stand_on_terrain_at_their_own_places() -> None:
    env = VecEnvBase(headless=True)
    task = _BallTask()
    env.set_task(task, backend="torch", sim_params={"dt": 0.005})
    places = task.places
    assert places[:, 0].tolist() == [4.0, -4.0]
    positions, _ = task.balls.get_world_poses()
    torch.testing.assert_close(positions, places + torch.tensor([0.0, 0.0, 1.5]))
    torch.testing.assert_close(task.balls.get_local_poses()[0], torch.tensor([[0.0, 0.0, 1.5]] * 2))
    for _ in range(300):
        env.world.step(render=False)
    torch.testing.assert_close(task.balls.get_world_poses()[0][:, 2], torch.tensor([1.1, 0.1]), atol=2e-3, rtol=0.0)
    env.world.reset()
    torch.testing.assert_close(task.balls.get_world_poses()[0], positions)


def test_terrain_has_the_friction_of_its_bound_material() -> None:
    from pxr import Sdf, UsdPhysics, UsdShade

    class Ground:
        def add_height_field(self, name: str, heights: np.ndarray, **options) -> None:
            self.name, self.heights, self.options = name, heights, options

    restart()
    stage = session().stage
    session().env_paths = ["/World/envs/env_0"]
    stage.DefinePrim("/World/envs/env_0", "Xform")
    points, triangles = mesh_of(HEIGHTS, 0.25)
    mesh = stage.DefinePrim("/World/ground", "Mesh")
    mesh.GetAttribute("points").Set(points)
    mesh.GetAttribute("faceVertexIndices").Set(triangles.flatten())
    mesh.GetAttribute("faceVertexCounts").Set(np.asarray([3] * len(triangles)))
    UsdPhysics.CollisionAPI.Apply(mesh)
    material = UsdShade.Material.Define(stage, "/World/ice")
    friction = UsdPhysics.MaterialAPI.Apply(material.GetPrim())
    friction.CreateStaticFrictionAttr(0.25)
    friction.CreateDynamicFrictionAttr(0.25)
    material.GetPrim().CreateAttribute("physxMaterial:frictionCombineMode", Sdf.ValueTypeNames.Token).Set("max")
    UsdShade.MaterialBindingAPI.Apply(mesh).Bind(material, materialPurpose="physics")
    ground = Ground()
    add_terrain(FirstWorld(session(), {}, ()), ground)  # pyright: ignore[reportArgumentType]
    assert ground.options["material"].friction == pytest.approx(0.25)
    np.testing.assert_allclose(ground.heights, HEIGHTS, atol=1e-6)


@pytest.mark.parametrize(
    ("task", "cone", "impratio"), [("AnymalTerrain", "pyramidal", 1.0), ("Stairs", "elliptic", 10.0)]
)
def test_solver_settings_are_those_of_the_task_or_of_the_robot(task: str, cone: str, impratio: float) -> None:
    """A task that OIGE has, too, gets its own settings; another one gets those of the robot's first task, Anymal."""
    from omni.isaac.core.utils.nucleus import get_assets_root_path
    from omni.isaac.core.utils.stage import add_reference_to_stage

    restart()
    zero = "/World/envs/env_0"
    add_reference_to_stage(get_assets_root_path() + "/Isaac/Robots/ANYbotics/anymal_instanceable.usd", f"{zero}/anymal")
    session().env_paths = [zero]
    world = FirstWorld(session(), {"dt": 0.005, "gravity": [0.0, 0.0, -9.81]}, (SimpleNamespace(name=task),))
    find_robots(world)
    found = sim_config(world).mujoco
    assert (found.cone, found.impratio) == (cone, impratio)
