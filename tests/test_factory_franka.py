"""Factory's Franka against the Panda, from which it is made, and against closed forms."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import mujoco
import numpy as np
import pytest
import torch
from oige_tasks_manipulation.franka.factory import (
    FACTORY_FRANKA,
    FINGERTIP_LINK,
    SCREW_JOINT_POSITIONS,
    damping_efforts,
)
from oige_tasks_manipulation.franka.robot import FRANKA


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(FACTORY_FRANKA.mjcf))


@pytest.fixture(scope="module")
def panda() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(FRANKA.mjcf))


def test_model_is_up_to_date(tmp_path: Path, import_tool: Callable[[str], ModuleType]) -> None:
    """If it is not, run tools/factory_franka.py."""
    made = tmp_path / "factory_franka.xml"
    import_tool("factory_franka").write_model(Path(FRANKA.mjcf), made)
    assert made.read_text() == Path(FACTORY_FRANKA.mjcf).read_text()


def test_links_are_those_of_the_panda(model: mujoco.MjModel, panda: mujoco.MjModel) -> None:
    for body in range(panda.nbody):
        name = panda.body(body).name
        assert model.body(name).mass == panda.body_mass[body]
        assert model.body(name).inertia == pytest.approx(panda.body_inertia[body], rel=1e-12)
    assert model.body(FINGERTIP_LINK).mass == 0.0
    assert model.njnt == panda.njnt
    assert np.delete(model.jnt_range, 6, axis=0).tolist() == np.delete(panda.jnt_range, 6, axis=0).tolist()
    assert model.jnt_limited.tolist() == [True] * 6 + [False, True, True]
    assert not model.dof_armature.any()
    assert model.dof_damping.tolist() == [0.0] * 7 + [20.0] * 2


def test_pads_end_at_the_fingertip(model: mujoco.MjModel) -> None:
    data = mujoco.MjData(model)
    data.qpos[:7] = SCREW_JOINT_POSITIONS
    data.qpos[7:] = 0.012
    mujoco.mj_forward(model, data)
    tip = data.body(FINGERTIP_LINK)
    lowest = []
    for side in ("left", "right"):
        pad, finger = data.geom(f"{side}finger_pad"), data.body(f"panda_{side}finger")
        assert finger.xmat == pytest.approx(tip.xmat)
        along = tip.xmat.reshape(3, 3).T @ (pad.xpos - tip.xpos)
        half = model.geom(f"{side}finger_pad").size
        lowest.append(along[2] + half[2])
        assert abs(along[1]) - half[1] == pytest.approx(0.012)
        assert half[2] == pytest.approx(0.5 * 0.017608)
    assert lowest == pytest.approx([0.0, 0.0], abs=1e-9)
    assert tip.xpos == pytest.approx(0.5 * sum(data.body(f"panda_{side}finger").xpos for side in ("left", "right"))
                                     + 0.053671 * tip.xmat.reshape(3, 3)[:, 2])  # fmt: skip


def test_damping_efforts_slow_the_arm_without_turning_it_aside() -> None:
    """Below the speed limits, joint velocities decay by 5/s alike; above, to the limit within a control step."""
    dt = 1 / 60
    mass_matrix = torch.tensor([[[2.0, 0.5], [0.5, 1.0]]]).repeat(4, 1, 1)
    velocities = torch.tensor([[0.3, -0.6]]).repeat(4, 1)
    linear = torch.tensor([[0.0, 0.6, 0.0], [0.0, 0.0, -2.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    angular = torch.tensor([[0.0, 1.9, 0.0], [0.0, 0.0, 2.0], [0.0, -3.0, 4.0], [0.0, 0.0, 0.0]])
    efforts = damping_efforts(mass_matrix, velocities, linear, angular, dt)
    changes = torch.linalg.solve(mass_matrix, efforts) * dt / velocities
    expected = -5.0 * dt - torch.tensor([0.0, 0.5, 0.6, 0.0])
    torch.testing.assert_close(changes, expected.unsqueeze(-1).expand(4, 2))
