"""AnymalTerrain's robots and ground in the simulation: standing on every tile, and both executors."""

# pyright: reportPossiblyUnboundVariable=false
# Loops of these tests run at least once.

from collections.abc import Iterator
from typing import Any

import mujoco
import numpy as np
import pytest
import torch
from oige_core import VecEnv, make_vec
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.engines.mujoco.executors.warp import WarpExecutor
from oige_core.registry import find_task, load_config, load_spec, load_task_class
from oige_core.terrain import TerrainMap

SILENT = {"task.env.learn.addNoise": False, "task.env.learn.pushRobots": False}
FOOT_RADIUS = 0.03  # m


@pytest.fixture(scope="module")
def everywhere() -> Iterator[VecEnv]:
    """A robot for each of the 10 × 20 tiles."""
    env = make_vec("AnymalTerrain", 200, SILENT)
    yield env
    env.close()


def surface(terrain: TerrainMap, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Heights of the triangles between the samples; MuJoCo cuts cells from (i, j) to (i + 1, j + 1)."""
    u, v = ((p - o) / terrain.horizontal_scale for p, o in ((x, terrain.origin[0]), (y, terrain.origin[1])))
    i, j = u.astype(int), v.astype(int)
    u, v, h = u - i, v - j, terrain.heights
    low, high = h[i, j], h[i + 1, j + 1]
    along_x = low + u * (h[i + 1, j] - low) + v * (high - h[i + 1, j])
    along_y = low + v * (h[i, j + 1] - low) + u * (high - h[i, j + 1])
    return np.where(u >= v, along_x, along_y)


def gaps(env: VecEnv) -> np.ndarray:
    """Distance (robots, feet) from the surface of each foot to the nearest point of the ground; below 0: sunk in."""
    task: Any = env.task
    model, qpos = task.engine.compiled.model, task.engine.executor.field("qpos").numpy()
    data = mujoco.MjData(model)
    centres = np.empty((env.num_envs, 4, 3))
    for world in range(env.num_envs):
        data.qpos[:] = qpos[world]
        mujoco.mj_kinematics(model, data)
        centres[world] = [data.geom(f"anymal/{leg}_foot").xpos for leg in ("LF", "LH", "RF", "RH")]
    around = np.linspace(-0.05, 0.05, 41)
    dx, dy = around[:, None], around[None, :]
    x, y, z = (centres[..., axis, None, None] for axis in range(3))
    nearest = dx**2 + dy**2 + (surface(task.terrain_map, x + dx, y + dy) - z) ** 2
    return np.sqrt(nearest.min(axis=(-1, -2))) - FOOT_RADIUS


def stand(env: VecEnv, offset: float) -> np.ndarray:
    """Drop robots onto their tiles, ``offset`` m from the middle along x; return which have fallen after 1.2 s."""
    env.reset(seed=0)
    task: Any = env.task
    terrain = task.terrain_map
    positions = terrain.tile_origins.reshape(200, 3).copy()
    positions[:, 0] += offset
    x, y = (positions[:, axis, None, None] for axis in (0, 1))
    under = surface(terrain, x + np.linspace(-0.6, 0.6, 25)[:, None], y + np.linspace(-0.4, 0.4, 17)[None, :])
    positions[:, 2] = under.max(axis=(1, 2)) + 0.56
    task.anymals.set_world_poses(torch.tensor(positions).float())
    task.anymals.set_joint_positions(task.default_positions.repeat(200, 1))
    task.anymals.set_joint_velocities(torch.zeros(200, 12))
    task.pre_physics_step(torch.zeros(200, 12))
    fallen = torch.zeros(200, dtype=torch.bool)
    for _ in range(30):
        task.engine.step(8)
        task.get_observations()
        fallen |= task.is_done()
    return fallen.numpy()


def test_feet_of_standing_robots_touch_every_tile(everywhere: VecEnv) -> None:
    fallen = stand(everywhere, 0.0)
    kinds = np.tile(everywhere.task.terrain_map.kinds, 10)  # type: ignore[attr-defined]
    # Platforms are flat, but on rough slopes, from which some robots topple when they are dropped.
    assert set(kinds[fallen]) <= {"rough slope"}
    assert fallen.sum() <= 8
    gap = gaps(everywhere)[~fallen]
    assert gap.min() > -0.0035
    assert gap.max() < 0.0005


def test_feet_touch_slopes_stairs_and_obstacles(everywhere: VecEnv) -> None:
    """Two metres from the middle, robots without a policy topple on the steeper tiles, some later than others."""
    fallen = stand(everywhere, 2.0)
    assert fallen.sum() < 80
    spin = everywhere.task.anymals.get_angular_velocities().norm(dim=-1).numpy()  # type: ignore[attr-defined]
    gap, toppling = gaps(everywhere)[~fallen], (spin > 1.0)[~fallen]
    # The original's stairs rise by up to about 0.2 m per step, so some robots start with legs on different steps.
    kinds = np.tile(everywhere.task.terrain_map.kinds, 10)[~fallen]  # type: ignore[attr-defined]
    assert set(kinds[toppling]) <= {"stairs up", "stairs down"}
    assert toppling.sum() <= 20
    assert ((np.abs(gap) < 0.0035).sum(axis=1) >= 3)[~toppling].all()
    assert (gap > -0.0035).mean() > 0.97
    assert gap.min() > -0.012


def test_results_depend_only_on_the_seed() -> None:
    runs = []
    for threads in (1, 2):
        env = make_vec("AnymalTerrain", 16, {"task.env.terrain.numTerrains": 5}, num_threads=threads)
        trace = [env.reset(seed=3)[0]]
        generator = torch.Generator().manual_seed(0)
        for _ in range(40):
            trace.append(env.step(torch.randn(16, 12, generator=generator))[0])
        runs.append(torch.stack(trace))
        env.close()
    assert torch.equal(*runs)


def test_warp_executor_matches_the_c_engine() -> None:
    """Until the first contact the executors agree; from then on, they make different contacts with a height field."""
    spec = load_spec(find_task("AnymalTerrain"))
    values = SILENT | {"num_envs": 3, "task.env.terrain.numLevels": 2, "task.env.terrain.numTerrains": 3}
    envs = []
    for executor in (None, lambda compiled, scene: WarpExecutor(compiled.model, 3, "cpu")):
        config = load_config("AnymalTerrain", values)
        engine = MujocoEngine(3, "cpu", num_threads=1, executor=executor)
        envs.append(VecEnv(load_task_class(spec)(config, spec, engine)))
    starts = [env.reset(seed=1)[0] for env in envs]
    torch.testing.assert_close(*starts)
    for step in range(30):
        actions = torch.full((3, 12), 0.02 * step)
        observations, rewards, terminated, truncated, _ = zip(*(env.step(actions) for env in envs), strict=True)
        if step < 3:  # falling
            torch.testing.assert_close(*observations, atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(*rewards, atol=1e-6, rtol=1e-5)
    heights = [env.task.anymals.get_world_poses()[0][:, 2] for env in envs]  # type: ignore[attr-defined]
    torch.testing.assert_close(*heights, atol=0.05, rtol=0)
    assert not torch.stack((*terminated, *truncated)).any()
    for env in envs:
        assert env.task.engine.problems() == {}
        env.close()


@pytest.mark.parametrize("friction", [0.1, 1.0, 1.3])
def test_terrain_friction_acts_on_feet(friction: float) -> None:
    env = make_vec("AnymalTerrain", 1, {**SILENT, "task.env.terrain.dynamicFriction": friction})
    task: Any = env.task
    env.reset(seed=0)
    position = torch.tensor(task.terrain_map.tile_origins.reshape(-1, 3)[:1]).float()
    task.anymals.set_world_poses(position + torch.tensor([0.0, 0.0, 0.45]))  # legs reach into the ground
    model = task.engine.compiled.model
    data = mujoco.MjData(model)
    data.qpos[:] = task.engine.executor.field("qpos").numpy()[0]
    mujoco.mj_forward(model, data)
    ground = int(np.flatnonzero(model.geom_type == mujoco.mjtGeom.mjGEOM_HFIELD)[0])
    touching = (data.contact.geom == ground).any(axis=1)
    assert touching.sum() >= 4
    np.testing.assert_allclose(data.contact.friction[touching, 0], friction, rtol=1e-6)
    env.close()
