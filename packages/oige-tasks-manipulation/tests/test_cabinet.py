"""The cabinet: its masses and joints, the forces that open it, and the cubes in its drawer."""

from collections.abc import Iterator
from typing import Any

import mujoco
import numpy as np
import pytest
import torch
from oige_core import VecEnv, make_vec

PARTICLE_BOARD, ALUMINIUM = 680.0, 2700.0  # kg/m³
PROP_MASS = 100.0 * 0.08**3  # kg
DT = 0.0083  # s
LEFT, RIGHT, LOWER, UPPER = range(4)  # joints


@pytest.fixture(scope="module")
def worlds() -> Iterator[VecEnv]:
    env = make_vec("FrankaCabinet", 4, sim_device="cpu", num_threads=1)
    yield env
    env.close()


@pytest.fixture
def env(worlds: VecEnv) -> VecEnv:
    worlds.reset(seed=3)
    return worlds


def push(env: VecEnv, efforts: list[list[float]], steps: int) -> torch.Tensor:
    """Return joint positions ``(N, 4)`` after efforts ``(N, 4)`` have acted on the cabinet's joints."""
    task: Any = env.task
    task.cabinets.set_joint_efforts(torch.tensor(efforts))
    for _ in range(steps):
        task.engine.step()
    return task.cabinets.get_joint_positions()


def drawer_mass() -> float:
    front, floor = 0.019 * 0.759 * 0.124, 0.54 * 0.69 * 0.012
    sides, back = 2 * 0.54 * 0.012 * 0.082, 0.012 * 0.69 * 0.07
    bar = np.pi * 0.006**2 * 0.32 + 4 / 3 * np.pi * 0.006**3 + 2 * np.pi * 0.004**2 * 0.0267
    return PARTICLE_BOARD * (front + floor + sides + back) + ALUMINIUM * bar


def door_inertia() -> float:
    """Return the moment of inertia about the hinge, with the handle as rods at one place."""
    width, thickness = 0.377, 0.019
    panel = PARTICLE_BOARD * width * thickness * 0.502
    about_hinge = panel * ((width**2 + thickness**2) / 12 + 0.189**2 + 0.0095**2)
    bar = ALUMINIUM * (np.pi * 0.006**2 * 0.16 + 4 / 3 * np.pi * 0.006**3)
    posts = ALUMINIUM * 2 * np.pi * 0.004**2 * 0.0277
    return about_hinge + bar * (0.345**2 + 0.0467**2) + posts * (0.345**2 + 0.033**2)


def test_joints_are_those_of_the_original(env: VecEnv) -> None:
    cabinets = env.task.cabinets  # pyright: ignore[reportAttributeAccessIssue]
    assert cabinets.dof_names == ["door_left_joint", "door_right_joint", "drawer_bottom_joint", "drawer_top_joint"]
    limits = torch.tensor([[-1.57, 0.0], [0.0, 1.57], [0.0, 0.4], [0.0, 0.4]])
    torch.testing.assert_close(cabinets.get_dof_limits()[0], limits)
    torch.testing.assert_close(cabinets.get_friction_coefficients()[0], torch.tensor([0.025, 0.025, 0.01, 0.01]))
    model = env.task.engine.compiled.model  # pyright: ignore[reportAttributeAccessIssue]
    damping = [model.joint(f"cabinet/{name}").damping[0] for name in cabinets.dof_names]
    assert damping == [0.05, 0.05, 0.01, 0.01]


def test_masses_are_those_of_the_materials(env: VecEnv) -> None:
    cabinets = env.task.cabinets  # pyright: ignore[reportAttributeAccessIssue]
    masses = dict(zip(cabinets.body_names, cabinets.get_body_masses()[0].tolist(), strict=True))
    for name in ("top", "bottom"):
        assert masses[f"drawer_{name}"] + masses[f"drawer_handle_{name}"] == pytest.approx(drawer_mass(), rel=1e-3)
    inertias = cabinets.get_mass_matrices()[0].diagonal()[: RIGHT + 1].tolist()
    assert inertias == pytest.approx([door_inertia()] * 2, rel=5e-3)


def test_handle_is_where_the_task_grasps_it(env: VecEnv) -> None:
    """The bar is horizontal, 12 mm thick, and leaves 20 mm for fingers behind it."""
    task: Any = env.task
    model = task.engine.compiled.model
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    bar, front = (data.geom(f"cabinet/drawer_top_{part}") for part in ("handle", "front"))
    grasp = task.drawers.get_world_poses()[0][0] + task.handle
    along = bar.xmat.reshape(3, 3)[:, 2]
    assert np.abs(along) == pytest.approx([0.0, 1.0, 0.0], abs=1e-6)
    offset = grasp.double().numpy() - bar.xpos
    assert offset == pytest.approx([0.0, 0.01, 0.0], abs=1e-6)
    radius, half_length, _ = model.geom("cabinet/drawer_top_handle").size
    assert (radius, half_length) == pytest.approx((0.006, 0.16))
    face = front.xpos[0] + model.geom("cabinet/drawer_top_front").size[0]
    assert bar.xpos[0] - radius - face == pytest.approx(0.02, abs=1e-3)


def test_drawers_move_from_the_force_of_their_friction_on(env: VecEnv) -> None:
    """Beyond it, the drawer and the cubes in it have the acceleration of the rest of the force."""
    seconds = 240 * DT
    efforts = [[0.0, 0.0, 0.0, force] for force in (0.0, 0.008, 0.02, 0.05)]
    positions = push(env, efforts, 240)[:, UPPER]
    assert positions[:2].abs().max() < 1e-5
    mass = drawer_mass() + 4 * PROP_MASS
    expected = [0.5 * (force - 0.01) / mass * seconds**2 for force in (0.02, 0.05)]
    assert positions[2:].tolist() == pytest.approx(expected, rel=0.02)


def test_doors_move_from_the_torque_of_their_friction_on(env: VecEnv) -> None:
    seconds = 120 * DT
    torques = (0.02, 0.1)
    efforts = [[0.0, torques[0], 0.0, 0.0], [0.0, torques[1], 0.0, 0.0], [-torques[0], 0, 0, 0], [-torques[1], 0, 0, 0]]
    positions = push(env, efforts, 120)
    assert positions[0, RIGHT].abs() < 5e-5
    assert positions[2, LEFT].abs() < 5e-5
    decay = door_inertia() / 0.05  # s, of damped motion
    angle = (torques[1] - 0.025) / 0.05 * (seconds - decay * (1.0 - np.exp(-seconds / decay)))
    assert positions[1, RIGHT].item() == pytest.approx(angle, rel=0.01)
    assert positions[3, LEFT].item() == pytest.approx(-angle, rel=0.01)


def test_drawer_opens_by_at_most_40_cm(env: VecEnv) -> None:
    positions = push(env, [[0.0, 0.0, force, 0.0] for force in (1.0, 5.0, 10.0, 20.0)], 480)[:, LOWER]
    assert positions.min() > 0.399
    assert positions.max() < 0.401


def test_cubes_rest_in_the_drawer_and_move_with_it(env: VecEnv) -> None:
    task: Any = env.task
    model = task.engine.compiled.model
    first = int(model.jnt_qposadr[model.body("prop_0").jntadr[0]])
    qpos = task.engine.executor.field("qpos")
    before = qpos[:, first:].view(4, 4, 7).clone()
    push(env, [[0.0] * 4] * 4, 240)
    after = qpos[:, first:].view(4, 4, 7)
    assert (after - before).abs().max() < 2e-4
    for force, steps in ((5.0, 60), (-5.0, 60), (0.0, 60)):  # 0.9 m/s², then stop
        opening = push(env, [[0.0, 0.0, 0.0, force]] * 4, steps)[:, UPPER]
    moved = qpos[:, first:].view(4, 4, 7) - before
    assert opening.min() > 0.15
    torch.testing.assert_close(moved[..., 0], opening.double().view(4, 1).expand(4, 4), atol=1e-3, rtol=0.0)
    assert moved[..., 1:].abs().max() < 1e-3
