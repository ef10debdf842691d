"""Soft bodies: their views, contacts and elasticity."""

from typing import Any

import mujoco
import numpy as np
from oige_core.config import MujocoConfig
from oige_core.errors import ConfigError
from oige_core.scene import DeformableAsset, Scene
from scene_helpers import new_scene, raises

TUBE = DeformableAsset.tube(
    outer_radius=0.02, inner_radius=0.015, length=0.3, youngs_modulus=1e6, cells=(3, 1, 1), segments=8, rows=6
)
POSITION, YAW_60 = (0.6, 0.1, 0.5), (3**0.5 / 2, 0.0, 0.0, 0.5)
DISCRETE = MujocoConfig(integrator="discrete")
DT = 1 / 120


def set_up_scene(scene: Scene) -> dict[str, Any]:
    scene.add_ground_plane()
    return {"tube": scene.add_deformable("tube", TUBE, position=POSITION, orientation=YAW_60)}


def test_nodes_are_where_mujoco_has_the_vertices(build: Any) -> None:
    world = build(set_up_scene, 2, dt=DT, mujoco=DISCRETE)
    positions = world.tube.get_simulation_mesh_nodal_positions()
    turn = np.array([[0.5, -(3**0.5) / 2, 0], [3**0.5 / 2, 0.5, 0], [0, 0, 1]])
    world.close(positions, TUBE.vertices @ turn.T + POSITION, tol=1e-6)
    world.run(10 * DT)
    model, data = world.engine.compiled.model, mujoco.MjData(world.engine.compiled.model)
    data.qpos[:] = world.engine.executor.field("qpos")[1]
    data.qvel[:] = world.engine.executor.field("qvel")[1]
    mujoco.mj_forward(model, data)
    world.close(world.tube.get_simulation_mesh_nodal_positions()[1], data.flexvert_xpos, tol=1e-6)


def test_another_integrator_raises() -> None:
    engine, scene = new_scene()
    set_up_scene(scene)
    with raises(
        ConfigError, "task.sim.mujoco.integrator=implicitfast: deformable 'tube' needs the integrator discrete.*"
    ):
        engine.build(scene)
