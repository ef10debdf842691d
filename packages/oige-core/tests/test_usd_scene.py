"""Scenes as USD stages."""

import numpy as np
import pytest
from oige_core.config import SimConfig
from oige_core.engines.mujoco.compile import compile_scene
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.scene import Scene

pytest.importorskip("pxr", reason="needs oige-core[usd]")

from oige_core.engines.isaacsim.usd.prims import new_stage
from oige_core.engines.isaacsim.usd.scene import write_scene
from oige_core.engines.isaacsim.usd.stage_map import path_in_world
from pxr import UsdGeom, UsdPhysics

TILTED = (0.8, 0.0, 0.6, 0.0)


def empty_scene(**sim) -> Scene:
    engine = MujocoEngine(num_envs=1)
    return Scene(engine, SimConfig(**sim))


def shapes_scene() -> Scene:
    scene = empty_scene()
    scene.add_ground_plane(height=0.25)
    scene.add_sphere("ball", radius=0.1, position=(1.0, 2.0, 3.0), density=300.0)
    scene.add_box("block", size=(0.1, 0.2, 0.3), position=(0.0, 1.0, 1.0), orientation=TILTED, mass=2.0)
    scene.add_capsule("pill", radius=0.05, length=0.4, orientation=TILTED, kinematic=True)
    scene.add_cylinder("can", radius=0.2, length=0.1, collision=False, alternatives={"sphere": (0.3,)})
    return scene


def test_rigid_bodies_have_the_masses_and_poses_of_the_embedded_engine() -> None:
    scene, stage = shapes_scene(), new_stage()
    stage_map = write_scene(scene, stage)
    model = compile_scene(scene).model
    assert list(stage_map.rigids) == ["ball", "block", "pill", "can"]
    for name, prims in stage_map.rigids.items():
        body, prim = model.body(name), stage.GetPrimAtPath(prims.path)
        mass = UsdPhysics.MassAPI(prim)
        assert mass.GetMassAttr().Get() == pytest.approx(body.mass[0], rel=1e-6)
        assert mass.GetDiagonalInertiaAttr().Get() == pytest.approx(sorted_like(body), rel=1e-6)
        pose = UsdGeom.XformCache().GetLocalToWorldTransform(prim)
        assert np.array(pose.ExtractTranslation()) == pytest.approx(body.pos, abs=1e-12)
        w, xyz = pose.ExtractRotationQuat().GetReal(), pose.ExtractRotationQuat().GetImaginary()
        assert [w, *xyz] == pytest.approx(body.quat, abs=1e-7)


def sorted_like(body) -> np.ndarray:
    """Moments of inertia about the body's axes; MuJoCo sorts them, and turns the axes."""
    import mujoco

    rotation = np.empty(9)
    mujoco.mju_quat2Mat(rotation, body.iquat)
    matrix = rotation.reshape(3, 3) @ np.diag(body.inertia) @ rotation.reshape(3, 3).T
    assert matrix == pytest.approx(np.diag(np.diag(matrix)), abs=1e-12)
    return np.diag(matrix)


def test_path_in_world() -> None:
    assert path_in_world("/World/envs/env_0/ant/torso", 12) == "/World/envs/env_12/ant/torso"
    assert path_in_world("/World/envs/env_0", 1) == "/World/envs/env_1"
    assert path_in_world("/World/ground_plane", 3) == "/World/ground_plane"
    assert path_in_world("/World/envs/env_01/ant", 3) == "/World/envs/env_01/ant"
