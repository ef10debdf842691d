"""The stage of every task has what the embedded engine simulates: bodies, shapes, friction, in every world."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
import pytest

pytest.importorskip("pxr")

from oige_core.config import RunConfig
from oige_core.engines.isaacsim.usd.prims import new_stage
from oige_core.engines.isaacsim.usd.scene import write_scene
from oige_core.engines.isaacsim.usd.stage_map import StageMap, path_in_world
from oige_core.engines.isaacsim.usd.worlds import filter_worlds, reference_worlds
from oige_core.engines.mujoco.compile import CompiledScene, compile_scene
from oige_core.engines.mujoco.layout import prefixed
from oige_core.envs.task_scene import task_scene
from oige_core.errors import CapabilityError
from oige_core.registry import installed_tasks, load_config
from oige_core.scene import Scene
from pxr import Usd, UsdGeom, UsdPhysics, UsdShade
from usd_rules import breaches, validation_errors

POSITIONS = np.array([[0.0, 0.0, 0.0], [3.0, -5.0, 0.0]])
SMALLER = {"AnymalTerrain": {"task.env.terrain.numLevels": 2, "task.env.terrain.numTerrains": 2}}

EMBEDDED_ENGINE_ONLY = {"FrankaDeformable": "deformable 'tube': the engine Isaac Sim does not support"}
"""Messages about elements of tasks that Isaac Sim's engine does not have."""


@dataclass
class Case:
    """A task's scene on a stage with two worlds, and compiled for the embedded engine."""

    scene: Scene
    stage: Usd.Stage
    stage_map: StageMap
    compiled: CompiledScene
    data: mujoco.MjData

    def body_paths(self) -> dict[str, str]:
        """Paths in world 0 by name of the body in the model."""
        paths = {name: prims.path for name, prims in self.stage_map.rigids.items()}
        for name, prims in self.stage_map.articulations.items():
            paths |= {prefixed(name, link): prims.link_paths[link] for link in prims.description.body_names}
        return paths


@pytest.fixture(scope="module", params=sorted(installed_tasks().keys() - EMBEDDED_ENGINE_ONLY))
def case(request: pytest.FixtureRequest) -> Case:
    config: RunConfig = load_config(request.param, {"num_envs": 2, **SMALLER.get(request.param, {})})
    scene = task_scene(config, "Isaac Sim")
    compiled = compile_scene(scene)
    data = mujoco.MjData(compiled.model)
    data.qpos[:] = compiled.qpos
    mujoco.mj_kinematics(compiled.model, data)
    stage = new_stage()
    stage_map = write_scene(scene, stage)
    worlds = reference_worlds(stage, stage_map, POSITIONS)
    filter_worlds(stage, stage_map.physics_scene, stage_map.collision_root, worlds, stage_map.shared_paths)
    return Case(scene, stage, stage_map, compiled, data)


def world_matrix(prim: Usd.Prim) -> np.ndarray:
    """Homogeneous matrix from a prim's frame to the stage's, for column vectors."""
    return np.array(UsdGeom.Xformable(prim).ComputeLocalToWorldTransform(Usd.TimeCode.Default())).T


@pytest.mark.parametrize("name", EMBEDDED_ENGINE_ONLY)
def test_task_with_elements_that_isaac_sim_lacks_is_refused(name: str) -> None:
    with pytest.raises(CapabilityError, match=f"task {name}: {EMBEDDED_ENGINE_ONLY[name]}.*supported by: MuJoCo"):
        task_scene(load_config(name, {"num_envs": 2}), "Isaac Sim")


def test_stage_keeps_all_rules(case: Case) -> None:
    assert list(breaches(case.stage)) == []
    assert validation_errors(case.stage) == []


def test_bodies_stand_where_the_embedded_engine_has_them(case: Case) -> None:
    model, data = case.compiled.model, case.data
    paths = case.body_paths()
    assert len(paths) == model.nbody - 1
    for world, offset in enumerate(POSITIONS):
        for name, path in paths.items():
            body = model.body(name).id
            expected = np.eye(4)
            expected[:3, :3], expected[:3, 3] = data.xmat[body].reshape(3, 3), data.xpos[body] + offset
            actual = world_matrix(case.stage.GetPrimAtPath(path_in_world(path, world)))
            np.testing.assert_allclose(actual, expected, atol=2e-6, err_msg=f"{name} in world {world}")


def test_masses_and_inertias_are_those_of_the_embedded_engine(case: Case) -> None:
    model = case.compiled.model
    least = 2e-6 * model.body_mass.sum()  # USD reads zero as not stated, so links without mass have a negligible one
    for name, path in case.body_paths().items():
        body, mass = model.body(name), UsdPhysics.MassAPI(case.stage.GetPrimAtPath(path_in_world(path, 1)))
        assert mass.GetMassAttr().Get() == pytest.approx(body.mass[0], rel=1e-6, abs=least)
        np.testing.assert_allclose(mass.GetCenterOfMassAttr().Get(), body.ipos, atol=1e-7)
        axes = mass.GetPrincipalAxesAttr().Get()
        actual = inertia_matrix(mass.GetDiagonalInertiaAttr().Get(), [axes.GetReal(), *axes.GetImaginary()])
        expected = inertia_matrix(body.inertia, body.iquat)
        np.testing.assert_allclose(actual, expected, atol=2e-6 * body.inertia.max() + 1e-4 * least, err_msg=name)


def inertia_matrix(moments: Any, orientation: Any) -> np.ndarray:
    turn = np.empty(9)
    mujoco.mju_quat2Mat(turn, np.asarray(orientation, dtype=float))
    turn = turn.reshape(3, 3)
    return turn @ np.diag(np.asarray(moments, dtype=float)) @ turn.T


def test_colliders_have_the_shapes_and_places_of_the_embedded_engine(case: Case) -> None:
    for geom, prim in colliders(case):
        kind, size = mujoco.mjtGeom(int(geom.type[0])), geom.size
        title = f"{prim.GetPath()}"
        center, turn = case.data.geom_xpos[geom.id], case.data.geom_xmat[geom.id].reshape(3, 3)
        matrix = world_matrix(prim)
        scale = np.linalg.norm(matrix[:3, :3], axis=0)
        if kind in (mujoco.mjtGeom.mjGEOM_MESH, mujoco.mjtGeom.mjGEOM_ELLIPSOID, mujoco.mjtGeom.mjGEOM_HFIELD):
            points = np.array(UsdGeom.Mesh(prim).GetPointsAttr().Get(), dtype=float)
            local = (points @ matrix[:3, :3].T + matrix[:3, 3] - center) @ turn
            check_points(case.compiled.model, geom, local, title)
            continue
        np.testing.assert_allclose(matrix[:3, 3], center, atol=2e-6, err_msg=title)
        np.testing.assert_allclose(matrix[:3, :3] / scale, turn, atol=2e-6, err_msg=title)
        np.testing.assert_allclose(usd_size(prim, scale), size[: len(usd_size(prim, scale))], rtol=1e-6, err_msg=title)


def usd_size(prim: Usd.Prim, scale: np.ndarray) -> list[float]:
    """Size of a primitive as MuJoCo has it; none for a plane."""
    if prim.IsA(UsdGeom.Sphere):
        return [UsdGeom.Sphere(prim).GetRadiusAttr().Get()]
    if prim.IsA(UsdGeom.Cube):
        return [0.5 * UsdGeom.Cube(prim).GetSizeAttr().Get() * factor for factor in scale]
    if prim.IsA(UsdGeom.Plane):
        return []
    shape = UsdGeom.Capsule(prim) if prim.IsA(UsdGeom.Capsule) else UsdGeom.Cylinder(prim)
    assert shape.GetAxisAttr().Get() == "Z"
    return [shape.GetRadiusAttr().Get(), 0.5 * shape.GetHeightAttr().Get()]


def check_points(model: mujoco.MjModel, geom: Any, points: np.ndarray, title: str) -> None:
    """Compare the points ``(n, 3)`` of a mesh in the frame of a geom with what the geom is."""
    match mujoco.mjtGeom(int(geom.type[0])):
        case mujoco.mjtGeom.mjGEOM_ELLIPSOID:
            np.testing.assert_allclose(np.linalg.norm(points / geom.size, axis=1), 1.0, rtol=1e-4, err_msg=title)
            np.testing.assert_allclose(np.abs(points).max(0)[2], geom.size[2], rtol=1e-4, err_msg=title)
        case mujoco.mjtGeom.mjGEOM_MESH:
            first, count = model.mesh_vertadr[geom.dataid[0]], model.mesh_vertnum[geom.dataid[0]]
            vertices = model.mesh_vert[first : first + count]
            assert len(points) == count
            np.testing.assert_allclose(np.sort(points, axis=0), np.sort(vertices, axis=0), atol=1e-5, err_msg=title)
        case _:
            rows, columns = model.hfield_nrow[geom.dataid[0]], model.hfield_ncol[geom.dataid[0]]
            half_x, half_y, height, _ = model.hfield_size[geom.dataid[0]]
            x, y = np.meshgrid(np.linspace(-half_x, half_x, columns), np.linspace(-half_y, half_y, rows))
            heights = height * model.hfield_data[: rows * columns].reshape(rows, columns)
            expected = np.stack([x, y, heights], axis=-1).swapaxes(0, 1).reshape(-1, 3)
            np.testing.assert_allclose(points, expected, atol=2e-5, err_msg=title)


def colliders(case: Case) -> list[tuple[Any, Usd.Prim]]:
    """Pairs of a colliding geom of the model and the prim of world 0 that stands for it, in the order of the model."""
    model = case.compiled.model
    paths = {0: case.stage_map.shared_paths} | {model.body(n).id: [p] for n, p in case.body_paths().items()}
    pairs = []
    for body, roots in paths.items():
        prims = [prim for path in roots for prim in Usd.PrimRange(case.stage.GetPrimAtPath(path)) if collides(prim)]
        first = model.body_geomadr[body]
        geoms = [model.geom(g) for g in range(first, first + model.body_geomnum[body])] if first >= 0 else []
        geoms = [geom for geom in geoms if geom.contype[0] or geom.conaffinity[0]]
        assert len(prims) == len(geoms), roots
        pairs += zip(geoms, prims, strict=True)
    return pairs


def collides(prim: Usd.Prim) -> bool:
    return bool(prim.HasAPI(UsdPhysics.CollisionAPI)) and UsdPhysics.CollisionAPI(prim).GetCollisionEnabledAttr().Get()


def test_pairs_that_collide_do_so_with_the_friction_of_the_embedded_engine(case: Case) -> None:
    model = case.compiled.model
    separated = pairs_kept_apart(case)
    seen = 0
    for (geom, prim), (other, other_prim) in itertools.combinations(colliders(case), 2):
        if not movable(model, geom.id) and not movable(model, other.id):
            continue
        bodies = owner(case, prim), owner(case, other_prim)
        ends = zip((prim, other_prim), bodies, strict=True)
        together = meet(model, geom.id, other.id)
        title = f"{prim.GetPath()} and {other_prim.GetPath()}"
        apart = {
            frozenset(pair) for pair in itertools.product(*({prim.GetPath().pathString, body} for prim, body in ends))
        }
        assert together == (bodies[0] != bodies[1] and separated.isdisjoint(apart)), title
        if together:
            seen += 1
            assert combined_friction(prim, other_prim) == pytest.approx(contact_friction(geom, other)), title
    assert seen or "Cartpole" in case.stage_map.articulations  # whose robot does not collide


def owner(case: Case, prim: Usd.Prim) -> str:
    """Path of the body of a collider; of the collider itself if it belongs to none."""
    body = prim
    while body and not body.HasAPI(UsdPhysics.RigidBodyAPI):
        body = body.GetParent()
    return str((body or prim).GetPath())


def movable(model: mujoco.MjModel, geom: int) -> bool:
    body = model.geom_bodyid[geom]
    return bool(model.body_weldid[body]) and model.body_mocapid[body] < 0


def pairs_kept_apart(case: Case) -> set[frozenset[str]]:
    """Paths of bodies and colliders of world 0 that PhysX does not let collide."""
    apart = set()
    for prims in case.stage_map.articulations.values():
        root = case.stage.GetPrimAtPath(prims.root_path)
        if not root.GetAttribute("physxArticulation:enabledSelfCollisions").Get():
            apart |= {frozenset(pair) for pair in itertools.combinations(prims.link_paths.values(), 2)}
        for prim in Usd.PrimRange(case.stage.GetPrimAtPath(prims.path)):
            if prim.IsA(UsdPhysics.Joint) and not UsdPhysics.Joint(prim).GetCollisionEnabledAttr().Get():
                joint = UsdPhysics.Joint(prim)
                ends = [*joint.GetBody0Rel().GetTargets(), *joint.GetBody1Rel().GetTargets()]
                apart.add(frozenset(map(str, ends)))
    for prims in (*case.stage_map.articulations.values(), *case.stage_map.rigids.values()):
        for prim in Usd.PrimRange(case.stage.GetPrimAtPath(prims.path)):
            if prim.HasAPI(UsdPhysics.FilteredPairsAPI):
                for target in UsdPhysics.FilteredPairsAPI(prim).GetFilteredPairsRel().GetTargets():
                    apart.add(frozenset((str(prim.GetPath()), str(target))))
    return apart


def meet(model: mujoco.MjModel, first: int, second: int) -> bool:
    """Whether MuJoCo lets two geoms collide, as its documentation says."""
    bodies = [int(model.geom_bodyid[g]) for g in (first, second)]
    welds = [int(model.body_weldid[body]) for body in bodies]
    parents = [int(model.body_weldid[model.body_parentid[weld]]) for weld in welds]
    if welds[0] == welds[1] or (welds[0] == parents[1] and welds[0]) or (welds[1] == parents[0] and welds[1]):
        return False
    low, high = sorted(bodies)
    if (low << 16) + high in model.exclude_signature:
        return False
    masks = [(int(model.geom_contype[g]), int(model.geom_conaffinity[g])) for g in (first, second)]
    return bool(masks[0][0] & masks[1][1] or masks[1][0] & masks[0][1])


def contact_friction(first: Any, second: Any) -> float:
    """Sliding friction that MuJoCo applies between two geoms."""
    if first.priority[0] != second.priority[0]:
        return float((first if first.priority[0] > second.priority[0] else second).friction[0])
    return float(max(first.friction[0], second.friction[0]))


def combined_friction(first: Usd.Prim, second: Usd.Prim) -> float:
    """Dynamic friction that PhysX applies between two colliders."""
    values, modes = zip(*map(surface, (first, second)), strict=True)
    mode = max(modes, key=["average", "min", "multiply", "max"].index)
    return {"max": max, "multiply": lambda v: v[0] * v[1]}[mode](values)


def surface(prim: Usd.Prim) -> tuple[float, str]:
    material, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial("physics")
    api = UsdPhysics.MaterialAPI(material)
    assert api.GetStaticFrictionAttr().Get() == api.GetDynamicFrictionAttr().Get()
    mode = material.GetPrim().GetAttribute("physxMaterial:frictionCombineMode").Get()
    return api.GetDynamicFrictionAttr().Get(), mode


def test_every_world_has_everything(case: Case) -> None:
    first, second = (list(below(case.stage, world)) for world in range(2))
    assert len(first) > 3
    for prim, other in zip(first, second, strict=True):
        assert str(other.GetPath()) == path_in_world(str(prim.GetPath()), 1)
        assert other.GetAppliedSchemas() == prim.GetAppliedSchemas()
        for attribute in prim.GetAuthoredAttributes():
            if attribute.GetName() != "xformOp:translate":
                assert other.GetAttribute(attribute.GetName()).Get() == attribute.Get(), attribute.GetPath()
        for relationship in prim.GetRelationships():
            targets = [path_in_world(str(target), 1) for target in relationship.GetTargets()]
            assert list(map(str, other.GetRelationship(relationship.GetName()).GetTargets())) == targets


def below(stage: Usd.Stage, world: int) -> Iterator[Usd.Prim]:
    return iter(Usd.PrimRange(stage.GetPrimAtPath(f"/World/envs/env_{world}")))
