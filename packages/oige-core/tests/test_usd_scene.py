"""Scenes as USD stages: what single elements and settings become."""

import math
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
from oige_core.config import ActorConfig, DefaultPhysicsMaterialConfig, PhysxConfig
from oige_core.engines.mujoco.compile import compile_scene
from oige_core.errors import CapabilityError, OigeError
from oige_core.scene import ArticulationAsset, Material, Scene
from oige_core.scene.primitives import SHAPES, inertia
from scene_helpers import LINKS, new_scene, raises

pytest.importorskip("pxr", reason="needs oige-core[usd]")

from oige_core.engines.isaacsim.usd.friction import FrictionMapping, Surface, map_friction
from oige_core.engines.isaacsim.usd.prims import new_stage
from oige_core.engines.isaacsim.usd.scene import write_scene
from oige_core.engines.isaacsim.usd.stage_map import StageMap, path_in_world
from oige_core.engines.isaacsim.usd.worlds import reference_worlds
from pxr import Usd, UsdGeom, UsdLux, UsdPhysics, UsdShade
from usd_rules import breaches, validation_errors

TILTED = (0.8, 0.0, 0.6, 0.0)


def write(scene: Scene, **options: Any) -> tuple[Usd.Stage, StageMap]:
    stage = new_stage()
    return stage, write_scene(scene, stage, **options)


def value(stage: Usd.Stage, path: str, attribute: str) -> Any:
    """Value of an attribute that the stage states; None if it does not."""
    found = stage.GetPrimAtPath(path).GetAttribute(attribute)
    return found.Get() if found and found.HasAuthoredValue() else None


def matrix(stage: Usd.Stage, path: str) -> np.ndarray:
    """Homogeneous matrix from a prim's frame to the stage's, for column vectors."""
    return np.array(UsdGeom.Xformable(stage.GetPrimAtPath(path)).ComputeLocalToWorldTransform(0)).T


def everything() -> Scene:
    """A scene with each kind of element, and names that USD does not allow."""
    _, scene = new_scene()
    scene.add_ground_plane("the ground", height=0.25, material=Material(color=(0.1, 0.2, 0.3, 1.0)))
    scene.add_sphere("ball-1", radius=0.1, position=(1.0, 2.0, 3.0), density=300.0)
    scene.add_sphere("ball 1", radius=0.2, kinematic=True, collision=False)
    colors = tuple((0.1 * face, 0.0, 1.0, 1.0) for face in range(6))
    scene.add_box("block", size=(0.1, 0.2, 0.3), position=(0.0, 1.0, 1.0), orientation=(8.0, 0.0, 6.0, 0.0), mass=2.0,
                  face_colors=colors)  # fmt: skip
    scene.add_capsule("pill", radius=0.05, length=0.4, orientation=TILTED, kinematic=True)
    scene.add_cylinder("can", radius=0.2, length=0.1, alternatives={"sphere": (0.3,)}, disable_gravity=True)
    scene.add_articulation("robot", ArticulationAsset(mjcf=LINKS), position=(0.0, 0.0, 2.0), orientation=TILTED)
    scene.add_height_field("terrain", np.arange(12.0).reshape(3, 4) ** 2 / 100, horizontal_scale=0.5)
    scene.add_camera("eye", width=160, height=90, horizontal_fov=1.2, parent="robot/b2", far=20.0, hidden=("block",))
    return scene


def test_stage_of_everything_keeps_the_rules() -> None:
    stage, stage_map = write(everything())
    reference_worlds(stage, stage_map, np.array([[0.0, 0.0, 0.0], [4.0, 0.0, 0.0]]))
    assert list(breaches(stage)) == []
    assert validation_errors(stage) == []


def test_asset_validator_accepts_the_stage(tmp_path: Path) -> None:
    validator = pytest.importorskip("omni.asset_validator", reason="needs omniverse-asset-validator")
    stage, _ = write(everything())
    stage.GetRootLayer().Export(str(tmp_path / "scene.usda"))
    issues = validator.ValidationEngine().validate(str(tmp_path / "scene.usda")).issues()
    assert [f"{issue.rule}: {issue.message} {issue.at}" for issue in issues] == []


def test_names_that_usd_does_not_allow_are_replaced_by_unique_ones() -> None:
    _, stage_map = write(everything())
    assert stage_map.shared_paths == ["/World/the_ground", "/World/terrain"]
    assert [prims.path.rpartition("/")[2] for prims in stage_map.rigids.values()] == [
        "ball_1", "ball_1_", "block", "pill", "can"
    ]  # fmt: skip


def test_names_of_shared_prims_remain_free() -> None:
    _, scene = new_scene()
    scene.add_ground_plane("envs")
    scene.add_sphere("materials", radius=0.1)
    _, stage_map = write(scene)
    assert (stage_map.shared_paths, stage_map.rigids["materials"].path) == (
        ["/World/envs_"], "/World/envs/env_0/materials"
    )  # fmt: skip


def test_rigid_bodies_have_the_masses_and_poses_of_the_embedded_engine() -> None:
    scene = everything()
    stage, stage_map = write(scene)
    model = compile_scene(scene).model
    for name, prims in stage_map.rigids.items():
        body, mass = model.body(name), UsdPhysics.MassAPI(stage.GetPrimAtPath(prims.path))
        assert mass.GetMassAttr().Get() == pytest.approx(body.mass[0], rel=1e-6)
        turn = np.empty(9)
        mujoco.mju_quat2Mat(turn, body.iquat)
        expected = turn.reshape(3, 3) @ np.diag(body.inertia) @ turn.reshape(3, 3).T
        np.testing.assert_allclose(np.diag(mass.GetDiagonalInertiaAttr().Get()), expected, rtol=1e-5, atol=1e-9)
        mujoco.mju_quat2Mat(turn, body.quat)
        np.testing.assert_allclose(matrix(stage, prims.path)[:3, 3], body.pos, atol=1e-12)
        np.testing.assert_allclose(matrix(stage, prims.path)[:3, :3], turn.reshape(3, 3), atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_inertia_of_shapes_is_that_of_many_points(shape: str) -> None:
    size = {"sphere": (0.3,), "box": (0.2, 0.5, 0.8), "capsule": (0.2, 0.5), "cylinder": (0.2, 0.5)}[shape]
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (400_000, 3))
    across = np.linalg.norm(points[:, :2], axis=1)
    axial = np.maximum(np.abs(points[:, 2]) - 0.25, 0.0)
    inside = {
        "sphere": np.linalg.norm(points, axis=1) < 0.3,
        "box": (np.abs(points) < [0.1, 0.25, 0.4]).all(axis=1),
        "capsule": np.hypot(across, axial) < 0.2,
        "cylinder": (across < 0.2) & (axial == 0.0),
    }[shape]
    squares = 5.0 * (points[inside] ** 2).mean(axis=0)
    expected = squares.sum() - squares
    np.testing.assert_allclose(inertia(shape, size, 5.0), expected, rtol=0.02)  # type: ignore[arg-type]


def test_bodies_say_whether_they_move_collide_and_fall() -> None:
    stage, stage_map = write(everything())
    paths = {name: prims.path for name, prims in stage_map.rigids.items()}
    kinematic = {name: value(stage, path, "physics:kinematicEnabled") for name, path in paths.items()}
    assert kinematic == {"ball-1": False, "ball 1": True, "block": False, "pill": True, "can": False}
    floating = [name for name, path in paths.items() if value(stage, path, "physxRigidBody:disableGravity")]
    assert floating == ["can"]
    marker = stage_map.rigids["ball 1"].shape_paths["sphere"]
    assert not stage.GetPrimAtPath(marker).HasAPI(UsdPhysics.CollisionAPI)
    assert list(stage_map.rigids["can"].shape_paths) == ["cylinder", "sphere"]
    other = stage.GetPrimAtPath(stage_map.rigids["can"].shape_paths["sphere"])
    assert UsdGeom.Imageable(other).ComputeVisibility() == "invisible"


def test_faces_of_a_box_are_where_the_embedded_engine_draws_them() -> None:
    scene = everything()
    stage, stage_map = write(scene)
    model = compile_scene(scene).model
    first = model.body("block").geomadr[0]
    for face in range(6):
        geom, path = model.geom(int(first + 1 + face)), f"{stage_map.rigids['block'].path}/face_{face}"
        local = np.linalg.inv(matrix(stage, stage_map.rigids["block"].path)) @ matrix(stage, path)
        np.testing.assert_allclose(local[:3, 3], geom.pos, atol=1e-7)
        size = UsdGeom.Cube(stage.GetPrimAtPath(path)).GetSizeAttr().Get()
        np.testing.assert_allclose(0.5 * size * np.diag(local)[:3], geom.size, rtol=1e-6)
        np.testing.assert_allclose(value(stage, path, "primvars:displayColor")[0], geom.rgba[:3], atol=1e-6)
        assert not stage.GetPrimAtPath(path).HasAPI(UsdPhysics.CollisionAPI)


def test_terrain_has_the_triangles_of_the_embedded_engine() -> None:
    _, scene = new_scene()
    heights = np.random.default_rng(0).uniform(0.0, 0.4, (5, 6))
    scene.add_height_field("terrain", heights, horizontal_scale=0.5, origin=(1.0, -2.0, 0.3))
    stage, _ = write(scene)
    mesh = UsdGeom.Mesh(stage.GetPrimAtPath("/World/terrain"))
    frame = matrix(stage, "/World/terrain")
    points = np.array(mesh.GetPointsAttr().Get()) @ frame[:3, :3].T + frame[:3, 3]
    triangles = points[np.array(mesh.GetFaceVertexIndicesAttr().Get()).reshape(-1, 3)]
    model = compile_scene(scene).model
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    assert (normals[:, 2] > 0).all()  # counter-clockwise from above
    hit, down = np.zeros(1, np.int32), np.array([0.0, 0.0, -1.0])
    for middle in triangles.mean(axis=1):
        assert mujoco.mj_ray(model, data, middle - down, down, None, 1, -1, hit) == pytest.approx(1.0, abs=1e-5)


def test_camera_sees_the_edges_of_its_field_of_view() -> None:
    stage, stage_map = write(everything())
    prims = stage_map.cameras["eye"]
    assert prims.path == "/World/envs/env_0/robot/b2/eye"
    assert prims.hidden_paths == ["/World/envs/env_0/block"]
    camera = UsdGeom.Camera(stage.GetPrimAtPath(prims.path))
    assert camera.GetClippingRangeAttr().Get()[1] == 20.0
    link = matrix(stage, "/World/envs/env_0/robot/b2")
    tangent = math.tan(0.6)
    frustum = camera.GetCamera(Usd.TimeCode.Default()).frustum
    projection = np.array(frustum.ComputeViewMatrix() * frustum.ComputeProjectionMatrix()).T
    for y, z in ((tangent, 0.0), (0.0, tangent * 90 / 160)):  # it looks along x, with y to the left and z up
        corner = projection @ link @ np.array([1.0, y, z, 1.0])
        assert corner[:2] / corner[3] == pytest.approx([-1.0 if y else 0.0, 1.0 if z else 0.0], abs=1e-5)


def test_camera_without_a_parent_stands_in_the_world() -> None:
    _, scene = new_scene()
    scene.add_camera("eye", width=8, height=8, horizontal_fov=1.0, position=(1.0, 2.0, 3.0))
    stage, stage_map = write(scene)
    assert stage_map.cameras["eye"].path == "/World/envs/env_0/eye"
    np.testing.assert_allclose(matrix(stage, "/World/envs/env_0/eye")[:3, 3], (1.0, 2.0, 3.0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parent": "robot/c"}, r"camera 'eye': no body or link 'robot/c'\. Did you mean .*"),
        ({"hidden": ("block_",)}, r"camera 'eye': hidden names no element or link 'block_'\. Did you mean .*"),
    ],
)
def test_camera_with_an_unknown_name_is_refused(options: dict[str, Any], message: str) -> None:
    _, scene = new_scene()
    scene.add_sphere("block", radius=0.1)
    scene.add_articulation("robot", ArticulationAsset(mjcf=LINKS))
    scene.add_camera("eye", width=8, height=8, horizontal_fov=1.0, **options)
    with raises(OigeError, message):
        write(scene)


def test_sunlight_travels_as_in_the_embedded_engine() -> None:
    scene = everything()
    stage, stage_map = write(scene)
    assert stage_map.sun is not None
    assert UsdLux.DistantLight(stage.GetPrimAtPath(stage_map.sun))
    direction = matrix(stage, stage_map.sun)[:3, :3] @ [0.0, 0.0, -1.0]
    light = compile_scene(scene).model.light_dir[0]
    np.testing.assert_allclose(direction, light / np.linalg.norm(light), atol=1e-6)
    _, dark = new_scene(add_distant_light=False)
    assert write(dark)[1].sun is None


def test_settings_of_the_physics_scene() -> None:
    physx = PhysxConfig(
        solver_type=0, bounce_threshold_velocity=0.3, gpu_max_rigid_contact_count=77, enable_sleeping=False
    )
    _, scene = new_scene(dt=0.0083, substeps=2, gravity=[3.0, 0.0, -4.0], physx=physx)
    stage, stage_map = write(scene, gpu=True)
    physics = UsdPhysics.Scene(stage.GetPrimAtPath(stage_map.physics_scene))
    assert physics.GetGravityMagnitudeAttr().Get() == 5.0
    np.testing.assert_allclose(physics.GetGravityDirectionAttr().Get(), (0.6, 0.0, -0.8), atol=1e-7)
    settings = {
        name: value(stage, stage_map.physics_scene, f"physxScene:{name}")
        for name in ("solverType", "bounceThreshold", "gpuMaxRigidContactCount", "disableSleeping",
                     "timeStepsPerSecond", "enableGPUDynamics", "broadphaseType", "frictionOffsetThreshold")
    }  # fmt: skip
    assert settings == {
        "solverType": "PGS",
        "bounceThreshold": pytest.approx(0.3),
        "gpuMaxRigidContactCount": 77,
        "disableSleeping": True,
        "timeStepsPerSecond": 241,  # the engine steps with exactly 0.0083 s / 2
        "enableGPUDynamics": True,
        "broadphaseType": "GPU",
        "frictionOffsetThreshold": pytest.approx(0.04),
    }


def test_without_gravity_the_physics_scene_states_zero() -> None:
    _, scene = new_scene(gravity=[0.0, 0.0, 0.0])
    stage, stage_map = write(scene)
    assert value(stage, stage_map.physics_scene, "physics:gravityMagnitude") == 0.0  # −inf would mean 9.81


@pytest.mark.parametrize("override", [False, True])
def test_settings_of_elements_come_from_their_section_then_from_the_scene(override: bool) -> None:
    actor = ActorConfig(
        override_usd_defaults=override, solver_position_iteration_count=9, contact_offset=0.004, sleep_threshold=0.5,
        enable_self_collisions=1, enable_gyroscopic_forces=0,
    )  # fmt: skip
    physx = PhysxConfig(solver_velocity_iteration_count=3, rest_offset=0.002, max_depenetration_velocity=7.0)
    _, scene = new_scene(actors={"robot": actor, "ball": actor}, physx=physx)
    scene.add_articulation("robot", ArticulationAsset(mjcf=LINKS))
    scene.add_sphere("ball", radius=0.1)
    scene.add_sphere("other", radius=0.1)
    stage, stage_map = write(scene)
    root = stage_map.articulations["robot"].root_path
    link = stage_map.articulations["robot"].link_paths["b2"]
    assert value(stage, root, "physxArticulation:solverPositionIterationCount") == 9
    assert value(stage, root, "physxArticulation:enabledSelfCollisions") is True
    assert value(stage, root, "physxArticulation:sleepThreshold") == 0.5
    assert value(stage, root, "physxArticulation:solverVelocityIterationCount") == (3 if override else None)
    collider = next(iter(stage_map.articulations["robot"].shape_paths.values()))
    for path in (link, stage_map.rigids["ball"].path):
        assert value(stage, path, "physxRigidBody:solverPositionIterationCount") == 9
        assert value(stage, path, "physxRigidBody:enableGyroscopicForces") is False
        assert value(stage, path, "physxRigidBody:maxDepenetrationVelocity") == (7.0 if override else None)
    for path in (collider, stage_map.rigids["ball"].shape_paths["sphere"]):
        assert value(stage, path, "physxCollision:contactOffset") == pytest.approx(0.004)
        assert value(stage, path, "physxCollision:restOffset") == (pytest.approx(0.002) if override else None)
    other = stage_map.rigids["other"].path
    assert value(stage, other, "physxRigidBody:solverPositionIterationCount") is None
    assert value(stage, other, "physxRigidBody:enableGyroscopicForces") is True


def test_without_sleeping_no_threshold_applies() -> None:
    _, scene = new_scene(actors={"ball": ActorConfig(sleep_threshold=0.5)}, physx=PhysxConfig(enable_sleeping=False))
    scene.add_sphere("ball", radius=0.1)
    stage, stage_map = write(scene)
    assert value(stage, stage_map.rigids["ball"].path, "physxRigidBody:sleepThreshold") == 0.0


def test_contacts_are_reported_of_tracked_bodies_only() -> None:
    _, scene = new_scene()
    scene.add_articulation("robot", ArticulationAsset(mjcf=LINKS))
    scene.add_link_view("tips", "robot", ".2", track_contact_forces=True)
    scene.add_link_view("root", "robot", ["root"])
    scene.add_sphere("ball", radius=0.1, track_contact_forces=True)
    scene.add_sphere("other", radius=0.1)
    stage, _ = write(scene)
    paths = [str(prim.GetPath()) for prim in stage.Traverse()]
    thresholds = {path: value(stage, path, "physxContactReport:threshold") for path in paths}
    world = "/World/envs/env_0"
    tracked = {path: each for path, each in thresholds.items() if each is not None}
    assert tracked == {f"{world}/robot/a2": 0.0, f"{world}/robot/b2": 0.0, f"{world}/ball": 0.0}


def surface(element: str, coefficient: float | None, *, movable: bool = True, itself: bool = False) -> Surface:
    return Surface(element=element, coefficient=coefficient, movable=movable, touches_itself=itself)


def meant(first: float | None, second: float | None, default: float) -> float:
    """Coefficient of a pair, as ``Material.friction`` and the default material state it."""
    stated = [c for c in (first, second) if c is not None]
    return max(stated) if stated else default


@pytest.mark.parametrize(
    ("surfaces", "default", "combine"),
    [
        ([surface("ground", None, movable=False), surface("a", 1.5), surface("b", None)], 1.0, "max"),
        ([surface("ground", 0.2, movable=False), surface("robot", None)], 1.0, "max"),
        ([surface("ground", None, movable=False), surface("a", 0.2), surface("b", None)], 1.0, "multiply"),
        ([surface("ground", None, movable=False), surface("robot", None), surface("robot", 0.3)], 0.8, "multiply"),
        ([surface("a", 0.0), surface("ground", None, movable=False)], 0.0, "max"),
    ],
)
def test_every_pair_has_the_friction_that_a_scene_means(surfaces: list[Surface], default: float, combine: str) -> None:
    mapping = map_friction(surfaces, (default, default))
    assert mapping.combine == combine
    pairs = [(a, b) for i, a in enumerate(surfaces) for b in surfaces[i + 1 :] if a.element != b.element]
    for first, second in pairs:
        if first.movable or second.movable:
            expected = meant(first.coefficient, second.coefficient, default)
            assert mapping.combined(first.coefficient, second.coefficient) == pytest.approx((expected, expected))


def test_friction_that_physx_cannot_combine_is_refused() -> None:
    surfaces = [surface("ground", None, movable=False), surface("a", 0.2), surface("b", 0.5), surface("c", None)]
    message = (
        r"friction 0\.2 of 'a' is below task\.sim\.default_physics_material, 0\.7, which acts between other shapes "
        r"of the scene: PhysX would use 0\.7 between 'a' and 'ground', too\. Set default_physics_material to at most "
        r"0\.2, or state the friction of those shapes\."
    )
    with raises(CapabilityError, message):
        map_friction(surfaces, (0.7, 0.7))
    assert map_friction(surfaces, (0.2, 0.2)) == FrictionMapping(combine="max", default=(0.2, 0.2))


def test_colliders_have_the_materials_of_the_mapping() -> None:
    material = DefaultPhysicsMaterialConfig(static_friction=0.64, dynamic_friction=0.64, restitution=0.3)
    _, scene = new_scene(default_physics_material=material)
    scene.add_ground_plane()
    scene.add_sphere("slippery", radius=0.1, material=Material(friction=0.2))
    scene.add_sphere("plain", radius=0.1)
    scene.add_articulation("robot", ArticulationAsset(mjcf=LINKS))
    stage, stage_map = write(scene)

    def bound(path: str) -> tuple[float, float, str]:
        found, _ = UsdShade.MaterialBindingAPI(stage.GetPrimAtPath(path)).ComputeBoundMaterial("physics")
        api = UsdPhysics.MaterialAPI(found)
        combine = found.GetPrim().GetAttribute("physxMaterial:frictionCombineMode").Get()
        return api.GetDynamicFrictionAttr().Get(), api.GetRestitutionAttr().Get(), combine

    bounce = pytest.approx(0.3)
    assert bound(stage_map.rigids["slippery"].shape_paths["sphere"]) == (pytest.approx(0.25), bounce, "multiply")
    for path in (
        stage_map.rigids["plain"].shape_paths["sphere"],
        f"{stage_map.shared_paths[0]}/collider",
        *stage_map.articulations["robot"].shape_paths.values(),
    ):
        assert bound(path) == (pytest.approx(0.8), bounce, "multiply")  # 0.8 · 0.8 and 0.25 · 0.8


def test_density_of_a_section_sets_the_masses_of_links() -> None:
    _, scene = new_scene(actors={"robot": ActorConfig(density=2.0)})
    scene.add_articulation("robot", ArticulationAsset(mjcf=LINKS))
    stage, stage_map = write(scene)
    mass = value(stage, stage_map.articulations["robot"].link_paths["b2"], "physics:mass")
    assert mass == pytest.approx(2.0 * 4 / 3 * math.pi * 0.1**3, rel=1e-6)


def test_path_in_world() -> None:
    assert path_in_world("/World/envs/env_0/ant/torso", 12) == "/World/envs/env_12/ant/torso"
    assert path_in_world("/World/envs/env_0", 1) == "/World/envs/env_1"
    assert path_in_world("/World/ground_plane", 3) == "/World/ground_plane"
    assert path_in_world("/World/envs/env_01/ant", 3) == "/World/envs/env_01/ant"
