"""USD files of the robots of the task packages, converted, against MuJoCo's models of their MJCF files."""

import re
from pathlib import Path

import mujoco
import numpy as np
import pytest
from oige_compat.assets import load_usd
from oige_core.engines.mujoco.robot_files import report
from oige_core.scene import ArticulationAsset

PACKAGES = Path(__file__).parents[2]
FILES = sorted(PACKAGES.glob("oige-tasks-*/src/*/*/assets/*.usd[ac]"))
HELPERS = "humanoid"  # several joints of one body are a chain of links in its USD file
SMALL_MASS = 2e-5  # kg; PhysX needs some mass in frames without one
MESHES = "franka"  # files with large meshes, of which reading takes seconds


def models(file: Path) -> tuple[mujoco.MjModel, mujoco.MjModel, ArticulationAsset]:
    asset, _ = load_usd(file)
    spec = mujoco.MjSpec.from_file(str(file.with_suffix(".xml")))
    spec.compiler.fusestatic = False
    return mujoco.MjModel.from_xml_string(str(asset.mjcf)), spec.compile(), asset


def joints(model: mujoco.MjModel) -> list[str]:
    return [model.joint(index).name for index in range(model.njnt) if model.jnt_type[index] > 1]


def body_inertias(model: mujoco.MjModel, name: str) -> np.ndarray:
    """Mass, centre, and inertia in the frame of the body: ten numbers that have one value per body."""
    body = model.body(name)
    rotation = np.empty(9)
    mujoco.mju_quat2Mat(rotation, body.iquat)
    axes = rotation.reshape(3, 3)
    return np.concatenate([body.mass, body.ipos, (axes @ np.diag(body.inertia) @ axes.T).ravel()])


def dynamics(model: mujoco.MjModel, names: list[str], positions: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Inertia matrix and gravity torques of named joints, with the root, if it is free, at the origin."""
    data = mujoco.MjData(model)
    if model.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE:
        data.qpos[:7] = [0, 0, 0, 1, 0, 0, 0]
    for name, position in positions.items():
        data.joint(name).qpos[0] = position
    mujoco.mj_forward(model, data)
    full = np.empty((model.nv, model.nv))
    mujoco.mj_fullM(model, data, full)
    columns = [int(model.joint(name).dofadr[0]) for name in names]
    return full[np.ix_(columns, columns)], data.qfrc_bias[columns]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_converted_robot_moves_as_its_mjcf(file: Path) -> None:
    if MESHES in file.stem and file.stem != "franka_panda":
        pytest.skip("takes time, and has the meshes of franka_panda, which is compared")
    converted, original, asset = models(file)
    names = joints(original)
    assert sorted(joints(converted)) == sorted(names)
    for name in names:
        ours, theirs = converted.joint(name), original.joint(name)
        assert ours.type == theirs.type
        assert converted.jnt_limited[ours.id] == original.jnt_limited[theirs.id]
        if original.jnt_limited[theirs.id]:
            offset = original.qpos0[original.joint(name).qposadr[0]]
            np.testing.assert_allclose(ours.range, theirs.range, atol=2e-6 + abs(offset) * 1e-6)
        np.testing.assert_allclose(converted.dof_armature[ours.dofadr], original.dof_armature[theirs.dofadr], rtol=1e-6)
        np.testing.assert_allclose(
            converted.dof_frictionloss[ours.dofadr], original.dof_frictionloss[theirs.dofadr], rtol=1e-6
        )
        drive = asset.drives[re.escape(name)]
        assert drive.stiffness == pytest.approx(float(original.jnt_stiffness[theirs.id, ...].ravel()[0]), rel=1e-5)
        assert drive.damping == pytest.approx(float(original.dof_damping[theirs.dofadr].ravel()[0]), rel=1e-5)
    for body in range(1, original.nbody):
        name = original.body(body).name
        if file.stem != HELPERS:
            np.testing.assert_allclose(
                body_inertias(converted, name), body_inertias(original, name), rtol=1e-4, atol=SMALL_MASS
            )
    random = np.random.default_rng(3)
    for _ in range(3):
        positions = {name: float(random.uniform(-1.0, 1.0)) for name in names}
        for ours, theirs in zip(
            dynamics(converted, names, positions), dynamics(original, names, positions), strict=True
        ):
            np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-4 * np.abs(theirs).max() + 1e-9)


def test_closed_loops_of_the_balance_bot_are_constraints() -> None:
    file = next(file for file in FILES if file.stem == "balance_bot")
    converted, original, _ = models(file)
    assert converted.neq == original.neq == 3
    assert set(converted.eq_type) == set(original.eq_type)
    data = mujoco.MjData(converted)
    mujoco.mj_forward(converted, data)
    assert np.abs(data.efc_pos[data.efc_type == mujoco.mjtConstraint.mjCNSTR_EQUALITY]).max() < 1e-6


def test_tendons_of_the_shadow_hand_have_their_lengths() -> None:
    file = next(file for file in FILES if file.stem == "shadow_hand")
    converted, original, _ = models(file)
    random = np.random.default_rng(4)
    positions = {name: float(random.uniform(0.0, 1.0)) for name in joints(original)}
    lengths = []
    for model in (converted, original):
        data = mujoco.MjData(model)
        for name, position in positions.items():
            data.joint(name).qpos[0] = position
        mujoco.mj_forward(model, data)
        lengths.append([float(data.tendon(model.tendon(index).name).length[0]) for index in range(4)])
    np.testing.assert_allclose(lengths[0], lengths[1], rtol=1e-5)
    np.testing.assert_allclose(converted.tendon_range, original.tendon_range, rtol=1e-5)


def test_converted_file_is_read_without_changes() -> None:
    file = next(file for file in FILES if file.stem == "ant")
    asset, _ = load_usd(file)
    assert report(asset) == ()
